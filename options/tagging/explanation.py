"""The cheapest explanation of one root's contracts and shares.

A unit of a structure costs `STRUCTURE_COST`, each bare short in it `UNCOVERED_COST`, a share alone `SHARE_COST`; so
shorts are covered first, and then the fewest and therefore most specific structures are named. Single options are
structures too, which makes every account explainable.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.units import Floats
from options.tagging.patterns import PATTERNS, SHARE_COST, Group, Lot, groups, places

MOST_GROUPS = 3_000  # above this the integer programme gives way to the greedy search
MOST_NODES = 500  # of branch and bound: a limit that, unlike time, is the same on every machine
MOST_TO_COMPARE = 120  # groups among which equally cheap explanations are compared for the one that reads best
Method = Literal["exact", "greedy"]


class Explanation(NamedTuple):
    """Units of each group, shares left alone (signed), and whether the cost is proven least."""

    units: tuple[tuple[Group, int], ...]
    shares_left: int
    method: Method


def explain(held: Sequence[Lot], shares: int) -> Explanation:
    """Explain `held`, sorted lots of one root, and its signed `shares`."""
    if not held:
        return Explanation((), shares, "exact")
    found = groups(held, shares, most=MOST_GROUPS)
    return (found and _cheapest(held, shares, found)) or _greedy(held, shares)


def cost(explanation: Explanation) -> int:
    """What an explanation costs; the exact one is nowhere undercut."""
    named = sum(group.pattern.cost * units for group, units in explanation.units)
    return named + SHARE_COST * abs(explanation.shares_left)


def _cheapest(held: Sequence[Lot], shares: int, found: list[Group]) -> Explanation | None:
    """Integer programme: whole units ≥ 0 of each group that add up to the account, at least cost; in accounts small
    enough to compare, among those the fewest different groups, then the narrowest. None if branch and bound gives up.
    """
    taken = np.zeros((len(held) + 1, len(found) + 1))  # the last row counts shares, the last column those left alone
    for column, group in enumerate(found):
        for lot, leg in zip(group.lots, group.pattern.template, strict=True):
            taken[lot, column] = abs(leg.quantity)
        taken[-1, column] = abs(group.shares(held))
    taken[-1, -1] = 1.0
    held_each = np.array([*(abs(lot.quantity) for lot in held), abs(shares)], dtype=np.float64)
    prices = np.array([*(group.pattern.cost for group in found), SHARE_COST], dtype=np.float64)
    fits = np.array([(held_each[column > 0] // column[column > 0]).min() for column in taken.T])
    first = _solve(prices, taken, held_each, fits)
    if first is None:
        return None
    small = len(found) <= MOST_TO_COMPARE
    chosen = _fewest(held, found, prices, taken, held_each, fits, first) if small else first
    units = tuple((group, int(count)) for group, count in zip(found, chosen, strict=False) if count)
    return Explanation(units, int(chosen[-1]) * (1 if shares > 0 else -1), "exact")


def _solve(prices: Floats, taken: Floats, held: Floats, fits: Floats) -> NDArray[np.int64] | None:
    from scipy.optimize import Bounds, LinearConstraint, milp

    found = milp(
        prices,
        constraints=LinearConstraint(taken, held, held),
        bounds=Bounds(0.0, fits),
        integrality=np.ones(len(prices), dtype=np.int64),
        options={"mip_rel_gap": 0.0, "node_limit": MOST_NODES},
    )
    return np.rint(found.x).astype(np.int64) if found.status == 0 else None


def _fewest(
    held: Sequence[Lot],
    found: list[Group],
    prices: Floats,
    taken: Floats,
    held_each: Floats,
    fits: Floats,
    first: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Among explanations as cheap as `first` the one with the fewest different groups, then the narrowest."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    count = len(prices)
    strikes = sorted({lot.leg.strike for lot in held})
    rank = [strikes.index(lot.leg.strike) for lot in held]
    spans = [max(rank[lot] for lot in group.lots) - min(rank[lot] for lot in group.lots) for group in found]
    used = np.array([*(1.0 + span / (1_000.0 * len(strikes)) for span in spans), 0.0])
    switched = np.hstack([np.eye(count), -np.diag(fits)])  # units ≤ fits × used
    best = milp(
        np.concatenate([np.zeros(count), used]),
        constraints=[
            LinearConstraint(np.hstack([taken, np.zeros_like(taken)]), held_each, held_each),
            LinearConstraint(np.concatenate([prices, np.zeros(count)]), -np.inf, float(prices @ first) + 0.5),
            LinearConstraint(switched, -np.inf, 0.0),
        ],
        bounds=Bounds(0.0, np.concatenate([fits, np.ones(count)])),
        integrality=np.ones(2 * count, dtype=np.int64),
        options={"mip_rel_gap": 0.0, "node_limit": MOST_NODES},
    )
    return first if best.x is None else np.rint(best.x[:count]).astype(np.int64)


def _greedy(held: Sequence[Lot], shares: int) -> Explanation:
    """Take the structure that saves most wherever it still fits, nearest strikes first, until nothing is left."""
    left, units, free = list(held), [], shares
    for pattern in PATTERNS:
        for lots in places(pattern, held, shares):
            fit = min(left[lot].quantity // leg.quantity for lot, leg in zip(lots, pattern.template, strict=True))
            group = Group(pattern, lots)
            if pattern.shares:
                fit = min(fit, free // group.shares(held))
            if fit < 1:
                continue
            for lot, leg in zip(lots, pattern.template, strict=True):
                left[lot] = left[lot]._replace(quantity=left[lot].quantity - fit * leg.quantity)
            free -= fit * group.shares(held)
            units.append((group, fit))
    return Explanation(tuple(units), free, "greedy")
