"""What falls together may lose only so much together."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domain.record import Record
from risk.manager.decision import OrderVerdict
from risk.manager.rules.room import fitting

if TYPE_CHECKING:
    from domain.order import SizedCandidate
    from risk.manager.context import PortfolioFacts

WORST_CASE = 1.0


class MaxCorrelatedRule(Record):
    """Worst-case loss in the order's underlying and all that are correlated with it at `threshold` or more, the order
    included, at most `share` of equity. A correlation that nobody knows counts as 1.
    """

    rule: Literal["max_correlated"] = "max_correlated"
    share: float = Field(gt=0)  # decimal
    threshold: float = Field(default=0.7, ge=-1, le=1)

    def admit(self, order: "SizedCandidate", portfolio: "PortfolioFacts") -> OrderVerdict:
        """As many units as fit."""
        ticker = order.candidate.ticker
        group = [held for held in sorted(portfolio.exposure_by_ticker) if self._together(ticker, held, portfolio)]
        return fitting(
            self.rule,
            asked=order.units,
            used=sum(portfolio.exposure_by_ticker[held] for held in group),
            per_unit=float(order.candidate.max_loss),
            share=self.share,
            equity=portfolio.equity,
            what=f"worst case in {', '.join(sorted({*group, ticker}))}",
        )

    def _together(self, ticker: str, held: str, portfolio: "PortfolioFacts") -> bool:
        if held == ticker:
            return True
        pair = (min(ticker, held), max(ticker, held))
        return portfolio.correlation.get(pair, WORST_CASE) >= self.threshold
