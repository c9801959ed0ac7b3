"""Proofs over the whole real line for slices that are sums of hyperbolas.

A slice is `numbers` = (a, then b, c, m, σ of each hyperbola), shape `(1 + 4h,)`, any b and c, σ > 0: total variance is
w(k) = a + Σ c·(k − m) + b·√((k − m)² + σ²). On an interval every piece of w, w′ and w″ is monotone or has one known
extremum, so a lower bound of w, or of Durrleman's g, follows from its ends; the interval is halved until the bound is
high enough. Beyond ±`reach` the same is done in t = 1/|k|, down to and with t = 0: nothing is left unlooked at.

An answer True is a proof but for rounding, which `SLACK` exceeds by far; False means refuted or not proved.
"""

import numpy as np

from domain.units import Floats
from options.kernels.compiled import inlined, kernel

MOST_PIECES = 20_000
DEEPEST = 128
SLACK = 1e-12


@inlined
def _root(x: float, y: float) -> float:
    root: float = np.sqrt(x * x + y * y)
    return root


@kernel
def curve(numbers: Floats, k: Floats, out: Floats) -> None:
    """w, w′ and w″ at `k` `(n,)` into the rows of `out` `(3, n)`."""
    out[0, :] = numbers[0]
    out[1:, :] = 0.0
    for i in range(1, len(numbers), 4):
        b, c, m, sigma = numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3]
        for n in range(len(k)):
            x = k[n] - m
            q = np.sqrt(x * x + sigma * sigma)
            out[0, n] += c * x + b * q
            out[1, n] += c + b * x / q
            out[2, n] += b * sigma * sigma / (q * q * q)


@kernel
def _least(numbers: Floats, left: float, right: float, side: float) -> tuple[float, float]:
    """A lower bound of w on [left, right], and w at its middle. With `side` = ±1 of w/|k| at k = side/t instead.

    A function lies above its chord less M·h²/8 where M bounds its second derivative from above.
    """
    centre = 0.5 * (left + right)
    at_left = at_right = at_centre = numbers[0]
    if side != 0.0:
        at_left, at_right, at_centre = numbers[0] * left, numbers[0] * right, numbers[0] * centre
    bend = 0.0
    for i in range(1, len(numbers), 4):
        b, c, m, sigma = numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3]
        if side == 0.0:
            x, y, z = left - m, right - m, centre - m
            q, r, p = _root(x, sigma), _root(y, sigma), _root(z, sigma)
            lowest = sigma if x < 0.0 < y else min(q, r)
        else:
            x, y, z = side - m * left, side - m * right, side - m * centre
            q, r, p = _root(x, sigma * left), _root(y, sigma * right), _root(z, sigma * centre)
            bottom = side * m / (m * m + sigma * sigma)
            lowest = sigma / _root(m, sigma) if left < bottom < right else min(q, r)
        at_left += c * x + b * q
        at_right += c * y + b * r
        at_centre += c * z + b * p
        bend += b * sigma * sigma / (lowest if b > 0.0 else max(q, r)) ** 3
    width = right - left
    return min(at_left, at_right) - max(bend, 0.0) * width * width / 8.0, at_centre


