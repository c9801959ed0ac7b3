"""One rule with other parameters, or another rule, in each regime."""

from typing import Annotated, Literal

from pydantic import Field

from domain.record import Record
from domain.regime import Regime
from risk.manager.context import RiskContext
from risk.manager.decision import HOLD, RiskDecision, merge
from risk.manager.rules.plain import PlainPositionRule


class ByRegimeRule(Record):
    """Ask the rule listed for the regime of the day; a regime that is not listed is asked of `otherwise`, if given.

    While the regime is unknown every rule listed is asked and the strictest answer counts, so that no stop vanishes
    with a missing index; the record says that the regime was not known.
    """

    rule: Literal["by_regime"] = "by_regime"
    rules: dict[Regime, Annotated[PlainPositionRule, Field(discriminator="rule")]] = Field(min_length=1)
    otherwise: Annotated[PlainPositionRule, Field(discriminator="rule")] | None = None

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """The answer of the rule that applies, its reason led by the regime."""
        regime = context.features.regime
        if regime is None:
            listed = [self.rules[known] for known in Regime if known in self.rules]
            asked = [*listed, *([self.otherwise] if self.otherwise is not None else [])]
            doubt = RiskDecision.hold(self.rule, unknown=["regime"])
            return merge([*(rule.evaluate(context) for rule in asked), doubt])
        rule = self.rules.get(regime, self.otherwise)
        if rule is None:
            return HOLD
        decision = rule.evaluate(context)
        return decision if decision.silent else decision.model_copy(update={"reason": f"{regime}: {decision.reason}"})
