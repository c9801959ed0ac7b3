"""Treasury yields of the simulated market and the discounting they imply."""

import numpy as np

from domain.market import YIELD_YEARS, YIELDS
from domain.units import Floats
from feeds.simulated.randomness import stream
from feeds.simulated.settings import SimulatedSettings


def yields(settings: SimulatedSettings, count: int) -> Floats:
    """Bond-equivalent yields, percent a year, shape `(count, 7)` in the order of `YIELDS`, gently inverted."""
    steps = stream(settings.seed, "yields").standard_normal((count, 2)) * np.array([0.025, 0.015])
    walk = np.zeros((count, 2))
    for row in range(1, count):
        walk[row] = 0.995 * walk[row - 1] + steps[row]
    tilt = np.linspace(0.0, 1.0, len(YIELDS))
    return np.round(4.3 - 0.35 * tilt + walk[:, :1] + walk[:, 1:] * tilt, 2).clip(0.05)


def zero_rate(row: Floats, tau: Floats) -> Floats:
    """Continuous zero rates at `tau` years from one row of `yields`: 2 ln(1 + y/2), linear in time, flat outside."""
    continuous = 2 * np.log1p(row / 200)
    return np.asarray(np.interp(tau, list(YIELD_YEARS.values()), continuous), dtype=np.float64)
