"""American options: price, implied volatility, Greeks and the early-exercise boundary, vectorised.

Units as in `options.black`'s spot form; keyword-only, arrays that broadcast. Three methods, chosen row by row:

* never exercised early (in a put's terms r ≤ 0 and q ≥ r; a call is a put with spot and strike, r and q exchanged,
  McDonald and Schroder 1998): the European formula, exactly;
* one boundary: collocation of it (Andersen, Lake and Offengenden 2016, "High-performance American option pricing");
* cash dividends before expiry, and the regime with two boundaries (a put with q < r < 0): a trinomial lattice.

Cash dividends follow the escrowed model: `vol` and `dividend_yield` are those of S̃ = S − Σ D·e^(−(r−q)t) over the
ex-dates t in (0, tau), and exercise at any time is against S̃ plus the dividends still to come, the last chance of a
call being just before it goes ex. `dividend_times` (years from now) and `dividend_amounts` (USD per share) have shape
`(d,)` and are shared by all options; those on or after expiry, and those in the past, are ignored.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from domain.units import Floats
from options import american_greeks, black
from options import american_values as values
from options.american_tables import interpolation
from options.american_values import Options
from options.black import Greeks, ImpliedVol, IvStatus

_MOST_DEVIATION = 8.0  # total deviation beyond which no implied volatility is sought
_ROUNDING = 8 * np.finfo(np.float64).eps
_ULP = np.finfo(np.float64).eps
_SAME = 1e-10  # relative difference of two routes to the same price, far out of the money
_MAX_STEPS = 80
_PATIENCE = 12  # secant steps before bisection joins in
_CLOSE = 1e-11  # relative width of a bracket, and excess of a price, that end the search
_LAST_STEP = 3e-8  # relative size of a secant step that ends it: the next would be its 1.6th power
_VOL_WORK, _GREEKS_WORK, _DIVIDENDS_WORK = 64, 1_024, 8_192  # of a row, in elements of `compiled.spread`


class Boundary(NamedTuple):
    """Critical spot against time to expiry; both of the broadcast shape with an axis of `points` added at the end."""

    tau: Floats  # years to expiry, ascending from 0
    price: Floats  # USD per share: a put is exercised at or below it, a call at or above it


def price(
    *,
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    dividend_times: ArrayLike = (),
    dividend_amounts: ArrayLike = (),
    threads: int | None = None,
) -> Floats:
    """American option prices, USD per share; never below the European price nor below immediate exercise.

    At `tau` = 0 exercise value; at `vol` = 0 the best certain exercise. NaN where an input is NaN or infinite, a price
    or strike is not positive, `tau` or `vol` is negative, a dividend is negative, or the dividends before expiry are
    worth the spot or more. Per 100 of spot the collocation's mean error is 4e-6 and its largest 5e-4 up to two years
    (5e-3 up to ten years, 1 % to 500 % volatility), the lattice's largest about 1e-3. Raises `ValueError` where shapes
    do not broadcast.
    """
    options, shape = values.flat_options(
        spot, strike, tau, rate, dividend_yield, vol, is_call, dividend_times, dividend_amounts
    )
    return values.prices(options, threads).reshape(shape)


def implied_vol(
    *,
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    price: ArrayLike,
    is_call: ArrayLike,
    dividend_times: ArrayLike = (),
    dividend_amounts: ArrayLike = (),
    threads: int | None = None,
) -> ImpliedVol:
    """Volatility at which `american.price` is `price` (USD per share), with a status saying why there is none.

    BELOW_INTRINSIC: at or below immediate exercise, or what certain (zero-volatility) exercise pays, to rounding.
    ABOVE_MAXIMUM: more than any volatility up to a total deviation of 8 gives. Never raises on numbers.

    The European volatility of the same price is an upper bound and the start. Then secant steps inside a bracket, on
    the root of the value over exercise, which is nearly linear down to the volatility at which one exercises at once,
    or, out of the money, on the logarithm of the price.
    """
    options, shape = values.flat_options(
        spot, strike, tau, rate, dividend_yield, price, is_call, dividend_times, dividend_amounts
    )
    quoted = options.vol
    vol, status = np.empty(len(options.spot)), np.empty(len(options.spot), dtype=np.int8)

    def work(first: int, last: int) -> None:
        for start in range(first, last, values.BLOCK):
            block = slice(start, min(start + values.BLOCK, last))
            vol[block], status[block] = _vols(
                options.rows(block)._replace(vol=np.ones(block.stop - start)), quoted[block]
            )

    values.spread_rows(work, len(vol), _DIVIDENDS_WORK if len(options.times) else _VOL_WORK, threads)
    return ImpliedVol(vol.reshape(shape), status.reshape(shape))


def greeks(
    *,
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    dividend_times: ArrayLike = (),
    dividend_amounts: ArrayLike = (),
    threads: int | None = None,
) -> Greeks:
    """Price and eleven derivatives of American options, units and signs as `options.black.Greeks` in spot form.

    * delta, gamma, speed: the premium integral differentiated under the integral sign (collocation) or differences of
      neighbouring nodes (lattice).
    * theta, charm, color: from these and the fourth spot derivative by the pricing equation, V_t = rV − (r−q)S·V_S −
      ½σ²S²·V_SS, differentiated in S; with cash dividends the drift of their present value is added.
    * vega, vanna, zomma, vomma, rho: central differences of the above, in volatility by 0.1 % (lattice 2 %) of it, in
      the rate by 1e-4 (lattice 1e-3; not across zero).

    Where exercise is due now: delta ±1 and zeros. Second and higher spot derivatives jump at the boundary. NaN where
    `price` is, and all derivatives where `tau` or `vol` is zero. By collocation, errors are below 5e-4 of a Greek's
    usual size farther than a third of a deviation from the boundary, and prices finer than `price`'s (mean error 3e-7
    per 100 of spot). On the lattice delta, gamma, theta and vega are good to about 0.1 %, rho to 1 %, charm, vanna,
    color, speed and zomma to several per cent, and vomma is only indicative.
    """
    options, shape = values.flat_options(
        spot, strike, tau, rate, dividend_yield, vol, is_call, dividend_times, dividend_amounts
    )
    out = np.full((len(Greeks._fields), len(options.spot)), np.nan)

    def work(first: int, last: int) -> None:
        for start in range(first, last, values.BLOCK):
            block = slice(start, min(start + values.BLOCK, last))
            out[:, block] = american_greeks.greek_rows(options.rows(block))

    values.spread_rows(work, len(options.spot), _DIVIDENDS_WORK if len(options.times) else _GREEKS_WORK, threads)
    return Greeks(*out.reshape(len(out), *shape))


def early_exercise_boundary(
    *,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    points: int = 33,
) -> Boundary:
    """Spot at which exercise is due, at `points` times to expiry from 0 to `tau`, evenly spaced in the root of time.

    At time 0 the limit before expiry: K·min(1, r/q) for a put, K·max(1, r/q) for a call. NaN where an option is never
    exercised early, where there are two boundaries, and where `price` is NaN. Good to about 1e-5 of the strike.
    """
    options, shape = values.flat_options(1.0, strike, tau, rate, dividend_yield, vol, is_call, (), ())
    share = np.linspace(0.0, 1.0, points)
    level = np.full((len(options.spot), points), np.nan)
    rows = np.flatnonzero(values.methods(options) == values.COLLOCATION)
    chosen = options.rows(rows)
    _, depth = american_greeks.collocate(chosen)
    matrix = interpolation(american_greeks.FINE[0].nodes, share)
    log_boundary = values.put_terms(chosen)[5][:, None] - np.sqrt(np.maximum(matrix @ depth, 0.0)).T
    level[rows] = chosen.strike[:, None] * np.exp(np.where(chosen.is_call[:, None], -log_boundary, log_boundary))
    times = options.tau[:, None] * share**2
    return Boundary(times.reshape(*shape, points), level.reshape(*shape, points))


def _vols(options: Options, quoted: Floats) -> tuple[Floats, NDArray[np.int8]]:
    """Volatility and status of each row, `(n,)`; the volatility in `options` is not looked at."""
    vol, status = np.full(len(quoted), np.nan), _statuses(options, quoted)
    rows = np.flatnonzero(status == IvStatus.OK)
    chosen, wanted = options.rows(rows), quoted[rows]
    with np.errstate(all="ignore"):
        european = black.implied_vol(price=wanted, **chosen.european_terms())
        # where only early exercise explains the price there is no European volatility
        high = np.fmin(european.vol, _MOST_DEVIATION / np.sqrt(chosen.tau))
        methods = values.methods(chosen)
        vol[rows] = european.vol
        for method in (values.COLLOCATION, values.LATTICE):
            own = np.flatnonzero(methods == method)
            vol[rows[own]] = _invert(values.VALUED_BY[method], chosen.rows(own), wanted[own], high[own])
    above = np.where(methods == values.EUROPEAN, european.status, IvStatus.ABOVE_MAXIMUM)
    status[rows] = np.where(np.isnan(vol[rows]), above, IvStatus.OK)
    return vol, status


def _statuses(options: Options, quoted: Floats) -> NDArray[np.int8]:
    """`IvStatus` of each row as far as no volatility is needed to tell."""
    with np.errstate(all="ignore"):
        rounding = _ROUNDING * (options.spot + options.strike)
        carried = np.where(options.is_call, options.dividend_yield, options.rate)
        most = np.where(options.is_call, options.spot, options.strike) * np.exp(np.maximum(-carried * options.tau, 0.0))
        least = values.block_prices(options._replace(vol=np.zeros_like(quoted)))
        bad = (values.methods(options) == values.BAD) | ~np.isfinite(quoted) | (quoted <= 0)
        expired = np.isfinite(options.tau) & (options.tau <= 0)
        conditions = [expired, bad, quoted <= least + np.where(least > 0, rounding, 0.0), quoted >= most - rounding]
    codes = [IvStatus.EXPIRED, IvStatus.BAD_INPUT, IvStatus.BELOW_INTRINSIC, IvStatus.ABOVE_MAXIMUM]
    return np.select(conditions, codes, IvStatus.OK).astype(np.int8)


def _invert(valued: Callable[[Options], Floats], options: Options, quoted: Floats, high: Floats) -> Floats:
    """Volatilities `(n,)` at which `valued` gives `quoted`; NaN where its value at `high` is still below."""
    exercise = values.exercise_value(options)
    rounding = _ROUNDING * np.where(exercise > 0, options.spot + options.strike, 0.0)

    def level(value: Floats, rows: NDArray[np.intp]) -> Floats:
        over = np.maximum(value - exercise[rows], 0.0)
        return np.where(exercise[rows] > 0, np.sqrt(over), np.log(over))

    everyone = np.arange(len(quoted))
    target = level(quoted, everyone)
    value = valued(options._replace(vol=high))
    vol = np.where(value >= quoted - rounding - _SAME * quoted, high, np.nan)
    start = value
    miss = level(value, everyone) - target
    vega = black.greeks(vol=high, **options.european_terms()).vega
    guess = high - (start - quoted) / vega
    low, ceiling, last, last_miss = values.CERTAIN / np.sqrt(options.tau), high.copy(), high.copy(), miss
    following = np.where((guess > 0) & (guess < high), guess, 0.5 * high)
    unsettled = everyone[(value > quoted + rounding + _CLOSE * quoted) & np.isfinite(vol)]
    for count in range(_MAX_STEPS):
        if not len(unsettled):
            break
        at = following[unsettled]
        value = valued(options.rows(unsettled)._replace(vol=at))
        miss = level(value, unsettled) - target[unsettled]
        low[unsettled] = np.where(miss < 0, at, low[unsettled])
        ceiling[unsettled] = np.where(miss < 0, ceiling[unsettled], at)
        floor, top = low[unsettled], ceiling[unsettled]
        secant = at - miss * (at - last[unsettled]) / (miss - last_miss[unsettled])
        inside = (secant > floor) & (secant < top) & ((count < _PATIENCE) | (count % 2 == 0))
        inside &= value > exercise[unsettled] + rounding[unsettled]  # where one exercises at once there is no slope
        settled = np.abs(value - quoted[unsettled]) <= _ULP * quoted[unsettled]
        new = np.where(settled, at, np.where(inside, secant, 0.5 * (floor + top)))
        settled |= (inside & (np.abs(new - at) <= _LAST_STEP * at)) | (top - floor <= _CLOSE * top)
        vol[unsettled] = following[unsettled] = new
        sloping = value > exercise[unsettled] + rounding[unsettled]
        last[unsettled] = np.where(sloping, at, last[unsettled])
        last_miss[unsettled] = np.where(sloping, miss, last_miss[unsettled])
        unsettled = unsettled[~settled]
    return vol
