"""Limits are shares of NLV: without a fresh NLV there is no limit, hence no new risk."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from domain.risk import Check
from risk.view import RiskView


class NlvKnownRule(Record):
    """NLV must be known and not older than `max_age_seconds` by the run's clock."""

    rule: Literal["nlv_known"] = "nlv_known"
    max_age_seconds: float = Field(default=60, gt=0, le=60)

    def check(self, view: RiskView) -> Check | None:
        """Does not apply to closing orders."""
        if view.closing:
            return None
        age = view.portfolio.nlv_age_seconds if view.portfolio.nlv is not None else None
        return view.finding(
            self.rule,
            measured=age,
            limit=self.max_age_seconds,
            unit="seconds",
            passed=age is not None and 0 <= age <= self.max_age_seconds,
            hard=True,
            detail="NLV is unknown: a position has no usable quote" if age is None else f"NLV is {age:.0f} s old",
        )
