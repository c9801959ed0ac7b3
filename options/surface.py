"""The volatility surface of a chain: raw SVI slices in calendar order, and what lies between and beyond them."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from domain.errors import DataError
from domain.market import Chain
from domain.units import Bools, Floats
from options.hyperbolas import evaluate, numbers_of
from options.parity import forward_curve
from options.priced import ChainRefusal, Smile
from options.rates import RateCurve
from options.settings import ChainSettings
from options.smile import Curve, density, distribution_function

__all__ = ["Moments", "Residuals", "VolSurface", "fit_surface", "forward_curve"]

_TAIL = 1e-13  # probability left out beyond the range of integration, each side
_STEPS = np.concatenate([np.linspace(0.0, 8.0, 17), 2.0 ** np.arange(3.5, 12.0, 0.5)])  # of a scale, from a centre
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


class Moments(NamedTuple):
    """Of the log-return ln(S/F) to one maturity, risk-neutral: mean, standard deviation, skewness and kurtosis
    (3 for a normal distribution).
    """

    mean: float
    std: float
    skew: float
    kurtosis: float


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """What the surface leaves unexplained of each row of the chain, shape `(n,)`; NaN where a row was not fitted.

    `vol_points` is the mid's volatility minus the surface's, in points (0.01): > 0 is a dear quote. `spreads` is the
    same in units of the bid-ask spread: beyond ±0.5 the fitted value lies outside the quote, and `mispriced` says so.
    """

    vol_points: Floats
    spreads: Floats
    mispriced: Bools


@dataclass(frozen=True, slots=True, eq=False)
class VolSurface:
    """Implied volatility at any log-moneyness k = ln(K/F(τ)) and time τ (years, > 0), free of static arbitrage.

    Between slices total variance is linear in τ at fixed k; before the first it is the first's, scaled by time (its
    volatility stands); beyond the last it grows everywhere by the last's at-the-money variance a year. So it never
    falls with τ, and every wing keeps within Lee's bound (2004): slope at most 2.
    """

    ticker: str
    as_of: datetime
    spot: float  # USD per share
    slices: tuple[Smile, ...]  # ascending in tau, one for each settlement instant, at least one
    residuals: Residuals

    def vol(self, k: ArrayLike, tau: ArrayLike) -> Floats:
        """Volatility (decimal) at `k` and `tau`, which broadcast. Raises `DataError` unless every `tau` > 0."""
        return np.asarray(np.sqrt(self.curve(k, tau).w / np.asarray(tau, dtype=np.float64)))

    def total_variance(self, k: ArrayLike, tau: ArrayLike) -> Floats:
        """w(k, τ) = σ²τ, broadcast. Raises `DataError` unless every `tau` > 0."""
        return self.curve(k, tau).w

    def forward(self, tau: ArrayLike) -> Floats:
        """Forward (USD per share): its logarithm is linear between the listed expiries, from spot at 0 and on beyond
        the last at that expiry's average carry.
        """
        at = np.asarray(tau, dtype=np.float64)
        times = np.array([0.0, *(piece.tau for piece in self.slices)])
        logs = np.log([self.spot, *(piece.forward for piece in self.slices)])
        beyond = logs[0] + (logs[-1] - logs[0]) * at / times[-1]
        return np.asarray(np.exp(np.where(at > times[-1], beyond, np.interp(at, times, logs))))

    def density(self, k: ArrayLike, tau: ArrayLike) -> Floats:
        """Risk-neutral density of ln(S/F) at `k`, broadcast; over k it integrates to 1, and so does eᵏ times it."""
        at, _ = np.broadcast_arrays(np.asarray(k, dtype=np.float64), np.asarray(tau, dtype=np.float64))
        return density(at, self.curve(k, tau))

    def moments(self, tau: float) -> Moments:
        """Moments of ln(S/F) to `tau` years, from the density by Gauss-Legendre panels. Raises `DataError` unless
        `tau` > 0.
        """
        k, weight = self._panels(tau)
        mass = weight * self.density(k, tau)
        mean = float(mass @ k)
        centred = k - mean
        variance = float(mass @ centred**2)
        std = float(np.sqrt(variance))
        return Moments(mean, std, float(mass @ centred**3) / std**3, float(mass @ centred**4) / variance**2)

    def curve(self, k: ArrayLike, tau: ArrayLike) -> Curve:
        """Total variance and its derivatives in k, at `k` and `tau`, which broadcast."""
        at, time = np.broadcast_arrays(np.asarray(k, dtype=np.float64), np.asarray(tau, dtype=np.float64))
        if not (time > 0.0).all():
            raise DataError("A volatility surface has no value at or before its own instant.", remedy="Ask tau > 0.")
        near, far, share = self._around(time)
        times, numbers = self._table()
        before, beyond = np.minimum(time / times[0], 1.0), np.maximum(time - times[-1], 0.0)
        last = self.slices[-1]
        growth = float(last.svi.total_variance(0.0)) / last.tau
        low, high = evaluate(numbers[near], at), evaluate(numbers[far], at)
        w, slope, curvature = (
            before * ((1.0 - share) * one + share * other) for one, other in zip(low, high, strict=True)
        )
        return Curve(w + growth * beyond, slope, curvature)

    def _table(self) -> tuple[Floats, Floats]:
        size = max(len(numbers_of(piece.svi)) for piece in self.slices)
        numbers = [numbers_of(piece.svi, size) for piece in self.slices]
        return np.array([piece.tau for piece in self.slices]), np.array(numbers)

    def _around(self, tau: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        """Indices of the slices around each `tau`, and the share of the way to the later one."""
        times = np.array([piece.tau for piece in self.slices])
        near = np.clip(np.searchsorted(times, tau, side="right") - 1, 0, len(times) - 1)
        far = np.minimum(near + 1, len(times) - 1)
        gap = times[far] - times[near]
        share = np.clip((tau - times[near]) / np.where(gap > 0.0, gap, 1.0), 0.0, 1.0) * (gap > 0.0)
        return near, far, share

    def _panels(self, tau: float) -> tuple[Floats, Floats]:
        """Nodes and weights over the range that holds all but `_TAIL` of the probability, dense where slices bend."""
        s = float(np.sqrt(self.total_variance(0.0, tau)))
        near, far, _ = self._around(np.asarray(tau))
        numbers = self._table()[1]
        scales = [(0.0, s)] + [
            (numbers[int(i), j], numbers[int(i), j + 1]) for i in (near, far) for j in range(3, numbers.shape[1], 4)
        ]
        edges = np.unique([centre + side * scale * _STEPS for centre, scale in scales for side in (-1.0, 1.0)])
        curve = self.curve(edges, tau)
        below, above = distribution_function(edges, curve.w, curve.slope)
        kept = edges[np.maximum(np.argmax(below > _TAIL) - 1, 0) : len(edges) - np.argmax(above[::-1] > _TAIL) + 1]
        half, middle = 0.5 * np.diff(kept), 0.5 * (kept[1:] + kept[:-1])
        return (middle[:, None] + half[:, None] * _NODES).ravel(), (half[:, None] * _WEIGHTS).ravel()


def fit_surface(
    chain: Chain,
    *,
    as_of: datetime | None = None,
    curve: RateCurve | None = None,
    settings: ChainSettings | None = None,
) -> VolSurface:
    """The arbitrage-free surface of a captured chain, judged as of `as_of` (the chain's own instant by default).

    `curve` gives rates where parity does not. Raises `DataError` in the words of the refusal when the chain cannot be
    used, or when no expiry has enough good quotes.
    """
    from options.chain import price_chain

    priced = price_chain(chain, as_of=as_of or chain.as_of, curve=curve, settings=settings or ChainSettings())
    if isinstance(priced, ChainRefusal):
        raise DataError(priced.detail)
    if priced.surface is None:
        raise DataError(
            f"The chain of {chain.ticker} has no expiry with enough good quotes on both sides of its forward.",
            remedy="A surface needs one.",
        )
    return priced.surface
