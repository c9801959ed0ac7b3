"""Proofs over the whole real line that SVI slices admit no arbitrage: butterfly and calendar.

A slice is (a, b, ρ, m, σ), see `options.svi_forms`. Every answer "free" is a proof, rounding included; an answer
"not free" may, within rounding of the boundary, be wrong.
"""

import math

import numpy as np
from numpy.typing import NDArray

from domain.units import Floats
from options.kernels.compiled import kernel

DEGREE = 10
SIZE = DEGREE + 1
DEEPEST = 48  # halvings of an interval
ROUNDING = 4e-13  # of the sum of absolute terms: covers forming the polynomial (< 100 ulps) and all halvings
SCAN = 65
SCAN_REACH = 16.0  # ln t looked at before the proof takes over
GOLDEN = 0.6180339887498949
BINOMIAL = np.array([math.comb(DEGREE, i) for i in range(SIZE)], dtype=np.float64)


@kernel
def _times(left: Floats, n_left: int, right: Floats, n_right: int, out: Floats) -> int:
    """Product of two polynomials of the given lengths (constant term first) into `out`; its length."""
    size = n_left + n_right - 1
    for i in range(size):
        out[i] = 0.0
    for i in range(n_left):
        for j in range(n_right):
            out[i + j] += left[i] * right[j]
    return size


@kernel
def _numerator(slice_: Floats, level: float, sign: float, out: Floats) -> None:
    """Coefficients of P(t) − level·Q(t), shape `(11,)`, where g = P/Q; with `sign` = −1 an upper bound of the sum of
    the absolute values of the terms of each.

    With (k − m)/σ = (t − 1/t)/2 and t > 0, w = W/t, w' = D/(t² + 1) and k = K/t where
    W = bσ(1 − ρ)/2 + a·t + bσ(1 + ρ)/2·t², D = −b(1 − ρ) + b(1 + ρ)t², K = −σ/2 + m·t + σ/2·t², and
    P = (t² + 1)·((W(t² + 1) − KD/2)² − tD²W/4 − D²W²/16) + 4b/σ·t³W², Q = W²(t² + 1)³.
    """
    a, b, rho, m, sigma = slice_[0], slice_[1], slice_[2], slice_[3], slice_[4]
    if sign < 0.0:
        a, m = abs(a), abs(m)
    w = np.array([0.5 * b * sigma * (1.0 - rho), a, 0.5 * b * sigma * (1.0 + rho)])
    d = np.array([-sign * b * (1.0 - rho), 0.0, b * (1.0 + rho)])
    place = np.array([-0.5 * sign * sigma, m, 0.5 * sigma])
    one = np.array([1.0, 0.0, 1.0])
    first, second, third, square = np.empty(SIZE), np.empty(SIZE), np.empty(SIZE), np.empty(SIZE)
    body = np.zeros(SIZE)
    _times(w, 3, one, 3, first)
    _times(place, 3, d, 3, second)
    for i in range(5):
        first[i] -= sign * 0.5 * second[i]
    _times(first, 5, first, 5, body)
    _times(d, 3, d, 3, first)
    _times(w, 3, w, 3, square)
    _times(first, 5, w, 3, second)
    _times(first, 5, square, 5, third)
    for i in range(7):
        body[i + 1] -= sign * 0.25 * second[i]
    for i in range(9):
        body[i] -= sign * 0.0625 * third[i]
    _times(body, 9, one, 3, out)
    for i in range(5):
        out[i + 3] += 4.0 * b / sigma * square[i]
    _times(square, 5, one, 3, first)
    _times(first, 7, one, 3, second)
    _times(second, 9, one, 3, third)
    for i in range(SIZE):
        out[i] -= level * third[i] if sign > 0.0 else -abs(level) * third[i]


@kernel
def _doubtful(slice_: Floats, level: float) -> float:
    """A t > 0 at which g ≥ `level` could not be proved; −1 when it is proved for all t > 0.

    In t/(1 + t) a polynomial of degree n on t > 0 has the Bernstein coefficients cᵢ/C(n, i); non-negative ones prove it
    non-negative, and halving the interval (de Casteljau) sharpens them. `ROUNDING` times the terms' absolute values is
    taken off first, which rounding cannot make up for, as all the combinations are convex.
    """
    value, size = np.empty(SIZE), np.empty(SIZE)
    _numerator(slice_, level, 1.0, value)
    _numerator(slice_, level, -1.0, size)
    stack = np.empty((DEEPEST + 2, SIZE))
    left, right = np.empty((DEEPEST + 2, 2)), np.empty((DEEPEST + 2, 2))  # (s, 1 − s) at either end
    depth = np.empty(DEEPEST + 2, dtype=np.int64)
    for i in range(SIZE):
        stack[0, i] = (value[i] - ROUNDING * size[i]) / BINOMIAL[i]
    left[0, 0], left[0, 1], right[0, 0], right[0, 1] = 0.0, 1.0, 1.0, 0.0
    depth[0] = 0
    top = 0
    while top >= 0:
        least = stack[top, 0]
        for i in range(1, SIZE):
            least = min(least, stack[top, i])
        if least >= 0.0:
            top -= 1
            continue
        if not stack[top, 0] >= 0.0:
            at_left: float = left[top, 0] / left[top, 1]
            return at_left
        if not stack[top, DEGREE] >= 0.0:
            at_right: float = right[top, 0] / right[top, 1]
            return at_right
        s, rest = 0.5 * (left[top, 0] + right[top, 0]), 0.5 * (left[top, 1] + right[top, 1])
        if depth[top] >= DEEPEST:
            middle: float = s / rest
            return middle
        for i in range(SIZE):
            value[i] = stack[top, i]
        for level_ in range(SIZE):
            stack[top + 1, DEGREE - level_] = value[DEGREE - level_]
            stack[top, level_] = value[0]
            for i in range(DEGREE - level_):
                value[i] = 0.5 * (value[i] + value[i + 1])
        left[top + 1, 0], left[top + 1, 1] = s, rest
        right[top + 1, 0], right[top + 1, 1] = right[top, 0], right[top, 1]
        right[top, 0], right[top, 1] = s, rest
        depth[top] += 1
        depth[top + 1] = depth[top]
        top += 1
    return -1.0


