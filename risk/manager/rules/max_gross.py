"""Everything together may lose only so much."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domain.record import Record
from risk.manager.decision import OrderVerdict
from risk.manager.rules.room import fitting

if TYPE_CHECKING:
    from domain.order import SizedCandidate
    from risk.manager.context import PortfolioFacts


class MaxGrossRule(Record):
    """Worst-case losses of all that is open, staged and working, and of the order, at most `share` of equity."""

    rule: Literal["max_gross"] = "max_gross"
    share: float = Field(gt=0)  # decimal

    def admit(self, order: "SizedCandidate", portfolio: "PortfolioFacts") -> OrderVerdict:
        """As many units as fit."""
        return fitting(
            self.rule,
            asked=order.units,
            used=portfolio.exposure,
            per_unit=float(order.candidate.max_loss),
            share=self.share,
            equity=portfolio.equity,
            what="worst case of all",
        )
