"""The sum of two hyperbolas nearest to quotes: damped least squares in nine numbers, penalties against arbitrage.

W(x) = a + Σ c·(x − m) + b·√((x − m)² + σ²), in units of the at-the-money deviation s: x = k/s, W = w/s², so that one
set of bounds serves every expiry. What the
penalties leave is judged by `bend_proof`; nothing is believed from here.
"""

import numpy as np

from domain.units import Floats
from options.kernels.compiled import inlined, kernel

SIZE = 9
SHARPEST, ROUNDEST = 0.02, 12.0  # σ
FARTHEST = 12.0  # |m|
LEAST_W = 0.01  # penalties see no smaller variance
STEP_LIMIT = 10  # tries of one step
GAIN = 1e-5  # relative gain below which the search ends


@inlined
def _held(x: float, low: float, high: float) -> float:
    held: float = min(max(x, low), high)
    return held


@kernel
def _derivatives(p: Floats, x: float, w: Floats, slope: Floats, bend: Floats) -> None:
    """Derivatives of W, W′ and W″ at x by the nine numbers (ln σ, not σ)."""
    w[0], slope[0], bend[0] = 1.0, 0.0, 0.0
    for i in (1, 5):
        b, c, y, sigma = p[i], p[i + 1], x - p[i + 2], p[i + 3]
        q = np.sqrt(y * y + sigma * sigma)
        u, v = y / q, sigma * sigma / (q * q * q)
        w[i], slope[i], bend[i] = q, u, v
        w[i + 1], slope[i + 1], bend[i + 1] = y, 1.0, 0.0
        w[i + 2], slope[i + 2], bend[i + 2] = -c - b * u, -b * v, 3.0 * b * v * y / (q * q)
        w[i + 3], slope[i + 3] = b * sigma * sigma / q, -b * v * y
        bend[i + 3] = b * v * (2.0 - 3.0 * sigma * sigma / (q * q))


@kernel
def _add(gradient: Floats, miss: float, hessian: Floats, pull: Floats) -> None:
    for i in range(SIZE):
        pull[i] += gradient[i] * miss
        for j in range(i + 1):
            hessian[i, j] += gradient[i] * gradient[j]


@kernel
def _misses(p: Floats, x: Floats, w: Floats, weight: Floats, rows: Floats, miss: Floats) -> None:
    """Weighted misses of the quotes, and their derivatives by each number in `rows` `(SIZE, n)`."""
    for n in range(len(x)):
        rows[0, n] = weight[n]
        miss[n] = p[0] - w[n]
    for i in (1, 5):
        b, c, m, sigma = p[i], p[i + 1], p[i + 2], p[i + 3]
        for n in range(len(x)):
            y = x[n] - m
            q = np.sqrt(y * y + sigma * sigma)
            miss[n] += c * y + b * q
            rows[i, n] = q * weight[n]
            rows[i + 1, n] = y * weight[n]
            rows[i + 2, n] = -(c + b * y / q) * weight[n]
            rows[i + 3, n] = b * sigma * sigma / q * weight[n]
    for n in range(len(x)):
        miss[n] *= weight[n]


@kernel
def _shape(p: Floats, x: float) -> tuple[float, float, float]:
    """W, W′ and W″ at x."""
    value, slope, bend = p[0], 0.0, 0.0
    for i in (1, 5):
        y, sigma = x - p[i + 2], p[i + 3]
        inverse = 1.0 / np.sqrt(y * y + sigma * sigma)
        u = y * inverse
        value += p[i + 1] * y + p[i] * (y * u + sigma * sigma * inverse)
        slope += p[i + 1] + p[i] * u
        bend += p[i] * (1.0 - u * u) * inverse
    return value, slope, bend


@kernel
def _system(
    p: Floats, x: Floats, w: Floats, weight: Floats, guards: Floats, force: float, unit: float, margin: float,
    low: Floats, high: Floats, hessian: Floats, pull: Floats, rows: Floats, misses: Floats, scratch: Floats,
) -> float:  # fmt: skip
    """Sum of squares at `p`, and with it the normal equations.

    `guards` has rows (x, least W, greatest W); `low` and `high` are least and greatest slopes at −∞ and +∞.
    """
    _misses(p, x, w, weight, rows, misses)
    for i in range(SIZE):
        pull[i] = np.dot(rows[i], misses)
        for j in range(i + 1):
            hessian[i, j] = np.dot(rows[i], rows[j])
    cost: float = np.dot(misses, misses)
    dw, ds, db, row = scratch[0], scratch[1], scratch[2], scratch[3]
    for n in range(len(guards)):
        at, least, most = guards[n, 0], guards[n, 1], guards[n, 2]
        value, slope, bend = _shape(p, at)
        floor = max(value, LEAST_W)
        turn = 1.0 - 0.5 * at * slope / floor
        g = turn * turn - 0.25 * slope * slope * (1.0 / floor + 0.25 * unit) + 0.5 * bend
        if g >= margin and least <= value <= most:
            continue
        _derivatives(p, at, dw, ds, db)
        if g < margin:
            by_w = turn * at * slope / (floor * floor) + 0.25 * slope * slope / (floor * floor)
            by_slope = -turn * at / floor - 0.5 * slope * (1.0 / floor + 0.25 * unit)
            for i in range(SIZE):
                row[i] = force * (by_w * dw[i] + by_slope * ds[i] + 0.5 * db[i])
            miss = force * (g - margin)
            cost += miss * miss
            _add(row, miss, hessian, pull)
        if value < least or value > most:
            bound = least if value < least else most
            scale = force / max(bound, LEAST_W)
            miss = scale * (value - bound)
            for i in range(SIZE):
                row[i] = scale * dw[i]
            cost += miss * miss
            _add(row, miss, hessian, pull)
    for side in range(2):
        sign = 2.0 * side - 1.0
        slope = p[1] + p[5] + sign * (p[2] + p[6])
        if slope < low[side] or slope > high[side]:
            bound = low[side] if slope < low[side] else high[side]
            scale = force / max(bound, LEAST_W)
            row[:] = 0.0
            row[1] = row[5] = scale
            row[2] = row[6] = scale * sign
            miss = scale * (slope - bound)
            cost += miss * miss
            _add(row, miss, hessian, pull)
    return cost


