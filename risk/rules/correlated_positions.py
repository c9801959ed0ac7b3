"""How many positions move as one."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from domain.risk import Check
from risk.view import RiskView


class CorrelatedPositionsRule(Record):
    """At most `max_positions` underlyings move together: no underlying at risk, this one included, has more than
    `max_positions − 1` others correlated above `threshold` with it. Structures in one underlying are one position.
    """

    rule: Literal["correlated_positions"] = "correlated_positions"
    threshold: float = Field(default=0.7, ge=0, le=1)
    max_positions: int = Field(default=3, ge=1)

    def check(self, view: RiskView) -> Check | None:
        """A pair without enough returns counts as correlated. Does not apply to closing orders and hedges."""
        if view.closing or view.hedging:
            return None
        names = sorted({*view.portfolio.worst_case_by_ticker, view.ticker})
        own = self._moving_with(view, view.ticker, names)
        groups = {name: self._moving_with(view, name, names) for name in own} | {view.ticker: own}
        centre = max(groups, key=lambda name: (len(groups[name]), name == view.ticker, name))
        close = groups[centre]
        assumed = [name for name in close if not view.correlations.known(centre, name)]
        detail = f"{centre} moves with {', '.join(close) or 'nothing held'}"
        if assumed:
            detail += f" (assumed 1 for want of {view.correlations.minimum} returns: {', '.join(assumed)})"
        return view.finding(
            self.rule,
            measured=float(len(close) + 1),
            limit=float(self.max_positions),
            unit="positions",
            passed=len(close) + 1 <= self.max_positions,
            detail=detail,
        )

    def _moving_with(self, view: RiskView, name: str, names: list[str]) -> list[str]:
        return [other for other in names if other != name and view.correlations.between(name, other) > self.threshold]
