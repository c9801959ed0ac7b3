"""A stop that follows the best seen at a fixed distance."""

from typing import Literal, Self

from pydantic import Field, model_validator

from domain.record import Record
from risk.manager.context import RiskContext
from risk.manager.decision import HOLD, RiskDecision
from risk.manager.rules.missing import missing


class TrailingStopRule(Record):
    """Keep the stop `distance` behind the best seen: USD per unit behind the best profit (`by: amount`), or a share of
    the best value behind that value (`by: share`).

    By share, a long call seen at 4.00 is left at 3.00 with 0.25; a spread sold for 1.20 and seen at 0.40 is left when
    buying it back costs 0.50. The rule waits until the best profit has reached `after_r` multiples of the risk.
    """

    rule: Literal["trailing_stop"] = "trailing_stop"
    by: Literal["amount", "share"] = "share"
    distance: float = Field(gt=0)  # USD per unit, or decimal below 1
    after_r: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _share_below_one(self) -> Self:
        if self.by == "share" and self.distance >= 1:
            raise ValueError("a distance by share is a decimal below 1")
        return self

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """A stop, or hold."""
        position = context.position
        if self.after_r > 0:
            if position.mfe_r is None:
                return RiskDecision.hold(self.rule, unknown=missing(position, "mfe") or ("unit_max_loss",))
            if position.mfe_r < self.after_r:
                return HOLD
        return self._by_amount(context) if self.by == "amount" else self._by_share(context)

    def _by_amount(self, context: RiskContext) -> RiskDecision:
        best = context.position.mfe
        if best is None:
            return RiskDecision.hold(self.rule, unknown=["mfe"])
        words = f"{self.distance:,.2f} USD behind the best profit {best:+,.2f}"
        return RiskDecision.levels(self.rule, words, stop=best - self.distance)

    def _by_share(self, context: RiskContext) -> RiskDecision:
        best, entry = context.position.high_water, context.position.entry_price
        if best is None or entry is None:
            return RiskDecision.hold(self.rule, unknown=missing(context.position, "high_water", "entry_price"))
        words = f"{self.distance:.0%} behind the best value {best:+,.2f} USD"
        return RiskDecision.levels(self.rule, words, stop=best - self.distance * abs(best) + entry)