@kernel
def _solve(hessian: Floats, damping: float, pull: Floats, root: Floats, step: Floats) -> bool:
    """Step = −(H + damping·diag H)⁻¹·pull by Cholesky; False where H is not positive."""
    for i in range(SIZE):
        for j in range(i + 1):
            total = hessian[i, j] + (damping * hessian[i, i] + 1e-12 if i == j else 0.0)
            for n in range(j):
                total -= root[i, n] * root[j, n]
            if i == j:
                if not total > 0.0:
                    return False
                root[i, i] = np.sqrt(total)
            else:
                root[i, j] = total / root[j, j]
    for i in range(SIZE):
        total = -pull[i]
        for n in range(i):
            total -= root[i, n] * step[n]
        step[i] = total / root[i, i]
    for back in range(SIZE):
        i = SIZE - 1 - back
        total = step[i]
        for n in range(i + 1, SIZE):
            total -= root[n, i] * step[n]
        step[i] = total / root[i, i]
    return True


@kernel
def descend(
    p: Floats, x: Floats, w: Floats, weight: Floats, guards: Floats, force: float, unit: float, margin: float,
    low: Floats, high: Floats, count: int, steps: int,
) -> float:  # fmt: skip
    """Levenberg and Marquardt from `p`, in place, over its first `count` numbers; the sum of squares reached."""
    hessian, pull = np.zeros((SIZE, SIZE)), np.zeros(SIZE)
    other, draw = np.zeros((SIZE, SIZE)), np.zeros(SIZE)
    root, step, trial, scratch = np.zeros((SIZE, SIZE)), np.zeros(SIZE), np.zeros(SIZE), np.zeros((4, SIZE))
    rows, misses = np.empty((SIZE, len(x))), np.empty(len(x))
    damping = 1e-3
    cost = _system(p, x, w, weight, guards, force, unit, margin, low, high, hessian, pull, rows, misses, scratch)
    for _ in range(steps):
        for i in range(3, SIZE):  # not asked for, or at its bound and pushed outwards: held there
            low_end, high_end = (-FARTHEST, FARTHEST) if i % 4 == 3 else (SHARPEST, ROUNDEST)
            bounded = i % 4 == 3 or i % 4 == 0
            outwards = (p[i] <= low_end and pull[i] > 0.0) or (p[i] >= high_end and pull[i] < 0.0)
            if i >= count or (bounded and outwards):
                hessian[i, :] = 0.0
                hessian[:, i] = 0.0
                hessian[i, i] = 1.0
                pull[i] = 0.0
        better = False
        reached = cost
        for _try in range(STEP_LIMIT):
            if _solve(hessian, damping, pull, root, step):
                for i in range(SIZE):
                    trial[i] = p[i] + step[i]
                for i in (3, 7):
                    trial[i] = _held(trial[i], -FARTHEST, FARTHEST)
                    trial[i + 1] = _held(p[i + 1] * np.exp(_held(step[i + 1], -2.0, 2.0)), SHARPEST, ROUNDEST)
                reached = _system(
                    trial, x, w, weight, guards, force, unit, margin, low, high, other, draw, rows, misses, scratch
                )
                if reached < cost:
                    better = True
                    break
            damping = max(damping * 5.0, 1e-9)
        if not better:
            break
        damping *= 0.2
        p[:] = trial
        hessian[:] = other
        pull[:] = draw
        gained = cost - reached
        cost = reached
        if gained <= GAIN * cost:
            break
    return cost


@kernel
def search(
    starts: Floats, x: Floats, w: Floats, weight: Floats, guards: Floats, force: float, unit: float, margin: float,
    low: Floats, high: Floats, count: int, sketch: int, steps: int, best: Floats,
) -> float:  # fmt: skip
    """`descend` a little from each row of `starts`, then from the best of them to the end: numbers into `best`, and the
    sum of squares reached.
    """
    least = np.inf
    for start in starts:
        trial = start.copy()
        cost = descend(trial, x, w, weight, guards, force, unit, margin, low, high, count, sketch)
        if cost < least:
            least = cost
            best[:] = trial
    return descend(best, x, w, weight, guards, force, unit, margin, low, high, count, steps)
