"""The same amount on every share."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from risk.manager.slippage.trade import Trade


class FixedSlippage(Record):
    """`amount` USD per share. A plain number in a settings file means this model."""

    model: Literal["fixed"] = "fixed"
    amount: float = Field(ge=0)

    def cost(self, trade: Trade) -> float:
        """`amount`, whatever the trade."""
        return self.amount
