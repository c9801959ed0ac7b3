"""Short box: money borrowed through European options, worth it where the quotes ask less than the rate."""

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


class ShortBox(Structure):
    """Bear call spread and bull put spread over the same strikes: owes their distance at expiry, whatever happens."""

    family = "arbitrage"
    template = (
        LegTemplate(CALL, -1, level=0),
        LegTemplate(CALL, 1, level=1),
        LegTemplate(PUT, 1, level=0),
        LegTemplate(PUT, -1, level=1),
    )
    signs = GreekSigns(delta=0, gamma=0, vega=0, theta=0)
    shape = "no loss, no gain"
    premium = "credit"
    margin = "strike_gap"
    directions = frozenset()
    vol_views = frozenset()
    regimes = EVERY_REGIME

    strategy: Literal["short_box"] = "short_box"
    dte: Days = (1, 400)
    width: WidthRange = (0.002, 0.5)
    max_abs_delta: float = Field(default=0.05, gt=0)

    def search(self, priced: PricedChain) -> Rows:
        width = usd(self.width, priced.spot)
        return stacked(
            [boxes(at.calls, at.puts, width=width) for at in expiries(priced, self.dte) if at.slice.european], 4
        )
