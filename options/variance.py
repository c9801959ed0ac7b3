"""Variance without a model: the Cboe index from raw quotes, and the variance swap that a fitted smile implies.

A claim on ln S is replicated by options of all strikes, each weighted by 1/K² (Neuberger 1994; Carr & Madan 1998;
Demeterfi et al. 1999). The Cboe's sum over listed strikes is that integral, cut where quotes end.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from domain.errors import DataError
from domain.market import Chain
from domain.sessions import NEW_YORK, is_session, session_before
from domain.units import Bools, Floats, from_datetime64
from options.hyperbolas import Slice, numbers_of
from options.rates import RateCurve
from options.svi import RawSvi

TARGET_DAYS = 30
NEAREST, FARTHEST = 23, 37  # near term: more than 23 days, at most 30; next term: more than 30, at most 37
_FRIDAY = 4
_MINUTES_PER_DAY = 1_440
_MINUTES_PER_YEAR = 525_600
_REACH = 13.0  # standard deviations beyond which the normal density (1e-37) adds nothing
_FIRST_NODES, _MOST_NODES = 64, 1 << 17
_PRECISE = 1e-12  # relative change at which an integral has settled ...
_WHOLE = 1e-10  # ... if the density then sums to 1 this closely: else the nodes have missed it


@dataclass(frozen=True, slots=True, eq=False)
class VixTerm:
    """One expiry's part in the index. `strikes` ascending and `prices` (out-of-the-money mid, at `k0` the mean of call
    and put; USD per share) are the strip used, shape `(n,)`. `variance` is annualised; `minutes` by New York's clock.
    """

    expiry: date
    am_settled: bool
    minutes: float
    rate: float
    forward: float
    k0: float
    variance: float
    strikes: Floats
    prices: Floats


@dataclass(frozen=True, slots=True, eq=False)
class VixIndex:
    """`index` in volatility points; `near_weight` is the near term's share in the 30-day variance."""

    index: float
    near: VixTerm
    next: VixTerm
    near_weight: float


def vix_style_index(chain: Chain, *, curve: RateCurve) -> VixIndex:
    """30-day volatility index of `chain` from its raw quotes, as the Cboe's VIX methodology lays down.

    Terms: the two Fridays (or the session before a Friday holiday) around 30 days, `NEAREST` to `FARTHEST` calendar
    days away; of two settlements on one Friday the AM one, as the standard third-Friday contract is. Times in minutes
    to the settlement, years of 525,600. Forward from the strike of least |call − put|; strips outwards from the strike
    at or below it, without zero bids, up to two zero bids in a row; linear in variance between the terms.

    Where the Cboe takes a bounded cubic spline through Treasury yields, this takes `curve`: a basis point of rate is
    worth about 0.0004 % of the index. Raises `DataError` when a term is not listed or its quotes give no variance.
    """
    today = chain.as_of.astimezone(NEW_YORK)
    near = _term(chain, today, NEAREST, TARGET_DAYS, curve)
    following = _term(chain, today, TARGET_DAYS, FARTHEST, curve)
    target = float(TARGET_DAYS * _MINUTES_PER_DAY)
    share = (following.minutes - target) / (following.minutes - near.minutes)
    total = near.minutes * near.variance * share + following.minutes * following.variance * (1.0 - share)
    if not total > 0.0:
        raise DataError(f"The 30-day variance of {chain.ticker} is {total / target:.6f}, not a positive number.")
    return VixIndex(100.0 * float(np.sqrt(total / target)), near, following, share)


