"""A primal-dual interior point for least-squares fits of raw SVI under no-arbitrage constraints held at points.

A point is p = (a, u, v, m, ln σ) with w = a + u(R + x) + v(R − x), x = k − m, R = √(x² + σ²). At x = σ·sinh(s)
this is a + σ(u·eˢ + v·e⁻ˢ), so Durrleman's g is held positive at fixed values of s, where its derivatives are simple;
the gaps to neighbouring slices are held positive at fixed k, and in the wings by the slopes.

Units: k in s = √(mean total variance), total variance in s². `limits` is (least and most u, v and m; s², margin; least
and most ln σ; least total variance).
Methods: Nocedal and Wright, Numerical Optimization (2006), chapter 19; the Hessian is Gauss-Newton's.
"""

import math

import numpy as np

from domain.units import Floats
from options.kernels.compiled import kernel

BOXES = 9  # rows of constraints that every fit has
LEEWAY = 1e-4  # of g, above the margin, that samples keep, so that shallow dips between them need no cut
STEPS = 40
HELD = 1e6  # stiffness that keeps m and σ where they are while the wings find their place
TO_EDGE = 0.9  # share of the way to the nearest constraint that one step may go
LEAST_LEFT = 0.02  # of a constraint's slack that a step must leave
FLOOR = 1e-6  # mean squared relative miss below which a fit counts as perfect


@kernel
def height(p: Floats, k: float) -> float:
    x = k - p[3]
    radius = math.hypot(x, math.exp(p[4]))
    value: float = p[0] + p[1] * (radius + x) + p[2] * (radius - x)
    return value


@kernel
def rows(p: Floats, table: Floats, count: int, limits: Floats, c: Floats, slopes: Floats, least: Floats) -> bool:
    """Constraints c ≥ 0 and their derivatives at `p`; stops with False where one is not above `least`.

    A row of `table` holds, for g at s, (0, eˢ, e⁻ˢ, sinh s, eˢ/cosh s, −e⁻ˢ/cosh s, 1/cosh³ s); for a gap (±1, k, w).
    """
    a, u, v, m, sigma = p[0], p[1], p[2], p[3], math.exp(p[4])
    root = math.sqrt(max(u * v, 1e-300))
    c[0], c[1], c[2], c[3] = u - limits[0], limits[1] - u, v - limits[2], limits[3] - v
    c[4] = a + 2.0 * sigma * root - limits[10]
    c[5], c[6] = p[4] - limits[8], limits[9] - p[4]
    c[7], c[8] = m - limits[4], limits[5] - m
    for j in range(BOXES):
        if not c[j] > least[j]:
            return False
    slopes[4, 0], slopes[4, 1], slopes[4, 2] = 1.0, sigma * v / root, sigma * u / root
    slopes[4, 4] = 2.0 * sigma * root
    inverse_sigma, square, margin = 1.0 / sigma, limits[6], limits[7]
    for j in range(BOXES, count):
        if table[j, 0] == 0.0:
            up, down, rise_u, rise_v = sigma * table[j, 1], sigma * table[j, 2], table[j, 4], table[j, 5]
            w = a + u * up + v * down
            inverse = 1.0 / w
            slope = u * rise_u + v * rise_v
            bend_unit = 0.5 * inverse_sigma * table[j, 6]
            place = sigma * table[j, 3]
            k = m + place
            half = 0.5 * slope * inverse
            rest = 1.0 - half * k
            c[j] = (
                rest * rest - half * half * w - 0.0625 * square * slope * slope + (u + v) * bend_unit - margin - LEEWAY
            )
            if not (c[j] > least[j] and w > 0.0):
                return False
            by_w = 2.0 * rest * (1.0 - rest) * inverse + half * half
            by_slope = -rest * k * inverse - half - 0.125 * square * slope
            by_k = -2.0 * rest * half
            slopes[j, 0] = by_w
            slopes[j, 1] = by_w * up + by_slope * rise_u + bend_unit
            slopes[j, 2] = by_w * down + by_slope * rise_v + bend_unit
            slopes[j, 3] = by_k
            slopes[j, 4] = by_w * (w - a) + by_k * place - (u + v) * bend_unit
        else:
            sign, x = table[j, 0], table[j, 1] - m
            radius = math.sqrt(x * x + sigma * sigma)
            w = a + u * (radius + x) + v * (radius - x)
            c[j] = sign * (w - table[j, 2]) - 2.0 * margin
            if not c[j] > least[j]:
                return False
            slopes[j, 0] = sign
            slopes[j, 1], slopes[j, 2] = sign * (radius + x), sign * (radius - x)
            slopes[j, 3] = -sign * (u * (radius + x) - v * (radius - x)) / radius
            slopes[j, 4] = sign * (u + v) * sigma * sigma / radius
    return True


