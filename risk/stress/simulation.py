"""The tail of a simulated P&L, with the error of having drawn only so many paths."""

import math
from typing import Literal

import numpy as np

from domain.record import Record
from domain.units import Floats
from risk.var import var_of

QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.50, 0.75, 0.95, 0.99)
CONFIDENCES = (0.95, 0.99)


class Estimate(Record):
    """VaR and CVaR of one confidence in USD, positive for a loss, with standard errors."""

    confidence: float
    var: float
    var_error: float
    cvar: float
    cvar_error: float


class Simulation(Record):
    """Simulated P&L, USD. `correlation` says between which correlations the paths were drawn."""

    correlation: Literal["measured", "stressed"]
    mean_correlation: float | None  # mean off-diagonal; None for fewer than two names
    paths: int
    mean: float
    std: float
    worst: float
    best: float
    quantiles: dict[str, float]  # "0.1%" → P&L
    estimates: tuple[Estimate, ...]


def simulation(
    profit: Floats, *, correlation: Literal["measured", "stressed"], mean_correlation: float | None
) -> Simulation:
    """Summary of P&L `profit` (n_paths,)."""
    return Simulation(
        correlation=correlation,
        mean_correlation=mean_correlation,
        paths=len(profit),
        mean=float(profit.mean()),
        std=float(profit.std()),
        worst=float(profit.min()),
        best=float(profit.max()),
        quantiles={f"{q:.1%}": float(np.quantile(profit, q)) for q in QUANTILES},
        estimates=tuple(estimate(profit, confidence) for confidence in CONFIDENCES),
    )


def estimate(profit: Floats, confidence: float) -> Estimate:
    """VaR and CVaR with standard errors.

    VaR: half the distance between the order statistics one binomial standard deviation either side of the quantile's
    (David and Nagaraja 2003, Order Statistics, 7.1). CVaR: √[(s² + α·(CVaR − VaR)²) ÷ (n·(1 − α))], s² the variance of
    the losses in the tail (Manistre and Hancock 2005, North American Actuarial Journal 9(2)).
    """
    n, (var, cvar) = len(profit), var_of(profit, confidence)
    losses = np.sort(-profit)
    spread = math.sqrt(n * confidence * (1.0 - confidence))
    low = max(0, math.floor(n * confidence - spread))
    high = min(n - 1, math.ceil(n * confidence + spread))
    beyond = losses[losses >= var]
    variance = float(beyond.var()) + confidence * (cvar - var) ** 2
    return Estimate(
        confidence=confidence,
        var=var,
        var_error=float(losses[high] - losses[low]) / 2.0,
        cvar=cvar,
        cvar_error=math.sqrt(variance / (n * (1.0 - confidence))),
    )
