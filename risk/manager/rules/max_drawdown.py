"""The account has lost too much of its best."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domain.record import Record
from risk.manager.context import PortfolioFacts, RiskContext
from risk.manager.decision import HOLD, OrderVerdict, RiskDecision

if TYPE_CHECKING:
    from domain.order import SizedCandidate


class MaxDrawdownRule(Record):
    """Open nothing while the account is `share` or more below its peak; with `flatten`, leave what is held as well."""

    rule: Literal["max_drawdown"] = "max_drawdown"
    share: float = Field(gt=0, lt=1)  # of the peak, decimal
    flatten: bool = False

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """Exit whole if flattening was asked for, else hold."""
        if not self.flatten:
            return HOLD
        lost = context.portfolio.drawdown
        if lost is None:
            return RiskDecision.hold(self.rule, unknown=["drawdown"])
        if lost < self.share:
            return HOLD
        return RiskDecision.exit(self.rule, self._words(lost), measured=lost, limit=self.share)

    def admit(self, order: "SizedCandidate", portfolio: PortfolioFacts) -> OrderVerdict:
        """All of the order, or none; none where the drawdown is not known."""
        lost = portfolio.drawdown
        if lost is None:
            return OrderVerdict(units=0, asked=order.units, rule=self.rule, limit=self.share, reason="drawdown unknown")
        units = order.units if lost < self.share else 0
        return OrderVerdict(
            units=units, asked=order.units, rule=self.rule, measured=lost, limit=self.share, reason=self._words(lost)
        )

    def _words(self, lost: float) -> str:
        return f"the account is {lost:.1%} below its peak, limit {self.share:.1%}"
