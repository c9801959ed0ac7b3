"""One-day value at risk against the regime's budget."""

from typing import Literal

from domain.record import Record
from domain.regime import Regime
from domain.risk import Check
from risk.view import RiskView


class VarBudgetRule(Record):
    """1-day 95 % VaR ≤ budget × NLV, by full revaluation of the book, and of the order, in joint historical scenarios.

    However many units of the order fill, VaR stays within the budget; where what is held stands above it already, it
    suffices that all units bring it back and none lift it. What cannot be revalued counts at its worst case, and the
    sum of worst cases bounds the whole: no day can lose more than everything at risk.
    """

    rule: Literal["var_budget"] = "var_budget"
    budget: dict[Regime, float]  # share of NLV

    def check(self, view: RiskView) -> Check | None:
        """Thesis pass asks for the present VaR, final pass for that after the trade."""
        if view.closing:
            return None
        budget = self.budget.get(view.regime)
        if budget is None:
            return view.finding(
                self.rule, measured=None, limit=None, unit="share of NLV", passed=False,
                detail=f"no VaR budget is set for {view.regime}",
            )  # fmt: skip
        found, restores = view.portfolio.value_at_risk, False
        if view.order is not None:
            filling, allowed = view.portfolio.value_at_risk_with(view.order), budget * (view.portfolio.nlv or 0.0)
            found = max(filling, key=lambda var: var.usd)
            restores = allowed < found.usd <= view.portfolio.value_at_risk_filled.usd and filling[-1].usd <= allowed
            found = filling[-1] if restores else found
        detail = f"{found.usd:,.2f} USD in one day of twenty, {found.observations} joint scenarios"
        if restores:
            detail += "; brings the book back within its budget"
        if found.assumed:
            detail += f"; worst case stands in for {', '.join(found.assumed)}"
        if found.capped:
            detail += "; bounded by the sum of worst cases"
        return view.share_of_nlv(self.rule, found.usd, budget, detail=detail)
