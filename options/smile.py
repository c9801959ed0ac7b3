"""The implied-volatility smile of one expiry: its value, its distribution function, and its fit to quotes.

`fit_smile` is a light smoother, not a model: a penalised cubic through the out-of-the-money quotes, made smooth enough
that its risk-neutral distribution function never falls. It does not look across expiries.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from domain.units import Floats
from options.priced import Smile

MIN_QUOTES = 5
_KNOT_STEP = 0.25  # standard deviations between knots at the money; they spread out as sinh in the wings
_FULL_REACH = 1.5  # quotes reaching this many deviations out let the smile be continued beyond them
_BEND = (
    0.5  # curvature of relative variance (per deviation²) as surprising as one mid missed by a quarter of its spread
)
_MIN_ERROR = 0.001  # of relative volatility: no quote is trusted further
_FADE = 0.5  # a falling wing levels out over this share of (1 + deviations already gone)
_NOTHING_LEFT = 8.0  # own standard deviations beyond which no probability is left
_LEAST_VARIANCE = 0.05  # of the lowest quoted variance: what the smoother may dip to
_HUBER = 2.0
_ROUNDS = 4
# Own standard deviations looked at, and stiffness of the curvature penalty.
_ATTEMPTS = ((3.0, 1.0), (3.0, 10.0), (2.5, 10.0), (2.0, 30.0), (1.5, 100.0), (1.5, 1_000.0))
_FLATTENINGS = (0.75, 0.5, 0.25, 0.0)
_CHECKS = 16  # points between two knots at which the distribution function must have risen
_NOISE = 1e-12  # probability


def smile_vol(smile: Smile, k: ArrayLike) -> Floats:
    """Volatility (decimal) at log-moneyness `k` = ln(K/F), any shape, finite and positive everywhere.

    Cubic in total variance between knots, level at the outer knots and flat beyond them (Lee 2004: slope ≤ 2).
    """
    variance, _ = total_variance(smile, k)
    return np.asarray(np.sqrt(variance / smile.tau))


def total_variance(smile: Smile, k: ArrayLike) -> tuple[Floats, Floats]:
    """w(k) = σ²τ and its slope dw/dk, each of `k`'s shape. The slope is continuous: the distribution has no atoms."""
    knots, w = smile.knots_k, smile.knots_vol**2 * smile.tau
    at = np.asarray(k, dtype=np.float64)
    if len(knots) == 1:
        return np.full(at.shape, w[0]), np.zeros(at.shape)
    value, slope = _cubic(knots, w, _limited(knots, w, _slopes(knots, w)), at)
    floor = 0.5 * w.min()
    return np.maximum(value, floor), np.where(value > floor, slope, 0.0)


def smile_cdf(smile: Smile, k: ArrayLike) -> tuple[Floats, Floats]:
    """Risk-neutral P(S ≤ K) and P(S > K) at K = F·exp(k), each accurate in its own tail.

    Breeden and Litzenberger (1978): P(S > K) = −∂C/∂K = Φ(d₂) − φ(d₂)·w′/(2√w), the second term being the skew.
    """
    w, slope = total_variance(smile, k)
    s = np.sqrt(w)
    d2 = -np.asarray(k, dtype=np.float64) / s - 0.5 * s
    skew = np.exp(-0.5 * d2 * d2) / np.sqrt(2.0 * np.pi) * slope / (2.0 * s)
    return ndtr(-d2) + skew, ndtr(d2) - skew


