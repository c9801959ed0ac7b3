"""Old quotes decide nothing."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from domain.risk import Check
from risk.view import RiskView


class DataFreshnessRule(Record):
    """The chain must not be older than `max_age_minutes` at the run's instant, nor stamped after it."""

    rule: Literal["data_freshness"] = "data_freshness"
    max_age_minutes: float = Field(default=30, gt=0)

    def check(self, view: RiskView) -> Check | None:
        """A ticker without a chain fails."""
        age = view.facts.quote_age_minutes
        return view.finding(
            self.rule,
            measured=age,
            limit=self.max_age_minutes,
            unit="minutes",
            passed=age is not None and 0 <= age <= self.max_age_minutes,
            detail="no chain in the snapshot" if age is None else f"quotes are {age:.1f} min old",
        )
