"""Some of the equity stays free of margin."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domain.record import Record
from risk.manager.decision import OrderVerdict
from risk.manager.rules.room import fitting

if TYPE_CHECKING:
    from domain.order import SizedCandidate
    from risk.manager.context import PortfolioFacts


class MaxMarginRule(Record):
    """Margin bound by what is open and working, the order included, at most `share` of equity."""

    rule: Literal["max_margin"] = "max_margin"
    share: float = Field(gt=0, le=1)  # decimal; 0.8 leaves a fifth free

    def admit(self, order: "SizedCandidate", portfolio: "PortfolioFacts") -> OrderVerdict:
        """As many units as fit."""
        return fitting(
            self.rule,
            asked=order.units,
            used=portfolio.margin,
            per_unit=float(order.candidate.margin),
            share=self.share,
            equity=portfolio.equity,
            what="margin",
        )
