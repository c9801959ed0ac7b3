"""SSVI: one surface through all expiries that is free of static arbitrage by theorem (Gatheral & Jacquier 2014).

w(k, θ) = θ/2 · (1 + ρφk + √((φk + ρ)² + 1 − ρ²)) with the power law φ(θ) = η/(θ^γ (1+θ)^(1−γ)), where θ is the
at-the-money total variance of an expiry. Three numbers shape every smile; each expiry adds only its level.

No butterflies (theorem 4.2): θφ(1+|ρ|) < 4 and θφ²(1+|ρ|) ≤ 4, kept for every θ up to the largest. No calendars
(theorem 4.1): θ does not fall with time, and 0 ≤ d(θφ)/dθ ≤ φ(1 + √(1−ρ²))/ρ², which 0 ≤ γ ≤ 1 grants.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from domain.errors import DataError
from domain.units import Floats
from options.kernels import ssvi, ssvi_quotes
from options.svi import RawSvi

START = (-0.4, 0.8, 0.4)  # ρ, η, γ
_ROBUST_ROUNDS = 2
_SIGMA = 1.4826  # standard deviations in a median absolute deviation


@dataclass(frozen=True, slots=True, eq=False)
class SsviSurface:
    """Expiries at `tau` years (ascending) with at-the-money total variances `theta` (not falling), each shape `(m,)`.

    `rmse` is √(Σ(weight·miss)²/Σweight²) in total variance. `arrived` is False when the fit ran out of steps: the
    surface is free of arbitrage all the same.
    """

    tau: Floats
    theta: Floats
    rho: float
    eta: float
    gamma: float
    rmse: float
    arrived: bool

    def slice(self, i: int) -> RawSvi:
        """Expiry i as raw SVI."""
        return self._at(float(self.theta[i]))

    def slice_at(self, tau: float) -> RawSvi:
        """The smile `tau` years away, 0 < tau ≤ the last expiry: θ linear in time between expiries and from 0 to the
        first. As free of arbitrage as the expiries. Raises `DataError` outside.
        """
        if not 0.0 < tau <= self.tau[-1]:
            raise DataError(
                f"This surface reaches {self.tau[-1]:.4f} years; it says nothing about {tau} years.",
                remedy="Ask for a time after now and no later than its last expiry.",
            )
        return self._at(float(np.interp(tau, np.append(0.0, self.tau), np.append(0.0, self.theta))))

    def total_variance(self, k: ArrayLike, i: int) -> Floats:
        """w(k) of expiry i at log-moneyness k = ln(K/F), any shape."""
        return self.slice(i).total_variance(k)

    def _at(self, theta: float) -> RawSvi:
        phi = self.eta / (theta**self.gamma * (1.0 + theta) ** (1.0 - self.gamma))
        flat = (1.0 - self.rho) * (1.0 + self.rho)
        return RawSvi(
            a=0.5 * theta * flat,
            b=0.5 * theta * phi,
            rho=self.rho,
            m=-self.rho / phi,
            sigma=math.sqrt(flat) / phi,
        )


def fit_surface(
    *,
    k: ArrayLike,
    total_variance: ArrayLike,
    offsets: ArrayLike,
    tau: ArrayLike,
    weights: ArrayLike | None = None,
    huber: float | None = None,
) -> SsviSurface:
    """The surface that minimises Σ(weight·(model − total_variance))², free of static arbitrage.

    Quotes have shape `(n,)`: `k` = ln(K/F), `total_variance` = σ²τ > 0, `weights` ≥ 0 (None: equal). Those of expiry i
    are rows `offsets[i]` to `offsets[i + 1]`, in any order, at least one with weight; `offsets` has shape `(m + 1,)`
    and `tau` (years, ascending) `(m,)`. Expiries whose levels would fall with time share one.

    `huber`, if given, is the miss, in robust standard deviations of the weighted misses, beyond which a quote pulls no
    harder (Huber 1964; 1.5 is usual). Raises `DataError` on unusable quotes and on expiries out of order.
    """
    at, target = np.ascontiguousarray(k, dtype=np.float64), np.ascontiguousarray(total_variance, dtype=np.float64)
    weight = np.ones_like(target) if weights is None else np.ascontiguousarray(weights, dtype=np.float64)
    edges, times = np.ascontiguousarray(offsets, dtype=np.int64), np.array(tau, dtype=np.float64)
    if not at.ndim == edges.ndim == times.ndim == 1 or not at.shape == target.shape == weight.shape:
        raise DataError("An SSVI fit needs as many log-moneynesses as total variances and weights, in rows.")
    if huber is not None and not huber > 0.0:
        raise DataError(f"A Huber threshold of {huber} is not above 0.", remedy="1.5 is usual; None fits plainly.")
    theta, shape = np.empty(len(times)), np.array(START)
    flaw, where = ssvi_quotes.begin(at, target, weight, edges, times, theta)
    if flaw != ssvi_quotes.SOUND:
        raise _refusal(flaw, where, at, target, weight, times)
    theta, loss, arrived = _ordered_fit(at, target, weight, edges, np.inf, theta, shape)
    if huber is not None:
        misses = np.empty_like(target)
        for _ in range(_ROBUST_ROUNDS):
            ssvi_quotes.misses(at, target, weight, edges, theta, shape, misses)
            scale = _SIGMA * float(np.median(np.abs(misses[weight > 0.0])))
            if scale > 0.0:
                theta, loss, arrived = _ordered_fit(at, target, weight, edges, huber * scale, theta, shape)
        ssvi_quotes.misses(at, target, weight, edges, theta, shape, misses)
        loss = float(misses @ misses)
    rho, eta, gamma = shape.tolist()
    return SsviSurface(times, theta, rho, eta, gamma, math.sqrt(loss / float(weight @ weight)), arrived)


def _ordered_fit(
    k: Floats, target: Floats, weight: Floats, edges: NDArray[np.int64], cut: float, theta: Floats, shape: Floats
) -> tuple[Floats, float, bool]:
    """Fit, and where levels fall with time fit again with the two expiries as one (pool adjacent violators, Ayer et al.
    1955); θ of every expiry, the loss, and whether the fit arrived. Improves `shape` in place.
    """
    firsts = np.arange(len(theta))
    bounds, level = edges, theta.copy()
    while True:
        loss, _, arrived = ssvi.fit(k, target, weight, bounds, cut, level, shape)
        fall = ssvi_quotes.first_fall(level)
        if fall < 0:
            break
        level[fall] = 0.5 * (level[fall] + level[fall + 1])
        level, firsts, bounds = np.delete(level, fall + 1), np.delete(firsts, fall + 1), np.delete(bounds, fall + 1)
    shared = np.searchsorted(firsts, np.arange(len(theta)), side="right") - 1
    return level[shared], float(loss), bool(arrived)


def _refusal(flaw: int, where: int, k: Floats, target: Floats, weight: Floats, tau: Floats) -> DataError:
    if flaw == ssvi_quotes.BAD_OFFSETS:
        return DataError(
            f"The offsets of an SSVI fit do not cut {len(k)} quotes into {len(tau)} expiries with a quote each.",
            remedy="Give m + 1 ascending offsets from 0 to the number of quotes.",
        )
    if flaw == ssvi_quotes.BAD_TIME:
        return DataError(f"Expiry {where} of an SSVI fit, at {tau[where]} years, is not after now and the one before.")
    if flaw == ssvi_quotes.BAD_QUOTE:
        return DataError(
            f"Quote {where} of an SSVI fit (k {k[where]}, total variance {target[where]}, weight {weight[where]}) "
            "is not usable.",
            remedy="Leave it out, or give it finite numbers, a variance above 0 and a weight of at least 0.",
        )
    return DataError(f"Expiry {where} of an SSVI fit has no quote with weight.", remedy="Leave it out.")
