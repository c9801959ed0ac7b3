"""A stop that follows the best profit at a distance of so many average ranges."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from risk.manager.context import RiskContext
from risk.manager.decision import HOLD, RiskDecision
from risk.manager.rules.missing import missing
from risk.manager.rules.moves import effect_of, missing_for_effect


class AtrTrailRule(Record):
    """Keep the stop below the best profit by what `multiple` average true ranges against the position would cost.

    The range is of the underlying; delta and gamma turn it into USD of the structure. Where such a move costs nothing
    (long gamma, no delta) there is nothing to trail by and the rule holds.
    """

    rule: Literal["atr_trail"] = "atr_trail"
    multiple: float = Field(default=3.0, gt=0)

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """A stop, or hold."""
        mfe, atr = context.position.mfe, context.features.atr
        effect = None if atr is None else effect_of(context, self.multiple * atr)
        if mfe is None or effect is None:
            unknown = missing(context.position, "mfe") + missing(context.features, "atr") + missing_for_effect(context)
            return RiskDecision.hold(self.rule, unknown=unknown)
        if effect.loss == 0:
            return HOLD
        words = f"{self.multiple:g} ATR cost {effect.loss:,.2f} USD behind the best profit {mfe:+,.2f}"
        return RiskDecision.levels(self.rule, words, stop=mfe - effect.loss)
