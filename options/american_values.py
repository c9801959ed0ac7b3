"""The rows behind `options.american`: what each option is, which method values it, and its value."""

from collections.abc import Callable
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from domain.units import Bools, Floats
from options import black
from options.american_tables import made_tables
from options.kernels import american as collocation
from options.kernels import trinomial
from options.kernels.compiled import spread

QUICK = made_tables(7, 8, 24), 5  # tables and sweeps
DRIFTING = made_tables(7, 10, 32), 7
MILD_DRIFT = 0.15  # |r − q|·√τ/σ up to which the quicker fixed-point system alone is used
LATTICE_STEPS = 400  # of the finer of two lattices
BLOCK = 4_096  # rows worked on at once, so that temporaries stay small
CERTAIN = 1e-8  # total deviation below which nothing is uncertain
NEAR_ZERO_DEVIATION = 1e-6  # what the lattice takes for none
PRICE_WORK, LATTICE_WORK = 64, 4_096  # of a row, in elements of `compiled.spread`

BAD, SURE, EUROPEAN, COLLOCATION, LATTICE = range(5)


class EuropeanTerms(TypedDict):
    """What `black`'s spot form takes beside volatility or price."""

    spot: Floats
    strike: Floats
    tau: Floats
    rate: Floats
    dividend_yield: Floats
    is_call: Bools


class Options(NamedTuple):
    """Flat inputs, each `(n,)`, and the dividends still to come, ascending, each `(d,)`. `escrowed` is S̃."""

    spot: Floats
    strike: Floats
    tau: Floats
    rate: Floats
    dividend_yield: Floats
    vol: Floats
    is_call: Bools
    escrowed: Floats
    times: Floats
    amounts: Floats

    def rows(self, chosen: slice | NDArray[np.intp]) -> "Options":
        return self._replace(**{name: getattr(self, name)[chosen] for name in self._fields[:8]})

    def european_terms(self) -> EuropeanTerms:
        return EuropeanTerms(
            spot=self.escrowed,
            strike=self.strike,
            tau=self.tau,
            rate=self.rate,
            dividend_yield=self.dividend_yield,
            is_call=self.is_call,
        )


def flat_options(
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    dividend_times: ArrayLike,
    dividend_amounts: ArrayLike,
) -> tuple[Options, tuple[int, ...]]:
    """Flat options and the broadcast shape. Without dividends before expiry S̃ is S."""
    columns = [np.asarray(given, dtype=np.float64) for given in (spot, strike, tau, rate, dividend_yield, vol)]
    s, k, t, r, q, v, call = np.broadcast_arrays(*columns, np.asarray(is_call, dtype=np.bool_))
    shape = s.shape
    s, k, t, r, q, v, call = (a.ravel() for a in (s, k, t, r, q, v, call))
    times = np.atleast_1d(np.asarray(dividend_times, dtype=np.float64))
    amounts = np.atleast_1d(np.asarray(dividend_amounts, dtype=np.float64))
    if times.ndim != 1 or times.shape != amounts.shape:
        raise ValueError(f"every dividend needs a time and an amount, not shapes {times.shape} and {amounts.shape}")
    order = np.argsort(times, kind="stable")
    times, amounts = times[order], amounts[order]
    to_come = ~(times <= 0)
    times, amounts = times[to_come], amounts[to_come]
    return Options(s, k, t, r, q, v, call, escrowed_spot(s, t, r - q, times, amounts), times, amounts), shape


def escrowed_spot(spot: Floats, tau: Floats, carry: Floats, times: Floats, amounts: Floats) -> Floats:
    """S̃; NaN where a dividend is not a number or negative."""
    left = spot
    with np.errstate(over="ignore", invalid="ignore"):
        for time, amount in zip(times, amounts, strict=True):
            worth = amount * np.exp(-carry * time) if amount >= 0 and np.isfinite(time) else np.nan
            left = left - np.where(time >= tau, 0.0, worth)
    return left


def methods(options: Options) -> NDArray[np.int8]:
    """How each row is priced."""
    spot, strike, tau, rate, dividend_yield, vol, is_call, escrowed, times, _ = options
    r, q = np.where(is_call, dividend_yield, rate), np.where(is_call, rate, dividend_yield)
    sound = np.isfinite(spot + strike + tau + rate + dividend_yield + vol) & np.isfinite(escrowed)
    sound &= (strike > 0) & (tau >= 0) & (vol >= 0) & (spot > 0) & (escrowed > 0)
    owes = times[0] < tau if len(times) else np.zeros(len(tau), dtype=np.bool_)
    sure = (tau == 0) | ((vol * np.sqrt(np.maximum(tau, 0.0)) < CERTAIN) & ~owes)
    ways = [~sound, sure, owes | ((q < r) & (r < 0)), (r <= 0) & (q >= r)]
    return np.select(ways, [BAD, SURE, LATTICE, EUROPEAN], COLLOCATION).astype(np.int8)


