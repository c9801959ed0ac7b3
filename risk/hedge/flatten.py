"""After a day that lost too much: the closings that take the book's direction away."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.record import Record
from domain.units import Floats
from risk.hedge.breach import SLACK, NoProposal
from risk.hedge.repairs import Holding
from risk.ranges import Range

NEAR = 0.01  # of the delta that is to be flattened: nearer is not worth a closing, nor a long search
MOST_NODES = 20_000  # of the search: a bound that every machine reaches at the same place
LESS_THAN_ONE = 2.0  # by which all that closings cost, together, counts for less than one unit


class Flattening(Record):
    """Units to close by order id; SPX delta of the book (USD, the worse end) as it is and once they are closed."""

    units: Mapping[str, int]
    before: float
    after: float
    limit: float
    reason: str


def flatten(delta: Range, holdings: Sequence[Holding], *, limit: float) -> Flattening | NoProposal:
    """The fewest units whose closing brings the SPX delta within ±`limit` USD, or about as near as closing can.

    `delta` is all that the delta of the whole book may be, USD of SPX exposure; a hundredth of it is as good as flat.
    Of `holdings` those without a beta are left alone: which way they lean is not known. Among as few units those that
    cost least to close.
    """
    limit = max(limit, NEAR * delta.largest)
    if delta.largest <= limit * (1 + SLACK):
        return NoProposal(code="nothing_broken", reason=f"SPX delta of {delta} USD is flat enough ({limit:,.0f}).")
    known = sorted((one for one in holdings if one.beta is not None), key=lambda one: one.order_id)
    units = _fewest(delta, known, limit)
    if units is None:
        return NoProposal(
            code="unsolved", reason=f"The search for closings against an SPX delta of {delta} USD failed."
        )
    if not units.any():
        return NoProposal(
            code="none_restores", reason=f"No closing brings the SPX delta of {delta} USD nearer to zero."
        )
    after = delta.with_sure(float(units @ _effects(known)))
    return Flattening(
        units={one.order_id: int(count) for one, count in zip(known, units, strict=True) if count},
        before=_worse(delta),
        after=_worse(after),
        limit=limit,
        reason=f"Flattens SPX delta {delta} → {after} USD (flat: {limit:,.0f}).",
    )


def _fewest(delta: Range, known: Sequence[Holding], limit: float) -> NDArray[np.int64] | None:
    """Units `(n,)` of each: first the least distance beyond `limit`, then the fewest units that about keep to it."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    count, scale = len(known), delta.largest
    if not count:
        return np.zeros(0, dtype=np.int64)
    most = np.array([one.units for one in known], dtype=np.float64)
    leans = np.append(_effects(known) / scale, 0.0)
    beyond = np.append(np.zeros(count), 1.0)  # the last column: how far beyond the limit, as a share of `scale`
    room = np.array([limit - delta.high, limit + delta.low]) / scale
    sides = LinearConstraint(np.vstack([leans - beyond, -leans - beyond]), -np.inf, room)
    search: dict[str, Any] = {
        "bounds": Bounds(0.0, np.append(most, np.inf)),
        "integrality": np.append(np.ones(count, dtype=np.int64), 0),
    }
    nearest = milp(beyond, constraints=sides, options={"mip_rel_gap": NEAR, "node_limit": MOST_NODES}, **search)
    if nearest.x is None:
        return None
    near = LinearConstraint(beyond, -np.inf, nearest.x[-1] + (SLACK if nearest.x[-1] <= SLACK else NEAR))
    cost = np.array([one.closing_cost for one in known])
    dearer = cost - cost.min()
    each = np.append(1.0 + dearer / max(LESS_THAN_ONE * (dearer @ most), 1.0), 0.0)
    fewest = milp(each, constraints=[sides, near], options={"mip_rel_gap": 0.0, "node_limit": MOST_NODES}, **search)
    return None if fewest.x is None else np.rint(fewest.x[:count]).astype(np.int64)


def _effects(known: Sequence[Holding]) -> Floats:
    """What closing one unit of each does to the SPX delta, USD, `(n,)`."""
    return np.array([-(one.beta or 0.0) * one.greeks.delta for one in known])


def _worse(delta: Range) -> float:
    return delta.low if abs(delta.low) > abs(delta.high) else delta.high
