"""Bear call spread: sell a call, buy a higher one; paid for waiting, bearish."""

from typing import Literal

from options.priced import PricedChain
from options.strategies.enumeration import expiries, stacked, usd, verticals
from options.strategies.structure import (
    BEAR,
    CALL,
    NOT_CRISIS,
    DeltaRange,
    GreekSigns,
    LegTemplate,
    Rows,
    Structure,
    WidthRange,
)


class BearCallSpread(Structure):
    """Short the lower call, long the higher."""

    family = "credit_vertical"
    template = (LegTemplate(CALL, 1, level=1), LegTemplate(CALL, -1, level=0))
    signs = GreekSigns(delta=-1, gamma=0, vega=0, theta=0)
    shape = "limited loss, limited gain"
    premium = "credit"
    margin = "strike_gap"
    directions = frozenset({BEAR})
    vol_views = frozenset({"short", "none"})
    regimes = NOT_CRISIS

    strategy: Literal["bear_call_spread"] = "bear_call_spread"
    width: WidthRange = (0.002, 0.08)
    bought_delta: DeltaRange = (0.02, 0.35)
    sold_delta: DeltaRange = (0.15, 0.4)

    def search(self, priced: PricedChain) -> Rows:
        width = usd(self.width, priced.spot)
        return stacked(
            [
                verticals(
                    at.calls,
                    at.calls,
                    rise=-1,
                    width=width,
                    bought_delta=self.bought_delta,
                    sold_delta=self.sold_delta,
                )
                for at in expiries(priced, self.dte)
            ],
            2,
        )
