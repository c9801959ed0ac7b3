"""A share of the way from the mid to the far side of the quote."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from risk.manager.slippage.trade import Trade


class SpreadFractionSlippage(Record):
    """`fraction` of the half-spread: 0 is the mid, 1 buys at the ask and sells at the bid, more eats into the depth.

    Muravyev and Pearson (2020, "Options trading costs are lower than you think", Review of Financial Studies 33)
    measure about three quarters on average and less than 0.4 for those who time their executions.
    """

    model: Literal["spread_fraction"] = "spread_fraction"
    fraction: float = Field(default=0.75, ge=0, le=5)

    def cost(self, trade: Trade) -> float:
        """`fraction` × (ask − bid)/2."""
        return self.fraction * trade.half_spread
