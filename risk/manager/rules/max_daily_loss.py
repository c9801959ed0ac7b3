"""Too much was lost today."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domain.record import Record
from risk.manager.context import PortfolioFacts, RiskContext
from risk.manager.decision import HOLD, OrderVerdict, RiskDecision

if TYPE_CHECKING:
    from domain.order import SizedCandidate


class MaxDailyLossRule(Record):
    """Open nothing once `share` of today's baseline is lost; with `flatten`, leave what is held as well.

    The gate's hard limit of 3 % stands whatever is written here: this rule is for those who want to stop sooner.
    """

    rule: Literal["max_daily_loss"] = "max_daily_loss"
    share: float = Field(gt=0, lt=1)  # of the baseline, decimal
    flatten: bool = False

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """Exit whole if flattening was asked for, else hold."""
        if not self.flatten:
            return HOLD
        lost = context.portfolio.daily_loss
        if lost is None:
            return RiskDecision.hold(self.rule, unknown=["daily_loss"])
        if lost < self.share:
            return HOLD
        return RiskDecision.exit(self.rule, self._words(lost), measured=lost, limit=self.share)

    def admit(self, order: "SizedCandidate", portfolio: PortfolioFacts) -> OrderVerdict:
        """All of the order, or none; none where today's loss is not known."""
        lost = portfolio.daily_loss
        if lost is None:
            return OrderVerdict(
                units=0, asked=order.units, rule=self.rule, limit=self.share, reason="daily loss unknown"
            )
        units = order.units if lost < self.share else 0
        return OrderVerdict(
            units=units, asked=order.units, rule=self.rule, measured=lost, limit=self.share, reason=self._words(lost)
        )

    def _words(self, lost: float) -> str:
        return f"{lost:.1%} of today's baseline is lost, limit {self.share:.1%}"
