"""Filled at the mid."""

from typing import Literal

from domain.record import Record
from risk.manager.slippage.trade import Trade


class NoSlippage(Record):
    """Costs nothing: the yardstick against which the other models are read, not a forecast."""

    model: Literal["none"] = "none"

    def cost(self, trade: Trade) -> float:
        """Zero, whatever the trade."""
        return 0.0
