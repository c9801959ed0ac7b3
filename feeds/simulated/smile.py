"""The implied volatility surface of a simulated name: SSVI over a term structure that only rises in total variance.

Gatheral & Jacquier, "Arbitrage-free SVI volatility surfaces" (2014): with phi(t) = eta / sqrt(t (1 + t)), the surface
is free of butterfly arbitrage when eta (1 + |rho|) <= 2 and free of calendar arbitrage while ATM total variance rises
and rho is the same at all expiries, as it is at any one instant here.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from domain.units import Floats

REVERSION = 6.0  # speed a year at which short-dated variance returns to its long-run value
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(24)


class Surface(NamedTuple):
    """State of a name's surface; fields are floats, or arrays of shape `(n,)` for a history."""

    vol: float  # long-run volatility, decimal
    level: float | Floats
    slope: float | Floats
    rho: float | Floats
    eta: float


def atm_variance(surface: Surface, tau: Floats | float, event_variance: Floats | float = 0.0) -> Floats:
    """ATM total variance at `tau` years: mean-reverting variance integrated, plus what a known event adds."""
    long_run = (surface.vol * np.exp(surface.level)) ** 2
    start = long_run * np.exp(2 * np.asarray(surface.slope))
    decay = -np.expm1(-REVERSION * np.asarray(tau)) / REVERSION
    return np.asarray(long_run * tau + (start - long_run) * decay + event_variance, dtype=np.float64)


def total_variance(surface: Surface, theta: Floats, k: Floats) -> Floats:
    """SSVI total variance at log-moneyness `k` for ATM total variance `theta` > 0; broadcasts."""
    phi = surface.eta / np.sqrt(theta * (1 + theta))
    rho = np.asarray(surface.rho)
    inner = phi * k + rho
    return np.asarray(theta / 2 * (1 + rho * phi * k + np.sqrt(inner**2 + 1 - rho**2)), dtype=np.float64)


def risk_reversal(surface: Surface, theta: Floats, tau: float) -> Floats:
    """Volatility of the 25-delta call minus that of the 25-delta put (forward delta), decimal."""
    vols = []
    for delta in (0.25, 0.75):  # the call delta of the 25-delta put is 0.75
        root = np.sqrt(theta)
        for _ in range(12):
            root = np.sqrt(total_variance(surface, theta, root * root / 2 - ndtri(delta) * root))
        vols.append(root / np.sqrt(tau))
    return np.asarray(vols[0] - vols[1], dtype=np.float64)


def variance_swap_vol(surface: Surface, theta: Floats, tau: float) -> Floats:
    """Fair variance-swap volatility (decimal), the quantity that the VIX family samples.

    E[w(k(z))] over normal z = d2 (Chriss & Morokoff 1999; Gatheral, "The Volatility Surface", ch. 11). `theta` has
    shape `(n,)`.
    """
    columns = surface._replace(rho=np.asarray(surface.rho, dtype=np.float64)[..., None])
    w = np.repeat(np.asarray(theta)[:, None], len(_NODES), axis=1)
    for _ in range(12):
        w = total_variance(columns, np.asarray(theta)[:, None], -_NODES * np.sqrt(w) - w / 2)
    mean = w @ (_WEIGHTS / _WEIGHTS.sum())
    return np.asarray(np.sqrt(mean / tau), dtype=np.float64)