def model_free_variance(*, strike: ArrayLike, price: ArrayLike, forward: float, discount: float, tau: float) -> float:
    """Annualised variance (decimal²) of a strip of out-of-the-money options, as the Cboe sums it:

    σ² = (2/τ)·Σ ΔK/K²·price/discount − (1/τ)·(forward/K₀ − 1)², K₀ the highest strike not above the forward.

    `strike` ascending and `price` have shape `(n,)`, n ≥ 3, USD per share: puts below K₀, calls above, at K₀ the mean
    of both. ΔK is half the distance between a strike's neighbours, at the ends the distance to the only one. Raises
    `DataError` on anything else.
    """
    strikes, prices = np.asarray(strike, dtype=np.float64), np.asarray(price, dtype=np.float64)
    if strikes.ndim != 1 or strikes.shape != prices.shape or len(strikes) < 3:
        raise DataError(f"A strip needs at least 3 strikes with a price each, not {strikes.shape} and {prices.shape}.")
    rising = bool((np.diff(strikes) > 0.0).all()) and strikes[0] > 0.0
    if not rising or not (np.isfinite(prices).all() and (prices >= 0.0).all() and np.isfinite(strikes[-1])):
        raise DataError("A strip needs positive ascending strikes and prices of at least 0.")
    if not (strikes[0] <= forward <= strikes[-1] and 0.0 < discount < np.inf and 0.0 < tau < np.inf):
        raise DataError(
            f"A strip from {strikes[0]:g} to {strikes[-1]:g} gives no variance at forward {forward}, discount "
            f"{discount}, {tau} years.",
            remedy="The forward must lie within the strip; discount and time must be above 0.",
        )
    widths = np.empty_like(strikes)
    widths[1:-1] = 0.5 * (strikes[2:] - strikes[:-2])
    widths[0], widths[-1] = strikes[1] - strikes[0], strikes[-1] - strikes[-2]
    k0 = strikes[np.searchsorted(strikes, forward, side="right") - 1]
    strip = float((widths / strikes**2) @ prices) / discount
    return (2.0 * strip - float(forward / k0 - 1.0) ** 2) / tau


def variance_swap_strike(smile: Slice, *, tau: float) -> float:
    """Fair strike, as an annualised volatility (decimal), of a variance swap on a price without jumps.

    Its square is E[w(k(z))]/τ over a standard normal z = −d₂ (Chriss & Morokoff 1999; Gatheral 2006, eq. 11.5):

    K²·τ = ∫ φ(d₂)·√w·(1 − k·w′/2w + w′/4) dk.

    The trapezoid rule in y, k = m + s·sinh y, halves its step until nothing changes at 1e-12 and the density sums to 1:
    the slice is analytic in y, so that digits double with each halving. A flat smile gives its volatility.

    Raises `DataError` when total variance is not positive everywhere, when the left wing rises at Lee's bound, where
    the variance is infinite, and when the sum does not settle.
    """
    numbers = numbers_of(smile, 5)
    centre, roundness = float(numbers[3]), float(numbers[4::4].min())
    least = smile.least_variance if isinstance(smile, RawSvi) else float(smile.total_variance(numbers[3::4]).min())
    if not (least > 0.0 and 0.0 < tau < np.inf):
        raise DataError(f"A slice whose least variance is {least:g} at {tau} years prices no swap.")
    scale = min(roundness, float(np.sqrt(smile.total_variance(centre))))
    reach = np.arange(0.0, 100.0, 0.25)
    ends = [_first_beyond(smile, side * reach, centre, scale) for side in (-1.0, 1.0)]
    if not np.isfinite(ends).all():
        raise DataError("A smile that rises to the left at Lee's bound has no finite variance.")
    low, high = ends
    nodes = _FIRST_NODES
    value, _ = _trapezoid(smile, low, high, nodes, centre, scale)
    while nodes < _MOST_NODES:
        nodes *= 2
        before = value
        value, mass = _trapezoid(smile, low, high, nodes, centre, scale)
        if abs(mass - 1.0) <= _WHOLE and abs(value - before) <= _PRECISE * value:
            return float(np.sqrt(value / tau))
    raise DataError(f"The variance of this slice did not settle at {_PRECISE:g} with {nodes} nodes.")


def _first_beyond(smile: Slice, y: Floats, centre: float, scale: float) -> float:
    k = centre + scale * np.sinh(y)
    root = np.sqrt(smile.total_variance(k))
    outside = np.abs(k / root + 0.5 * root) > _REACH
    # Beyond the wing's last return: deep inside, |d₂| may pass the reach on the other side.
    outside &= np.sign(k + 0.5 * root**2) == np.sign(y)
    return float(y[np.argmax(outside)]) if outside.any() else float("nan")


def _trapezoid(smile: Slice, low: float, high: float, nodes: int, centre: float, scale: float) -> tuple[float, float]:
    """E[w] and the sum of the density."""
    y = np.linspace(low, high, nodes + 1)
    k = centre + scale * np.sinh(y)
    w, slope = smile.total_variance(k), smile.slope(k)
    root = np.sqrt(w)
    normal = np.exp(-0.5 * (k / root + 0.5 * root) ** 2) / np.sqrt(2.0 * np.pi)
    density = normal / root * (1.0 - 0.5 * k * slope / w + 0.25 * slope) * scale * np.cosh(y)
    step = (high - low) / nodes
    return float(density @ w) * step, float(density.sum()) * step


