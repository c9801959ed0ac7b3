"""Forwards, discounts and the spot itself, read from put-call parity: C − P = D·(F − K) (Stoll 1969)."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.market import Chain
from domain.units import Bools, Floats, year_fraction
from options.hygiene import flag_rows
from options.rates import RateCurve
from options.settings import ChainSettings

_ROUNDS = 5
_SETTLED = 1e-3  # of its standard error: a level that moves less has settled
_HUBER = 2.0
_LEAST_ERROR = 0.005  # USD: half a cent, the rounding of any quote
_MIN_RATE_PAIRS = 6
_SPOT_EXPIRIES = 4
_FLAT_CARRY = 0.10


@dataclass(frozen=True, slots=True, eq=False)
class Forward:
    """Forward and discount of one (root, expiry). `rows` indexes the chain; prices are USD per share."""

    rows: NDArray[np.int64]
    tau: float  # years
    forward: float
    discount: float
    source: Literal["parity", "curve"]
    pairs: int  # strikes used; 0 without parity
    residual: float  # median absolute residual; NaN without parity
    error: float  # standard error of the forward; NaN without parity
    rate_known: bool  # the discount comes from parity or the curve; False: taken as 1


class ImpliedSpot(NamedTuple):
    """`spot` in USD per share, its standard error (unknown dividends included), and the number of expiries used."""

    spot: float
    error: float
    expiries: int


def expiry_rows(chain: Chain) -> list[NDArray[np.int64]]:
    """Row indices of each (expiry instant, root), ascending by instant, then root."""
    root = np.unique(chain.root, return_inverse=True)[1]
    order = np.lexsort((root, chain.expires_at))
    changed = (np.diff(root[order]) != 0) | (np.diff(chain.expires_at[order]).astype(np.int64) != 0)
    return list(np.split(order, np.flatnonzero(changed) + 1))


def parity_forwards(chain: Chain, *, usable: Bools, curve: RateCurve | None, settings: ChainSettings) -> list[Forward]:
    """Forwards of every expiry with enough usable call-put pairs, ascending; the others are left out.

    Near-the-money pairs, each weighted by its spreads, Huber-weighted against outliers (Huber 1964). European expiries
    also give the discount where the regression pins the rate to `max_rate_error`; otherwise, and always for American
    ones, whose early exercise would bias the slope, it comes from `curve` (1 without a curve).
    """
    return forwards_of(chain, call_put_pairs(chain, usable), curve, settings)


class Pairs(NamedTuple):
    """Strikes of one (root, expiry) with a usable call and a usable put, ascending; the others index the chain."""

    rows: NDArray[np.int64]
    tau: float
    european: bool
    strikes: Floats
    call: NDArray[np.int64]
    put: NDArray[np.int64]


def call_put_pairs(chain: Chain, usable: Bools) -> list[Pairs]:
    """Pairs of every unexpired expiry, ascending."""
    found = []
    for rows in expiry_rows(chain):
        tau = _tau(chain, rows)
        if tau > 0:
            good = rows[usable[rows]]
            calls, puts = good[chain.is_call[good]], good[~chain.is_call[good]]
            strikes, call, put = np.intersect1d(chain.strike[calls], chain.strike[puts], return_indices=True)
            found.append(Pairs(rows, tau, bool(chain.european[rows].all()), strikes, calls[call], puts[put]))
    return found


def forwards_of(chain: Chain, pairs: list[Pairs], curve: RateCurve | None, settings: ChainSettings) -> list[Forward]:
    """`parity_forwards` from pairs already at hand, with this chain's bids and asks."""
    found = (_forward(chain, one, curve, settings) for one in pairs)
    return [forward for forward in found if forward is not None]


def forward_curve(
    chain: Chain,
    *,
    usable: Bools | None = None,
    curve: RateCurve | None = None,
    settings: ChainSettings | None = None,
) -> list[Forward]:
    """A forward for every unexpired (root, expiry) that can have one, ascending.

    `usable` marks the rows whose quotes may be believed, shape `(n,)`; by default those without a hygiene flag.

    From parity; where parity is missing, or shows more than `max_carry` a year between spot and forward, from the rate
    curve without dividends, F = S·exp(r·τ). Expiries with neither are left out.
    """
    settings = settings or ChainSettings()
    if usable is None:
        usable = flag_rows(chain, as_of=chain.as_of, settings=settings) == 0
    parities = parity_forwards(chain, usable=usable, curve=curve, settings=settings)
    return completed(chain, parities, curve, settings)


def completed(chain: Chain, parities: list[Forward], curve: RateCurve | None, settings: ChainSettings) -> list[Forward]:
    """`forward_curve` from parity forwards already at hand."""
    by_parity = {
        int(found.rows[0]): found
        for found in parities
        if abs(np.log(found.forward / chain.spot)) <= _FLAT_CARRY + settings.max_carry * found.tau
    }
    forwards = []
    for rows in expiry_rows(chain):
        tau = _tau(chain, rows)
        if int(rows[0]) in by_parity:
            forwards.append(by_parity[int(rows[0])])
        elif curve is not None and tau > 0:
            discount = float(curve.discount(tau))
            forwards.append(
                Forward(rows, tau, chain.spot / discount, discount, "curve", 0, float("nan"), float("nan"), True)
            )
    return forwards