@kernel
def hold_g(table: Floats, j: int, s: float) -> None:
    growth = math.exp(s)
    back = 1.0 / growth
    cosh, sinh = 0.5 * (growth + back), 0.5 * (growth - back)
    table[j, 0], table[j, 1], table[j, 2], table[j, 3] = 0.0, growth, back, sinh
    table[j, 4], table[j, 5], table[j, 6] = growth / cosh, -back / cosh, 1.0 / (cosh * cosh * cosh)


@kernel
def _misses(p: Floats, quotes: Floats, gradient: Floats, hessian: Floats, want: bool) -> float:
    """Half the weighted mean square of w(x) − w over `quotes` (x, w, share of the weight; shape `(3, n)`).

    Its gradient and the lower triangle of its Gauss-Newton Hessian are filled in where wanted.
    """
    u, v, m, sigma = p[1], p[2], p[3], math.exp(p[4])
    total = 0.0
    column = np.empty(5)
    if want:
        gradient[:] = 0.0
        hessian[:] = 0.0
    for i in range(quotes.shape[1]):
        off = quotes[0, i] - m
        radius = math.sqrt(off * off + sigma * sigma)
        up, down = radius + off, radius - off
        miss = p[0] + u * up + v * down - quotes[1, i]
        total += quotes[2, i] * miss * miss
        if want:
            column[0], column[1], column[2] = 1.0, up, down
            column[3], column[4] = (v * down - u * up) / radius, (u + v) * sigma * sigma / radius
            for j in range(5):
                weighted = quotes[2, i] * column[j]
                gradient[j] += weighted * miss
                for h in range(j + 1):
                    hessian[j, h] += weighted * column[h]
    return 0.5 * total


@kernel
def _solve(matrix: Floats, right: Floats, out: Floats) -> bool:
    """Cholesky solution of a 5 × 5 system given by its lower triangle, which is overwritten; False if not positive."""
    for j in range(5):
        for i in range(j, 5):
            value = matrix[i, j]
            for h in range(j):
                value -= matrix[i, h] * matrix[j, h]
            if i == j:
                if not value > 0.0:
                    return False
                matrix[j, j] = math.sqrt(value)
            else:
                matrix[i, j] = value / matrix[j, j]
    for i in range(5):
        value = right[i]
        for h in range(i):
            value -= matrix[i, h] * out[h]
        out[i] = value / matrix[i, i]
    for i in range(4, -1, -1):
        value = out[i]
        for h in range(i + 1, 5):
            value -= matrix[h, i] * out[h]
        out[i] = value / matrix[i, i]
    return True


@kernel
def _pull(c: Floats, tangent: Floats, dual: Floats, count: int, mu: float, right: Floats, matrix: Floats) -> None:
    """Adds what the barrier contributes to the right-hand side and the (lower) matrix of the step."""
    r0 = r1 = r2 = r3 = r4 = 0.0
    m00 = m10 = m11 = m20 = m21 = m22 = m30 = m31 = m32 = m33 = m40 = m41 = m42 = m43 = m44 = 0.0
    for j in range(count):
        inverse = 1.0 / c[j]
        pull, stiff = mu * inverse, dual[j] * inverse
        t0, t1, t2, t3, t4 = tangent[j, 0], tangent[j, 1], tangent[j, 2], tangent[j, 3], tangent[j, 4]
        r0 += pull * t0
        r1 += pull * t1
        r2 += pull * t2
        r3 += pull * t3
        r4 += pull * t4
        s0, s1, s2, s3, s4 = stiff * t0, stiff * t1, stiff * t2, stiff * t3, stiff * t4
        m00 += s0 * t0
        m10 += s1 * t0
        m11 += s1 * t1
        m20 += s2 * t0
        m21 += s2 * t1
        m22 += s2 * t2
        m30 += s3 * t0
        m31 += s3 * t1
        m32 += s3 * t2
        m33 += s3 * t3
        m40 += s4 * t0
        m41 += s4 * t1
        m42 += s4 * t2
        m43 += s4 * t3
        m44 += s4 * t4
    for i, value in enumerate((r0, r1, r2, r3, r4)):
        right[i] += value
    for i, value in enumerate((m00, m10, m20, m30, m40)):
        matrix[i, 0] += value
    for i, value in enumerate((m11, m21, m31, m41)):
        matrix[i + 1, 1] += value
    for i, value in enumerate((m22, m32, m42)):
        matrix[i + 2, 2] += value
    matrix[3, 3] += m33
    matrix[4, 3] += m43
    matrix[4, 4] += m44