def put_terms(options: Options) -> Floats:
    """Rows x, r, q, v, T, b(0+) of the put of strike 1 that each option is, shape `(6, n)`."""
    call = options.is_call
    r = np.where(call, options.dividend_yield, options.rate)
    q = np.where(call, options.rate, options.dividend_yield)
    x = np.log(options.spot / options.strike)
    ceiling = np.where((r > 0) & (q > r), np.log(np.where(r > 0, r, 1.0) / np.where(q > r, q, 1.0)), 0.0)
    return np.stack([np.where(call, -x, x), r, q, options.vol, options.tau, np.where(r > 0, ceiling, 0.0)])


def exercise_value(options: Options) -> Floats:
    """What exercise at once pays, `(n,)`."""
    gain = options.spot - options.strike
    return np.maximum(np.where(options.is_call, gain, -gain), 0.0)


def prices(options: Options, threads: int | None) -> Floats:
    """American prices, `(n,)`."""
    out = np.full(len(options.spot), np.nan)

    def work(first: int, last: int) -> None:
        for start in range(first, last, BLOCK):
            block = slice(start, min(start + BLOCK, last))
            out[block] = block_prices(options.rows(block))

    spread_rows(work, len(out), LATTICE_WORK if len(options.times) else PRICE_WORK, threads)
    return out


def spread_rows(work: Callable[[int, int], None], count: int, effort: int, threads: int | None) -> None:
    """`compiled.spread` for rows that are each worth `effort` of its elements."""
    spread(lambda first, last: work(first // effort, last // effort), count * effort, threads)


def block_prices(options: Options) -> Floats:
    """`prices` of few rows on this thread."""
    with np.errstate(all="ignore"):
        method = methods(options)
        out = np.full(len(options.spot), np.nan)
        for chosen, valued in VALUED_BY.items():
            rows = np.flatnonzero(method == chosen)
            if len(rows):
                out[rows] = valued(options.rows(rows))
        return out


def european_value(options: Options) -> Floats:
    """European price on the escrowed spot, `(n,)`."""
    return black.price(vol=options.vol, **options.european_terms())


def certain_value(options: Options) -> Floats:
    """Best exercise of a path without volatility: now, at expiry, or where the gain's derivative vanishes."""
    x, r, q, _, tau, _ = put_terms(options)
    turn = np.nan_to_num((np.log(r / q) - x) / (r - q), nan=0.0, posinf=0.0, neginf=0.0)
    times = np.stack([np.zeros_like(tau), tau, np.clip(turn, 0.0, tau)])
    best = np.max(np.exp(-r * times) - np.exp(x - q * times), axis=0)
    return np.asarray(np.where(options.is_call, options.spot, options.strike) * np.maximum(best, 0.0))


def collocated_value(options: Options) -> Floats:
    """Price of rows of method COLLOCATION, `(n,)`."""
    terms, out = put_terms(options), np.empty(len(options.spot))
    drift = np.abs(options.rate - options.dividend_yield) * np.sqrt(options.tau) / options.vol
    for drifting, (tables, sweeps) in ((False, QUICK), (True, DRIFTING)):
        rows = np.flatnonzero((drift > MILD_DRIFT) == drifting)
        if len(rows):
            put = np.empty(len(rows))
            collocation.values(np.take(terms, rows, axis=1), tables, sweeps, drifting, put)
            out[rows] = put
    worth = np.where(options.is_call, options.spot, options.strike) * out
    return np.asarray(np.maximum(worth, exercise_value(options)))


def lattice_value(options: Options) -> Floats:
    """Price of rows of method LATTICE, `(n,)`."""
    least = np.maximum(european_value(options), exercise_value(options))
    return np.asarray(np.maximum(lattice_slopes(options, options.vol)[0], least))


def lattice_slopes(options: Options, spacing: Floats) -> Floats:
    """Value and four derivatives in ln S̃, `(5, n)`: extrapolated from two lattices, errors falling like 1/steps.

    `spacing`: the volatilities that lay out the lattices.
    """
    least = NEAR_ZERO_DEVIATION / np.sqrt(options.tau)
    vol = np.maximum(options.vol, least)
    side = np.where(options.is_call, 1.0, -1.0)
    contract = [options.escrowed, options.strike, options.rate, options.dividend_yield, vol, options.tau, side]
    terms = np.stack([*contract, np.maximum(spacing, least)])
    found = []
    for steps in (LATTICE_STEPS // 2, LATTICE_STEPS):
        out = np.empty((6, len(vol)))
        trinomial.lattices(terms, options.times, options.amounts, steps, out)
        low2, low, mid, high, high2, dy = out
        first = (8.0 * (high - low) - (high2 - low2)) / (12.0 * dy)
        second = (16.0 * (high + low) - (high2 + low2) - 30.0 * mid) / (12.0 * dy**2)
        third = (high2 - low2 - 2.0 * (high - low)) / (2.0 * dy**3)
        fourth = (high2 + low2 - 4.0 * (high + low) + 6.0 * mid) / dy**4
        found.append(np.stack([mid, first, second, third, fourth]))
    return np.asarray(2.0 * found[1] - found[0])


VALUED_BY = {SURE: certain_value, EUROPEAN: european_value, COLLOCATION: collocated_value, LATTICE: lattice_value}
