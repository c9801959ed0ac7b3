"""American options: price, implied volatility, Greeks and the early-exercise boundary, vectorised.

Units as in `options.black`'s spot form; keyword-only, arrays that broadcast. Three methods, chosen row by row:

* never exercised early (in a put's terms r ≤ 0 and q ≥ r; a call is a put with spot and strike, r and q exchanged,
  McDonald and Schroder 1998): the European formula, exactly;
* one boundary: collocation of it (Andersen, Lake and Offengenden 2016, "High-performance American option pricing");
* cash dividends before expiry, and the regime with two boundaries (a put with q < r < 0): a trinomial lattice.

Cash dividends follow the escrowed model: `vol` and `dividend_yield` are those of S̃ = S − Σ D·e^(−(r−q)t) over the
ex-dates t in (0, tau), and exercise at any time is against S̃ plus the dividends still to come, the last chance of a call
being just before it goes ex. `dividend_times` (years from now) and `dividend_amounts` (USD per share) have shape `(d,)` and
are shared by all options; those on or after expiry, and those in the past, are ignored.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from domain.units import Bools, Floats
from options import black
from options.american_tables import interpolation, tables
from options.black import Greeks, ImpliedVol, IvStatus
from options.kernels import american as collocation
from options.kernels import trinomial
from options.kernels.compiled import spread

_QUICK = tables(7, 8, 24), 5  # tables and sweeps: mean error 4e-6 at S = 100
_FINE = tables(11, 20, 64), 10
_STEPS = 300  # of the finer of two lattices
_BLOCK = 4_096  # rows worked on at once, so that temporaries stay small
_CERTAIN = 1e-8  # total deviation below which nothing is uncertain
_NEAR_ZERO_VOL = 1e-6  # what the lattice takes for no volatility
_MOST_DEVIATION = 8.0  # total deviation beyond which no implied volatility is sought
_VOL_STEP, _LATTICE_VOL_STEP, _RATE_STEP = 4e-3, 2e-2, 2e-4  # of differences; those of volatility relative
_ROUNDING = 8 * np.finfo(np.float64).eps
_SAME = 1e-12  # relative difference of prices that tells no two volatilities apart
_MAX_STEPS = 80
_PATIENCE = 12  # secant steps before bisection joins in
_CLOSE = 1e-11  # relative change of volatility that ends the search
_PRICE_WORK, _GREEKS_WORK, _LATTICE_WORK = 64, 1_024, 4_096  # of a row, in elements of `compiled.spread`

_BAD, _SURE, _EUROPEAN, _COLLOCATION, _LATTICE = range(5)


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

    At `tau` = 0 exercise value; at `vol` = 0 the best certain exercise. NaN where an input is NaN or infinite, a price or
    strike is not positive, `tau` or `vol` is negative, a dividend is negative, or the dividends before expiry are worth the
    spot or more. Per 100 of spot the collocation's mean error is 4e-6 and its largest about 5e-4, the lattice's
    largest about 1e-3. Raises `ValueError` where the shapes do not broadcast.
    """
    options, shape = _options(
        spot, strike, tau, rate, dividend_yield, vol, is_call, dividend_times, dividend_amounts
    )
    return _prices(options, threads).reshape(shape)


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

    The European volatility of the same price is an upper bound and the start. Then secant steps inside a bracket, on the
    root of the value over exercise, which is nearly linear down to the volatility at which one exercises at once, or, out
    of the money, on the logarithm of the price.
    """
    options, shape = _options(
        spot, strike, tau, rate, dividend_yield, price, is_call, dividend_times, dividend_amounts
    )
    quoted = options.vol
    options = options._replace(vol=np.ones_like(quoted))
    vol = np.full(quoted.shape, np.nan)
    status = _statuses(options, quoted)
    rows = np.flatnonzero(status == IvStatus.OK)
    chosen, wanted = options.rows(rows), quoted[rows]
    with np.errstate(all="ignore"):
        european = black.implied_vol(price=wanted, **chosen.european_terms()).vol
        most = _MOST_DEVIATION / np.sqrt(chosen.tau)
        high = np.fmin(european, most)  # where only early exercise explains the price there is no European volatility
        vol[rows] = _invert(chosen, wanted, high, threads)
    exact = rows[_methods(chosen) == _EUROPEAN]
    vol[exact] = european[np.isin(rows, exact)]
    status[rows[np.isnan(vol[rows])]] = IvStatus.ABOVE_MAXIMUM
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
    * vega, vanna, zomma, vomma, rho: central differences of the above, in volatility by 0.4 % (lattice 2 %) of it, in the
      rate by 2e-4 (not across zero).

    Where exercise is due now: delta ±1 and zeros. Second and higher spot derivatives jump at the boundary. NaN where
    `price` is, and all derivatives where `tau` or `vol` is zero. Prices are finer than `price`'s (mean error 3e-7 at
    S = 100); accuracies are in `tests/options/test_american.py`.
    """
    options, shape = _options(
        spot, strike, tau, rate, dividend_yield, vol, is_call, dividend_times, dividend_amounts
    )
    out = np.full((len(Greeks._fields), len(options.spot)), np.nan)

    def work(first: int, last: int) -> None:
        for start in range(first, last, _BLOCK):
            block = slice(start, min(start + _BLOCK, last))
            out[:, block] = _greeks(options.rows(block))

    _spread(work, len(options.spot), _GREEKS_WORK, threads)
    return Greeks(*out.reshape(-1, *shape))


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
    exercised early, where there are two boundaries, and where `price` is NaN. About 1e-6 of the strike.
    """
    options, shape = _options(1.0, strike, tau, rate, dividend_yield, vol, is_call, (), ())
    share = np.linspace(0.0, 1.0, points)
    level = np.full((len(options.spot), points), np.nan)
    rows = np.flatnonzero(_methods(options) == _COLLOCATION)
    chosen = options.rows(rows)
    fine, sweeps = _FINE
    depth = np.empty((len(fine.nodes), len(rows)))
    terms = _put_terms(chosen)
    collocation.depths(terms, fine.nodes, fine.points, fine.weights, fine.boundary, 2 * sweeps, depth)
    log_boundary = terms[5][:, None] - np.sqrt(np.maximum(interpolation(fine.nodes, share) @ depth, 0.0)).T
    level[rows] = chosen.strike[:, None] * np.exp(np.where(chosen.is_call[:, None], -log_boundary, log_boundary))
    times = options.tau[:, None] * share**2
    return Boundary(times.reshape(*shape, points), level.reshape(*shape, points))


class _Options(NamedTuple):
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

    def rows(self, chosen: slice | NDArray[np.intp]) -> "_Options":
        return _Options(*(column[chosen] for column in self[:8]), self.times, self.amounts)

    def european_terms(self) -> dict[str, Floats | Bools]:
        """What `black`'s spot form takes beside volatility or price."""
        return {
            "spot": self.escrowed,
            "strike": self.strike,
            "tau": self.tau,
            "rate": self.rate,
            "dividend_yield": self.dividend_yield,
            "is_call": self.is_call,
        }


