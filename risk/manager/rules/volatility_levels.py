"""Stop and target as far away as the market moves."""

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from domain.record import Record
from domain.units import DAYS_PER_YEAR
from risk.manager.context import RiskContext
from risk.manager.decision import HOLD, RiskDecision
from risk.manager.rules.missing import missing
from risk.manager.rules.moves import effect_of, missing_for_effect


class VolatilityLevelsRule(Record):
    """Set the stop where a move of `stop` units against the position would leave its profit, the target where one of
    `target` units in its favour would.

    One unit is the average true range (`measure: atr`), or the market's own expected move over `days` calendar days,
    price · IV · √(days/365) (`measure: iv`). Delta and gamma of now turn it into USD of the structure, counted from
    entry; levels are only ever tightened, so a calmer market pulls them in and a wilder one does not push them out.
    A side on which a move costs or earns nothing gets no level.
    """

    rule: Literal["volatility_levels"] = "volatility_levels"
    measure: Literal["atr", "iv"] = "atr"
    stop: float | None = Field(default=None, gt=0)  # units of volatility
    target: float | None = Field(default=None, gt=0)
    days: float = Field(default=1.0, gt=0)  # horizon of the expected move, for `iv`

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.stop is None and self.target is None:
            raise ValueError("volatility_levels needs stop, target or both")
        return self

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """Levels, or hold."""
        unit = self._unit(context)
        lost = None if unit is None else effect_of(context, unit * (self.stop or 0.0))
        gained = None if unit is None else effect_of(context, unit * (self.target or 0.0))
        if lost is None or gained is None:
            unknown = missing(context.features, self.measure) + missing_for_effect(context)
            return RiskDecision.hold(self.rule, unknown=unknown)
        stop = -lost.loss if lost.loss > 0 else None
        target = gained.gain if gained.gain > 0 else None
        if stop is None and target is None:
            return HOLD
        words = f"one {self.measure.upper()} move is {unit:,.2f} USD a share"
        return RiskDecision.levels(self.rule, words, stop=stop, target=target)

    def _unit(self, context: RiskContext) -> float | None:
        """USD per share."""
        if self.measure == "atr":
            return context.features.atr
        price, iv = context.market.price, context.features.iv
        return None if price is None or iv is None else price * iv * math.sqrt(self.days / DAYS_PER_YEAR)
