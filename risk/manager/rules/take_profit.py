"""Enough is earned."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from risk.manager.context import RiskContext
from risk.manager.decision import HOLD, RiskDecision
from risk.manager.rules.missing import missing
from risk.manager.rules.progress import missing_for


class TakeProfitRule(Record):
    """Leave when the profit reaches `share` of the maximum profit (of the stake where profit is open-ended), or of the
    premium paid or received.
    """

    rule: Literal["take_profit"] = "take_profit"
    share: float = Field(gt=0)  # decimal
    of: Literal["max_profit", "premium"] = "max_profit"

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """Exit whole, or hold."""
        position = context.position
        gained = position.profit_of_max if self.of == "max_profit" else position.profit_of_premium
        if gained is None:
            if self.of == "max_profit":
                return RiskDecision.hold(self.rule, unknown=missing_for("max_profit", position, "unit_profit"))
            return RiskDecision.hold(self.rule, unknown=missing(position, "unit_profit", "premium") or ("premium",))
        if gained < self.share:
            return HOLD
        capped = "maximum profit" if position.unit_max_profit is not None else "stake"
        words = capped if self.of == "max_profit" else "premium"
        return RiskDecision.exit(
            self.rule, f"{position.profit:+,.2f} USD is {gained:.0%} of the {words}", measured=gained, limit=self.share
        )