@kernel
def _durrleman(slice_: Floats, ln_t: float) -> float:
    a, b, rho, m, sigma = slice_[0], slice_[1], slice_[2], slice_[3], slice_[4]
    t = math.exp(ln_t)
    share = 1.0 / (1.0 + t * t)
    w = a + 0.5 * b * sigma * ((1.0 + rho) * t + (1.0 - rho) / t)
    slope = b * ((1.0 + rho) * (1.0 - share) - (1.0 - rho) * share)
    bend = 0.5 * b / sigma * (2.0 * t * share) ** 3
    q = 1.0 - 0.5 * (m + 0.5 * sigma * (t - 1.0 / t)) * slope / w
    g: float = q * q - 0.25 * slope * slope * (1.0 / w + 0.25) + bend
    return g


@kernel
def _valley(slice_: Floats, ln_t: float, width: float) -> float:
    """Where (in ln t) g has a local minimum within `width` of `ln_t`, by golden section."""
    low, high = ln_t - width, ln_t + width
    first, second = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_first, at_second = _durrleman(slice_, first), _durrleman(slice_, second)
    while high - low > 1e-9 * (1.0 + abs(low)):
        if at_first <= at_second:
            high, second, at_second = second, first, at_first
            first = high - GOLDEN * (high - low)
            at_first = _durrleman(slice_, first)
        else:
            low, first, at_first = first, second, at_second
            second = low + GOLDEN * (high - low)
            at_second = _durrleman(slice_, second)
    return 0.5 * (low + high)


@kernel
def worst_butterfly(slice_: Floats) -> tuple[float, float]:
    """(least g, its k): proved to 1e-9, k = ±∞ where only approached there; (−∞, k) where variance is not positive."""
    a, b, rho, m, sigma = slice_[0], slice_[1], slice_[2], slice_[3], slice_[4]
    corner = math.sqrt((1.0 - rho) * (1.0 + rho))
    if not a + b * sigma * corner > 0.0:
        return -np.inf, m - (rho * sigma / corner if corner > 0.0 else rho * np.inf)
    if b == 0.0:
        return 1.0, m
    step = 2.0 * SCAN_REACH / (SCAN - 1)
    best, at = np.inf, 0.0
    for side in (-1.0, 1.0):
        wing = b * (1.0 + side * rho)
        limit = 0.25 - wing * wing / 16.0 if wing > 0.0 else (1.0 if a > 0.0 else 2.25)
        if limit < best:
            best, at = limit, side * np.inf
    start = 0.0
    low = np.inf
    for i in range(SCAN):
        ln_t = -SCAN_REACH + i * step
        value = _durrleman(slice_, ln_t)
        if value < low:
            low, start = value, ln_t
    for _ in range(40):
        found = _valley(slice_, start, step)
        value = _durrleman(slice_, found)
        if _durrleman(slice_, start) < value:
            found = start
            value = _durrleman(slice_, start)
        if value < best:
            best, at = value, found
        doubt = _doubtful(slice_, best - 1e-9 * (1.0 + abs(best)))
        if doubt < 0.0 or doubt == 0.0 or doubt == np.inf:
            break
        if not _durrleman(slice_, math.log(doubt)) < best:
            break
        start = math.log(doubt)
    return best, at if math.isinf(at) else m + sigma * math.sinh(at)


@kernel
def is_free(slice_: Floats, level: float) -> bool:
    """Whether variance is positive, both wings obey Lee's bound and g ≥ `level` for all real k: proved."""
    a, b, rho, sigma = slice_[0], slice_[1], slice_[2], slice_[4]
    corner = math.sqrt((1.0 - rho) * (1.0 + rho))
    if not a + b * sigma * corner > ROUNDING * (abs(a) + b * sigma) or not b * (1.0 + abs(rho)) < 2.0:
        return False
    return b == 0.0 or _doubtful(slice_, level) < 0.0


@kernel
def are_free(slices: Floats, level: float, out: NDArray[np.bool_]) -> None:
    """`is_free` of every row of `slices` (shape `(n, 5)`)."""
    for i in range(len(slices)):
        out[i] = is_free(slices[i], level)
