"""No new risk right before scheduled news; no short volatility into the unknown."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from domain.risk import Check
from risk.view import RiskView


class EventBlackoutRule(Record):
    """Vetoes new orders within `earnings_days` of a known earnings date and within the FOMC window. Families in
    `short_volatility` are vetoed on single names whose calendar is unknown; indices and ETFs proceed.
    """

    rule: Literal["event_blackout"] = "event_blackout"
    earnings_days: float = Field(default=1.0, ge=0)
    fomc_hours_before: float = Field(default=2.0, ge=0)
    fomc_hours_after: float = Field(default=1.0, ge=0)
    short_volatility: tuple[str, ...]

    def check(self, view: RiskView) -> Check | None:
        """Does not apply to closing orders."""
        if view.closing:
            return None
        fomc = view.market_events_in_hours.get("fomc")
        if fomc is not None and -self.fomc_hours_after <= fomc <= self.fomc_hours_before:
            return self._finding(view, fomc / 24, passed=False, detail=f"FOMC decision {fomc:+.1f} h away")
        days = view.facts.earnings_in_days
        if days is not None and 0 <= days <= self.earnings_days:
            return self._finding(view, days, passed=False, detail=f"earnings in {days:.1f} days")
        family = view.order.candidate.family if view.order else None
        if not view.facts.events_known and not view.facts.is_index and family in self.short_volatility:
            return self._finding(
                view, None, passed=False, detail=f"events unknown: no {family} on a single name without a calendar"
            )
        known = "no event known inside the window" if view.facts.events_known else "events unknown"
        return self._finding(view, days, passed=True, detail=known)

    def _finding(self, view: RiskView, days: float | None, *, passed: bool, detail: str) -> Check:
        return view.finding(
            self.rule, measured=days, limit=self.earnings_days, unit="days to event", passed=passed, detail=detail
        )