@kernel
def _least_g(numbers: Floats, left: float, right: float, side: float) -> tuple[float, float]:
    """A lower bound of g on [left, right], and g at its middle; `side` as in `_least`. −∞ where w may be negative."""
    centre, half = 0.5 * (left + right), 0.5 * (right - left)
    w = numbers[0] if side == 0.0 else numbers[0] * centre  # or w/|k|
    slope = bend = 0.0  # at the centre
    low_slope = high_slope = low_bend = 0.0
    low_rise = high_rise = 0.0 if side == 0.0 else numbers[0]  # derivative of w, or of w/|k|, in the variable
    for i in range(1, len(numbers), 4):
        b, c, m, sigma = numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3]
        if side == 0.0:
            x, y, z = left - m, right - m, centre - m
            q, r, p = _root(x, sigma), _root(y, sigma), _root(z, sigma)
            first, last = c + b * x / q, c + b * y / r
            low_rise += min(first, last)
            high_rise += max(first, last)
            narrow, wide = 1.0 / max(q, r), 1.0 / (sigma if x < 0.0 < y else min(q, r))
            here = 1.0 / p
        else:
            x, y, z = side - m * left, side - m * right, side - m * centre
            q, r, p = _root(x, sigma * left), _root(y, sigma * right), _root(z, sigma * centre)
            first, last = c + b * x / q, c + b * y / r
            rise = b * (sigma * sigma * left - m * x) / q - c * m
            fall = b * (sigma * sigma * right - m * y) / r - c * m
            low_rise += min(rise, fall)
            high_rise += max(rise, fall)
            narrow = min(left / q, right / r)
            wide = 1.0 / sigma if left * m * side < 1.0 < right * m * side else max(left / q, right / r)
            here = centre / p
        w += c * z + b * p
        slope += c + b * z / p
        low_slope += min(first, last)
        high_slope += max(first, last)
        bend += b * sigma * sigma * here**3
        low_bend += b * sigma * sigma * (narrow if b > 0.0 else wide) ** 3
    spread = half * max(abs(low_rise), abs(high_rise))
    low_w, high_w = w - spread, w + spread
    if side == 0.0:
        middle, least_k, most_k, inverse, low_inverse = centre, left, right, 1.0 / w, 1.0 / low_w
    else:
        middle, least_k, most_k, inverse, low_inverse = side, side, side, centre / w, right / low_w
    turn = 1.0 - 0.5 * middle * slope / w
    at_centre = turn * turn - 0.25 * slope * slope * (inverse + 0.25) + 0.5 * bend
    if w <= 0.0:
        return -np.inf, -np.inf
    if low_w <= 0.0:
        return -np.inf, at_centre
    corners = least_k * low_slope, least_k * high_slope, most_k * low_slope, most_k * high_slope
    most, least = max(corners), min(corners)
    low_turn = 1.0 - 0.5 * most / (low_w if most > 0.0 else high_w)
    high_turn = 1.0 - 0.5 * least / (high_w if least > 0.0 else low_w)
    square = 0.0 if low_turn < 0.0 < high_turn else min(low_turn * low_turn, high_turn * high_turn)
    steepest = max(low_slope * low_slope, high_slope * high_slope)
    return square - 0.25 * steepest * (low_inverse + 0.25) + 0.5 * low_bend, at_centre


@kernel
def _proved(numbers: Floats, butterfly: bool, margin: float, left: float, right: float, side: float) -> bool:
    """Whether the function stays above `margin` on [left, right]."""
    lefts, rights = np.empty(DEEPEST), np.empty(DEEPEST)
    lefts[0], rights[0] = left, right
    count, looked = 1, 0
    while count > 0:
        count -= 1
        low, high = lefts[count], rights[count]
        if butterfly:
            bound, value = _least_g(numbers, low, high, side)
        else:
            bound, value = _least(numbers, low, high, side)
        looked += 1
        if bound >= margin:
            continue
        if value < margin or looked > MOST_PIECES or count + 2 > DEEPEST:
            return False
        middle = 0.5 * (low + high)
        lefts[count], rights[count] = middle, high
        lefts[count + 1], rights[count + 1] = low, middle
        count += 2
    return True


@kernel
def _everywhere(numbers: Floats, butterfly: bool, margin: float) -> bool:
    reach = 0.0
    for i in range(1, len(numbers), 4):
        reach = max(reach, 2.0 * abs(numbers[i + 2]) + 4.0 * numbers[i + 3])
    inside = _proved(numbers, butterfly, margin, -reach, reach, 0.0)
    if not inside:
        return False
    wing = margin if butterfly else SLACK  # w/|k| ≥ 0 is enough where |k| is large
    return _proved(numbers, butterfly, wing, 0.0, 1.0 / reach, 1.0) and _proved(
        numbers, butterfly, wing, 0.0, 1.0 / reach, -1.0
    )


@kernel
def is_butterfly_free(numbers: Floats, margin: float) -> bool:
    """Whether w > 0 and g ≥ margin (≥ 0) at every k, wings included."""
    if not numbers[1::4].any() and not numbers[2::4].any():
        return bool(numbers[0] > 0.0 and margin <= 1.0)  # flat: g is 1
    return _everywhere(numbers, True, max(margin, SLACK))


@kernel
def is_above(near: Floats, far: Floats) -> bool:
    """Whether far(k) ≥ near(k) at every k; equal slices are. A gap below `SLACK` is not believed."""
    if len(near) == len(far) and (near == far).all():
        return True
    gap = np.empty(len(near) + len(far) - 1)
    gap[0] = far[0] - near[0]
    for i in range(1, len(far)):
        gap[i] = far[i]
    for i in range(1, len(near)):
        gap[len(far) - 1 + i] = -near[i] if i % 4 in (1, 2) else near[i]
    return _everywhere(gap, False, SLACK)
