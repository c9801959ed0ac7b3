"""Quotes before and after an SSVI fit: whether they can be fitted, from where to begin, how far they were missed."""

import math

import numpy as np
from numpy.typing import NDArray

from domain.units import Floats
from options.kernels.compiled import kernel

SOUND, BAD_OFFSETS, BAD_TIME, BAD_QUOTE, NO_WEIGHT = range(5)


@kernel
def at_the_money(k: Floats, target: Floats, weight: Floats) -> float:
    """Total variance at k = 0: a line between the quotes nearest to it on either side, or the nearest quote's."""
    left, right = -np.inf, np.inf
    on_left = on_right = np.nan
    for row in range(len(k)):
        if weight[row] > 0.0 and left < k[row] <= 0.0:
            left, on_left = k[row], target[row]
        if weight[row] > 0.0 and 0.0 <= k[row] < right:
            right, on_right = k[row], target[row]
    if left == -np.inf:
        return on_right
    if right == np.inf or right == left:
        return on_left
    return on_left + (on_right - on_left) * left / (left - right)


@kernel
def begin(
    k: Floats, target: Floats, weight: Floats, offsets: NDArray[np.int64], tau: Floats, theta: Floats
) -> tuple[int, int]:
    """First guess of `theta` (m,), and what forbids a fit, with the row or expiry concerned; SOUND if nothing does."""
    count = len(tau)
    if len(offsets) != count + 1 or count == 0 or offsets[0] != 0 or offsets[count] != len(k):
        return BAD_OFFSETS, 0
    before = 0.0
    for i in range(count):
        if offsets[i + 1] <= offsets[i]:
            return BAD_OFFSETS, i
        if not before < tau[i] < np.inf:
            return BAD_TIME, i
        before = tau[i]
    for row in range(len(k)):
        if not (abs(k[row]) < np.inf and 0.0 < target[row] < np.inf and 0.0 <= weight[row] < np.inf):
            return BAD_QUOTE, row
    for i in range(count):
        first, last = offsets[i], offsets[i + 1]
        theta[i] = at_the_money(k[first:last], target[first:last], weight[first:last])
        if not theta[i] > 0.0:
            return NO_WEIGHT, i
    return SOUND, 0


@kernel
def misses(
    k: Floats, target: Floats, weight: Floats, offsets: NDArray[np.int64], theta: Floats, shape: Floats, out: Floats
) -> None:
    """weight·(model − target) of every quote, into `out` (n,)."""
    rho, eta, gamma = shape[0], shape[1], shape[2]
    for i in range(len(theta)):
        phi = eta * math.exp(-gamma * math.log(theta[i]) - (1.0 - gamma) * math.log1p(theta[i]))
        for row in range(offsets[i], offsets[i + 1]):
            x = phi * k[row]
            root = math.sqrt((x + rho) ** 2 + 1.0 - rho * rho)
            out[row] = weight[row] * (0.5 * theta[i] * (1.0 + rho * x + root) - target[row])


@kernel
def first_fall(theta: Floats) -> int:
    """The first expiry whose level is above the next one's; −1 if none is."""
    for i in range(len(theta) - 1):
        if theta[i] > theta[i + 1]:
            return i
    return -1
