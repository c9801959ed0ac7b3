"""Quotes as a fit sees them: which lie in the band that is judged, how far each is trusted, which are out of line."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from domain.units import Bools, Floats

BAND = 0.05  # quotes from this forward delta to 1 minus it are fitted and judged; the wings beyond only guide
_MOST_SKEW = 2.5  # times the central volatility: a dearer quote does not thereby come nearer to the money
_WING_POWER = 1.0  # a wing quote's standard error grows with (BAND / its delta) to this power
_LEAST_SPREAD = 0.5  # of the median half-spread of its expiry: no quote is trusted further
_TUKEY = 6.0  # robust deviations at which a quote no longer counts (Beaton and Tukey 1974)
_WINDOW = 5  # neighbouring quotes whose median a first look compares each quote with
_STEP = 0.05  # of volatility: what neighbours may differ by, beside their spreads
_FREE_QUOTES = 8  # with fewer in the band, or reaching less than _FREE_REACH deviations, a shape is lent there too
_FREE_REACH = 0.75


class Quotes(NamedTuple):
    """Good out-of-the-money quotes of `m` settlement instants, ascending in time and, within one, in `k`.

    `tau` (years) and `forward` (USD per share) have shape `(m,)`; expiry i has rows `offsets[i]` to `offsets[i + 1]` of
    `k` = ln(K/F), `iv` and `half_spread` (half the bid-ask spread in volatility, > 0), decimals of shape `(n,)`.
    """

    tau: Floats
    forward: Floats
    offsets: NDArray[np.int64]
    k: Floats
    iv: Floats
    half_spread: Floats


class Weighed(NamedTuple):
    """The quotes as the fit sees them, shape `(n,)` or, per expiry, `(m,)`."""

    total_variance: Floats
    precision: Floats  # 1 / standard error of total variance
    band: Bools
    counted: NDArray[np.int64]  # (m,) quotes in the band
    free: Bools  # (m,) the quotes alone pin a slice


def weigh(quotes: Quotes) -> Weighed:
    sizes = np.diff(quotes.offsets)
    of = np.repeat(np.arange(len(sizes)), sizes)
    tau = quotes.tau[of]
    w = quotes.iv**2 * tau
    s = np.minimum(quotes.iv, _MOST_SKEW * _central(quotes)[of]) * np.sqrt(tau)
    delta = ndtr(0.5 * s - quotes.k / s)
    tail = np.minimum(delta, 1.0 - delta)
    band = tail >= BAND
    z = quotes.k / s
    typical, counted, free = (
        np.zeros(len(sizes)),
        np.zeros(len(sizes), dtype=np.int64),
        np.zeros(len(sizes), dtype=bool),
    )
    for i, (start, stop) in enumerate(pairwise(quotes.offsets)):
        inner = band[start:stop]
        counted[i] = np.count_nonzero(inner)
        spreads = quotes.half_spread[start:stop][inner] if counted[i] else quotes.half_spread[start:stop]
        typical[i] = np.sort(spreads)[len(spreads) // 2] if len(spreads) else np.nan
        reach = min(-z[start], z[stop - 1]) if stop > start else 0.0
        free[i] = counted[i] >= _FREE_QUOTES and reach >= _FREE_REACH
    error = np.hypot(quotes.half_spread, _LEAST_SPREAD * typical[of])
    error *= np.maximum(BAND / np.maximum(tail, 1e-12), 1.0) ** _WING_POWER
    return Weighed(w, 1.0 / (2.0 * quotes.iv * tau * error), band, counted, free)


def _central(quotes: Quotes) -> Floats:
    """Median volatility of the three quotes nearest the forward, shape `(m,)`; NaN without quotes."""
    found = np.full(len(quotes.tau), np.nan)
    for i, (start, stop) in enumerate(pairwise(quotes.offsets)):
        if stop > start:
            nearest = np.argsort(np.abs(quotes.k[start:stop]), kind="stable")[:3]
            found[i] = np.sort(quotes.iv[start:stop][nearest])[len(nearest) // 2]
    return found


def first_look(quotes: Quotes) -> Floats:
    """1, or 0 for a quote far from the median of those around it: one wrong quote must not lead the first fit."""
    sizes = np.diff(quotes.offsets)
    first, last = np.repeat(quotes.offsets[:-1], sizes), np.repeat(quotes.offsets[1:], sizes)
    start = np.clip(np.arange(len(quotes.k)) - _WINDOW // 2, first, np.maximum(last - _WINDOW, first))
    around = np.sort(quotes.iv[np.minimum(start[:, None] + np.arange(_WINDOW), last[:, None] - 1)], axis=1)
    middle, spread = around[:, _WINDOW // 2], around[:, -2] - around[:, 1]
    near = np.abs(quotes.iv - middle) <= 2.0 * spread + 4.0 * quotes.half_spread + _STEP * middle
    return np.asarray(near | (last - first < _WINDOW), dtype=np.float64)


def trust_in(miss: Floats) -> Floats:
    """Square root of Tukey's weight: misses in robust deviations of their own."""
    sizes = np.abs(miss)
    scale = max(1.4826 * float(np.sort(sizes)[len(sizes) // 2]), 1.0)
    return np.maximum(1.0 - (sizes / (_TUKEY * scale)) ** 2, 0.0)
