"""Vectorisable exp, log and normal functions against 50-digit arithmetic, in units in the last place."""

import mpmath as mp
import numpy as np
import pytest

from options.kernels import elementary
from options.kernels.compiled import kernel


@kernel
def exps(x, out):
    for i in range(x.size):
        out[i] = elementary.exp(x[i])


@kernel
def logs(x, out):
    for i in range(x.size):
        out[i] = elementary.log(x[i])


@kernel
def mills_ratios(x, out):
    for i in range(x.size):
        out[i] = elementary.mills(x[i])


@kernel
def densities(x, out):
    for i in range(x.size):
        out[i] = elementary.pdf(x[i])


@kernel
def distributions(x, out):
    for i in range(x.size):
        out[i] = elementary.cdf(x[i])


@kernel
def there_and_back(x, out):
    for i in range(x.size):
        out[i] = elementary.from_bits(elementary.bits(x[i]))


def evaluate(function, x):
    x = np.asarray(x, dtype=np.float64)
    out = np.empty_like(x)
    function(x, out)
    return out


def ulps(function, exact, x):
    with mp.workdps(50):
        want = np.array([float(exact(mp.mpf(float(v)))) for v in x])
    return np.abs(evaluate(function, x) - want) / np.spacing(np.abs(want))


def mills_exactly(u):
    return mp.sqrt(mp.pi / 2) * mp.exp(u * u / 2) * mp.erfc(u / mp.sqrt(2))


def test_exp_is_good_to_the_last_places_over_its_whole_range():
    chance = np.random.default_rng(1)
    near = np.concatenate([chance.uniform(-0.4, 0.4, 1_000), chance.normal(0, 1e-5, 200), [0.0]])
    assert ulps(exps, mp.exp, near).max() <= 1.5
    assert ulps(exps, mp.exp, chance.uniform(-708, 709, 2_000)).max() <= 2.0


def test_exp_vanishes_saturates_and_carries_nan():
    got = evaluate(exps, [-np.inf, -1e300, -708.5, 709.0, 710.0, np.inf, np.nan])
    assert got[:3].tolist() == [0.0, 0.0, 0.0]
    assert got[3] == got[4] == got[5] == pytest.approx(np.exp(709.0), rel=1e-15)
    assert np.isnan(got[6])


def test_log_keeps_its_digits_around_one():
    chance = np.random.default_rng(2)
    assert ulps(logs, mp.log, np.exp(chance.uniform(-700, 700, 2_000))).max() <= 1.5
    assert ulps(logs, mp.log, chance.uniform(0.5, 2.0, 2_000)).max() <= 3.0
    assert ulps(logs, mp.log, 1.0 + chance.normal(0, 1e-6, 500)).max() <= 2.0
    assert evaluate(logs, [1.0]) == 0.0


def test_mills_ratio_is_good_from_zero_to_far_beyond_any_quote():
    chance = np.random.default_rng(3)
    assert ulps(mills_ratios, mills_exactly, np.concatenate([[0.0], chance.uniform(0, 8, 2_000)])).max() <= 8.0
    assert ulps(mills_ratios, mills_exactly, np.exp(chance.uniform(np.log(8), np.log(60), 500))).max() <= 8.0
    assert evaluate(mills_ratios, [1e20]) == pytest.approx(1e-20, rel=1e-15)


def test_normal_functions_are_good_relative_to_their_own_size_in_the_lower_tail():
    x = np.random.default_rng(4).uniform(-37, 8, 1_500)
    argument = 1.0 + x * x  # half an ulp of the exponent −½x² moves the density by this many
    assert (ulps(densities, mp.npdf, x) <= 3.0 + argument).all()
    assert (ulps(distributions, mp.ncdf, x) <= 6.0 + argument).all()
    assert evaluate(distributions, [0.0, np.nan])[0] == pytest.approx(0.5, rel=1e-15)
    assert np.isnan(evaluate(distributions, [np.nan]))[0]


def test_bits_spell_every_number_back():
    x = np.array([0.0, -0.0, 1.5, -np.inf, 5e-324, np.finfo(float).max])
    np.testing.assert_array_equal(evaluate(there_and_back, x).view(np.int64), x.view(np.int64))
