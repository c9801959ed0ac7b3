"""What a structure can gain and lose: exactly at one expiry, as a proven bound over several, modelled before.

Amounts are USD per unit (the contract multiplier is inside) unless a name says per share. Premium is net and
credit positive. At one expiry the P&L is piecewise linear in the underlying with kinks at the strikes
(Hull, *Options, Futures, and Other Derivatives*, ch. 12), so extremes lie at 0, at a strike or at infinity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from domain.contract import Leg, Right, Settlement
from domain.errors import DataError
from domain.sessions import expiry_instant
from domain.units import Bools, Floats, to_datetime64, year_fraction


@dataclass(frozen=True, slots=True)
class Unbounded:
    """A loss that has no limit, or none that can be proven. Not a number, so no candidate can be built from it."""

    reason: str


def intrinsic(*, prices: Floats, strikes: Floats, is_call: Bools) -> Floats:
    """Exercise value in USD per share of one long option; arguments broadcast."""
    return np.maximum(np.where(is_call, prices - strikes, strikes - prices), 0.0)


def worst_intrinsic(*, strikes: Floats, is_call: Bools, quantities: Floats) -> Floats:
    """Least exercise value of structures over all prices ≥ 0, USD per share, shape `(n,)`; −inf if unbounded.

    `strikes` has shape `(n, legs)`; `is_call` and signed `quantities` have shape `(legs,)`.
    """
    if quantities[is_call].sum() < 0:
        return np.full(len(strikes), -np.inf)
    return np.asarray(_at_kinks(strikes, is_call, quantities).min(axis=1))


def best_intrinsic(*, strikes: Floats, is_call: Bools, quantities: Floats) -> Floats:
    """Greatest exercise value, as `worst_intrinsic`; +inf if unbounded."""
    if quantities[is_call].sum() > 0:
        return np.full(len(strikes), np.inf)
    return np.asarray(_at_kinks(strikes, is_call, quantities).max(axis=1))


def payoff(legs: Sequence[Leg], net_premium_per_share: float, prices: Floats) -> Floats:
    """P&L at expiry for each underlying price (USD per share, any shape). All legs must expire together."""
    _require_one_expiry(legs)
    strikes, is_call, quantities = _columns(legs)
    values = intrinsic(prices=np.asarray(prices)[..., None], strikes=strikes, is_call=is_call) @ quantities
    return np.asarray(multiplier_of(legs) * (net_premium_per_share + values))


def slopes(legs: Sequence[Leg]) -> tuple[float, float]:
    """P&L per 1 USD rise of the underlying, at price zero and far above the highest strike."""
    _, is_call, quantities = _columns(legs)
    multiplier = multiplier_of(legs)
    return -multiplier * float(quantities[~is_call].sum()), multiplier * float(quantities[is_call].sum())


def max_profit(legs: Sequence[Leg], net_premium_per_share: float) -> float | None:
    """Greatest P&L at the one expiry; None if unbounded."""
    _require_one_expiry(legs)
    strikes, is_call, quantities = _columns(legs)
    best = float(best_intrinsic(strikes=strikes[None, :], is_call=is_call, quantities=quantities)[0])
    return None if np.isinf(best) else multiplier_of(legs) * (net_premium_per_share + best)


def max_loss(legs: Sequence[Leg], net_premium_per_share: float) -> float | Unbounded:
    """Greatest loss at the one expiry, positive; negative when every price gives a profit.

    A bounded loss is not yet a defined risk: a lone short put loses at most its strike. See `is_defined_risk`.
    """
    _require_one_expiry(legs)
    strikes, is_call, quantities = _columns(legs)
    worst = float(worst_intrinsic(strikes=strikes[None, :], is_call=is_call, quantities=quantities)[0])
    if np.isinf(worst):
        return Unbounded("more calls are sold than bought: the loss grows with the price")
    return -multiplier_of(legs) * (net_premium_per_share + worst)


def break_evens(legs: Sequence[Leg], net_premium_per_share: float) -> tuple[float, ...]:
    """Prices at which the P&L at the one expiry is zero, ascending. A stretch of zeros gives its two ends."""
    strikes = sorted({float(leg.strike) for leg in legs})
    kinks = np.array([0.0, *strikes])
    values = payoff(legs, net_premium_per_share, kinks)
    found = list(crossings(kinks, values))
    slope = slopes(legs)[1]
    if values[-1] * slope < 0:
        found.append(strikes[-1] - float(values[-1]) / slope)
    return tuple(found)


def crossings(prices: Floats, values: Floats) -> tuple[float, ...]:
    """Zeros of the line through (`prices`, `values`), both `(m,)`, prices ascending. Exact at kinks."""
    found = {float(price) for price, value in zip(prices, values, strict=True) if value == 0}
    for left in np.flatnonzero(values[:-1] * values[1:] < 0):
        share = values[left] / (values[left] - values[left + 1])
        found.add(float(prices[left] + share * (prices[left + 1] - prices[left])))
    return tuple(sorted(found))


def is_defined_risk(legs: Sequence[Leg]) -> bool:
    """Whether every short option is covered by a long one of the same right and deliverable that lives as long.

    Covers nest in time, so Hall's condition is one count: from every expiry on, no right is net short. One root
    (a changed deliverable trades under its own root) and one multiplier are required.
    """
    if not legs or len({leg.root for leg in legs}) > 1 or len({leg.multiplier for leg in legs}) > 1:
        return False
    return all(
        sum(leg.quantity for leg in legs if leg.right is right and _lives_until(leg) >= cutoff) >= 0
        for right in Right
        for cutoff in {_lives_until(leg) for leg in legs}
    )


def exercise_shortfall(*, strike: Floats, is_call: Bools, gap_discount: Floats, gap_dividends: Floats) -> Floats:
    """How far a European option can stand below its exercise value, USD per share.

    `gap_discount` discounts over the option's remaining life, `gap_dividends` is the present value, in USD per
    share, of dividends paid meanwhile, taken as cash. From c ≥ S − PV(D) − K·B and p ≥ K·B − S + PV(D)
    (Merton 1973); a saving in the same bound is not counted. American options have no shortfall.
    """
    call = np.maximum(gap_dividends, 0.0) + strike * np.maximum(gap_discount - 1.0, 0.0)
    put = np.maximum(-gap_dividends, 0.0) + strike * np.maximum(1.0 - gap_discount, 0.0)
    return np.where(is_call, call, put)


def bounded_max_loss(
    legs: Sequence[Leg], net_premium_per_share: float, *, shortfall_per_share: float
) -> float | Unbounded:
    """Proven bound on the loss when long legs may outlive the short ones (calendars, diagonals).

    At the shorts' expiry every surviving long is worth its exercise value less at most its
    `exercise_shortfall`; `shortfall_per_share` is the sum over surviving longs times their quantity (0 for
    American ones). So: debit + worst strike gap + shortfall. Needs covered shorts that expire together.
    """
    if not is_defined_risk(legs):
        return Unbounded("a short option is not covered by a long one that lives as long")
    if len({_lives_until(leg) for leg in legs if leg.quantity < 0}) > 1:
        return Unbounded("short legs expire on different dates, which leaves no single worst moment")
    strikes, is_call, quantities = _columns(legs)
    worst = float(worst_intrinsic(strikes=strikes[None, :], is_call=is_call, quantities=quantities)[0])
    return -multiplier_of(legs) * (net_premium_per_share + worst - shortfall_per_share)


def pnl_grid(
    legs: Sequence[Leg],
    *,
    net_premium_per_share: float,
    spots: Floats,
    times: Sequence[datetime],
    vol_shifts: Floats,
    rate: float,
    dividend_yield: float,
) -> Floats:
    """Model P&L of one unit before expiry, USD, entry premium included, shape `(n_spots, n_times, n_vol_shifts)`.

    Black's formula at each leg's own `iv` plus the shift (decimal), sticky by strike; American legs are valued as
    European ones, which leaves out the right to exercise early and so errs low for long legs in the money. `times` must
    not lie after the first expiry: beyond it the value depends on the path. Raises `DataError` otherwise, or if an `iv`
    is missing.
    """
    from options import black

    total = np.zeros((len(spots), len(times), len(vol_shifts)))
    expiries = [expiry_instant(leg.expiry, am_settled=leg.settlement is Settlement.AM) for leg in legs]
    if max(times) > min(expiries):
        raise DataError("The P&L grid reaches past the first expiry.", remedy="End it at that expiry.")
    for leg, expires in zip(legs, expiries, strict=True):
        if leg.iv is None:
            raise DataError(f"{leg.symbol} has no volatility to value it with.", remedy="Re-price the legs first.")
        tau = np.concatenate([year_fraction(at, np.array([to_datetime64(expires)])) for at in times])[None, :, None]
        value = black.price(
            forward=np.asarray(spots, dtype=np.float64)[:, None, None] * np.exp((rate - dividend_yield) * tau),
            strike=np.array(float(leg.strike)),
            tau=np.maximum(tau, 1e-12),
            discount=np.exp(-rate * tau),
            vol=np.maximum(leg.iv + np.asarray(vol_shifts, dtype=np.float64), 1e-4)[None, None, :],
            is_call=np.array(leg.right is Right.CALL),
        )
        total += leg.quantity * value
    return np.asarray(multiplier_of(legs) * (net_premium_per_share + total))


def multiplier_of(legs: Sequence[Leg]) -> int:
    """Shares per contract, the same for all legs; raises `DataError` where they differ."""
    found = {leg.multiplier for leg in legs}
    if len(found) != 1:
        raise DataError(
            f"Legs with multipliers {sorted(found)} do not form one structure.", remedy="Value each one apart."
        )
    return found.pop()


def _columns(legs: Sequence[Leg]) -> tuple[Floats, Bools, Floats]:
    return (
        np.array([float(leg.strike) for leg in legs]),
        np.array([leg.right is Right.CALL for leg in legs]),
        np.array([float(leg.quantity) for leg in legs]),
    )


def _at_kinks(strikes: Floats, is_call: Bools, quantities: Floats) -> Floats:
    kinks = np.concatenate([np.zeros((len(strikes), 1)), strikes], axis=1)
    return np.asarray(
        intrinsic(prices=kinks[:, :, None], strikes=strikes[:, None, :], is_call=is_call) @ quantities,
        dtype=np.float64,
    )


def _lives_until(leg: Leg) -> tuple[date, bool]:
    """Sorts an AM-settled contract before a PM-settled one of the same day."""
    return leg.expiry, leg.settlement is Settlement.PM


def _require_one_expiry(legs: Sequence[Leg]) -> None:
    if len({_lives_until(leg) for leg in legs}) != 1:
        raise DataError(
            "The exact payoff needs legs that expire together.", remedy="Use bounded_max_loss for several expiries."
        )
