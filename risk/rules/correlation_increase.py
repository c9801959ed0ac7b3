"""How much one more underlying makes the book move as one."""

from math import isfinite
from typing import Literal

from pydantic import Field

from domain.record import Record
from domain.risk import Check
from risk.view import RiskView

FROM_UNDERLYINGS = 3


class CorrelationIncreaseRule(Record):
    """Rise of the mean pairwise correlation, weighted by worst-case loss, from the third underlying on."""

    rule: Literal["correlation_increase"] = "correlation_increase"
    limit: float = Field(default=0.05, ge=0)

    def check(self, view: RiskView) -> Check | None:
        """Final pass only: without an order there is no increase. A hedge moves against what is held: that its name is
        correlated is its point.
        """
        if view.closing or view.hedging or view.order is None:
            return None
        before = view.portfolio.worst_case_by_ticker
        after = dict(before)
        added = float(view.order.candidate.max_loss) * view.order.units
        after[view.ticker] = after.get(view.ticker, 0.0) + added
        if not isfinite(view.portfolio.worst_case):
            return view.finding(
                self.rule, measured=None, limit=self.limit, unit="correlation", passed=False,
                detail=f"worst cases weigh the names, and one has no bound: {view.portfolio.unbounded}",
            )  # fmt: skip
        if len(after) < FROM_UNDERLYINGS:
            rise, detail = 0.0, f"{len(after)} underlying(s): counts from the third"
        else:
            old, new = view.correlations.weighted_mean(before), view.correlations.weighted_mean(after)
            rise, detail = new - old, f"mean correlation {old:.2f} → {new:.2f}"
        return view.finding(
            self.rule, measured=rise, limit=self.limit, unit="correlation", passed=rise <= self.limit, detail=detail
        )
