"""Profit is taken in parts."""

import math
from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, model_validator

from domain.record import Record
from risk.manager.context import RiskContext
from risk.manager.decision import HOLD, RiskDecision
from risk.manager.rules.progress import Measure, missing_for, profit_in

WHOLE = 1e-9


class Rung(Record):
    """At a profit of `at`, `fraction` of the units ever opened is sold."""

    at: float = Field(gt=0)  # in the rule's measure
    fraction: float = Field(gt=0, le=1)


class ScaleOutRule(Record):
    """Sell part of the position at each rung of a ladder, each rung once.

    What is already closed, or is being closed, pays for the lower rungs first: so nothing need be remembered, a restart
    repeats no rung, and a hand that closed part itself is not doubled. Whole units only: a third of two units is none,
    and waits for the next rung.
    """

    rule: Literal["scale_out"] = "scale_out"
    measure: Measure = "max_profit"
    rungs: tuple[Rung, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _a_ladder(self) -> Self:
        if any(upper.at <= lower.at for lower, upper in pairwise(self.rungs)):
            raise ValueError("rungs must ascend")
        if sum(rung.fraction for rung in self.rungs) > 1 + WHOLE:
            raise ValueError("rungs sell more than everything")
        return self

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """Exit with the fraction of the units held that the rungs reached still ask for, or hold."""
        position = context.position
        profit = profit_in(self.measure, position)
        if profit is None:
            return RiskDecision.hold(self.rule, unknown=missing_for(self.measure, position, "unit_profit"))
        reached = [rung for rung in self.rungs if profit >= rung.at]
        if not reached:
            return HOLD
        due = math.floor(sum(rung.fraction for rung in reached) * position.opened_quantity + WHOLE)
        gone = position.opened_quantity - position.quantity + position.closing_quantity
        if due <= gone:
            return HOLD
        units, top = due - gone, reached[-1].at
        words = f"rung {len(reached)} of {len(self.rungs)}: {units} of {position.quantity} units at {profit:.2f}"
        return RiskDecision.exit(self.rule, words, fraction=units / position.quantity, measured=profit, limit=top)
