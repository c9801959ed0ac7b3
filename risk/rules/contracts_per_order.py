"""Hard limit 5: how many contracts the pipeline may stage."""

from typing import Literal

from domain.record import Record
from domain.risk import Check
from portfolio.exposure import OPEN
from risk.view import RiskView


class ContractsPerOrderRule(Record):
    """The parent intent, units × largest leg ratio, plus what was opened today in the same underlying, ≤ 10.

    The day's sum is by underlying and by side, opening or closing, whatever the direction: calls and puts, bullish and
    bearish, the halves of a condor all add up, so that no intent can be split to pass. A parent counts whole while it
    works, whichever day it is from, and once it ended for what was filled, also if that was closed again. Only a hedge
    passes beyond ten: it then needs a person's approval as large.
    """

    rule: Literal["contracts_per_order"] = "contracts_per_order"

    def check(self, view: RiskView) -> Check | None:
        """Final pass only; the closing side is bounded by what is held and never kept from happening."""
        if view.closing or view.order is None:
            return None
        portfolio, limit = view.portfolio, view.hard.contracts_per_order
        today = portfolio.contracts_today.get(view.ticker, 0) + sum(
            e.contracts
            for e in portfolio.exposures
            if e.ticker == view.ticker and (e.opened_on == portfolio.today or e.state != OPEN)
        )
        contracts = view.order.contracts + today
        hedge = view.order.candidate.purpose == "hedge"
        detail = f"{view.order.contracts} in this order, {today} opened today in {view.ticker}"
        if hedge and contracts > limit:
            detail += ": a hedge beyond the limit, to be approved with --large --reason"
        return view.finding(
            self.rule,
            measured=float(contracts),
            limit=float(limit),
            unit="contracts",
            passed=hedge or contracts <= limit,
            hard=True,
            detail=detail,
        )
