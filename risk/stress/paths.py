"""A random market: joint moves of spots and volatilities with fat tails, drawn from a seed."""

from collections.abc import Sequence

import numpy as np

from domain.units import TRADING_DAYS_PER_YEAR, Floats
from risk.revaluation import Scenarios
from risk.stress.settings import RandomMarket

CALENDAR_DAYS_PER_SESSION = 7 / 5


def draw(
    tickers: Sequence[str],
    *,
    vols: Floats,
    correlation: Floats,
    market: RandomMarket,
    paths: int,
    sessions: int,
    seed: str,
) -> Scenarios:
    """`paths` joint scenarios over `sessions` trading days; equal arguments give equal bytes.

    `vols` (n,) are annual implied volatilities, decimal; `correlation` (n, n) of daily returns; `seed` is a digest,
    hexadecimal. Standardised returns z are multivariate Student's t with `market.freedom` degrees of freedom, scaled to
    unit variance; the chi-square is one for all names, so that extremes come together. The log return of a name is
    vol · vol_factor · √(sessions/252) · z, without drift. Volatility follows by the leverage effect (Black 1976;
    Christie 1982, Journal of Financial Economics 10): the log change of 30-day volatility is
    vol_of_vol · √sessions · (ρ·z + √(1−ρ²)·q), q being a further t of the same mixture, one for all names.
    """
    n = len(tickers)
    source = np.random.Generator(np.random.PCG64(int(seed, 16)))
    normal = source.standard_normal((paths, n + 1))
    mixture = np.sqrt((market.freedom - 2.0) / source.chisquare(market.freedom, (paths, 1)))
    z = normal[:, :n] @ square_root(correlation).T * mixture
    q = normal[:, n:] * mixture
    rho = market.spot_vol_correlation
    returns = vols * market.vol_factor * np.sqrt(sessions / TRADING_DAYS_PER_YEAR) * z
    vol_changes = market.vol_of_vol * np.sqrt(sessions) * (rho * z + np.sqrt(1.0 - rho * rho) * q)
    return Scenarios(
        tickers=tuple(tickers),
        spot=np.expm1(returns),
        vol=np.expm1(vol_changes),
        rate=np.zeros(paths),
        days=np.full(paths, sessions * CALENDAR_DAYS_PER_SESSION),
    )


def square_root(correlation: Floats) -> Floats:
    """A factor L (n, n) with L·Lᵀ = `correlation`, which is positive semi-definite: singular ones, of names that are
    taken to move as one, have no Cholesky factor that a machine would find.
    """
    values, vectors = np.linalg.eigh(correlation)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
