"""A share of the price."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from risk.manager.slippage.trade import Trade


class PercentageSlippage(Record):
    """`share` of the mid, decimal: 0.001 is ten basis points. Fit for shares; for options the spread says more."""

    model: Literal["percentage"] = "percentage"
    share: float = Field(ge=0, lt=1)

    def cost(self, trade: Trade) -> float:
        """`share` × mid."""
        return self.share * trade.mid