def _options(
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    dividend_times: ArrayLike,
    dividend_amounts: ArrayLike,
) -> tuple[_Options, tuple[int, ...]]:
    """Flat options and the broadcast shape. Without dividends before expiry S̃ is S."""
    columns = [np.asarray(given, dtype=np.float64) for given in (spot, strike, tau, rate, dividend_yield, vol)]
    s, k, t, r, q, v, call = np.broadcast_arrays(*columns, np.asarray(is_call, dtype=np.bool_))
    shape = s.shape
    s, k, t, r, q, v, call = (a.ravel() for a in (s, k, t, r, q, v, call))
    times, amounts = np.broadcast_arrays(
        np.asarray(dividend_times, dtype=np.float64), np.asarray(dividend_amounts, dtype=np.float64)
    )
    order = np.argsort(times, kind="stable")
    times, amounts = times[order], amounts[order]
    to_come = ~(times <= 0)
    times, amounts = times[to_come], amounts[to_come]
    return _Options(s, k, t, r, q, v, call, _escrowed(s, t, r - q, times, amounts), times, amounts), shape


def _escrowed(spot: Floats, tau: Floats, carry: Floats, times: Floats, amounts: Floats) -> Floats:
    """S̃; NaN where a dividend is not a number or negative."""
    left = spot
    with np.errstate(over="ignore", invalid="ignore"):
        for time, amount in zip(times, amounts, strict=True):
            worth = amount * np.exp(-carry * time) if amount >= 0 and np.isfinite(time) else np.nan
            left = left - np.where(time >= tau, 0.0, worth)
    return left


