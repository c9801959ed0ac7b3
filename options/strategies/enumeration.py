"""Combinations of quoted rows, as index arrays. All functions are vectorised over one expiry.

A `Side` holds the tradable calls, or puts, of one (root, expiry) by ascending strike. Results are `Rows`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.units import DAYS_PER_YEAR, Bools, Floats
from options.priced import ExpirySlice, PricedChain
from options.strategies.structure import Rows

Range = tuple[float, float]
SAME_STRIKE = 1e-6  # USD


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Rows of one right and expiry with their strikes (USD) and absolute deltas, each shape `(n,)`."""

    rows: NDArray[np.int64]
    strike: Floats
    delta: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Expiry:
    """One expiry's tradable calls and puts."""

    slice: ExpirySlice
    calls: Side
    puts: Side


def tradable(priced: PricedChain) -> Bools:
    """Rows that may be proposed: clean quote, standard deliverable, known multiplier, shape `(n,)`."""
    chain = priced.chain
    known = np.isfinite(chain.multiplier) & (chain.multiplier > 0) & np.isfinite(priced.mid) & np.isfinite(priced.delta)
    return priced.good & chain.standard & known


def expiries(priced: PricedChain, dte: Range) -> Iterator[Expiry]:
    """Expiries with a fitted smile between `dte` calendar days (inclusive), earliest first."""
    usable = tradable(priced)
    for item in priced.slices:
        if item.smile is not None and not item.smile.quality.poor and dte[0] <= item.tau * DAYS_PER_YEAR <= dte[1]:
            rows = item.rows[usable[item.rows]]
            calls = priced.chain.is_call[rows]
            yield Expiry(item, _side(priced, rows[calls]), _side(priced, rows[~calls]))


def within(values: Floats, bounds: Range) -> Bools:
    """Inclusive range test."""
    return (values >= bounds[0] - 1e-12) & (values <= bounds[1] + 1e-12)


def singles(side: Side, delta: Range) -> Rows:
    """One leg."""
    return side.rows[within(side.delta, delta)][:, None]


def verticals(bought: Side, sold: Side, *, rise: int, width: Range, bought_delta: Range, sold_delta: Range) -> Rows:
    """(bought, sold) with the sold strike above (`rise` = +1) or below (−1) by `width` USD."""
    gap = rise * (sold.strike[None, :] - bought.strike[:, None])
    fits = within(gap, width) & (gap > SAME_STRIKE)
    fits &= within(bought.delta, bought_delta)[:, None] & within(sold.delta, sold_delta)[None, :]
    i, j = np.nonzero(fits)
    return np.stack([bought.rows[i], sold.rows[j]], axis=1)


def butterflies(side: Side, *, body: Range, upper_width: Range, lower_over_upper: Range) -> Rows:
    """(lower wing, body, upper wing): body delta within `body`, wing ratio within `lower_over_upper`."""
    found = [np.empty((0, 3), dtype=np.int64)]
    for centre in np.flatnonzero(within(side.delta, body)):
        gap = side.strike - side.strike[centre]
        upper = np.flatnonzero(within(gap, upper_width) & (gap > SAME_STRIKE))
        lower = np.flatnonzero(gap < -SAME_STRIKE)
        ratio = -gap[lower][:, None] / gap[upper][None, :]
        low, up = np.nonzero(within(ratio, (lower_over_upper[0] - SAME_STRIKE, lower_over_upper[1] + SAME_STRIKE)))
        middle = np.full(len(low), side.rows[centre])
        found.append(np.stack([side.rows[lower[low]], middle, side.rows[upper[up]]], axis=1))
    return np.concatenate(found)


