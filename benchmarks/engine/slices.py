"""SVI slices, arbitrage-free, beside SciPy's least squares without arbitrage constraints, on the same made slices."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from benchmarks.engine.rows import Row, interleaved
from domain.units import Floats
from options.svi import RawSvi, SliceFit, fit_slices, worst_butterfly

SLICES = 60
TARGET = 100.0
STARTS = tuple((rho, sigma) for rho in (-0.6, 0.2) for sigma in (0.1, 0.02, 0.4))


class Quotes(NamedTuple):
    """A made slice: `k` ascending, `vol` with noise, `true_vol` without; all of shape `(n,)`."""

    k: Floats
    vol: Floats
    tau: float
    true_vol: Floats


def made(count: int, *, seed: int, quotes: int = 25, noise: float = 0.01, outlier: bool = False) -> list[Quotes]:
    """Slices of raw SVI with an equity-like skew and no arbitrage around their quotes, then noise in volatility.

    Noise is `noise`/2 of the at-the-money volatility, more in the wings; an outlier is 20 % too high or 15 % too low.
    """
    rng = np.random.default_rng(seed)
    found: list[Quotes] = []
    while len(found) < count:
        tau, at_money = (
            float(np.exp(rng.uniform(np.log(5 / 365), np.log(2.0)))),
            float(np.exp(rng.uniform(-2.3, -0.22))),
        )
        size = at_money * np.sqrt(tau)
        rho, b = rng.uniform(-0.85, 0.1), size * rng.uniform(0.15, 0.45)
        sigma, m = size * rng.uniform(0.3, 1.5), size * rng.uniform(-0.3, 0.3)
        svi = RawSvi(size**2 - b * (np.hypot(m, sigma) - rho * m), b, rho, m, sigma)
        k = np.sort(rng.uniform(-3.0, 2.0, quotes)) * size
        if svi.durrleman(np.linspace(2.0 * k[0], 2.0 * k[-1], 401)).min() < 0.002:
            continue
        true_vol = svi.vol(k, tau)
        if not true_vol.min() >= 0.03:
            continue
        vol = true_vol + 0.5 * noise * at_money * rng.normal(size=quotes) * (1.0 + np.abs(k / size))
        if outlier:
            vol[rng.integers(0, quotes)] *= 1.0 + rng.choice([-0.15, 0.2])
        found.append(Quotes(k, np.maximum(vol, 0.02), tau, true_vol))
    return found


def rmse(svi: RawSvi, quotes: Quotes) -> float:
    """Root mean square miss of the quotes, volatility points."""
    w = np.maximum(svi.total_variance(quotes.k), 1e-12)
    return float(100.0 * np.sqrt(np.mean((np.sqrt(w / quotes.tau) - quotes.vol) ** 2)))


def scipy_fit(quotes: Quotes, start: int = 0) -> RawSvi:
    """Bounded least squares in volatility from one of `STARTS`; nothing keeps it from arbitrage."""
    k, vol, tau, _ = quotes
    w = vol * vol * tau
    low = np.array([-w.max() - 1e-4, 0.0, -0.999, min(2.0 * k[0], -0.1), 1e-4])
    high = np.array([w.max(), 2.0, 0.999, max(2.0 * k[-1], 0.1), 2.0])
    rho, sigma = STARTS[start]
    first = np.clip([0.5 * w.min(), 0.1, rho, 0.0, sigma], low + 1e-9, high - 1e-9)

    def misses(p: Floats) -> Floats:
        fitted = p[0] + p[1] * (p[2] * (k - p[3]) + np.hypot(k - p[3], p[4]))
        return np.asarray(np.sqrt(np.maximum(fitted, 1e-12) / tau) - vol)

    return RawSvi(*least_squares(misses, first, bounds=(low, high)).x.tolist())


def measure(rounds: int = 7) -> list[Row]:
    """Clean slices (25 quotes, 1 % noise) and hard ones (9 quotes, 5 %, an outlier), on one thread and on two."""
    rows = []
    for name, slices in (
        ("clean", made(SLICES, seed=31)),
        ("hard", made(SLICES, seed=32, quotes=9, noise=0.05, outlier=True)),
    ):
        k = np.concatenate([quotes.k for quotes in slices])
        vol = np.concatenate([quotes.vol for quotes in slices])
        tau = np.repeat([quotes.tau for quotes in slices], [len(quotes.k) for quotes in slices])
        w, weights = vol * vol * tau, 0.5 / (vol * tau)
        offsets = np.cumsum([0] + [len(quotes.k) for quotes in slices])

        def ours(threads: int, k=k, w=w, weights=weights, offsets=offsets) -> list[SliceFit | None]:
            return fit_slices(k=k, total_variance=w, weights=weights, offsets=offsets, threads=threads)

        def peer(slices=slices) -> list[RawSvi]:
            return [scipy_fit(quotes) for quotes in slices]

        spent = interleaved({"one": lambda: ours(1), "two": lambda: ours(2), "peer": peer}, rounds=rounds)
        fitted, theirs = [fit.svi for fit in ours(1) if fit is not None], peer()
        misses = [np.median([rmse(a, b) for a, b in zip(fits, slices, strict=True)]) for fits in (fitted, theirs)]
        violating = sum(worst_butterfly(svi).g < 0.0 for svi in theirs)
        note = f"median RMSE {misses[0]:.3f} / {misses[1]:.3f} vol points; SciPy's admit butterflies in {violating}"
        for threads in ("one", "two"):
            task = f"SVI slice, arbitrage-free, {name}, {threads} thread{'s' * (threads == 'two')}"
            rows.append(Row(task, len(slices), spent[threads], spent["peer"], TARGET, note))
    return rows


if __name__ == "__main__":
    for row in measure():
        print(row.line())
