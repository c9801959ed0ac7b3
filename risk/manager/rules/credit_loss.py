"""A multiple of the credit is lost."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from risk.manager.context import RiskContext
from risk.manager.decision import HOLD, RiskDecision
from risk.manager.rules.missing import missing


class CreditLossRule(Record):
    """Leave a credit structure when the loss reaches `multiple` times the credit received. Debits are not its business.

    At 2, a spread sold for 1.20 is bought back at 3.60.
    """

    rule: Literal["credit_loss"] = "credit_loss"
    multiple: float = Field(gt=0)

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """Exit whole, or hold."""
        position = context.position
        if position.credit is False:
            return HOLD
        lost = position.loss_of_premium
        if lost is None:
            return RiskDecision.hold(self.rule, unknown=missing(position, "unit_profit", "entry_price"))
        if lost < self.multiple:
            return HOLD
        return RiskDecision.exit(
            self.rule, f"{position.profit:+,.2f} USD is {lost:.2f} times the credit", measured=lost, limit=self.multiple
        )
