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


class Flattening(Record):
    """Units to close by order id; SPX delta of the book (USD, the worse end) as it is and once they are closed."""

    units: Mapping[str, int]
    before: float
    after: float
    limit: float
    reason: str


def flatten(delta: Range, holdings: Sequence[Holding], *, limit: float) -> Flattening | NoProposal:
    """The fewest units whose closing brings the SPX delta within ±`limit` USD, or as near as closing can.

    `delta` is all that the delta of the whole book may be, USD of SPX exposure. Of `holdings` those without a beta are
    left alone: which way they lean is not known. An exact search over whole units; among equals the cheapest to close.
    """
    known = sorted((one for one in holdings if one.beta is not None), key=lambda one: (one.closing_cost, one.order_id))
    if delta.largest <= limit * (1 + SLACK):
        return NoProposal(code="nothing_broken", reason=f"SPX delta of {delta} USD is flat enough ({limit:,.0f}).")
    effect = np.array([-(one.beta or 0.0) * one.greeks.delta for one in known])
    units = _fewest(delta, effect, np.array([one.units for one in known], dtype=np.int64), limit)
    if units is None:
        return NoProposal(
            code="unsolved", reason=f"The search for closings against an SPX delta of {delta} USD failed."
        )
    if not units.any():
        return NoProposal(
            code="none_restores", reason=f"No closing brings the SPX delta of {delta} USD nearer to zero."
        )
    after = delta.with_sure(float(units @ effect))
    return Flattening(
        units={one.order_id: int(count) for one, count in zip(known, units, strict=True) if count},
        before=_worse(delta),
        after=_worse(after),
        limit=limit,
        reason=f"Flattens SPX delta {delta} → {after} USD (flat: {limit:,.0f}).",
    )


def _fewest(delta: Range, effect: Floats, most: NDArray[np.int64], limit: float) -> NDArray[np.int64] | None:
    """Units `(n,)` of each: first the least distance beyond `limit`, then the fewest units that keep to it."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    count, scale = len(effect), delta.largest
    if not count:
        return most
    leans = np.append(effect / scale, 0.0)
    beyond = np.append(np.zeros(count), 1.0)  # the last column: how far beyond the limit, as a share of `scale`
    room = np.array([limit - delta.high, limit + delta.low]) / scale
    sides = LinearConstraint(np.vstack([leans - beyond, -leans - beyond]), -np.inf, room)
    search: dict[str, Any] = {
        "bounds": Bounds(0.0, np.append(most, np.inf).astype(np.float64)),
        "integrality": np.append(np.ones(count, dtype=np.int64), 0),
        "options": {"mip_rel_gap": 0.0},
    }
    nearest = milp(beyond, constraints=sides, **search)
    if nearest.fun is None:
        return None
    near = LinearConstraint(beyond, -np.inf, nearest.fun + SLACK)
    in_order = np.append(1.0 + np.arange(count) / (1e3 * count * most.sum()), 0.0)  # among equals the first
    fewest = milp(in_order, constraints=[sides, near], **search)
    return None if fewest.x is None else np.rint(fewest.x[:count]).astype(np.int64)


def _worse(delta: Range) -> float:
    return delta.low if abs(delta.low) > abs(delta.high) else delta.high
