"""The month's hedge budget, and what a hedge would take of it."""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from domain.record import Record
from domain.sessions import NEW_YORK


def month_of(at: datetime) -> date:
    """First day of the New York calendar month that `at` falls into."""
    return at.astimezone(NEW_YORK).date().replace(day=1)


class HedgeBudget(Record):
    """One month's budget: USD that may be spent on hedges, and what was."""

    month: date  # its first day
    limit: Decimal
    spent: Decimal

    @property
    def remaining(self) -> Decimal:
        """What is left; negative when more was spent than the budget allowed."""
        return self.limit - self.spent


class HedgeCost(Record):
    """Estimate for one underlying. `cost` None: unavailable, and `note` says why; never a silent zero."""

    ticker: str
    contracts: int
    median_mid: float | None  # USD per share
    multiplier: int | None
    puts: int  # quotes inside the window
    cost: Decimal | None  # USD
    note: str


class BudgetCheck(Record):
    """A hedge against the month's budget. `cost` is None when that of any underlying is unavailable; then the hedge is
    not `within`, for nobody knows. `utilisation` is (spent + cost) / limit, decimal; None without a cost or a limit.
    """

    budget: HedgeBudget
    cost: Decimal | None
    utilisation: float | None
    within: bool
    verdict: Literal["within", "over", "unavailable"]
    breakdown: tuple[HedgeCost, ...]
    note: str