@kernel
def _log_ratio(fresh: Floats, c: Floats, count: int) -> float:
    """Σ ln(fresh/c), a logarithm for every eighth product."""
    total, product = 0.0, 1.0
    for j in range(count):
        product *= fresh[j] / c[j]
        if j % 8 == 7:
            total += math.log(product)
            product = 1.0
    return total + math.log(product)


@kernel
def interior(
    p: Floats,
    quotes: Floats,
    table: Floats,
    count: int,
    limits: Floats,
    barrier: float,
    final: float,
    held: int,
    lines: Floats,
    slopes: Floats,
) -> float:
    """Interior point from a strictly feasible `p`, improved in place. Returns the mean square.

    `lines` (shape `(4, ROWS)`) and `slopes` (`(2, ROWS, 5)`) are scratch.
    """
    dual, least = lines[2], lines[3]
    gradient, step, right, trial = np.empty(5), np.empty(5), np.empty(5), np.empty(5)
    hessian, matrix = np.empty((5, 5)), np.empty((5, 5))
    least[:] = 0.0
    now = 0
    rows(p, table, count, limits, lines[0], slopes[0], least)
    value = _misses(p, quotes, gradient, hessian, True)
    mu = barrier * (value + FLOOR)
    for j in range(count):
        dual[j] = mu / lines[0, j]
    damping = 1e-8
    for turn in range(STEPS):
        c, tangent = lines[now], slopes[now]
        for i in range(5):
            right[i] = -gradient[i]
            for h in range(i + 1):
                matrix[i, h] = hessian[i, h]
        _pull(c, tangent, dual, count, mu, right, matrix)
        for i in range(5):
            matrix[i, i] += damping * (1e-8 + hessian[i, i])
            if i > 2 and turn < held:
                matrix[i, i] += HELD
        if not _solve(matrix, right, step):
            damping = max(100.0 * damping, 1e-6)
            if damping > 1e6:
                break
            continue
        gain = 0.0
        for i in range(5):
            gain += right[i] * step[i]
        length = 1.0 / max(1.0, 2.0 * abs(step[3]), 2.0 * abs(step[4]))
        for j in range(count):
            along = 0.0
            for i in range(5):
                along += tangent[j, i] * step[i]
            if along * length < -TO_EDGE * c[j]:
                length = -TO_EDGE * c[j] / along
            least[j] = LEAST_LEFT * c[j]
            dual[j] += (mu - dual[j] * (c[j] + along)) / c[j]
        fresh, moved = lines[1 - now], False
        for _ in range(20):
            for i in range(5):
                trial[i] = p[i] + length * step[i]
            if rows(trial, table, count, limits, fresh, slopes[1 - now], least):
                change = _misses(trial, quotes, gradient, hessian, False) - value - mu * _log_ratio(fresh, c, count)
                if change <= -1e-4 * length * gain:
                    moved = True
                    break
            length *= 0.4
        if moved:
            now = 1 - now
            p[:] = trial
            value = _misses(p, quotes, gradient, hessian, True)
            damping = max(0.1 * damping, 1e-10) if length > 0.5 else min(4.0 * damping + 1e-8, 1e3)
        for j in range(count):
            dual[j] = min(max(dual[j], 0.1 * mu / lines[now, j]), 10.0 * mu / lines[now, j])
        if turn < held and moved:
            held = turn if gain < mu else held
        elif not moved or gain < mu:
            if mu <= final * (value + FLOOR) and (not moved or gain < 0.1 * mu):
                break
            mu = max(0.15 * mu, 0.5 * final * (value + FLOOR))
    return 2.0 * value