def condors(puts: Rows, calls: Rows, priced: PricedChain, *, same_body: bool, balance: float) -> Rows:
    """(bought put, sold put, sold call, bought call) from credit verticals (bought, sold) on each side.

    Wings are equally wide; the sold strikes coincide (`same_body`) or the put's lies below the call's; the sold
    deltas differ by at most `balance`.
    """
    strike, delta = priced.chain.strike, np.abs(priced.delta)
    put_width = np.round(strike[puts[:, 1]] - strike[puts[:, 0]], 6)
    call_width = np.round(strike[calls[:, 0]] - strike[calls[:, 1]], 6)
    found = [np.empty((0, 4), dtype=np.int64)]
    for width in np.intersect1d(put_width, call_width):
        lower, upper = puts[put_width == width], calls[call_width == width]
        room = strike[upper[:, 1]][None, :] - strike[lower[:, 1]][:, None]
        fits = np.abs(room) < SAME_STRIKE if same_body else room > SAME_STRIKE
        fits &= np.abs(delta[lower[:, 1]][:, None] - delta[upper[:, 1]][None, :]) <= balance
        i, j = np.nonzero(fits)
        found.append(np.stack([lower[i, 0], lower[i, 1], upper[j, 1], upper[j, 0]], axis=1))
    return np.concatenate(found)


def strangles(puts: Side, calls: Side, *, delta: Range, same_strike: bool, balance: float) -> Rows:
    """(put, call) with both deltas within `delta` and at most `balance` apart; strikes equal, or put below call."""
    room = calls.strike[None, :] - puts.strike[:, None]
    fits = np.abs(room) < SAME_STRIKE if same_strike else room > SAME_STRIKE
    fits &= within(puts.delta, delta)[:, None] & within(calls.delta, delta)[None, :]
    fits &= np.abs(puts.delta[:, None] - calls.delta[None, :]) <= balance
    i, j = np.nonzero(fits)
    return np.stack([puts.rows[i], calls.rows[j]], axis=1)


def boxes(calls: Side, puts: Side, *, width: Range) -> Rows:
    """(call, call, put, put) at two strikes that quote both rights: lower and upper call, lower and upper put."""
    strike, call, put = np.intersect1d(calls.strike, puts.strike, assume_unique=True, return_indices=True)
    gap = strike[None, :] - strike[:, None]
    low, high = np.nonzero(within(gap, width) & (gap > SAME_STRIKE))
    return np.stack([calls.rows[call[low]], calls.rows[call[high]], puts.rows[put[low]], puts.rows[put[high]]], axis=1)


def calendars(near: Side, far: Side, *, delta: Range) -> Rows:
    """(front, back) of one strike with the front's delta within `delta`."""
    same = np.abs(far.strike[None, :] - near.strike[:, None]) < SAME_STRIKE
    i, j = np.nonzero(same & within(near.delta, delta)[:, None])
    return np.stack([near.rows[i], far.rows[j]], axis=1)


def calendar_pairs(priced: PricedChain, *, front: Range, gap: Range) -> Iterator[tuple[Expiry, Expiry]]:
    """(front, back) expiries of one root, the front within `front` days and the back `gap` days later."""
    every = list(expiries(priced, (front[0], front[1] + gap[1])))
    for near in every:
        days = near.slice.tau * DAYS_PER_YEAR
        for far in every:
            apart = far.slice.tau * DAYS_PER_YEAR - days
            if far.slice.root == near.slice.root and days <= front[1] and gap[0] <= apart <= gap[1] and apart > 0:
                yield near, far


def stacked(parts: list[Rows], legs: int) -> Rows:
    """All parts one below the other; `(0, legs)` if there are none."""
    return np.concatenate([np.empty((0, legs), dtype=np.int64), *parts])


def usd(width: Range, spot: float) -> Range:
    """A width given as a share of spot, in USD per share."""
    return width[0] * spot, width[1] * spot


def _side(priced: PricedChain, rows: NDArray[np.int64]) -> Side:
    strike = priced.chain.strike[rows]
    order = np.argsort(strike, kind="stable")
    return Side(rows[order], strike[order], np.abs(priced.delta[rows[order]]))
