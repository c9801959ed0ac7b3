"""How much one more underlying makes the book move as one."""

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
        """Final pass only: without an order there is no increase."""
        if view.closing or view.order is None:
            return None
        before: dict[str, float] = {}
        for exposure in view.portfolio.exposures:
            before[exposure.ticker] = before.get(exposure.ticker, 0.0) + float(exposure.worst_case)
        after = dict(before)
        added = float(view.order.candidate.max_loss) * view.order.units
        after[view.ticker] = after.get(view.ticker, 0.0) + added
        if len(after) < FROM_UNDERLYINGS:
            rise, detail = 0.0, f"{len(after)} underlying(s): counts from the third"
        else:
            old, new = view.correlations.weighted_mean(before), view.correlations.weighted_mean(after)
            rise, detail = new - old, f"mean correlation {old:.2f} → {new:.2f}"
        return view.finding(
            self.rule, measured=rise, limit=self.limit, unit="correlation", passed=rise <= self.limit, detail=detail
        )
