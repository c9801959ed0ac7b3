"""Bear put spread: buy a put, sell a LOWER one; paid for, bearish."""

from typing import Literal

from options.priced import PricedChain
from options.strategies.enumeration import expiries, stacked, usd, verticals
from options.strategies.structure import (
    BEAR,
    EVERY_REGIME,
    EVERY_VOL_VIEW,
    PUT,
    DeltaRange,
    GreekSigns,
    LegTemplate,
    Rows,
    Structure,
    WidthRange,
)


class BearPutSpread(Structure):
    """Long the higher put, short the lower; the other way round is a bull spread."""

    family = "debit_vertical"
    template = (LegTemplate(PUT, 1, level=1), LegTemplate(PUT, -1, level=0))
    signs = GreekSigns(delta=-1, gamma=0, vega=0, theta=0)
    shape = "limited loss, limited gain"
    premium = "debit"
    margin = "paid_in_full"
    directions = frozenset({BEAR})
    vol_views = EVERY_VOL_VIEW
    regimes = EVERY_REGIME

    strategy: Literal["bear_put_spread"] = "bear_put_spread"
    width: WidthRange = (0.002, 0.08)
    bought_delta: DeltaRange = (0.4, 0.7)
    sold_delta: DeltaRange = (0.15, 0.45)

    def search(self, priced: PricedChain) -> Rows:
        width = usd(self.width, priced.spot)
        return stacked(
            [
                verticals(
                    at.puts,
                    at.puts,
                    rise=-1,
                    width=width,
                    bought_delta=self.bought_delta,
                    sold_delta=self.sold_delta,
                )
                for at in expiries(priced, self.dte)
            ],
            2,
        )
