"""One smile as a distribution: total variance with its derivatives gives the density and the distribution function.

The functions take total variance w(k), its slope and its curvature at log-moneyness k = ln(K/F), so that a slice and
an interpolated maturity are read alike.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from domain.units import Floats
from options.priced import Smile

_SQRT_2PI = np.sqrt(2.0 * np.pi)


class Curve(NamedTuple):
    """w(k), dw/dk and d²w/dk², each of the shape of k."""

    w: Floats
    slope: Floats
    curvature: Floats


def smile_vol(smile: Smile, k: ArrayLike) -> Floats:
    """Volatility (decimal) at log-moneyness `k`, any shape, finite and positive everywhere."""
    return smile.vol(k)


def total_variance(smile: Smile, k: ArrayLike) -> tuple[Floats, Floats]:
    """w(k) = σ²τ and its slope dw/dk, each of `k`'s shape."""
    return smile.svi.total_variance(k), smile.svi.slope(k)


def curve_of(smile: Smile, k: ArrayLike) -> Curve:
    """Total variance of a smile and its two derivatives at `k`."""
    return Curve(smile.svi.total_variance(k), smile.svi.slope(k), smile.svi.curvature(k))


def smile_cdf(smile: Smile, k: ArrayLike) -> tuple[Floats, Floats]:
    """Risk-neutral P(S ≤ K) and P(S > K) at K = F·exp(k), each accurate in its own tail; shape of `k`."""
    return distribution_function(np.asarray(k, dtype=np.float64), *total_variance(smile, k))


def distribution_function(k: Floats, w: Floats, slope: Floats) -> tuple[Floats, Floats]:
    """P(S ≤ K) and P(S > K) from total variance and its slope.

    Breeden and Litzenberger (1978): P(S > K) = −∂C/∂K = Φ(d₂) − φ(d₂)·w′/(2√w), the second term being the skew.
    """
    s = np.sqrt(w)
    d2 = -k / s - 0.5 * s
    skew = np.exp(-0.5 * d2 * d2) / _SQRT_2PI * slope / (2.0 * s)
    return ndtr(-d2) + skew, ndtr(d2) - skew


def density(k: Floats, curve: Curve) -> Floats:
    """Risk-neutral density of ln(S/F) at `k`: g(k)·φ(d₂)/√w, with Durrleman's g (Gatheral and Jacquier 2014, (2.2))."""
    w, slope, curvature = curve
    s = np.sqrt(w)
    d2 = -k / s - 0.5 * s
    g = (1.0 - 0.5 * k * slope / w) ** 2 - 0.25 * slope * slope * (1.0 / w + 0.25) + 0.5 * curvature
    return np.asarray(g * np.exp(-0.5 * d2 * d2) / (_SQRT_2PI * s))
