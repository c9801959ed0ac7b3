"""Least-squares fits of raw SVI inside the no-arbitrage region, by interior point with cutting planes.

Points, units and constraints are those of `svi_interior`. Between the points where constraints are held they may dip:
the fit is looked at on a grid four times finer, its worst points are added, and it goes on. What comes out is still
only sampled: `svi_proof` and `svi_calendar` have the last word. The region is not convex, so several starts are tried
roughly and the best carried to the end.
"""

import math

import numpy as np
from numpy.typing import NDArray

from domain.units import Floats
from options.kernels.compiled import kernel
from options.kernels.svi_interior import BOXES, LEEWAY, height, hold_g, interior, rows

SAMPLES, ROUGH_SAMPLES = 61, 31
NEIGHBOUR = 25  # points at which the gap to a neighbour is held, before cuts
CUTS = 30
ROWS = BOXES + SAMPLES + 2 * NEIGHBOUR + CUTS
FAR = 60.0  # units of s: where the samples of g end, before cuts
LEAST_WING, MOST_WING = 1e-7, 1.0 - 1e-6
LEAST_SIGMA, MOST_SIGMA = 1e-3, 30.0
LEAST_VARIANCE = 1e-3  # of the mean total variance: the lowest point of a smile
BEYOND = 1.0  # of the quotes' range: how far outside it the centre may lie
ROUNDS = 8
ROUGH_BARRIER, CUT_BARRIER, LAST_BARRIER = 1e-4, 1e-3, 1e-4  # of the objective; higher ones drift into poor valleys
HELD_STEPS = 15
RETREATS = np.array([1.0, 0.998, 0.98, 0.95, 0.9, 0.8, 0.65, 0.5, 0.35, 0.2, 0.1, 0.05, 0.02, 0.0])
NODES = np.array(
    [(-1.2, 1.0), (0.4, 1.0), (1.2, 1.0), (-1.2, 0.05), (0.0, 0.3)]
)  # (m, σ) from which it is tried as well
NEAR_TRIES = 3  # from both neighbours and the least-squares fit; all that is needed where only the calendar binds
TRIES = NEAR_TRIES + len(NODES)
ATTEMPTS, FLAT_ATTEMPTS = 16, 2
FINISHED = 2  # rough fits, the best ones, that are carried to the end


@kernel
def _g(p: Floats, growth: float, square: float) -> float:
    """Durrleman's g at eˢ = `growth`; `square` is the unit of total variance."""
    sigma, back = math.exp(p[4]), 1.0 / growth
    cosh, sinh = 0.5 * (growth + back), 0.5 * (growth - back)
    w = p[0] + sigma * (p[1] * growth + p[2] * back)
    slope = (p[1] * growth - p[2] * back) / cosh
    bend = (p[1] + p[2]) / (sigma * cosh * cosh * cosh)
    q = 1.0 - 0.5 * (p[3] + sigma * sinh) * slope / w
    return q * q - 0.25 * slope * slope * (1.0 / w + 0.25 * square) + 0.5 * bend if w > 0.0 else -1.0


