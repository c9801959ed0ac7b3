"""Black-76 and Black-Scholes-Merton: price, implied volatility and Greeks of European options, compiled.

Every function takes one of two forms, keyword-only, array-likes that broadcast:

* forward form: `forward, strike, tau, discount` – Black (1976), "The pricing of commodity contracts";
* spot form: `spot, strike, tau, rate, dividend_yield` – Merton (1973), continuous yield.

Prices and strikes in USD per share, `tau` in years, rates continuously compounded, volatility a decimal. `threads` is
the number of threads at most, all processors if None; results do not depend on it. Full-size contiguous float64 inputs
are read in place, single numbers are never expanded; other shapes, and arrays that may not be written, are copied.

Everything rests on the out-of-the-money option over discount·√(F·K), a function b(x, s) of x = ln(K/F) and the total
deviation s = σ√τ (Jäckel 2015, "Let's be rational", sections 2-3); its loops are in `options.kernels`.
"""

import math
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from domain.units import Bools, Floats
from options.kernels import black as direct
from options.kernels import implied
from options.kernels.compiled import spread


class IvStatus(IntEnum):
    """Why an implied volatility is, or is not, there."""

    OK = 0
    BELOW_INTRINSIC = 1  # at or below intrinsic value to within rounding: no time value to invert
    ABOVE_MAXIMUM = 2  # at or above the forward (call) or the strike (put), discounted
    BAD_INPUT = 3  # NaN, infinite, zero or negative input
    EXPIRED = 4  # tau ≤ 0


class ImpliedVol(NamedTuple):
    """`vol` (decimal, NaN unless OK) and `status` (int8, `IvStatus`), both of the broadcast shape."""

    vol: Floats
    status: NDArray[np.int8]


class Greeks(NamedTuple):
    """Price and its derivatives per share of one long option, each of the broadcast shape.

    S is the spot in spot form and the forward in forward form; t is calendar time, so d/dt = −d/dτ.
    """

    price: Floats  # USD
    delta: Floats  # dV/dS
    gamma: Floats  # d²V/dS²
    theta: Floats  # dV/dt, per year
    vega: Floats  # dV/dσ, per 1.00 of volatility
    rho: Floats  # dV/dr per 1.00; yield held fixed in spot form, forward held fixed in forward form
    vanna: Floats  # d²V/dS dσ
    charm: Floats  # d delta/dt, per year
    vomma: Floats  # d²V/dσ²
    speed: Floats  # d gamma/dS
    color: Floats  # d gamma/dt, per year
    zomma: Floats  # d gamma/dσ


def price(
    *,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    forward: ArrayLike | None = None,
    discount: ArrayLike | None = None,
    spot: ArrayLike | None = None,
    rate: ArrayLike | None = None,
    dividend_yield: ArrayLike | None = None,
    threads: int | None = None,
) -> Floats:
    """European option prices, USD per share. At `tau` = 0 or `vol` = 0 the discounted intrinsic value.

    NaN where an input is NaN or infinite, a price or strike is not positive, or `tau` or `vol` is negative; also where
    forward, strike or discount lies outside 1e-150 … 1e150. Relative accuracy 1e-12, of the out-of-the-money value
    too, down to the smallest numbers. Raises `TypeError` when the two forms are mixed.
    """
    spot_form, form = _form(forward, discount, spot, rate, dividend_yield)
    shape, rows = _rows(form, strike, tau, vol, is_call)
    out = np.empty(math.prod(shape))
    spread(lambda first, last: direct.price(spot_form, *rows, first, last, out), out.size, threads)
    return out.reshape(shape)


def implied_vol(
    *,
    price: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    is_call: ArrayLike,
    forward: ArrayLike | None = None,
    discount: ArrayLike | None = None,
    spot: ArrayLike | None = None,
    rate: ArrayLike | None = None,
    dividend_yield: ArrayLike | None = None,
    threads: int | None = None,
) -> ImpliedVol:
    """Black volatility that reproduces `price` (USD per share), with a status saying why there is none.

    Accurate to what double precision carries: within 40 times what one rounding of the price moves it by, up to
    σ√τ = 10 and out to where prices vanish. In the money the time value keeps only the digits that the price has beyond
    intrinsic. Never raises on numbers; raises `TypeError` when the two forms are mixed.

    Method: a closed-form guess from the Bachelier straddle, then Householder's step of third order on ln b, once more
    where the first moved far; what remains unsettled is solved by a bracketed Halley iteration.
    """
    spot_form, form = _form(forward, discount, spot, rate, dividend_yield)
    shape, rows = _rows(form, strike, tau, price, is_call)
    vol, status = np.empty(math.prod(shape)), np.empty(math.prod(shape), dtype=np.int8)
    spread(lambda first, last: implied.implied_vol(spot_form, *rows, first, last, vol, status), vol.size, threads)
    return ImpliedVol(vol.reshape(shape), status.reshape(shape))


def greeks(
    *,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    forward: ArrayLike | None = None,
    discount: ArrayLike | None = None,
    spot: ArrayLike | None = None,
    rate: ArrayLike | None = None,
    dividend_yield: ArrayLike | None = None,
    threads: int | None = None,
) -> Greeks:
    """Price and eleven analytic derivatives (Haug 2007, "The Complete Guide to Option Pricing Formulas", chapter 2).

    The price follows `price`; derivatives are NaN where `tau` or `vol` is not positive: at expiry they do not exist.
    Raises `TypeError` when the two forms are mixed.
    """
    spot_form, form = _form(forward, discount, spot, rate, dividend_yield)
    shape, rows = _rows(form, strike, tau, vol, is_call)
    out = np.empty((len(Greeks._fields), math.prod(shape)))
    spread(lambda first, last: direct.greeks(spot_form, *rows, first, last, out), out.shape[1], threads)
    return Greeks(*out.reshape(len(out), *shape))


def _form(
    forward: ArrayLike | None,
    discount: ArrayLike | None,
    spot: ArrayLike | None,
    rate: ArrayLike | None,
    dividend_yield: ArrayLike | None,
) -> tuple[bool, tuple[ArrayLike, ArrayLike, ArrayLike]]:
    """Whether it is the spot form, and its three arguments; the forward form has but two."""
    if forward is not None and discount is not None and spot is None and rate is None and dividend_yield is None:
        return False, (forward, discount, 0.0)
    if spot is not None and rate is not None and dividend_yield is not None and forward is None and discount is None:
        return True, (spot, rate, dividend_yield)
    raise TypeError("give either forward and discount, or spot, rate and dividend_yield; not a mixture")


def _rows(
    form: tuple[ArrayLike, ArrayLike, ArrayLike],
    strike: ArrayLike,
    tau: ArrayLike,
    value: ArrayLike,
    is_call: ArrayLike,
) -> tuple[tuple[int, ...], tuple[Floats, Floats, Floats, Floats, Floats, Floats, Bools]]:
    """The broadcast shape, and the arguments in the kernels' order as vectors of the full size or of one element."""
    numbers = [np.asarray(given, dtype=np.float64) for given in (form[0], strike, tau, form[1], form[2], value)]
    call = np.asarray(is_call, dtype=np.bool_)
    shapes = {call.shape, *(array.shape for array in numbers)} - {()}
    shape = shapes.pop() if len(shapes) == 1 else np.broadcast_shapes(*shapes)
    u, k, t, third, fourth, v = [_vector(array, shape) for array in numbers]
    return shape, (u, k, t, third, fourth, v, _vector(call, shape))


def _vector(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if array.size != 1 and array.shape != shape:
        array = np.broadcast_to(array, shape)
    return (array if array.flags.carray else array.copy()).reshape(-1)
