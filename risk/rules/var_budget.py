"""One-day value at risk against the regime's budget."""

from typing import Literal

from domain.record import Record
from domain.regime import Regime
from domain.risk import Check
from risk.view import RiskView


class VarBudgetRule(Record):
    """1-day 95 % VaR ≤ budget × NLV. The sum of worst-case losses stands in for VaR: it bounds it from above,
    because no day can lose more than everything at risk.
    """

    rule: Literal["var_budget"] = "var_budget"
    budget: dict[Regime, float]  # share of NLV

    def check(self, view: RiskView) -> Check | None:
        """Thesis pass asks for headroom now, final pass for the book after the trade."""
        if view.closing:
            return None
        budget = self.budget.get(view.regime)
        if budget is None:
            return view.finding(
                self.rule, measured=None, limit=None, unit="share of NLV", passed=False,
                detail=f"no VaR budget is set for {view.regime}",
            )  # fmt: skip
        added = float(view.order.candidate.max_loss) * view.order.units if view.order else 0.0
        detail = f"bound: worst case of {len(view.portfolio.exposures)} structures {view.portfolio.worst_case:,.2f} USD"
        if view.order:
            detail += f" + this order {added:,.2f} USD"
        return view.share_of_nlv(self.rule, view.portfolio.worst_case + added, budget, detail=detail)
