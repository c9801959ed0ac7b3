"""Hard limit 5: how many contracts the pipeline may stage."""

from typing import Literal

from domain.record import Record
from domain.risk import Check
from risk.view import RiskView


class ContractsPerOrderRule(Record):
    """units × largest leg ratio, plus what was opened today in the same underlying, ≤ 10: an intent cannot be
    split to pass.
    """

    rule: Literal["contracts_per_order"] = "contracts_per_order"

    def check(self, view: RiskView) -> Check | None:
        """Final pass only; closing is never kept from happening."""
        if view.closing or view.order is None:
            return None
        portfolio = view.portfolio
        today = sum(
            e.contracts for e in portfolio.exposures if e.ticker == view.ticker and e.opened_on == portfolio.today
        )
        contracts = view.order.contracts + today
        return view.finding(
            self.rule,
            measured=float(contracts),
            limit=float(view.hard.contracts_per_order),
            unit="contracts",
            passed=contracts <= view.hard.contracts_per_order,
            hard=True,
            detail=f"{view.order.contracts} in this order, {today} opened today in {view.ticker}",
        )