def _term(chain: Chain, today: datetime, after: int, until: int, curve: RateCurve) -> VixTerm:
    """The Friday expiry more than `after` and at most `until` calendar days away."""
    for settles in np.unique(chain.expires_at[~np.isnat(chain.expires_at)]):  # ascending: AM before PM
        at = from_datetime64(settles).astimezone(NEW_YORK)
        if after < (at.date() - today.date()).days <= until and _is_friday(at.date()):
            return _priced_term(chain, today, settles, curve)
    raise DataError(
        f"{chain.ticker} lists no Friday expiry more than {after} and at most {until} days after {today.date()}.",
        remedy="The index needs weekly expiries around 30 days.",
    )


def _is_friday(day: date) -> bool:
    """Whether `day` is a Friday, or the session that stands in for a Friday without one."""
    friday = day + timedelta(days=(_FRIDAY - day.weekday()) % 7)
    return day == (friday if is_session(friday) else session_before(friday))


def _priced_term(chain: Chain, today: datetime, settles: np.datetime64, curve: RateCurve) -> VixTerm:
    rows = chain.rows((chain.expires_at == settles) & chain.standard)
    at = from_datetime64(settles).astimezone(NEW_YORK)
    minutes = (at.replace(tzinfo=None) - today.replace(tzinfo=None)).total_seconds() / 60.0
    tau = minutes / _MINUTES_PER_YEAR
    rate = float(curve.rate(tau))
    if not np.isfinite(rate):
        raise DataError(f"The rate curve has no number for {at.date()}.", remedy="Drop tenors without a yield.")
    discount = float(np.exp(-rate * tau))
    calls, puts = _side(rows, rows.is_call), _side(rows, ~rows.is_call)
    strikes, in_calls, in_puts = np.intersect1d(calls.strikes, puts.strikes, return_indices=True)
    both = calls.bid[in_calls] & puts.bid[in_puts]
    if not both.any():
        raise DataError(f"{chain.ticker} has no strike with a bid for call and put at {at.date()}.")
    gap = np.where(both, calls.mids[in_calls] - puts.mids[in_puts], np.inf)
    nearest = int(np.argmin(np.abs(gap)))
    forward = float(strikes[nearest] + gap[nearest] / discount)
    position = int(np.searchsorted(strikes, forward, side="right")) - 1
    if position < 0 or not both[position]:
        raise DataError(
            f"{chain.ticker} at {at.date()} has no bid for call and put at the strike below its forward {forward:.2f}."
        )
    k0 = strikes[position]
    middle = 0.5 * (calls.mids[in_calls[position]] + puts.mids[in_puts[position]])
    below, above = puts.strikes < k0, calls.strikes > k0
    kept_puts = np.flatnonzero(below)[::-1][_walk(puts.bid[below][::-1])][::-1]
    kept_calls = np.flatnonzero(above)[_walk(calls.bid[above])]
    if not (len(kept_puts) and len(kept_calls)):
        raise DataError(f"{chain.ticker} at {at.date()} has bids on one side of {k0:g} only.")
    strip = np.concatenate([puts.strikes[kept_puts], [k0], calls.strikes[kept_calls]])
    prices = np.concatenate([puts.mids[kept_puts], [middle], calls.mids[kept_calls]])
    variance = model_free_variance(strike=strip, price=prices, forward=forward, discount=discount, tau=tau)
    am_settled = bool(rows.am_settled.any())
    return VixTerm(at.date(), am_settled, minutes, rate, forward, float(k0), variance, strip, prices)


class _Side(NamedTuple):
    """Calls or puts of one expiry, ascending: `bid` says whether a row has one and an ask not below it."""

    strikes: Floats
    mids: Floats
    bid: Bools


def _side(rows: Chain, mask: Bools) -> _Side:
    order = np.argsort(rows.strike[mask], kind="stable")
    strikes, bid, ask = (each[mask][order] for each in (rows.strike, rows.bid, rows.ask))
    if (np.diff(strikes) == 0.0).any():
        repeated = strikes[1:][np.diff(strikes) == 0.0][0]
        raise DataError(f"{rows.ticker} quotes strike {repeated:g} of one expiry twice.", remedy="Drop one of the two.")
    return _Side(strikes, 0.5 * (bid + ask), (bid > 0.0) & (ask >= bid) & np.isfinite(ask))


def _walk(has_bid: Bools) -> Bools:
    """Of quotes ordered outwards, those with a bid before the first two in a row without."""
    missing = ~has_bid
    pairs = np.flatnonzero(missing[1:] & missing[:-1])
    kept = has_bid.copy()
    if len(pairs):
        kept[pairs[0] :] = False
    return kept
