"""Correlation of daily returns, shrunk, and what it says about adding one more underlying."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from domain.errors import DataError
from domain.market import Bars
from domain.units import Floats
from portfolio.returns import joint_returns

if TYPE_CHECKING:  # compiled code: not loaded by those who only ask
    from risk.revaluation import Scenarios

WORST_CASE = 1.0


@dataclass(frozen=True)
class Correlations:
    """Correlation of daily returns by unordered pair. A pair without enough common returns is absent and counts as 1:
    the worst case stands in for what is not known.
    """

    window: int  # returns
    minimum: int
    pairs: Mapping[tuple[str, str], float]

    def between(self, first: str, second: str) -> float:
        """Correlation of two tickers; 1 where it is not known."""
        if first == second:
            return 1.0
        return self.pairs.get((min(first, second), max(first, second)), WORST_CASE)

    def known(self, first: str, second: str) -> bool:
        """Whether the figure was measured rather than assumed."""
        return first == second or (min(first, second), max(first, second)) in self.pairs

    def weighted_mean(self, weights: Mapping[str, float]) -> float:
        """Mean pairwise correlation weighted by the product of worst-case losses; 0 for fewer than two names."""
        names = sorted(weights)
        total = weighted = 0.0
        for i, first in enumerate(names):
            for second in names[i + 1 :]:
                weight = weights[first] * weights[second]
                total += weight
                weighted += weight * self.between(first, second)
        return weighted / total if total > 0 else 0.0

    def matrix(self, tickers: Sequence[str]) -> Floats:
        """Correlations of `tickers`, shape `(n, n)`, positive semi-definite.

        Where assumed pairs beside measured ones are no correlation matrix, negative eigenvalues become 0 and the
        diagonal 1 again (Rebonato and Jäckel 1999, spectral decomposition).
        """
        found = np.array([[self.between(first, second) for second in tickers] for first in tickers], dtype=np.float64)
        values, vectors = np.linalg.eigh(found.reshape(len(tickers), len(tickers)))
        if not len(values) or values[0] >= 0.0:
            return found.reshape(len(tickers), len(tickers))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        root /= np.sqrt((root * root).sum(axis=1, keepdims=True))
        return np.asarray(root @ root.T)


@dataclass(frozen=True, slots=True, eq=False)
class Covariance:
    """Covariance a day of relative spot moves, then of relative moves of 30-day volatility."""

    tickers: tuple[str, ...]
    matrix: Floats  # (2 n_u, 2 n_u): spots, then volatilities, in the order of `tickers`
    observations: int
    shrinkage: float  # 0: the sample's own correlations; 1: none
    window: str  # the days it was taken from, in words

    @property
    def spot(self) -> Floats:
        """The part of the spots, shape `(n_u, n_u)`."""
        return self.matrix[: len(self.tickers), : len(self.tickers)]


def correlations(
    bars: Mapping[str, Bars], tickers: Iterable[str], *, window: int = 60, minimum: int = 60
) -> Correlations:
    """Correlation of the last `window` daily returns that names have in common, shrunk as Ledoit and Wolf (2004), "A
    well-conditioned estimator for large-dimensional covariance matrices", towards no correlation.

    Names that share `minimum` returns are taken together; a pair of which one does not, by itself. Bars must already be
    cut at the run's instant. Fewer than `minimum` common returns, a non-positive close or a series without variation
    leave a pair out.
    """
    names = sorted(set(tickers) & bars.keys())
    together = joint_returns(bars, names, window=window, minimum=minimum)
    pairs = _pairs(together.tickers, together.values)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            if first in together.missing or second in together.missing:
                apart = joint_returns(bars, (first, second), window=window, minimum=minimum)
                pairs |= _pairs(apart.tickers, apart.values)
    return Correlations(window=window, minimum=minimum, pairs=dict(sorted(pairs.items())))


def covariance(scenarios: "Scenarios") -> Covariance:
    """Of the scenarios' spot and volatility moves, their correlations shrunk as in `correlations`, their deviations the
    sample's. Raises `DataError` for fewer than two scenarios.
    """
    moves = np.hstack([scenarios.spot, scenarios.vol])
    if len(moves) < 2:
        raise DataError("A covariance needs at least two scenarios.", remedy="Take a longer history.")
    deviation = moves.std(axis=0, ddof=1)
    matrix, shrinkage = _shrunk(moves)
    return Covariance(
        tickers=scenarios.tickers,
        matrix=matrix * np.outer(deviation, deviation),
        observations=len(moves),
        shrinkage=shrinkage,
        window=days_of(scenarios),
    )


def days_of(scenarios: "Scenarios") -> str:
    """What the scenarios were taken from, in words."""
    if not scenarios.names:
        return f"{len(scenarios)} scenarios"
    return f"{len(scenarios)} days, {scenarios.names[0]} to {scenarios.names[-1]}"


def stressed(matrix: Floats, rho: float = 0.8) -> Floats:
    """The correlation `matrix` `(n, n)` pushed together until its mean pairwise correlation is `rho`.

    A convex combination with the matrix of ones, (1 − t)·C + t·11ᵀ: positive semi-definite because both are, and no
    pair falls. A matrix whose mean is at `rho` already stays as it is. Raises `DataError` unless 0 ≤ `rho` ≤ 1.
    """
    if not 0.0 <= rho <= 1.0:
        raise DataError(f"A stressed correlation of {rho} cannot be.", remedy="Give a number from 0 to 1.")
    pairs = matrix[~np.eye(len(matrix), dtype=np.bool_)]
    mean = float(pairs.mean()) if len(pairs) else rho
    if mean >= rho:
        return matrix.copy()
    t = (rho - mean) / (1.0 - mean)
    return np.asarray((1.0 - t) * matrix + t)


def _pairs(names: Sequence[str], returns: Floats) -> dict[tuple[str, str], float]:
    varied = [column for column in range(len(names)) if returns[:, column].std() > 0]
    if len(varied) < 2:
        return {}
    matrix, _ = _shrunk(returns[:, varied])
    return {
        (names[varied[i]], names[varied[j]]): float(matrix[i, j])
        for i in range(len(varied))
        for j in range(i + 1, len(varied))
    }


def _shrunk(moves: Floats) -> tuple[Floats, float]:
    """Correlation of the columns of `moves` and the share of shrinkage. Columns without variation correlate with none.

    Shrunk on standard scores: on raw moves the estimator would pull calm and wild columns to one variance.
    """
    from sklearn.covariance import ledoit_wolf

    deviation = moves.std(axis=0)
    varied = deviation > 0
    matrix = np.eye(moves.shape[1])
    if not varied.any():
        return matrix, 0.0
    scores = (moves[:, varied] - moves[:, varied].mean(axis=0)) / deviation[varied]
    found, shrinkage = ledoit_wolf(scores, assume_centered=True)
    scale = np.sqrt(np.diag(found))
    matrix[np.ix_(varied, varied)] = np.clip(found / np.outer(scale, scale), -1.0, 1.0)
    return matrix, float(shrinkage)
