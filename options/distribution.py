"""What the underlying may be worth at a horizon: the market's distribution, and the desk's own."""

import numpy as np

from domain.errors import DataError
from domain.units import Floats
from options.black import price
from options.priced import Distribution, Smile
from options.smile import smile_cdf

_TAIL = 1e-9  # probability beyond the outermost bucket edges
_REACH = 40.0  # standard deviations searched for those edges


def risk_neutral(smile: Smile, n: int = 400) -> Distribution:
    """The distribution that the smile's own option prices imply (Breeden and Litzenberger 1978), in `n` buckets.

    Probabilities are differences of the distribution function, skew term included. Each price is its bucket's
    conditional mean, E[S; S ≤ K] = K·P(S ≤ K) − put(K), so that the mean is the forward to rounding however coarse the
    buckets, and the tails beyond the last edges are inside. Buckets that carry no probability are left out.
    """
    edges = _edges(smile, n)
    strikes = smile.forward * np.exp(edges)
    vols = smile.vol(edges)
    below, above = smile_cdf(smile, edges)
    upper = edges > 0  # each half is measured from its own tail, where differences do not cancel
    worth = price(forward=smile.forward, strike=strikes, tau=smile.tau, discount=1.0, vol=vols, is_call=upper)
    half = int(np.count_nonzero(~upper))
    low_p = np.concatenate([[0.0], below[:half]])
    low_m = np.concatenate([[0.0], (strikes * below - worth)[:half]])
    high_p = np.concatenate([above[half:], [0.0]])
    high_m = np.concatenate([(strikes * above + worth)[half:], [0.0]])
    middle_p, middle_m = 1.0 - low_p[-1] - high_p[0], smile.forward - low_m[-1] - high_m[0]
    probabilities = np.concatenate([np.diff(low_p), [middle_p], -np.diff(high_p)])
    masses = np.concatenate([np.diff(low_m), [middle_m], -np.diff(high_m)])
    keep = (probabilities > 0.0) & (masses > 0.0)
    total = probabilities[keep].sum()
    prices = masses[keep] / probabilities[keep]
    return Distribution(
        tau=smile.tau,
        prices=np.maximum.accumulate(prices * (smile.forward * total / masses[keep].sum())),
        probabilities=probabilities[keep] / total,
    )


def physical(smile: Smile, *, spot: float, drift: float, forecast_vol: float, tau: float) -> Distribution:
    """The market's shape at the desk's own drift and volatility.

    The log-prices of `risk_neutral(smile)` are stretched about their mean until their standard deviation is
    `forecast_vol`·√`tau`, keeping skew and kurtosis, and shifted until the mean price is `spot`·exp(`drift`·`tau`).
    `drift` and `forecast_vol` are decimals a year, `tau` years, `spot` USD per share. Raises `DataError` unless
    `spot`, `forecast_vol` and `tau` are positive and `drift` finite.
    """
    if not (spot > 0 and forecast_vol > 0 and tau > 0 and np.isfinite(spot * np.exp(drift * tau) * forecast_vol)):
        raise DataError(
            f"No distribution has spot {spot}, drift {drift}, volatility {forecast_vol} and horizon {tau} years.",
            remedy="Spot, volatility and horizon must be positive, the drift finite.",
        )
    market = risk_neutral(smile)
    logs = np.log(market.prices)
    centre = float(market.probabilities @ logs)
    deviation = np.sqrt(float(market.probabilities @ (logs - centre) ** 2))
    shape = np.exp((logs - centre) * (forecast_vol * np.sqrt(tau) / deviation))
    scale = spot * np.exp(drift * tau) / float(market.probabilities @ shape)
    return Distribution(tau=tau, prices=shape * scale, probabilities=market.probabilities)


def expectation(distribution: Distribution, values: Floats) -> Floats:
    """Probability-weighted mean of `values`, shape `(..., m)` along the prices; returns shape `(...)`."""
    return np.asarray(values @ distribution.probabilities)


def probability_between(distribution: Distribution, low: float, high: float) -> float:
    """P(low < S ≤ high), USD per share; 0 when `high` ≤ `low`.

    Buckets meet halfway between prices and are cut linearly.
    """
    prices = distribution.prices
    if len(prices) == 1:
        return float(low < prices[0] <= high)
    middles = 0.5 * (prices[1:] + prices[:-1])
    edges = np.concatenate([[2 * prices[0] - middles[0]], middles, [2 * prices[-1] - middles[-1]]])
    cumulative = np.concatenate([[0.0], np.cumsum(distribution.probabilities)])
    at_low, at_high = np.interp([low, high], edges, cumulative)
    return max(0.0, float(at_high - at_low))


def _edges(smile: Smile, n: int) -> Floats:
    """The n − 1 bucket edges in log-moneyness, even between the points with `_TAIL` probability outside."""
    deviation = float(smile.vol(0.0)) * np.sqrt(smile.tau)
    k = np.linspace(-_REACH, _REACH, 1_601) * deviation
    below, above = smile_cdf(smile, k)
    inside = k[(below > _TAIL) & (above > _TAIL)]
    low, high = (inside[0], inside[-1]) if len(inside) else (-deviation, deviation)
    return np.linspace(low, high, max(n, 3) - 1)