def implied_spot(chain: Chain, *, curve: RateCurve | None, settings: ChainSettings) -> ImpliedSpot | None:
    """Spot that the chain's own quotes imply at its own instant; None without a single parity expiry.

    The nearest forwards discounted by the curve (by parity's own discount without one), weighted by how well each is
    known: its standard error and `carry_doubt`·τ for the dividends and borrow that nobody has told us.
    """
    usable = flag_rows(chain, as_of=chain.as_of, settings=settings) == 0
    return spot_of(parity_forwards(chain, usable=usable, curve=curve, settings=settings), curve, settings)


def spot_of(forwards: list[Forward], curve: RateCurve | None, settings: ChainSettings) -> ImpliedSpot | None:
    """`implied_spot` from parity forwards already at hand, ascending."""
    nearest = forwards[:_SPOT_EXPIRIES]
    if not nearest:
        return None
    tau = np.array([f.tau for f in nearest])
    discount = np.array([f.discount for f in nearest]) if curve is None else curve.discount(tau)
    spots = np.array([f.forward for f in nearest]) * discount
    errors = np.hypot([f.error for f in nearest], settings.carry_doubt * tau * spots)
    return ImpliedSpot(float(np.average(spots, weights=errors**-2)), float(errors.min()), len(nearest))


def _tau(chain: Chain, rows: NDArray[np.int64]) -> float:
    return float(year_fraction(chain.as_of, chain.expires_at[rows[:1]])[0])


def _forward(chain: Chain, pairs: Pairs, curve: RateCurve | None, settings: ChainSettings) -> Forward | None:
    rows, tau, european, strikes, call, put = pairs
    if len(strikes) < settings.min_parity_pairs:
        return None
    gap = 0.5 * (chain.bid[call] + chain.ask[call] - chain.bid[put] - chain.ask[put])
    spread = chain.ask[call] - chain.bid[call] + chain.ask[put] - chain.bid[put]
    error = np.maximum(0.5 * spread, _LEAST_ERROR)
    known = 1.0 if curve is None else float(curve.discount(tau))
    centre = _weighted_median(strikes + gap / known, error**-2.0)
    near = _near(strikes, centre, None if european else settings.american_parity_pairs, settings.parity_window)
    if len(near) < settings.min_parity_pairs:
        return None
    strikes, gap, error = strikes[near], gap[near], error[near]
    free = european and len(near) >= _MIN_RATE_PAIRS
    line = _line(strikes - centre, gap, error, known, fixed=not free)
    rate_known = free and _is_pinned(line, tau, settings)
    if free and not rate_known:
        line = _line(strikes - centre, gap, error, known, fixed=True)
    forward = centre + line.level / line.discount
    if not forward > 0:
        return None
    residual = float(np.sort(np.abs(line.residuals))[len(near) // 2])
    standard_error = line.level_error / line.discount
    rate_known = rate_known or curve is not None
    return Forward(rows, tau, forward, line.discount, "parity", len(near), residual, standard_error, rate_known)


def _near(strikes: Floats, centre: float, most: int | None, window: float) -> NDArray[np.int64]:
    """Indices of the strikes within `window` of the centre, only the nearest `most`, ascending."""
    distance = np.abs(strikes - centre)
    nearest = np.argsort(distance, kind="stable")[:most]
    return np.sort(nearest[np.abs(np.log(strikes[nearest] / centre)) <= window]) if centre > 0 else nearest[:0]


class _Line(NamedTuple):
    """gap = level − discount·x, with the standard errors of both and the residuals."""

    level: float
    discount: float
    level_error: float
    discount_error: float
    residuals: Floats


def _line(x: Floats, gap: Floats, error: Floats, known: float, *, fixed: bool) -> _Line:
    """Huber regression by reweighting, begun from the robust centre so that no outlier leads it."""
    level, discount = 0.0, known
    for _ in range(_ROUNDS):
        miss = np.abs(gap - level + discount * x) / error
        scale = max(1.4826 * float(np.sort(miss)[len(miss) // 2]), 0.05)
        weight = _HUBER / np.maximum(miss / scale, _HUBER) / error**2
        total = float(weight.sum())
        mean_x, mean_gap = float(weight @ x) / total, float(weight @ gap) / total
        spread = float(weight @ (x - mean_x) ** 2)
        if not fixed:
            discount = -float(weight @ ((x - mean_x) * (gap - mean_gap))) / spread
        moved, level = level, mean_gap + discount * mean_x
        if abs(level - moved) <= _SETTLED * scale / np.sqrt(total):
            break
    return _Line(level, discount, scale / np.sqrt(total), scale / np.sqrt(spread), gap - level + discount * x)


def _is_pinned(line: _Line, tau: float, settings: ChainSettings) -> bool:
    if not line.discount > 0:
        return False
    rate = -np.log(line.discount) / tau
    known_to = line.discount_error / (line.discount * tau)
    return bool(settings.min_rate <= rate <= settings.max_rate and known_to <= settings.max_rate_error)


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values, kind="stable")
    heavier = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(heavier, 0.5 * heavier[-1])])
