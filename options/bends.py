"""Fitting a slice of one or two bends between its neighbours, without arbitrage: proved for every strike."""

from collections.abc import Sequence

import numpy as np

from domain.units import Floats
from options.hyperbolas import BentSvi, Slice, evaluate, is_butterfly_free, is_calendar_free, numbers_of, wing_slopes
from options.kernels import bend_fit
from options.svi_forms import RawSvi

LEE = 1.95  # steepest wing allowed; Lee's bound is 2
_GUARDS = 0.8 * np.sinh(np.linspace(-4.0, 4.0, 61))  # deviations at which arbitrage is pushed back
_CLOSER = 0.8 * np.sinh(np.linspace(-5.0, 5.0, 401))  # where it is looked for again
_AROUND = np.array([-4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0])  # roundnesses from a bend: likewise
_PLACES = np.array([[0.7, 0.2], [0.0, 0.3], [-1.0, 0.5]])  # (m, σ) in deviations where a second bend is begun
_FORCE = 1_000.0  # standard errors of one quote for a g of −1
_HARDER = 4.0  # times as much force in each further round
_LEAST_G = 0.002
_LEAST_GAP = 1e-4  # of total variance and of wing slopes, to a neighbour
_SKETCH, _STEPS, _MORE_STEPS = 12, 30, 15
_NO_BEND = (0.0, 0.0, 0.0, 1.0)
_ROUNDS = 4
FIRST = 5  # numbers of the first hyperbola, level included


def bend(
    *,
    k: Floats,
    total_variance: Floats,
    weights: Floats,
    starts: Sequence[Slice],
    below: Slice | None = None,
    above: Slice | None = None,
    count: int = 9,
) -> Slice | None:
    """The slice with least Σ(weight·(w(k) − total variance))² that admits no butterfly arbitrage and lies between
    `below` and `above`; None where none was proved. Arrays `(n,)`; weights in 1/standard error. Begun at each of
    `starts`, scaled to the deviation of the first; `count` 5 fits one bend only.
    """
    variance = float(starts[0].total_variance(0.0))
    s = np.sqrt(variance)
    x, w, weight = k / s, total_variance / variance, weights * variance
    low, high = _slopes(below, above, s)
    guards = _guards(_GUARDS, s, below, above)
    p = np.empty(bend_fit.SIZE)
    bend_fit.search(
        _begun(starts, count), x, w, weight, guards, _FORCE, variance, _LEAST_G, low, high, count, _SKETCH, _STEPS, p
    )
    for round_ in range(_ROUNDS):
        found = _slice(p * _scales(variance))
        if is_between(found, below, above) and is_butterfly_free(found):
            return found
        if round_ < _ROUNDS - 1:
            guards = np.concatenate([guards, _broken(p, variance, s, below, above)])
            force, margin = _FORCE * _HARDER ** (round_ + 1), _LEAST_G * 2.0 ** (round_ + 1)
            bend_fit.descend(p, x, w, weight, guards, force, variance, margin, low, high, count, _MORE_STEPS)
    return None


def _begun(starts: Sequence[Slice], count: int) -> Floats:
    """Rows of numbers in deviations; one that bends once is begun with a second bend at several places."""
    rows = []
    for start in starts:
        p = numbers_of(start)[: bend_fit.SIZE] / _scales(float(start.total_variance(0.0)))
        p[[3, 7]] = np.clip(p[[3, 7]], -bend_fit.FARTHEST, bend_fit.FARTHEST)
        p[[4, 8]] = np.clip(p[[4, 8]], bend_fit.SHARPEST, bend_fit.ROUNDEST)
        if count == FIRST:
            p[FIRST:] = _NO_BEND
        if count == FIRST or p[5] != 0.0 or p[6] != 0.0:
            rows.append(p)
        else:
            rows += [np.concatenate([p[:7], place]) for place in _PLACES]
    return np.array(rows)


def _slice(numbers: Floats) -> Slice:
    """A raw slice where the second bend is nothing."""
    a, b, c, m, sigma, *second = numbers.tolist()
    if second[0] == second[1] == 0.0 and b > 0.0 and abs(c) <= b:
        return RawSvi(a, b, c / b, m, sigma)
    return BentSvi((a, b, c, m, sigma, *second))


def _scales(variance: float) -> Floats:
    s = np.sqrt(variance)
    return np.array([variance, *[s] * 8])


def is_between(piece: Slice, below: Slice | None, above: Slice | None) -> bool:
    """Whether `piece` crosses neither neighbour, proved for every strike."""
    clear_below = below is None or is_calendar_free(below, piece)
    return clear_below and (above is None or is_calendar_free(piece, above))


def _slopes(below: Slice | None, above: Slice | None, s: float) -> tuple[Floats, Floats]:
    """Least and greatest dW/d|x| towards −∞ and +∞."""
    low, high = np.full(2, 1e-3), np.full(2, LEE / s)
    if below is not None:
        low = np.array(wing_slopes(numbers_of(below))) / s * (1.0 + _LEAST_GAP) + 1e-6
    if above is not None:
        high = np.minimum(high, np.array(wing_slopes(numbers_of(above))) / s * (1.0 - _LEAST_GAP) - 1e-6)
    return low, np.maximum(high, low)


def _guards(x: Floats, s: float, below: Slice | None, above: Slice | None) -> Floats:
    """Rows (x, least W, greatest W)."""
    least, most = np.zeros(len(x)), np.full(len(x), np.inf)
    if below is not None:
        least = below.total_variance(x * s) / s**2 * (1.0 + _LEAST_GAP)
    if above is not None:
        most = np.maximum(above.total_variance(x * s) / s**2 * (1.0 - _LEAST_GAP), least)
    return np.stack([x, least, most], axis=1)


def _broken(p: Floats, variance: float, s: float, below: Slice | None, above: Slice | None) -> Floats:
    """Guards where arbitrage is left, at most a few a stretch."""
    x = np.sort(np.concatenate([_CLOSER, *(p[i] + p[i + 1] * _AROUND for i in (3, 7))]))
    w, slope, curvature = evaluate(p, x)
    g = (1.0 - 0.5 * x * slope / w) ** 2 - 0.25 * slope**2 * (1.0 / w + 0.25 * variance) + 0.5 * curvature
    guards = _guards(x, s, below, above)
    short = np.minimum(np.where(w > 0.0, g, -1.0), np.minimum(w - guards[:, 1], guards[:, 2] - w) + _LEAST_GAP)
    worst = np.r_[True, short[1:] <= short[:-1]] & np.r_[short[:-1] <= short[1:], True]
    return np.asarray(guards[worst & (short < _LEAST_G)])
