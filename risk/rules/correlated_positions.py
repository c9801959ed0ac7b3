"""How many positions move as one."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from domain.risk import Check
from risk.view import RiskView


class CorrelatedPositionsRule(Record):
    """At most `max_positions` underlyings, this one included, correlated above `threshold` with it."""

    rule: Literal["correlated_positions"] = "correlated_positions"
    threshold: float = Field(default=0.7, ge=0, le=1)
    max_positions: int = Field(default=3, ge=1)

    def check(self, view: RiskView) -> Check | None:
        """A pair without enough returns counts as correlated. Does not apply to closing orders."""
        if view.closing:
            return None
        held = {exposure.ticker for exposure in view.portfolio.exposures} - {view.ticker}
        close = sorted(name for name in held if view.correlations.between(view.ticker, name) > self.threshold)
        assumed = [name for name in close if not view.correlations.known(view.ticker, name)]
        detail = f"moves with {', '.join(close)}" if close else "moves with nothing held"
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