def fit_smile(*, k: Floats, iv: Floats, spread: Floats, tau: float, forward: float) -> Smile | None:
    """Smooth smile through the out-of-the-money quotes of one expiry; None with fewer than `MIN_QUOTES` of them, or
    without one on each side of the forward.

    Shape `(n,)`, any order: `k` = ln(K/F), `iv` decimal, `spread` the bid-ask spread in volatility (decimal, > 0; the
    mid's standard error is taken as a quarter of it). Rows with NaN are left out.

    Relative variance (σ/σ_atm)² at knots spread over the quoted range minimises squared misses of the mids plus
    squared curvature (P-splines, Eilers and Marx 1996), with Huber weights against outliers. Where quotes reach 1.5
    deviations variance goes straight on, until nothing is left to price; elsewhere the smile ends level at its quotes.

    The distribution function must rise everywhere on a fine grid. Until it does, the fit looks less far into the wings
    (quotes at the smallest tick often admit arbitrage) and is made stiffer; at last the smile is flattened.
    """
    use = np.isfinite(k) & np.isfinite(iv) & (iv > 0) & np.isfinite(spread) & (spread > 0)
    order = np.argsort(k[use], kind="stable")
    k, iv, spread = k[use][order], iv[use][order], spread[use][order]
    if len(k) < MIN_QUOTES or not k[0] <= 0.0 <= k[-1] or k[0] == k[-1]:
        return None
    nearest = np.argsort(np.abs(k), kind="stable")[:MIN_QUOTES]
    at_money = float(np.sort(iv[nearest])[MIN_QUOTES // 2])  # a scale only, and deaf to one wrong quote
    reach = np.abs(k) / (iv * np.sqrt(tau))
    for far, stiffness in _ATTEMPTS:
        near = reach <= far
        if np.count_nonzero(near) < MIN_QUOTES or not k[near][0] <= 0.0 <= k[near][-1]:
            near = np.ones_like(near)
        sketch = _sketch(k[near], iv[near], spread[near], at_money, tau, stiffness)
        smile = _smile(sketch, at_money, tau, forward)
        if _is_distribution(smile):
            return smile
    level = float(np.interp(0.0, *sketch))
    for shape in _FLATTENINGS:
        smile = _smile((sketch[0], level + shape * (sketch[1] - level)), at_money, tau, forward)
        if _is_distribution(smile):
            break
    return smile


def _sketch(
    k: Floats, iv: Floats, spread: Floats, at_money: float, tau: float, stiffness: float
) -> tuple[Floats, Floats]:
    """Knots in standard deviations and relative variances there, the continuation beyond the quotes included."""
    z, relative = k / (at_money * np.sqrt(tau)), (iv / at_money) ** 2
    error = 2.0 * relative * np.maximum(0.25 * spread / iv, _MIN_ERROR)
    ends = np.arcsinh(z[[0, -1]])
    count = max(3, int(np.ceil((ends[1] - ends[0]) / _KNOT_STEP)) + 1)
    knots = np.sinh(np.linspace(ends[0], ends[1], count))
    basis = _cubic(knots, np.eye(count), _slopes(knots, np.eye(count)), z)[0]
    values = np.maximum(_penalised(knots, basis, relative, error, stiffness), _LEAST_VARIANCE * relative.min())
    lower, left = _continued(-knots[::-1], values[::-1])
    upper, right = _continued(knots, values)
    return np.concatenate([-lower[::-1], knots, upper]), np.concatenate([left[::-1], values, right])


def _smile(sketch: tuple[Floats, Floats], at_money: float, tau: float, forward: float) -> Smile:
    knots, relative = sketch
    deviation = at_money * np.sqrt(tau)
    return Smile(tau=tau, forward=forward, knots_k=knots * deviation, knots_vol=at_money * np.sqrt(relative))


def _penalised(knots: Floats, basis: Floats, relative: Floats, error: Floats, stiffness: float) -> Floats:
    """Knot values minimising the penalised, Huber-weighted misses; shape `(m,)`."""
    steps = np.diff(knots)[:, None]
    span = 0.5 * (steps[1:] + steps[:-1])
    curvature = np.diff(np.diff(np.eye(len(knots)), axis=0) / steps, axis=0) / span
    bends = curvature * np.sqrt(span / _KNOT_STEP) / _BEND
    penalty = stiffness * bends.T @ bends
    trust = np.ones_like(relative)
    values: Floats = np.zeros(len(knots))
    for _ in range(_ROUNDS):
        weighted = basis * (trust / error**2)[:, None]
        values = np.asarray(np.linalg.solve(weighted.T @ basis + penalty, weighted.T @ relative), dtype=np.float64)
        miss = np.abs(relative - basis @ values) / error
        scale = max(1.0, 1.4826 * float(np.sort(miss)[len(miss) // 2]))  # np.median is ten times slower here
        trust = _HUBER / np.maximum(miss / scale, _HUBER)
    return values


def _continued(knots: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Knots and variances past the upper end: straight on in variance until nothing is left to price, then level.

    Nothing where the quotes stop short of `_FULL_REACH`.
    """
    end, variance = knots[-1], values[-1]
    slope = (values[-1] - values[-2]) / (knots[-1] - knots[-2])
    if end < _FULL_REACH:
        return knots[:0], values[:0]
    if slope <= 0.0:
        width = _FADE * (1.0 + end)
        return np.array([end + width]), np.array([max(variance + 0.5 * slope * width, 0.5 * variance)])
    # where z = _NOTHING_LEFT·√(variance there), a quadratic in z
    half = 0.5 * _NOTHING_LEFT**2 * slope
    far = max(half + np.sqrt(max(half**2 + _NOTHING_LEFT**2 * (variance - slope * end), 0.0)), end + 1.0)
    straight = variance + slope * (far - end)
    return np.array([far, 1.5 * far]), np.array([straight, straight + 0.25 * slope * far])


def _is_distribution(smile: Smile) -> bool:
    """Whether the distribution function rises between the outer knots; outside, a flat smile is lognormal."""
    count = len(smile.knots_k)
    k = np.interp(np.linspace(0.0, count - 1.0, (count - 1) * _CHECKS + 1), np.arange(count), smile.knots_k)
    below, above = smile_cdf(smile, k)
    rises = np.where(k[1:] <= 0, np.diff(below), -np.diff(above))
    return bool((rises >= -_NOISE).all())


def _slopes(knots: Floats, values: Floats) -> Floats:
    """Slopes of the parabola through each knot and its neighbours, one-sided at the ends; columns apart."""
    steps = np.diff(knots).reshape(-1, *(1,) * (values.ndim - 1))
    chords = np.diff(values, axis=0) / steps
    slopes = np.empty_like(values)
    slopes[1:-1] = (steps[1:] * chords[:-1] + steps[:-1] * chords[1:]) / (steps[1:] + steps[:-1])
    slopes[0], slopes[-1] = chords[0], chords[-1]
    return slopes


def _limited(knots: Floats, values: Floats, slopes: Floats) -> Floats:
    """Slopes no steeper than three times either chord (Fritsch and Carlson 1980), so that nothing overshoots between
    knots; 0 at the ends, to meet the flat outside.
    """
    chords = 3.0 * np.abs(np.diff(values) / np.diff(knots))
    limit = np.zeros_like(slopes)
    limit[1:-1] = np.minimum(chords[:-1], chords[1:])
    return np.minimum(np.maximum(slopes, -limit), limit)


def _cubic(knots: Floats, values: Floats, slopes: Floats, at: Floats) -> tuple[Floats, Floats]:
    """Cubic Hermite interpolant and its derivative, flat outside; `values` may carry trailing axes."""
    inside = np.minimum(np.maximum(at, knots[0]), knots[-1])
    left = np.minimum(np.maximum(np.searchsorted(knots, inside, side="right") - 1, 0), len(knots) - 2)
    width = knots[left + 1] - knots[left]
    t = (inside - knots[left]) / width
    inner = (at == inside).astype(np.float64)
    if values.ndim > 1:
        t, width, inner = t[..., None], width[..., None], inner[..., None]
    rise = values[left + 1] - values[left]
    a, b = slopes[left] * width, slopes[left + 1] * width
    value = values[left] + t * (a + t * (3.0 * rise - 2.0 * a - b + t * (a + b - 2.0 * rise)))
    slope = inner * (a + t * (2.0 * (3.0 * rise - 2.0 * a - b) + 3.0 * t * (a + b - 2.0 * rise))) / width
    return value, slope
