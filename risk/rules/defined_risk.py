"""Hard limit 6: no naked short option."""

from typing import Literal

from domain.record import Record
from domain.risk import Check
from options.payoff import is_defined_risk
from risk.view import RiskView


class DefinedRiskRule(Record):
    """Every short leg is covered, proven from the legs themselves and not from the strategy's name."""

    rule: Literal["defined_risk"] = "defined_risk"

    def check(self, view: RiskView) -> Check | None:
        """Final pass only. Closing orders buy back shorts and sell longs that the book holds."""
        if view.closing or view.order is None:
            return None
        legs = view.order.candidate.legs
        shorts = sum(-leg.quantity for leg in legs if leg.quantity < 0)
        naked = 0 if is_defined_risk(legs) else shorts
        return view.finding(
            self.rule,
            measured=float(naked),
            limit=float(view.hard.naked_short_options),
            unit="uncovered short options",
            passed=naked <= view.hard.naked_short_options,
            hard=True,
            detail=f"{view.order.candidate.strategy}: loss bounded at {view.order.candidate.max_loss} USD per unit",
        )