@kernel
def _look(family: int, s: float, p: Floats, neighbours: Floats, limits: Floats) -> tuple[float, float]:
    """(slack, k) of one constraint at `s`: g (family 0), or the gap to the slice below (1, 2) or above (3, 4), at the
    points of the fit's own hyperbola (odd) or of the neighbour's (even).
    """
    if family == 0:
        return _g(p, math.exp(s), limits[6]) - limits[7], 0.0
    neighbour = neighbours[(family - 1) // 2]
    own = p if family % 2 == 1 else neighbour
    k = own[3] + math.exp(own[4]) * math.sinh(s)
    gap = height(p, k) - height(neighbour, k)
    return (gap if family <= 2 else -gap) - limits[7], k


@kernel
def _cut(p: Floats, neighbours: Floats, limits: Floats, table: Floats, count: int) -> int:
    """Adds the points where a constraint dips below its margin to the rows; returns how many rows there are now."""
    for family in range(5):
        neighbour = neighbours[max(family - 1, 0) // 2]
        if family > 0 and np.isnan(neighbour[0]):
            continue
        sigma = math.exp(p[4] if family == 0 or family % 2 == 1 else neighbour[4])
        reach = math.asinh(FAR / sigma) + 3.0
        steps = 4 * SAMPLES
        wide = 2.0 * reach / steps
        before, here = np.inf, _look(family, -reach, p, neighbours, limits)[0]
        for j in range(1, steps + 2):
            after = _look(family, -reach + j * wide, p, neighbours, limits)[0] if j <= steps else np.inf
            # the parabola through three points may dip where none of them does
            if here <= before and here <= after and here < LEEWAY and count < ROWS:
                turn = before - 2.0 * here + after
                off = 0.5 * (before - after) / turn if 0.0 < turn < np.inf else 0.0
                s = -reach + (j - 1 + off) * wide
                slack, k = _look(family, s, p, neighbours, limits)
                if slack < (0.5 * LEEWAY if family == 0 else 0.5 * limits[7]):
                    if family == 0:
                        hold_g(table, count, s)
                    else:
                        _hold_gap(table, count, k, neighbours, (family - 1) // 2)
                    count += 1
            before, here = here, after
    return count


@kernel
def _hold_gap(table: Floats, j: int, k: float, neighbours: Floats, side: int) -> None:
    table[j, 0], table[j, 1], table[j, 2] = 1.0 - 2.0 * side, k, height(neighbours[side], k)


@kernel
def _anchored(
    anchor: Floats, p: Floats, table: Floats, count: int, limits: Floats, lines: Floats, slopes: Floats
) -> bool:
    """Draws `p` towards the strictly feasible `anchor` until it is strictly feasible; False where not even that is."""
    wanted = p.copy()
    lines[3, :] = 0.0
    for share in RETREATS:
        for i in range(5):
            p[i] = anchor[i] + share * (wanted[i] - anchor[i])
        if rows(p, table, count, limits, lines[0], slopes[0], lines[3]):
            return True
    return False


@kernel
def _hold(sigma: float, samples: int, neighbours: Floats, table: Floats) -> int:
    """Rows of a fresh table for a fit that starts with `sigma`; how many."""
    count = BOXES
    reach = math.asinh(FAR / sigma)
    for j in range(samples):
        hold_g(table, count, reach * (2.0 * j / (samples - 1) - 1.0))
        count += 1
    for side in range(2):
        if not np.isnan(neighbours[side, 0]):
            width = math.exp(neighbours[side, 4])
            reach = math.asinh(FAR / width)
            for j in range(NEIGHBOUR):
                k = neighbours[side, 3] + width * math.sinh(reach * (2.0 * j / (NEIGHBOUR - 1) - 1.0))
                _hold_gap(table, count, k, neighbours, side)
                count += 1
    return count


@kernel
def _anchor(attempt: int, p: Floats, neighbours: Floats, limits: Floats, anchor: Floats) -> None:
    """A slice deep inside: that below lifted or that above lowered, nearer each attempt, else a nearly flat one."""
    side = 0 if not np.isnan(neighbours[0, 0]) else 1
    if not np.isnan(neighbours[side, 0]) and attempt < ATTEMPTS - FLAT_ATTEMPTS:
        lift = 0.5 * 0.25**attempt
        anchor[:] = neighbours[side]
        anchor[0] += lift if side == 0 else -lift
        for wing in range(2):
            room = min(0.1 * lift, 0.5 * (limits[2 * wing + 1] - limits[2 * wing]))
            anchor[1 + wing] += room if side == 0 else -room
        return
    corner = 2.0 * math.exp(neighbours[1, 4]) * math.sqrt(neighbours[1, 1] * neighbours[1, 2])
    ceiling = neighbours[1, 0] + corner if side == 1 and not np.isnan(corner) else np.inf
    anchor[:] = p
    anchor[0] = min(1.0, 0.7 * ceiling)
    anchor[1], anchor[2] = min(1e-3, 0.5 * limits[1]), min(1e-3, 0.5 * limits[3])
    if attempt > ATTEMPTS - FLAT_ATTEMPTS:  # lower and flatter
        anchor[:3] *= 0.1


@kernel
def _point(slice_: Floats, scale: float, out: Floats) -> None:
    """(a, b, ρ, m, σ) as a point in units of `scale`."""
    out[0] = slice_[0] / (scale * scale)
    out[1], out[2] = 0.5 * slice_[1] * (1.0 + slice_[2]) / scale, 0.5 * slice_[1] * (1.0 - slice_[2]) / scale
    out[3], out[4] = slice_[3] / scale, math.log(slice_[4] / scale)


@kernel
def _slice(p: Floats, scale: float, out: Floats) -> None:
    out[0] = p[0] * scale * scale
    out[1], out[2] = (p[1] + p[2]) * scale, (p[1] - p[2]) / (p[1] + p[2])
    out[3], out[4] = p[3] * scale, math.exp(p[4]) * scale


@kernel
def _framed(x: Floats, scale: float, neighbours: Floats, limits: Floats) -> None:
    """Fills the limits of u, v, m, ln σ and the least variance, such that shifted copies of the neighbours fit."""
    limits[8], limits[9], limits[10] = math.log(LEAST_SIGMA) - 1e-3, math.log(MOST_SIGMA) + 1e-3, LEAST_VARIANCE
    for side in range(2):
        limits[2 * side], limits[2 * side + 1] = 0.5 * LEAST_WING, MOST_WING / scale
        if not np.isnan(neighbours[0, 0]):
            limits[2 * side] = max(limits[2 * side], neighbours[0, 1 + side])
        if not np.isnan(neighbours[1, 0]):
            limits[2 * side + 1] = min(limits[2 * side + 1], neighbours[1, 1 + side])
    reach = BEYOND * (x.max() - x.min()) + 0.1
    limits[4], limits[5] = x.min() - reach, x.max() + reach
    for side in range(2):
        if not np.isnan(neighbours[side, 0]):
            limits[4] = min(limits[4], neighbours[side, 3] - 0.1)
            limits[5] = max(limits[5], neighbours[side, 3] + 0.1)
            limits[8], limits[9] = min(limits[8], neighbours[side, 4] - 0.1), max(limits[9], neighbours[side, 4] + 0.1)
            corner = 2.0 * math.exp(neighbours[side, 4]) * math.sqrt(neighbours[side, 1] * neighbours[side, 2])
            limits[10] = min(limits[10], 0.5 * (neighbours[side, 0] + corner))


@kernel
def _attempt(
    p: Floats,
    anchor: Floats,
    quotes: Floats,
    neighbours: Floats,
    limits: Floats,
    table: Floats,
    lines: Floats,
    slopes: Floats,
    held: int,
    finish: bool,
) -> float:
    """One fit from `p`, improved in place, roughly or to the end; its mean square, ∞ where there is no room."""
    count = _hold(math.exp(p[4]), SAMPLES if finish else ROUGH_SAMPLES, neighbours, table)
    lines[3, :] = 0.0
    room = False
    for attempt in range(ATTEMPTS):
        _anchor(attempt, p, neighbours, limits, anchor)
        room = rows(anchor, table, count, limits, lines[0], slopes[0], lines[3])
        if room:
            break
    value = np.inf
    if not room:
        return value
    barrier, final = ROUGH_BARRIER, LAST_BARRIER if finish else ROUGH_BARRIER
    for _ in range(ROUNDS):
        if not _anchored(anchor, p, table, count, limits, lines, slopes):
            break
        value = interior(p, quotes, table, count, limits, barrier, final, held, lines, slopes)
        more = _cut(p, neighbours, limits, table, count) if finish else count
        if more == count:
            break
        count, barrier = more, CUT_BARRIER
    return value


@kernel
def _smooth(p: Floats, limits: Floats) -> bool:
    """Whether g looks fine at the samples."""
    reach = math.asinh(FAR / math.exp(p[4]))
    least = np.inf
    for j in range(SAMPLES):
        least = min(least, _g(p, math.exp(reach * (2.0 * j / (SAMPLES - 1) - 1.0)), limits[6]))
    return bool(least >= limits[7])


@kernel
def fit_bounded(
    k: Floats,
    w: Floats,
    weights: Floats,
    offsets: NDArray[np.int64],
    todo: NDArray[np.int64],
    starts: Floats,
    below: Floats,
    above: Floats,
    margin: float,
    first: int,
    last: int,
    out: Floats,
    anchors: Floats,
    cost: Floats,
) -> None:
    """The best slices for the quotes of slices `todo[first:last]`, each from `starts[item]` and from fixed places,
    between `below[item]` and `above[item]` (NaN: none); all of shape `(n, 5)`. Into row `item` of `out`, `anchors` and
    `cost`: the fit, a slice deep inside the constraints that it may be drawn back to, and its mean square as in
    `svi_fit.fit_free`; NaN and ∞ where the neighbours leave no room.
    """
    table, lines, slopes = np.zeros((ROWS, 7)), np.empty((4, ROWS)), np.zeros((2, ROWS, 5))
    edges = ((0, 1, 1.0), (1, 1, -1.0), (2, 2, 1.0), (3, 2, -1.0), (5, 4, 1.0), (6, 4, -1.0), (7, 3, 1.0), (8, 3, -1.0))
    for row, column, sign in edges:
        slopes[0, row, column] = slopes[1, row, column] = sign
    neighbours, limits, p, anchor = np.empty((2, 5)), np.empty(11), np.empty(5), np.empty(5)
    rough, found = np.empty(TRIES), np.empty((TRIES, 5))
    for job in range(first, last):
        item = todo[job]
        low, high = offsets[item], offsets[item + 1]
        quotes = np.empty((3, high - low))
        quotes[2] = weights[low:high] ** 2
        quotes[2] /= quotes[2].sum()
        square = (quotes[2] * w[low:high]).sum()
        scale = math.sqrt(square)
        quotes[0], quotes[1] = k[low:high] / scale, w[low:high] / square
        _point(below[item], scale, neighbours[0])
        _point(above[item], scale, neighbours[1])
        _framed(quotes[0], scale, neighbours, limits)
        limits[6], limits[7] = square, margin
        _point(starts[item], scale, p)
        tries = NEAR_TRIES if _smooth(p, limits) else TRIES
        rough[:] = np.inf
        for turn in range(tries):
            held = 0
            if turn < 2:
                if np.isnan(neighbours[turn, 0]):
                    continue
                p[:] = neighbours[turn]
            elif turn == 2:
                _point(starts[item], scale, p)
            else:
                node = NODES[turn - NEAR_TRIES]
                p[0], p[1], p[2], p[3], p[4] = 1.0, 0.2, 0.2, node[0], math.log(node[1])
                held = HELD_STEPS
            p[3] = min(max(p[3], limits[4] + 0.01), limits[5] - 0.01)
            rough[turn] = _attempt(p, anchor, quotes, neighbours, limits, table, lines, slopes, held, False)
            found[turn] = p
        cost[item], out[item], anchors[item] = np.inf, np.nan, np.nan
        for _ in range(FINISHED):
            best = rough.argmin()
            if rough[best] == np.inf:
                break
            p[:], rough[best] = found[best], np.inf
            value = _attempt(p, anchor, quotes, neighbours, limits, table, lines, slopes, 0, True)
            if value < cost[item]:
                cost[item] = value
                _slice(p, scale, out[item])
                _slice(anchor, scale, anchors[item])
