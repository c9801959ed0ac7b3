"""Expiry comes near."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from risk.manager.context import RiskContext
from risk.manager.decision import HOLD, RiskDecision


class ExitDteRule(Record):
    """Leave when `days` calendar days or fewer remain, whatever the profit and even if no quote can tell it.

    Counted to the first expiry: the front of a calendar is what must not be carried into settlement. `leg: last` counts
    to the last one. Shares have no expiry and are held.
    """

    rule: Literal["exit_dte"] = "exit_dte"
    days: float = Field(ge=0)
    leg: Literal["first", "last"] = "first"

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """Exit whole, or hold."""
        remaining = context.position.dte if self.leg == "first" else context.position.last_dte
        if remaining is None:
            return RiskDecision.hold(self.rule, unknown=["dte" if self.leg == "first" else "last_dte"])
        if remaining > self.days:
            return HOLD
        return RiskDecision.exit(
            self.rule,
            f"{remaining:.1f} days to the {self.leg} expiry, to be left at {self.days:g}",
            measured=remaining,
            limit=self.days,
        )
