"""What a patient order saves against one that crosses."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from risk.manager.slippage.plain import PlainSlippage
from risk.manager.slippage.spread_fraction import SpreadFractionSlippage
from risk.manager.slippage.trade import Trade


class OrderTypeSlippage(Record):
    """One model for market orders, another for limit orders at the mid; a limit never pays more than a market order.

    `improvement` declares that a resting limit earns a share of the half-spread (the cost is then negative). It is 0
    unless said otherwise: those who fill a resting order usually know something (adverse selection).
    """

    model: Literal["order_type"] = "order_type"
    market: PlainSlippage = SpreadFractionSlippage(fraction=1.0)
    limit: PlainSlippage = SpreadFractionSlippage(fraction=0.25)
    improvement: float = Field(default=0.0, ge=0, le=1)  # share of the half-spread

    def cost(self, trade: Trade) -> float:
        """USD per share; below 0 only for a limit order with a declared improvement."""
        crossing = self.market.cost(trade)
        if trade.order == "market":
            return crossing
        return min(crossing, self.limit.cost(trade)) - self.improvement * trade.half_spread
