"""One underlying may lose only so much."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domain.record import Record
from risk.manager.decision import OrderVerdict
from risk.manager.rules.room import fitting

if TYPE_CHECKING:
    from domain.order import SizedCandidate
    from risk.manager.context import PortfolioFacts


class MaxPositionRule(Record):
    """Worst-case loss in the order's underlying, the order included, at most `share` of equity."""

    rule: Literal["max_position"] = "max_position"
    share: float = Field(gt=0)  # decimal

    def admit(self, order: "SizedCandidate", portfolio: "PortfolioFacts") -> OrderVerdict:
        """As many units as fit."""
        ticker = order.candidate.ticker
        return fitting(
            self.rule,
            asked=order.units,
            used=portfolio.exposure_by_ticker.get(ticker, 0.0),
            per_unit=float(order.candidate.max_loss),
            share=self.share,
            equity=portfolio.equity,
            what=f"worst case in {ticker}",
        )
