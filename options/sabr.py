"""SABR: the lognormal volatility of a stochastic-volatility smile, and its fit (Hagan et al. 2002).

dF = α·F^β dW, dα = ν·α dZ, dW dZ = ρ dt. The formula is an expansion in time: far wings of long expiries may admit
arbitrage, which `options.svi` and `options.ssvi` do not.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from domain.errors import DataError
from domain.units import Floats
from options.kernels import sabr
from options.kernels.compiled import spread

LEAST_QUOTES = 3


class SabrFit(NamedTuple):
    """Fitted parameters, and `rmse` = √(Σ(weight·miss)²/Σweight²) in volatility (decimal)."""

    alpha: float
    rho: float
    nu: float
    rmse: float


def lognormal_vol(
    *,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    alpha: ArrayLike,
    beta: ArrayLike,
    rho: ArrayLike,
    nu: ArrayLike,
    threads: int | None = None,
) -> Floats:
    """Black volatility (decimal) by Hagan's equation (2.17), its at-the-money limit included; arguments broadcast.

    `forward` and `strike` in USD per share, `tau` in years ≥ 0, `alpha` > 0 in USD^(1−β) per √year, 0 ≤ `beta` ≤ 1,
    |`rho`| < 1, `nu` ≥ 0 per √year. NaN where an argument is NaN or out of range, and where the expansion has run out
    of its range and is not positive.
    """
    given = (forward, strike, tau, alpha, beta, rho, nu)
    arrays = np.broadcast_arrays(*(np.asarray(each, dtype=np.float64) for each in given))
    rows = [np.ascontiguousarray(each).reshape(-1) for each in arrays]
    out = np.empty(rows[0].shape)

    def work(start: int, stop: int) -> None:
        f, k, t, a, b, r, n = (each[start:stop] for each in rows)
        sabr.lognormal_vol(f, k, t, a, b, r, n, out[start:stop])

    spread(work, len(out), threads)
    return out.reshape(arrays[0].shape)


def fit(
    *,
    forward: float,
    strike: ArrayLike,
    vol: ArrayLike,
    tau: float,
    beta: float = 1.0,
    weights: ArrayLike | None = None,
) -> SabrFit:
    """The α, ρ, ν that minimise Σ(weight·(lognormal_vol − vol))² at a given `beta`; |ρ| ≤ 0.9999.

    One expiry's quotes of shape `(n,)`: `strike` in USD per share, `vol` decimal, `weights` ≥ 0 (None: equal).
    Raises `DataError` on unusable numbers and with fewer than three different strikes of positive weight.
    """
    strikes, vols = np.ascontiguousarray(strike, dtype=np.float64), np.ascontiguousarray(vol, dtype=np.float64)
    weight = np.ones_like(vols) if weights is None else np.ascontiguousarray(weights, dtype=np.float64)
    if vols.ndim != 1 or not strikes.shape == vols.shape == weight.shape or len(vols) < LEAST_QUOTES:
        raise DataError(
            f"A SABR fit needs at least {LEAST_QUOTES} strikes with as many volatilities and weights, "
            f"not {strikes.shape}, {vols.shape} and {weight.shape}."
        )
    if not (0.0 < forward < math.inf and 0.0 < tau < math.inf and 0.0 <= beta <= 1.0):
        raise DataError(f"SABR cannot be fitted at forward {forward}, {tau} years, beta {beta}.")
    point = np.empty(3)
    found, steps = sabr.fit(float(forward), strikes, vols, weight, float(tau), float(beta), point)
    if steps == sabr.NO_NUMBER:
        row = int(found)
        raise DataError(
            f"Quote {row} of a SABR fit (strike {strikes[row]}, volatility {vols[row]}, weight {weight[row]}) "
            "is not usable.",
            remedy="Leave it out.",
        )
    if steps == sabr.TOO_FEW:
        raise DataError("A SABR fit needs quotes with weight at three different strikes.")
    alpha, rho, nu = point.tolist()
    return SabrFit(alpha, rho, nu, math.sqrt(found))
