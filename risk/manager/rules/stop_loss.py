"""Enough is lost."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from risk.manager.context import RiskContext
from risk.manager.decision import HOLD, RiskDecision
from risk.manager.rules.missing import missing


class StopLossRule(Record):
    """Leave when the loss reaches `share` of the maximum loss, or of the premium paid or received.

    The premium is the base for shares (a long share's maximum loss is its whole price) and for anyone who thinks in
    per cent of the outlay; see `credit_loss` for multiples of a credit.
    """

    rule: Literal["stop_loss"] = "stop_loss"
    share: float = Field(gt=0)  # decimal
    of: Literal["max_loss", "premium"] = "max_loss"

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """Exit whole, or hold."""
        position = context.position
        lost = position.loss_of_max if self.of == "max_loss" else position.loss_of_premium
        if lost is None:
            base = "unit_max_loss" if self.of == "max_loss" else "premium"
            return RiskDecision.hold(self.rule, unknown=missing(position, "unit_profit", base) or (base,))
        if lost < self.share:
            return HOLD
        words = "maximum loss" if self.of == "max_loss" else "premium"
        return RiskDecision.exit(
            self.rule, f"{position.profit:+,.2f} USD is {lost:.0%} of the {words}", measured=lost, limit=self.share
        )
