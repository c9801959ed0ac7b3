"""What is left of the month's hedge budget: asked when a hedge is staged, and again at the instant of its approval."""

from collections.abc import Iterable
from decimal import Decimal

from domain.errors import Refused
from domain.risk import Exposure
from risk.hedge.budget import HedgeBudget

RAISE = "raise the budget with 'desk hedge budget --set'"


def beyond_budget(
    budget: HedgeBudget, wanted: Decimal, exposures: Iterable[Exposure], *, subject: str, fewer: str
) -> Refused | None:
    """Why the worst premium `wanted`, USD with all fees, does not fit what is left of the month; None if it does.

    The hedges among `exposures`, none of them filled yet, count as spent. `fewer` says how to ask for less.
    """
    waiting = sum((item.worst_case for item in exposures if item.purpose == "hedge"), Decimal(0))
    left = max(budget.remaining - waiting, Decimal(0))
    if wanted <= left:
        return None
    said = f", {waiting:,.2f} USD of hedges that wait counted as spent" if waiting else ""
    return Refused(
        f"{subject} may cost {wanted:,.2f} USD; {left:,.2f} USD are left of the month's budget{said}.",
        code="over_budget",
        measured=float(wanted),
        limit=float(left),
        remedy=f"{fewer}, or {RAISE}." if left and fewer else f"{RAISE[0].upper()}{RAISE[1:]}.",
    )
