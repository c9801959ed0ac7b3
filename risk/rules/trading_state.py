"""Kill switch and reducing state."""

from typing import Literal

from domain.record import Record
from domain.risk import Check, TradingState
from risk.view import RiskView


class TradingStateRule(Record):
    """ACTIVE lets all through; REDUCING and HALTED only orders that close what is held (they are staged, and
    while halted nothing is sent).
    """

    rule: Literal["trading_state"] = "trading_state"

    def check(self, view: RiskView) -> Check | None:
        """Passes when active, or when the order only closes."""
        state = view.portfolio.trading_state
        return view.finding(
            self.rule,
            measured=None,
            limit=None,
            unit="state",
            passed=state is TradingState.ACTIVE or view.closing,
            hard=True,
            detail=f"trading is {state}: {view.portfolio.trading_state_reason}",
        )
