"""Bull put spread: sell a put, buy a lower one; paid for waiting, bullish."""

from typing import Literal

from options.priced import PricedChain
from options.strategies.enumeration import expiries, stacked, usd, verticals
from options.strategies.structure import (
    BULL,
    NOT_CRISIS,
    PUT,
    DeltaRange,
    GreekSigns,
    LegTemplate,
    Rows,
    Structure,
    WidthRange,
)


class BullPutSpread(Structure):
    """Short the higher put, long the lower."""

    family = "credit_vertical"
    template = (LegTemplate(PUT, 1, level=0), LegTemplate(PUT, -1, level=1))
    signs = GreekSigns(delta=1, gamma=0, vega=0, theta=0)
    shape = "limited loss, limited gain"
    premium = "credit"
    margin = "strike_gap"
    directions = frozenset({BULL})
    vol_views = frozenset({"short", "none"})
    regimes = NOT_CRISIS

    strategy: Literal["bull_put_spread"] = "bull_put_spread"
    width: WidthRange = (0.002, 0.08)
    bought_delta: DeltaRange = (0.02, 0.35)
    sold_delta: DeltaRange = (0.15, 0.4)

    def search(self, priced: PricedChain) -> Rows:
        width = usd(self.width, priced.spot)
        return stacked(
            [
                verticals(
                    at.puts,
                    at.puts,
                    rise=1,
                    width=width,
                    bought_delta=self.bought_delta,
                    sold_delta=self.sold_delta,
                )
                for at in expiries(priced, self.dte)
            ],
            2,
        )
