"""Put diagonal: own a far put nearer the money, sell a near one further out; bearish, financed by time."""

from typing import Literal

from options.priced import PricedChain
from options.strategies.enumeration import calendar_pairs, stacked, usd, verticals
from options.strategies.structure import (
    BEAR,
    NOT_CRISIS,
    PUT,
    Days,
    DeltaRange,
    GreekSigns,
    LegTemplate,
    Rows,
    Structure,
    WidthRange,
)


class PutDiagonal(Structure):
    """Short a front put out of the money, long a back put above it, nearer the money."""

    family = "calendar"
    template = (LegTemplate(PUT, -1, level=0), LegTemplate(PUT, 1, "back", level=1))
    signs = GreekSigns(delta=-1, gamma=0, vega=0, theta=0)
    shape = "limited loss, limited gain"
    premium = "debit"
    margin = "paid_in_full"
    directions = frozenset({BEAR})
    vol_views = frozenset({"long", "none"})
    regimes = NOT_CRISIS

    strategy: Literal["put_diagonal"] = "put_diagonal"
    dte: Days = (14, 45)
    gap: Days = (20, 60)  # days from front to back expiry
    width: WidthRange = (0.005, 0.08)
    sold_delta: DeltaRange = (0.2, 0.4)
    bought_delta: DeltaRange = (0.45, 0.75)

    def search(self, priced: PricedChain) -> Rows:
        width = usd(self.width, priced.spot)
        return stacked(
            [
                verticals(
                    far.puts,
                    near.puts,
                    rise=-1,
                    width=width,
                    bought_delta=self.bought_delta,
                    sold_delta=self.sold_delta,
                )[:, ::-1]
                for near, far in calendar_pairs(priced, front=self.dte, gap=self.gap)
            ],
            2,
        )
