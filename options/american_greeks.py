"""Greeks of American options from values and derivatives in the logarithm of the spot."""

from collections.abc import Callable
from functools import partial

import numpy as np

from domain.units import Floats
from options import american_values as values
from options import black
from options.american_tables import made_tables
from options.american_values import Options
from options.black import Greeks
from options.kernels import american as collocation

FINE = made_tables(11, 20, 64), 12
MOVES, LATTICE_MOVES = (1e-3, 1e-4), (2e-2, 1e-3)  # of differences: relative in volatility, absolute in the rate
ROUNDING = 8 * np.finfo(np.float64).eps


def collocate(options: Options) -> tuple[Floats, Floats]:
    """Puts of strike 1 that `options` are: value and four derivatives in ln S, `(5, n)`; (b − b(0))², `(nodes, n)`."""
    tables, sweeps = FINE
    put, depth = np.empty((5, len(options.spot))), np.empty((len(tables.nodes), len(options.spot)))
    collocation.slopes(values.put_terms(options), tables, sweeps, True, put, depth)
    return put, depth


def _collocation_slopes(options: Options) -> Floats:
    """Value and four derivatives in ln S, `(5, n)`."""
    put, _ = collocate(options)
    # a call is S·p(ln K − ln S): its n-th derivative is S·Σ binomial(n, j)·(−1)ʲ·p⁽ʲ⁾
    binomial = np.array([[1, 0, 0, 0, 0], [1, -1, 0, 0, 0], [1, -2, 1, 0, 0], [1, -3, 3, -1, 0], [1, -4, 6, -4, 1]])
    return np.where(options.is_call, options.spot * (binomial @ put), options.strike * put)


def greek_rows(options: Options) -> Floats:
    """All fields of `Greeks` as rows, `(12, n)`."""
    with np.errstate(all="ignore"):
        methods = values.methods(options)
        out = np.full((len(Greeks._fields), len(methods)), np.nan)
        sure = np.flatnonzero(methods == values.SURE)
        out[0, sure] = values.certain_value(options.rows(sure))
        european = np.flatnonzero(methods == values.EUROPEAN)
        if len(european):
            chosen = options.rows(european)
            out[:, european] = black.greeks(vol=chosen.vol, **chosen.european_terms())
        collocated = np.flatnonzero(methods == values.COLLOCATION)
        if len(collocated):
            out[:, collocated] = _differentiated(options.rows(collocated), _collocation_slopes, MOVES)
        grown = np.flatnonzero(methods == values.LATTICE)
        if len(grown):
            chosen = options.rows(grown)
            slopes = partial(values.lattice_slopes, spacing=chosen.vol)
            out[:, grown] = _differentiated(chosen, slopes, LATTICE_MOVES)
        return out


def _differentiated(options: Options, slopes: Callable[[Options], Floats], moves: tuple[float, float]) -> Floats:
    """Rows of `Greeks` from a function that gives value and derivatives in ln S̃."""
    s, r, q, vol = options.escrowed, options.rate, options.dividend_yield, options.vol
    here = slopes(options)
    value, delta, gamma, speed = _in_spot(here, s)
    # V_t in log form is rV − (r − q − ½σ²)V_x − ½σ²V_xx, and its x-derivatives likewise
    aside, across = r - q - 0.5 * vol * vol, 0.5 * vol * vol
    turn, turn_x, turn_xx = (r * here[n] - aside * here[n + 1] - across * here[n + 2] for n in range(3))
    paid = (r - q) * (options.spot - s)  # the present value of dividends grows, so S̃ falls behind S
    step, rate_step = moves[0] * vol, moves[1]
    up, down = (_in_spot(slopes(options._replace(vol=vol + sign * step)), s) for sign in (1, -1))
    higher, lower = r + rate_step, np.where((r >= 0) & (r < rate_step), 0.0, r - rate_step)
    above, below = (_value_at_rate(options, slopes, moved) for moved in (higher, lower))
    exercised = values.exercise_value(options)
    due = (value <= exercised + ROUNDING * (options.spot + options.strike)) & (exercised > 0)
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
    rows[0, due] = exercised[due]
    rows[1:, vol * np.sqrt(options.tau) < values.CERTAIN] = np.nan
    return rows


def _in_spot(slopes: Floats, s: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Value and three derivatives in S from those in ln S."""
    value, first, second, third = slopes[:4]
    return value, first / s, (second - first) / s**2, (third - 3.0 * second + 2.0 * first) / s**3


def _value_at_rate(options: Options, slopes: Callable[[Options], Floats], rate: Floats) -> Floats:
    """Value with the rate moved and the spot held: the escrowed part moves with the rate."""
    carry = rate - options.dividend_yield
    escrowed = values.escrowed_spot(options.spot, options.tau, carry, options.times, options.amounts)
    moved = options._replace(rate=rate, escrowed=escrowed)
    return np.where(values.methods(moved) == values.EUROPEAN, values.european_value(moved), slopes(moved)[0])
