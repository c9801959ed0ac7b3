"""Once well ahead, do not lose."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from risk.manager.context import RiskContext
from risk.manager.decision import HOLD, RiskDecision
from risk.manager.rules.progress import Measure, best_in, missing_for


class BreakEvenRule(Record):
    """Move the stop to entry, plus `buffer` USD per unit for fees, once the best profit has reached `after`.

    Count in shares of the maximum profit where a structure can never earn one R, as credit spreads cannot.
    """

    rule: Literal["break_even"] = "break_even"
    after: float = Field(default=1.0, gt=0)  # in `measure`
    measure: Measure = "r"
    buffer: float = Field(default=0.0, ge=0)  # USD per unit

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """A stop, or hold."""
        position = context.position
        best = best_in(self.measure, position)
        if best is None:
            return RiskDecision.hold(self.rule, unknown=missing_for(self.measure, position, "mfe"))
        if best < self.after:
            return HOLD
        base = "R" if self.measure == "r" else "of the maximum"
        return RiskDecision.levels(self.rule, f"best profit was {best:.2f} {base}", stop=self.buffer)
