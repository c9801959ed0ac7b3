"""The quantile of a distribution from its first four moments, where that makes sense.

Cornish and Fisher (1938) bend the normal quantile z to q(z) = z + (z² − 1)·S/6 + (z³ − 3z)·K/24 − (2z³ − 5z)·S²/36.
Maillard (2012), "A User's Guide to the Cornish Fisher Expansion": S and K are parameters, not the skewness and excess
kurtosis of q(Z), and q is a quantile function only where it rises. So S and K are solved for until q(Z) has
the moments asked for, and where no such pair lies in the domain there is no answer.
"""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from domain.units import Floats

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)  # exact for the 12 powers that a fourth moment has
_SHARES = _WEIGHTS / _WEIGHTS.sum()
REACH = 6.0  # deviations within which the quantile must rise; one outcome in 500 million lies below
_CLOSE = 1e-9
_STEPS = 50


class Moments(NamedTuple):
    """Of a P&L: mean and deviation in USD; skewness and excess kurtosis without unit."""

    mean: float
    deviation: float
    skewness: float
    excess: float


def expansion(moments: Moments, confidence: float) -> tuple[float, float] | None:
    """VaR and CVaR as losses, USD; None outside the domain. The CVaR is the exact tail mean of q(Z)."""
    if moments.deviation == 0.0:
        return -moments.mean, -moments.mean
    found = parameters(moments.skewness, moments.excess)
    if found is None:
        return None
    s, k = found
    scale = math.sqrt(float(_SHARES @ bent(_NODES, s, k) ** 2))
    normal, share = NormalDist(), 1.0 - confidence
    z = normal.inv_cdf(share)
    # E[Zⁿ | Z < z] of the standard normal, n = 1, 2, 3
    first = -normal.pdf(z) / share
    second, third = 1.0 + z * first, (z * z + 2.0) * first
    beyond = first + (second - 1.0) * s / 6 + (third - 3 * first) * k / 24 - (2 * third - 5 * first) * s * s / 36
    quantile = float(bent(np.array([z]), s, k)[0])
    var, cvar = (-(moments.mean + moments.deviation * q / scale) for q in (quantile, beyond))
    return var, max(var, cvar)


def parameters(skewness: float, excess: float) -> tuple[float, float] | None:
    """S and K with which q(Z) has that skewness and excess kurtosis; None where no such pair lies in the domain.

    Newton's steps from the moments themselves, with differences for slopes; q(Z) has mean zero for any S and K.
    """
    at, target = np.array([skewness, excess]), np.array([skewness, excess])
    for _ in range(_STEPS):
        miss = _shape(at) - target
        if np.abs(miss).max() < _CLOSE:
            return (float(at[0]), float(at[1])) if in_domain(float(at[0]), float(at[1])) else None
        slopes = np.stack([(_shape(at + step) - _shape(at - step)) / 2e-6 for step in 1e-6 * np.eye(2)], axis=1)
        if not np.isfinite(slopes).all() or abs(np.linalg.det(slopes)) < _CLOSE:
            return None
        at = at - np.linalg.solve(slopes, miss)
    return None


def in_domain(s: float, k: float) -> bool:
    """Whether q rises over ±`REACH`.

    Maillard's domain (2012, section 3) asks it of every z, which shuts out nearly linear books for what happens at
    dozens of deviations: for them K/8 ≈ S²/6.
    """
    a, b, c = k / 8 - s * s / 6, s / 3, 1.0 - k / 8 + 5 * s * s / 36  # q′ = a·z² + b·z + c
    lowest = [-REACH, REACH]
    if a > 0.0 and abs(b) < 2.0 * a * REACH:
        lowest = [-b / (2.0 * a)]
    return min(a * z * z + b * z + c for z in lowest) >= 0.0


def bent(z: Floats, s: float, k: float) -> Floats:
    """q(z), any shape."""
    return np.asarray(z + (z * z - 1) * s / 6 + (z**3 - 3 * z) * k / 24 - (2 * z**3 - 5 * z) * s * s / 36)


def _shape(at: Floats) -> Floats:
    q = bent(_NODES, float(at[0]), float(at[1]))
    variance = float(_SHARES @ q**2)
    return np.array([float(_SHARES @ q**3) / variance**1.5, float(_SHARES @ q**4) / variance**2 - 3.0])
