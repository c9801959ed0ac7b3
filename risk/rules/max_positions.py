"""How many structures the book may hold."""

from typing import Literal

from domain.record import Record
from domain.regime import Regime
from domain.risk import Check
from risk.view import RiskView


class MaxPositionsRule(Record):
    """Open, staged and working structures, this order included, ≤ the regime's maximum. An order that is partly filled
    is one structure.
    """

    rule: Literal["max_positions"] = "max_positions"
    limit: dict[Regime, int]

    def check(self, view: RiskView) -> Check | None:
        """Thesis pass asks for room for one more. Does not apply to closing orders."""
        if view.closing:
            return None
        limit = self.limit.get(view.regime, 0)
        held = len({exposure.order_id for exposure in view.portfolio.exposures})
        return view.finding(
            self.rule,
            measured=float(held + 1),
            limit=float(limit),
            unit="structures",
            passed=held + 1 <= limit,
            detail=f"{held} open, staged or working",
        )
