"""Pairwise correlation of daily returns, and what it says about adding one more underlying."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from domain.market import Bars
from domain.units import Floats

WORST_CASE = 1.0


@dataclass(frozen=True)
class Correlations:
    """Correlation of daily log returns by unordered pair. A pair without enough common returns is absent and
    counts as 1: the worst case stands in for what is not known.
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


def correlations(
    bars: Mapping[str, Bars], tickers: Iterable[str], *, window: int = 60, minimum: int = 60
) -> Correlations:
    """Pearson correlation of the last `window` daily log returns on days both names traded.

    Bars must already be cut at the run's instant. Fewer than `minimum` common returns, a non-positive close
    or a series without variation leave the pair out.
    """
    names = sorted(set(tickers) & bars.keys())
    returns = {name: _returns(bars[name]) for name in names}
    pairs: dict[tuple[str, str], float] = {}
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            days, left, right = np.intersect1d(returns[first][0], returns[second][0], return_indices=True)
            if len(days) < minimum:
                continue
            x, y = returns[first][1][left][-window:], returns[second][1][right][-window:]
            if x.std() > 0 and y.std() > 0:
                pairs[first, second] = float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))
    return Correlations(window=window, minimum=minimum, pairs=pairs)


def _returns(bars: Bars) -> tuple[np.ndarray, Floats]:
    """Days and log returns, leaving out any return that touches a missing or non-positive close."""
    close = np.where(bars.close > 0, bars.close, np.nan)
    log_returns = np.diff(np.log(close))
    finite = np.isfinite(log_returns)
    return bars.day[1:][finite], log_returns[finite]
