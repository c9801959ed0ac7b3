"""Spot backed out of put-call parity, for sources whose own spot is missing or out of step with the quotes."""

import numpy as np

from domain.units import Bools, Floats

NEUTRAL_RATE = 0.025  # within ±2.5 % of any rate since 2000: at most 0.05 % of spot for a week, 0.1 % for two
_NEAR_PAIRS = 8
_MIN_PAIRS = 3
_MIN_TAU, _MAX_TAU = 0.4 / 365, 60 / 365


def parity_spot(*, strike: Floats, tau: Floats, is_call: Bools, bid: Floats, ask: Floats) -> float:
    """Spot implied by the two nearest expiries, USD per share; NaN when no expiry has three quoted pairs.

    For each strike quoted on both sides S = C − P + K·exp(−r·τ) (Stoll, Journal of Finance 1969, without
    dividends); of an expiry the median over the pairs with the smallest |C − P|, where early exercise matters
    least, then the mean of the two nearest expiries. All arrays have shape `(n,)`, `tau` in years.
    """
    usable = (bid > 0) & (ask >= bid) & (tau > _MIN_TAU) & (tau < _MAX_TAU)
    spots: list[float] = []
    for expiry in np.unique(tau[usable]):
        rows = usable & (tau == expiry)
        calls, puts = rows & is_call, rows & ~is_call
        shared, call_at, put_at = np.intersect1d(strike[calls], strike[puts], return_indices=True)
        if len(shared) < _MIN_PAIRS:
            continue
        mid = (bid + ask) / 2
        gap = mid[calls][call_at] - mid[puts][put_at]
        nearest = np.argsort(np.abs(gap), kind="stable")[:_NEAR_PAIRS]
        spots.append(float(np.median(gap[nearest] + shared[nearest] * np.exp(-NEUTRAL_RATE * expiry))))
        if len(spots) == 2:
            break
    return float(np.mean(spots)) if spots else float("nan")
