"""Bull call spread: buy a call, sell a higher one; paid for, bullish."""

from typing import Literal

from options.priced import PricedChain
from options.strategies.enumeration import expiries, stacked, usd, verticals
from options.strategies.structure import (
    BULL,
    CALL,
    EVERY_REGIME,
    EVERY_VOL_VIEW,
    DeltaRange,
    GreekSigns,
    LegTemplate,
    Rows,
    Structure,
    WidthRange,
)


class BullCallSpread(Structure):
    """Long the lower call, short the higher."""

    family = "debit_vertical"
    template = (LegTemplate(CALL, 1, level=0), LegTemplate(CALL, -1, level=1))
    signs = GreekSigns(delta=1, gamma=0, vega=0, theta=0)
    shape = "limited loss, limited gain"
    premium = "debit"
    margin = "paid_in_full"
    directions = frozenset({BULL})
    vol_views = EVERY_VOL_VIEW
    regimes = EVERY_REGIME

    strategy: Literal["bull_call_spread"] = "bull_call_spread"
    width: WidthRange = (0.002, 0.08)
    bought_delta: DeltaRange = (0.4, 0.7)
    sold_delta: DeltaRange = (0.15, 0.45)

    def search(self, priced: PricedChain) -> Rows:
        width = usd(self.width, priced.spot)
        return stacked(
            [
                verticals(
                    at.calls,
                    at.calls,
                    rise=1,
                    width=width,
                    bought_delta=self.bought_delta,
                    sold_delta=self.sold_delta,
                )
                for at in expiries(priced, self.dte)
            ],
            2,
        )
