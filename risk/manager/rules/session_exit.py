"""The close comes near."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from risk.manager.context import RiskContext
from risk.manager.decision import HOLD, RiskDecision


class SessionExitRule(Record):
    """Leave in the last `minutes` of the regular session, whatever the profit; the close of a half-day counts as one.

    `half_day_minutes` gives half-days a window of their own (trading thins out early), `within_dte` limits the rule to
    structures whose first expiry is that near: 0DTE legs are not carried into settlement by accident.
    """

    rule: Literal["session_exit"] = "session_exit"
    minutes: float = Field(gt=0)
    half_day_minutes: float | None = Field(default=None, gt=0)
    within_dte: float | None = Field(default=None, ge=0)  # calendar days

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """Exit whole, or hold; before the open, after the close and on holidays there is nobody to trade with."""
        market, left = context.market, context.market.minutes_to_close
        if market.session != "regular" or left is None:
            return HOLD
        window = self.half_day_minutes if market.half_day and self.half_day_minutes is not None else self.minutes
        if left > window:
            return HOLD
        if self.within_dte is not None:
            dte = context.position.dte
            if dte is None:
                return RiskDecision.hold(self.rule, unknown=["dte"])
            if dte > self.within_dte:
                return HOLD
        closing = "early close" if market.half_day else "close"
        return RiskDecision.exit(
            self.rule, f"{left:.0f} minutes to the {closing}, to be left at {window:g}", measured=left, limit=window
        )
