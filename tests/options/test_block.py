"""The pieces that prices and volatilities share, against 50-digit arithmetic."""

import mpmath as mp
import numpy as np

from options.kernels import block
from options.kernels.compiled import kernel

EPSILON = np.finfo(float).eps


@kernel
def pieces(x, y, out):
    for i in range(x.size):
        scale, rest = block.power(x[i])
        out[0, i] = scale * rest + (scale - 1.0)
        out[1, i] = block.log_ratio(y[i], x[i])
        out[2, i], out[3, i] = block.mills_and_slope(x[i])
        out[4, i] = block.series(x[i], y[i], out[3, i])


def evaluate(x, y):
    x, y = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
    out = np.empty((5, x.size))
    pieces(np.ascontiguousarray(x), np.ascontiguousarray(y), out)
    return out


def relative(got, exact, *arguments):
    with mp.workdps(60):
        rows = [[mp.mpf(float(v)) for v in row] for row in np.broadcast_arrays(*arguments)]
        want = np.array([float(exact(*row)) for row in zip(*rows, strict=True)])
    return np.abs(got / want - 1)


def mills(u):
    return mp.sqrt(mp.pi / 2) * mp.exp(u * u / 2) * mp.erfc(u / mp.sqrt(2))


def test_power_less_one_does_not_cancel_near_zero():
    chance = np.random.default_rng(1)
    x = np.concatenate([chance.normal(0, 1e-8, 200), chance.uniform(-1, 1, 800), chance.uniform(-40, 700, 300)])
    assert relative(evaluate(x, 1.0)[0], mp.expm1, x).max() < 4 * EPSILON
    assert evaluate([0.0], 1.0)[0] == 0.0


def test_log_ratio_keeps_every_digit_of_neighbouring_strikes():
    """The trap: the quotient rounds, and ln(1 + 1e-12) is left with four digits."""
    chance = np.random.default_rng(2)
    f = np.exp(chance.uniform(-50, 50, 1_500))
    k = f * np.exp(np.concatenate([chance.normal(0, 1e-9, 500), chance.uniform(-1, 1, 500), chance.normal(0, 99, 500)]))
    off = k != f
    assert relative(evaluate(f[off], k[off])[1], lambda f, k: mp.log(k / f), f[off], k[off]).max() < 4 * EPSILON
    assert (evaluate(f, f)[1] == 0.0).all()


def test_mills_ratio_and_its_slope_share_a_denominator_without_cancelling():
    u = np.concatenate([[0.0], np.random.default_rng(3).uniform(0, 5, 800), np.linspace(5, 60, 300)])
    got = evaluate(u, 1.0)
    assert relative(got[2], mills, u).max() < 6 * EPSILON
    assert relative(got[3], lambda u: 1 - u * mills(u), u).max() < 6 * EPSILON


def test_series_replaces_the_difference_of_mills_ratios_where_it_cancels():
    chance = np.random.default_rng(4)
    a = np.concatenate([chance.uniform(0, 6, 600), chance.uniform(6, 38, 400)])
    t = np.exp(chance.uniform(np.log(1e-12), np.log(block.SHORT), 1_000))
    error = relative(evaluate(a, t)[4], lambda a, t: mills(a - t) - mills(a + t), a, t)
    assert error[:600].max() < 8 * EPSILON
    assert error.max() < 40 * EPSILON