def _methods(options: _Options) -> NDArray[np.int8]:
    """How each row is priced."""
    spot, strike, tau, rate, dividend_yield, vol, is_call, escrowed, times, _ = options
    r, q = np.where(is_call, dividend_yield, rate), np.where(is_call, rate, dividend_yield)
    sound = np.isfinite(spot + strike + tau + rate + dividend_yield + vol) & np.isfinite(escrowed)
    sound &= (strike > 0) & (tau >= 0) & (vol >= 0) & (spot > 0) & (escrowed > 0)
    owes = times[0] < tau if len(times) else np.zeros(len(tau), dtype=np.bool_)
    sure = (tau == 0) | ((vol * np.sqrt(np.maximum(tau, 0.0)) < _CERTAIN) & ~owes)
    ways = [~sound, sure, owes | ((q < r) & (r < 0)), (r <= 0) & (q >= r)]
    return np.select(ways, [_BAD, _SURE, _LATTICE, _EUROPEAN], _COLLOCATION).astype(np.int8)


def _put_terms(options: _Options) -> Floats:
    """Rows x, r, q, v, T, b(0+) of the put of strike 1 that each option is, shape `(6, n)`."""
    call = options.is_call
    r = np.where(call, options.dividend_yield, options.rate)
    q = np.where(call, options.rate, options.dividend_yield)
    x = np.log(options.spot / options.strike)
    ceiling = np.where((r > 0) & (q > r), np.log(np.where(r > 0, r, 1.0) / np.where(q > r, q, 1.0)), 0.0)
    return np.stack([np.where(call, -x, x), r, q, options.vol, options.tau, np.where(r > 0, ceiling, 0.0)])


def _prices(options: _Options, threads: int | None) -> Floats:
    out = np.full(len(options.spot), np.nan)

    def work(first: int, last: int) -> None:
        for start in range(first, last, _BLOCK):
            block = slice(start, min(start + _BLOCK, last))
            out[block] = _block_prices(options.rows(block))

    _spread(work, len(out), _LATTICE_WORK if len(options.times) else _PRICE_WORK, threads)
    return out


