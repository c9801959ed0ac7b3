"""Gross delta may be only so many times the equity."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domain.record import Record
from risk.manager.decision import OrderVerdict
from risk.manager.rules.room import fitting

if TYPE_CHECKING:
    from domain.order import SizedCandidate
    from risk.manager.context import PortfolioFacts


class MaxLeverageRule(Record):
    """Absolute deltas in USD of underlying, summed over structures and the order, at most `multiple` × equity."""

    rule: Literal["max_leverage"] = "max_leverage"
    multiple: float = Field(gt=0)

    def admit(self, order: "SizedCandidate", portfolio: "PortfolioFacts") -> OrderVerdict:
        """As many units as fit."""
        return fitting(
            self.rule,
            asked=order.units,
            used=portfolio.gross_delta,
            per_unit=abs(order.candidate.greeks.delta) * order.candidate.spot,
            share=self.multiple,
            equity=portfolio.equity,
            what="gross delta",
        )
