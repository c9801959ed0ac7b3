"""How many structures the book may hold."""

from typing import Literal

from domain.record import Record
from domain.regime import Regime
from domain.risk import Check
from risk.view import RiskView


class MaxPositionsRule(Record):
    """Open, staged and working structures, this order included, ≤ the regime's maximum."""

    rule: Literal["max_positions"] = "max_positions"
    limit: dict[Regime, int]

    def check(self, view: RiskView) -> Check | None:
        """Thesis pass asks for room for one more."""
        if view.closing:
            return None
        limit = self.limit.get(view.regime, 0)
        count = len(view.portfolio.exposures) + 1
        return view.finding(
            self.rule,
            measured=float(count),
            limit=float(limit),
            unit="structures",
            passed=count <= limit,
            detail=f"{count - 1} open, staged or working",
        )
