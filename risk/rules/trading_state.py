"""Kill switch and reducing state."""

from typing import Literal

from domain.order import SizedCandidate
from domain.record import Record
from domain.risk import Check, TradingState
from portfolio.exposure import OPEN
from risk.reducing import worst_cases
from risk.view import RiskView


class TradingStateRule(Record):
    """ACTIVE lets all through. REDUCING lets through what lowers the worst case: closings, and openings that provably
    do so at their own expiry while no other opening of the underlying is on its way. HALTED lets closings be staged,
    nothing else; while it lasts nothing is sent.
    """

    rule: Literal["trading_state"] = "trading_state"

    def check(self, view: RiskView) -> Check | None:
        """A thesis has no order yet that could lower anything, so it passes only when active."""
        state = view.portfolio.trading_state
        passed = state is TradingState.ACTIVE or view.closing
        detail = f"trading is {state}: {view.portfolio.trading_state_reason}"
        if state is TradingState.REDUCING and view.order is not None and not view.closing:
            passed, why = self._lowers(view, view.order)
            detail += f"; {why}"
        return view.finding(self.rule, measured=None, limit=None, unit="state", passed=passed, hard=True, detail=detail)

    def _lowers(self, view: RiskView, order: SizedCandidate) -> tuple[bool, str]:
        if any(e.ticker == view.ticker and e.state != OPEN for e in view.portfolio.exposures):
            return False, f"another opening of {view.ticker} is on its way, so nothing can be proven"
        found = worst_cases(view.portfolio.held(ticker=view.ticker), order.candidate, order.units)
        if found is None:
            return False, "legs that end on different days prove nothing"
        verb = "lowers" if found.lowered else "does not lower"
        return found.lowered, f"it {verb} the worst case at its expiry ({found.before:,.2f} → {found.after:,.2f} USD)"
