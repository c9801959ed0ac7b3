"""The book in a random market of its regime: measured correlations, and the same paths with correlations pushed up."""

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np

from domain.regime import Regime
from domain.units import DAYS_PER_YEAR, Floats
from options.priced import PricedChain
from risk.correlation import Correlations, stressed
from risk.revaluation import RiskBook, revalue
from risk.stress.paths import draw
from risk.stress.settings import STRESSED_CORRELATION, MonteCarloSettings
from risk.stress.simulation import Simulation, simulation
from risk.stress.unpriced import fixed_losses

THIRTY_DAYS = 30 / DAYS_PER_YEAR
NO_VOL = "no 30-day volatility to draw its moves from"


def thirty_day_vol(priced: PricedChain) -> float | None:
    """At-the-money volatility at 30 days, decimal, off the fitted surface; None without one."""
    return None if priced.surface is None else float(priced.surface.vol(0.0, THIRTY_DAYS))


def monte_carlo(
    book: RiskBook,
    *,
    vols: Mapping[str, float],
    correlations: Correlations,
    settings: MonteCarloSettings,
    regime: Regime,
    seed: str,
) -> tuple[Simulation, Simulation]:
    """Simulated P&L between measured correlations, and between those pushed towards 0.8, from the same draws.

    `vols` are 30-day implied volatilities by name: structures on a name without one stand at their worst case, like all
    that cannot be repriced; raises `Refused` if that has no bound. A pair whose correlation is unknown counts as 1. No
    path loses more than the worst cases add up to. `seed` is a digest, hexadecimal.
    """
    known = book.without(set(book.tickers) - vols.keys(), NO_VOL)
    fixed_losses(known)
    worst = math.inf if known.worst_case is None else known.worst_case
    implied = np.array([vols[ticker] for ticker in known.tickers])

    def between(correlation: Floats, name: Literal["measured", "stressed"]) -> Simulation:
        paths = draw(
            known.tickers,
            vols=implied,
            correlation=correlation,
            market=settings.market[regime],
            paths=settings.paths,
            sessions=settings.sessions,
            seed=seed,
        )
        profit = np.maximum(revalue(known, paths), -worst)
        return simulation(profit, correlation=name, mean_correlation=_mean_off_diagonal(correlation))

    measured = correlations.matrix(known.tickers)
    return between(measured, "measured"), between(stressed(measured, rho=STRESSED_CORRELATION), "stressed")


def _mean_off_diagonal(correlation: Floats) -> float | None:
    n = len(correlation)
    return float((correlation.sum() - n) / (n * (n - 1))) if n > 1 else None