def _spread(work: Callable[[int, int], None], count: int, effort: int, threads: int | None) -> None:
    """`compiled.spread` for rows that are each worth `effort` of its elements."""
    spread(lambda first, last: work(first // effort, last // effort), count * effort, threads)


def _block_prices(options: _Options) -> Floats:
    with np.errstate(all="ignore"):
        methods = _methods(options)
        out = np.full(len(options.spot), np.nan)
        for method, valued in ((_SURE, _certain), (_EUROPEAN, _european), (_COLLOCATION, _collocated), (_LATTICE, _grown)):
            rows = np.flatnonzero(methods == method)
            if len(rows):
                out[rows] = valued(options.rows(rows))
        return out


def _exercise(options: _Options) -> Floats:
    gain = options.spot - options.strike
    return np.maximum(np.where(options.is_call, gain, -gain), 0.0)


def _european(options: _Options) -> Floats:
    return black.price(vol=options.vol, **options.european_terms())


def _certain(options: _Options) -> Floats:
    """Best exercise of a path without volatility: now, at expiry, or where the gain's derivative vanishes."""
    x, r, q, _, tau, _ = _put_terms(options)
    turn = np.nan_to_num((np.log(r / q) - x) / (r - q), nan=0.0, posinf=0.0, neginf=0.0)
    times = np.stack([np.zeros_like(tau), tau, np.clip(turn, 0.0, tau)])
    best = np.max(np.exp(-r * times) - np.exp(x - q * times), axis=0)
    return np.where(options.is_call, options.spot, options.strike) * np.maximum(best, 0.0)


def _collocated(options: _Options) -> Floats:
    quick, sweeps = _QUICK
    out = np.empty(len(options.spot))
    collocation.values(_put_terms(options), *quick, sweeps, out)
    return np.where(options.is_call, options.spot, options.strike) * out


def _grown(options: _Options) -> Floats:
    return np.maximum(np.maximum(_lattice_slopes(options)[0], _european(options)), _exercise(options))


def _lattice_slopes(options: _Options) -> Floats:
    """Value and four derivatives in ln S̃, `(5, n)`: extrapolated from two lattices, errors falling like 1/steps."""
    vol = np.maximum(options.vol, _NEAR_ZERO_VOL / np.sqrt(options.tau))
    side = np.where(options.is_call, 1.0, -1.0)
    terms = np.stack(
        [options.escrowed, options.strike, options.rate, options.dividend_yield, vol, options.tau, side]
    )
    found = []
    for steps in (_STEPS // 2, _STEPS):
        out = np.empty((6, len(vol)))
        trinomial.lattices(terms, options.times, options.amounts, steps, out)
        low2, low, mid, high, high2, dy = out
        first = (8.0 * (high - low) - (high2 - low2)) / (12.0 * dy)
        second = (16.0 * (high + low) - (high2 + low2) - 30.0 * mid) / (12.0 * dy**2)
        third = (high2 - low2 - 2.0 * (high - low)) / (2.0 * dy**3)
        fourth = (high2 + low2 - 4.0 * (high + low) + 6.0 * mid) / dy**4
        found.append(np.stack([mid, first, second, third, fourth]))
    return np.asarray(2.0 * found[1] - found[0])


def _collocation_slopes(options: _Options) -> Floats:
    """Value and four derivatives in ln S, `(5, n)`."""
    fine, sweeps = _FINE
    put = np.empty((5, len(options.spot)))
    collocation.slopes(_put_terms(options), *fine, sweeps, put)
    # a call is S·p(ln K − ln S): its n-th derivative is S·Σ binomial(n, j)·(−1)ʲ·p⁽ʲ⁾
    binomial = np.array([[1, 0, 0, 0, 0], [1, -1, 0, 0, 0], [1, -2, 1, 0, 0], [1, -3, 3, -1, 0], [1, -4, 6, -4, 1]])
    return np.where(options.is_call, options.spot * (binomial @ put), options.strike * put)


def _greeks(options: _Options) -> Floats:
    """All fields of `Greeks` as rows, `(12, n)`."""
    with np.errstate(all="ignore"):
        methods = _methods(options)
        out = np.full((len(Greeks._fields), len(methods)), np.nan)
        sure = np.flatnonzero(methods == _SURE)
        out[0, sure] = _certain(options.rows(sure))
        european = np.flatnonzero(methods == _EUROPEAN)
        if len(european):
            chosen = options.rows(european)
            out[:, european] = black.greeks(vol=chosen.vol, **chosen.european_terms())
        for method, slopes, step in (
            (_COLLOCATION, _collocation_slopes, _VOL_STEP),
            (_LATTICE, _lattice_slopes, _LATTICE_VOL_STEP),
        ):
            rows = np.flatnonzero(methods == method)
            if len(rows):
                out[:, rows] = _differentiated(options.rows(rows), slopes, step)
        return out


def _differentiated(options: _Options, slopes: Callable[[_Options], Floats], vol_step: float) -> Floats:
    """Rows of `Greeks` from a function that gives value and derivatives in ln S̃."""
    s, r, q, vol = options.escrowed, options.rate, options.dividend_yield, options.vol
    here = slopes(options)
    value, delta, gamma, speed = _in_spot(here, s)
    # V_t in log form is rV − (r − q − ½σ²)V_x − ½σ²V_xx, and its x-derivatives likewise
    aside, across = r - q - 0.5 * vol * vol, 0.5 * vol * vol
    turn, turn_x, turn_xx = (r * here[n] - aside * here[n + 1] - across * here[n + 2] for n in range(3))
    paid = (r - q) * (options.spot - s)  # the present value of dividends grows, so S̃ falls behind S
    step = vol_step * vol
    up, down = (_in_spot(slopes(options._replace(vol=vol + sign * step)), s) for sign in (1, -1))
    higher, lower = r + _RATE_STEP, np.where((r >= 0) & (r < _RATE_STEP), 0.0, r - _RATE_STEP)
    above, below = (_value_at_rate(options, slopes, moved) for moved in (higher, lower))
    due = value <= _exercise(options) + _ROUNDING * (options.spot + options.strike)
    due &= _exercise(options) > 0
    rows = np.stack(
        [
            value,
            delta,
            gamma,
            turn - paid * delta,
            (up[0] - down[0]) / (2.0 * step),
            (above - below) / (higher - lower),
            (up[1] - down[1]) / (2.0 * step),
            turn_x / s - paid * gamma,
            (up[0] - 2.0 * value + down[0]) / step**2,
            speed,
            (turn_xx - turn_x) / s**2 - paid * speed,
            (up[2] - down[2]) / (2.0 * step),
        ]
    )
    rows[1:, due] = 0.0
    rows[1, due] = np.where(options.is_call, 1.0, -1.0)[due]
    rows[0, due] = _exercise(options)[due]
    rows[1:, vol * np.sqrt(options.tau) < _CERTAIN] = np.nan
    return rows


def _in_spot(slopes: Floats, s: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Value and three derivatives in S from those in ln S."""
    value, first, second, third = slopes[:4]
    return value, first / s, (second - first) / s**2, (third - 3.0 * second + 2.0 * first) / s**3


def _value_at_rate(options: _Options, slopes: Callable[[_Options], Floats], rate: Floats) -> Floats:
    """Value with the rate moved and the spot held: the escrowed part moves with the rate."""
    escrowed = _escrowed(options.spot, options.tau, rate - options.dividend_yield, options.times, options.amounts)
    moved = options._replace(rate=rate, escrowed=escrowed)
    return np.where(_methods(moved) == _EUROPEAN, _european(moved), slopes(moved)[0])


def _statuses(options: _Options, quoted: Floats) -> NDArray[np.int8]:
    """`IvStatus` of each row as far as no volatility is needed to tell."""
    with np.errstate(all="ignore"):
        rounding = _ROUNDING * (options.spot + options.strike)
        carried = np.where(options.is_call, options.dividend_yield, options.rate)
        most = np.where(options.is_call, options.spot, options.strike) * np.exp(np.maximum(-carried * options.tau, 0.0))
        least = np.maximum(_block_prices(options._replace(vol=np.zeros_like(quoted))), _exercise(options))
        bad = (_methods(options) == _BAD) | ~np.isfinite(quoted) | (quoted <= 0)
        expired = np.isfinite(options.tau) & (options.tau <= 0)
        conditions = [expired, bad, quoted <= least + np.where(least > 0, rounding, 0.0), quoted >= most - rounding]
    codes = [IvStatus.EXPIRED, IvStatus.BAD_INPUT, IvStatus.BELOW_INTRINSIC, IvStatus.ABOVE_MAXIMUM]
    return np.select(conditions, codes, IvStatus.OK).astype(np.int8)


def _invert(options: _Options, quoted: Floats, high: Floats, threads: int | None) -> Floats:
    """Volatilities `(n,)`; NaN where the value at `high` is still below `quoted`."""
    exercise = _exercise(options)
    rounding = _ROUNDING * np.where(exercise > 0, options.spot + options.strike, 0.0) + _SAME * quoted

    def level(value: Floats, rows: NDArray[np.intp]) -> Floats:
        over = np.maximum(value - exercise[rows], 0.0)
        return np.where(exercise[rows] > 0, np.sqrt(over), np.log(over))

    everyone = np.arange(len(quoted))
    target = level(quoted, everyone)
    value = _prices(options._replace(vol=high), threads)
    vol = np.where(value >= quoted - rounding, high, np.nan)
    start = value
    miss = level(value, everyone) - target
    vega = black.greeks(vol=high, **options.european_terms()).vega
    guess = high - (start - quoted) / vega
    low, ceiling, last, last_miss = np.zeros_like(high), high.copy(), high.copy(), miss
    following = np.where((guess > 0) & (guess < high), guess, 0.5 * high)
    unsettled = everyone[(value > quoted + rounding) & np.isfinite(vol)]
    for count in range(_MAX_STEPS):
        if not len(unsettled):
            break
        at = following[unsettled]
        value = _prices(options.rows(unsettled)._replace(vol=at), threads)
        miss = level(value, unsettled) - target[unsettled]
        low[unsettled] = np.where(miss < 0, at, low[unsettled])
        ceiling[unsettled] = np.where(miss < 0, ceiling[unsettled], at)
        floor, top = low[unsettled], ceiling[unsettled]
        secant = at - miss * (at - last[unsettled]) / (miss - last_miss[unsettled])
        inside = (secant > floor) & (secant < top) & ((count < _PATIENCE) | (count % 2 == 0))
        settled = np.abs(value - quoted[unsettled]) <= 1e-15 * quoted[unsettled]
        new = np.where(settled, at, np.where(inside, secant, 0.5 * (floor + top)))
        settled |= (np.abs(new - at) <= _CLOSE * at) | (top - floor <= _CLOSE * top)
        vol[unsettled] = new
        last[unsettled], last_miss[unsettled], following[unsettled] = at, miss, new
        unsettled = unsettled[~settled]
    return vol
