"""Hard limit 2: what one underlying can lose."""

from typing import Literal

from domain.record import Record
from domain.regime import Regime
from domain.risk import Check
from risk.view import RiskView


class PositionAtRiskRule(Record):
    """Worst-case loss in one underlying, this order included, ≤ 5 % of NLV (2 % in crisis)."""

    rule: Literal["position_at_risk"] = "position_at_risk"

    def check(self, view: RiskView) -> Check | None:
        """Final pass only; does not apply to closing orders."""
        if view.closing or view.order is None:
            return None
        crisis = view.regime is Regime.CRISIS
        limit = view.hard.position_at_risk_crisis if crisis else view.hard.position_at_risk
        held = view.portfolio.worst_case_by_ticker.get(view.ticker, 0.0)
        added = float(view.order.candidate.max_loss) * view.order.units
        detail = f"max loss {added:,.2f} USD" + (f" + {held:,.2f} USD held in {view.ticker}" if held else "")
        return view.share_of_nlv(self.rule, held + added, limit, detail=detail, hard=True)
