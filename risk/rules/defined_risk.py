"""Hard limit 6: no naked short option."""

from typing import Literal

from domain.record import Record
from domain.risk import Check
from risk.view import RiskView


class DefinedRiskRule(Record):
    """Every short leg is covered, proven from the legs themselves and not from the strategy's name."""

    rule: Literal["defined_risk"] = "defined_risk"

    def check(self, view: RiskView) -> Check | None:
        """Final pass only. Closing orders buy back shorts and sell longs that the book holds."""
        if view.closing or view.order is None:
            return None
        from options.payoff import uncovered_shorts

        uncovered = uncovered_shorts(view.order.candidate.legs)
        return view.finding(
            self.rule,
            measured=float(uncovered),
            limit=float(view.hard.naked_short_options),
            unit="uncovered short options",
            passed=uncovered <= view.hard.naked_short_options,
            hard=True,
            detail=f"{view.order.candidate.strategy}: loss bounded at {view.order.candidate.max_loss} USD per unit",
        )
