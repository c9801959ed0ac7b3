"""Risk parity: every strategy type contributes the same risk."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from domain.errors import DataError
from domain.order import Candidate
from domain.units import Floats

TOLERANCE = 1e-14
MAX_SWEEPS = 10_000


def risk_parity(covariance: Floats, budgets: Sequence[float] | None = None) -> Floats:
    """Weights `(n,)`, positive with sum 1, whose contributions wᵢ(Σw)ᵢ/w'Σw equal `budgets` (default: 1/n each).

    `covariance` `(n, n)` is symmetric with positive variances. Minimises ½w'Σw − Σ bᵢ ln wᵢ by cyclical coordinate
    descent: Maillard, Roncalli, Teïletche (2010); Griveau-Billion, Richard, Roncalli (2013). Raises `DataError` for a
    matrix or budgets that define no parity.
    """
    sigma = np.asarray(covariance, dtype=np.float64)
    n = len(sigma)
    if n == 0 or sigma.shape != (n, n) or not np.isfinite(sigma).all() or not np.allclose(sigma, sigma.T):
        raise DataError("Risk parity needs a finite, symmetric, square covariance matrix.")
    share = np.full(n, 1 / n) if budgets is None else np.asarray(budgets, dtype=np.float64)
    if share.shape != (n,) or not (share > 0).all() or not math.isclose(float(share.sum()), 1.0, abs_tol=1e-9):
        raise DataError("Risk budgets are one positive share per strategy, with sum 1.")
    deviation = np.sqrt(np.clip(np.diag(sigma), 0.0, None))
    if not (deviation > 0).all() or float(np.linalg.eigvalsh(sigma)[0]) < -1e-9 * float(deviation.max()) ** 2:
        raise DataError("Risk parity needs positive variances and a positive semi-definite matrix.")
    correlation = sigma / np.outer(deviation, deviation)  # solved without scale: parity weights are w = y/σ
    y = np.sqrt(share)
    for _ in range(MAX_SWEEPS):
        before = y.copy()
        for i in range(n):
            rest = float(correlation[i] @ y) - y[i]  # the diagonal of a correlation matrix is 1
            y[i] = (-rest + math.sqrt(rest * rest + 4 * share[i])) / 2
        if float(np.abs(y - before).max()) <= TOLERANCE:
            break
    else:
        raise DataError("Risk parity does not converge: some strategies offset each other entirely.")
    weights = y / deviation
    return np.asarray(weights / weights.sum())


def parity_shares(candidates: Iterable[Candidate]) -> dict[str, float]:
    """Share of the worst-case budget of each strategy type among `candidates`, ascending by name, with sum 1.

    A type's risk is the standard deviation of its P&L per USD of worst case, the mean over its candidates. How types
    move together is not known before there is a live record: the worst case, ρ = 1, stands in, under which parity is
    inverse to the deviation (as for any constant ρ: Maillard et al. 2010, §2.2).
    """
    found: dict[str, list[float]] = {}
    for candidate in candidates:
        deviation = deviation_per_dollar(candidate.outcomes, float(candidate.max_loss))
        found.setdefault(candidate.strategy, []).append(deviation)
    if not found:
        return {}
    names = sorted(found)
    deviations = np.array([math.fsum(found[name]) / len(found[name]) for name in names])
    weights = risk_parity(np.outer(deviations, deviations))
    return dict(zip(names, weights.tolist(), strict=True))


def deviation_per_dollar(outcomes: Sequence[tuple[float, float]], max_loss: float) -> float:
    """Standard deviation of the P&L (probability, USD) per USD of `max_loss`."""
    mean = math.fsum(p * pnl for p, pnl in outcomes)
    return math.sqrt(math.fsum(p * (pnl - mean) ** 2 for p, pnl in outcomes)) / max_loss
