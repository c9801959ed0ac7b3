"""A trailing stop that gives back less the more was earned."""

from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, model_validator

from domain.record import Record
from risk.manager.context import RiskContext
from risk.manager.decision import HOLD, RiskDecision
from risk.manager.rules.progress import Measure, best_in, missing_for


class Step(Record):
    """From a best profit of `mfe` on, at most `give_back` of it is given back."""

    mfe: float = Field(gt=0)  # in the rule's measure
    give_back: float = Field(ge=0, lt=1)  # share of the best profit, decimal


class TighteningTrailRule(Record):
    """Keep the stop at the best profit less the share that the highest step reached allows to be given back.

    Steps ascend in `measure` and give back ever less: a trail that loosens is refused at load.
    """

    rule: Literal["tightening_trail"] = "tightening_trail"
    measure: Measure = "r"
    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _only_tightens(self) -> Self:
        for lower, upper in pairwise(self.steps):
            if upper.mfe <= lower.mfe or upper.give_back >= lower.give_back:
                raise ValueError("steps must ascend in mfe and give back less each time")
        return self

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """A stop, or hold below the first step."""
        position = context.position
        mfe, best = position.mfe, best_in(self.measure, position)
        if mfe is None or best is None:
            return RiskDecision.hold(self.rule, unknown=missing_for(self.measure, position, "mfe"))
        reached = [step for step in self.steps if best >= step.mfe]
        if not reached:
            return HOLD
        give_back = reached[-1].give_back
        words = f"gives back at most {give_back:.0%} of the best profit {mfe:+,.2f} USD"
        return RiskDecision.levels(self.rule, words, stop=mfe * (1 - give_back))
