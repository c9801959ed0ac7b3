"""While only reducing is allowed: does an opening order provably lower the worst case of what is held?

Proven at the order's own expiry, in one deliverable. Let the price at every expiry be as bad as it likes: the least
that the account can be left with is the sum, over expiries, of the least payoff of the contracts that end then. An
order whose legs all end together changes one term of that sum, and the cash by its premium and fees. What one
underlying protects in another is correlation, not arithmetic, and proves nothing here.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from domain.contract import Leg, Right, Settlement
from domain.order import Candidate
from options.payoff import worst_intrinsic
from risk.naked import Trade

Ending = tuple[str, date, Settlement, int]


class WorstCases(NamedTuple):
    """Least payoff in USD at the order's expiry, without entry premiums of what is held; −inf with calls net short."""

    before: float
    after: float

    @property
    def lowered(self) -> bool:
        """Whether the worst case is strictly better after the order."""
        return self.after > self.before


def worst_cases(held: Sequence[Trade], candidate: Candidate, units: int) -> WorstCases | None:
    """Worst case at the order's expiry before and after `units` of it, its worst premium and all fees paid; `held` are
    the contracts of its underlying. None where the legs end on different days: that proves nothing.
    """
    endings = {_ending(leg) for leg in candidate.legs}
    if len(endings) > 1:
        return None
    ending = endings.pop()
    beside = [trade for trade in held if _ending(trade.leg) == ending]
    traded = [Trade(leg, leg.quantity * units) for leg in candidate.legs]
    multiplier = candidate.legs[0].multiplier
    premium = float(candidate.worst_per_share * multiplier - candidate.fees) * units
    return WorstCases(before=multiplier * _least(beside), after=multiplier * _least([*beside, *traded]) + premium)


def _ending(leg: Leg) -> Ending:
    return leg.root, leg.expiry, leg.settlement, leg.multiplier


def _least(trades: Sequence[Trade]) -> float:
    if not trades:
        return 0.0
    strikes = np.array([[float(leg.strike) for leg, _ in trades]])
    is_call = np.array([leg.right is Right.CALL for leg, _ in trades])
    quantities = np.array([float(quantity) for _, quantity in trades])
    return float(worst_intrinsic(strikes=strikes, is_call=is_call, quantities=quantities)[0])
