"""Long box: a riskless loan made through European options, worth it where the quotes pay more than the rate."""

from typing import Literal

from pydantic import Field

from options.priced import PricedChain
from options.strategies.enumeration import boxes, expiries, stacked, usd
from options.strategies.structure import (
    CALL,
    EVERY_REGIME,
    PUT,
    Days,
    GreekSigns,
    LegTemplate,
    Rows,
    Structure,
    WidthRange,
)


class LongBox(Structure):
    """Bull call spread and bear put spread over the same strikes: pays their distance at expiry, whatever happens."""

    family = "arbitrage"
    template = (
        LegTemplate(CALL, 1, level=0),
        LegTemplate(CALL, -1, level=1),
        LegTemplate(PUT, -1, level=0),
        LegTemplate(PUT, 1, level=1),
    )
    signs = GreekSigns(delta=0, gamma=0, vega=0, theta=0)
    shape = "no loss, no gain"
    premium = "debit"
    margin = "paid_in_full"
    directions = frozenset()
    vol_views = frozenset()
    regimes = EVERY_REGIME

    strategy: Literal["long_box"] = "long_box"
    dte: Days = (1, 400)
    width: WidthRange = (0.002, 0.5)
    max_abs_delta: float = Field(default=0.05, gt=0)

    def search(self, priced: PricedChain) -> Rows:
        width = usd(self.width, priced.spot)
        return stacked(
            [boxes(at.calls, at.puts, width=width) for at in expiries(priced, self.dte) if at.slice.european], 4
        )
