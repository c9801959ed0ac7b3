"""What the surface is measured against: raw SVI by SciPy's least squares, spread-weighted, each slice alone.

No arbitrage constraint of any kind: what is left of its error is what raw SVI can do at most.
"""

import numpy as np
from scipy.optimize import least_squares

STARTS = ((-0.6, 0.0, 0.3), (-0.6, 0.0, 1.5), (0.8, 1.2, 0.3))  # (ρ, m, σ), in at-the-money deviations


def total_variance(numbers, k):
    a, b, rho, m, sigma = numbers
    return a + b * (rho * (k - m) + np.hypot(k - m, sigma))


def fit(*, k, total_variance_quoted, weights, starts=STARTS):
    """(a, b, ρ, m, σ) with least Σ(weight·(w(k) − quoted))² from the best of several starts. Arrays `(n,)`."""
    order = np.argsort(k)
    s = np.sqrt(np.interp(0.0, k[order], total_variance_quoted[order]))
    most = total_variance_quoted.max()
    low = np.array([-most, 1e-6, -0.999, -10 * s, 1e-3 * s])
    high = np.array([most, 2.0, 0.999, 10 * s, 10 * s])

    def misses(numbers):
        return (total_variance(numbers, k) - total_variance_quoted) * weights

    def derivatives(numbers):
        _, b, rho, m, sigma = numbers
        x = k - m
        z = np.hypot(x, sigma)
        columns = (np.ones_like(k), rho * x + z, b * x, -b * (rho + x / z), b * sigma / z)
        return np.stack(columns, axis=1) * weights[:, None]

    found = [
        least_squares(
            misses,
            np.clip([total_variance_quoted.min() / 2, s / 2, rho, m * s, sigma * s], low * 0.999 + 1e-9, high * 0.999),
            derivatives,
            bounds=(low, high),
            x_scale=[s * s, s, 1.0, s, s],
            max_nfev=200,
        )
        for rho, m, sigma in starts
    ]
    return min(found, key=lambda result: result.cost).x
