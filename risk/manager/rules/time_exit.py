"""Held long enough."""

from typing import Literal, Self

from pydantic import Field, model_validator

from domain.record import Record
from risk.manager.context import RiskContext
from risk.manager.decision import HOLD, RiskDecision


class TimeExitRule(Record):
    """Leave after `days` calendar days or `bars` session closes, whichever comes first, whatever the profit."""

    rule: Literal["time_exit"] = "time_exit"
    days: float | None = Field(default=None, gt=0)
    bars: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _says_how_long(self) -> Self:
        if self.days is None and self.bars is None:
            raise ValueError("time_exit needs days, bars or both")
        return self

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """Exit whole, or hold."""
        held = context.position.days_held
        if held is None:
            return RiskDecision.hold(self.rule, unknown=["entry_time"])
        if self.days is not None and held >= self.days:
            return RiskDecision.exit(
                self.rule, f"held {held:.1f} days, at most {self.days:g}", measured=held, limit=self.days
            )
        bars = context.position.bars_held if self.bars is not None else None
        if self.bars is None or bars is None or bars < self.bars:
            return HOLD
        return RiskDecision.exit(
            self.rule, f"held {bars} sessions, at most {self.bars}", measured=bars, limit=self.bars
        )
