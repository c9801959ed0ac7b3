"""Time passes and the decay that was promised does not come."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from risk.manager.context import DIGITS, RiskContext
from risk.manager.decision import HOLD, RiskDecision
from risk.manager.rules.missing import missing


class ThetaShortfallRule(Record):
    """Leave when profit lags what theta promised by `multiple` times that promise, from `days` held on.

    The promise is theta at entry times the days held. At 1 a position is left that has earned nothing in all that time,
    at 2 one that has lost what it should have earned. Positions that pay theta were promised nothing and are held.
    """

    rule: Literal["theta_shortfall"] = "theta_shortfall"
    multiple: float = Field(default=2.0, gt=0)
    days: float = Field(default=5.0, ge=0)  # calendar days before the comparison says anything

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """Exit whole, or hold."""
        position = context.position
        promised, short = position.expected_theta_profit, position.theta_shortfall
        if promised is None or short is None or position.days_held is None:
            return RiskDecision.hold(self.rule, unknown=missing(position, "entry_theta", "entry_time", "unit_profit"))
        if position.days_held < self.days or promised <= 0:
            return HOLD
        lag = round(short / promised, DIGITS)
        if lag < self.multiple:
            return HOLD
        words = f"theta promised {promised:+,.2f} USD a unit, profit lags by {short:,.2f}"
        return RiskDecision.exit(self.rule, words, measured=lag, limit=self.multiple)
