"""SABR against 50-digit arithmetic, QuantLib, and SciPy from many starts."""

import mpmath
import numpy as np
import pytest
import QuantLib
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from domain.errors import DataError
from options import sabr
from options.sabr import SabrFit, fit, lognormal_vol

mpmath.mp.dps = 50
FORWARDS = st.floats(0.01, 5_000.0)
BETAS = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0.0, 1.0))


def exact(forward, strike, tau, alpha, beta, rho, nu):
    """Hagan et al. (2002), equation (2.17), term by term, in 50 digits; 0.0 ratio by its limit."""
    f, k, t, a, b, r, v = (mpmath.mpf(float(each)) for each in (forward, strike, tau, alpha, beta, rho, nu))
    c, ratio = 1 - b, mpmath.log(f / k)
    middle = (f * k) ** (c / 2)
    z = v / a * middle * ratio
    bend = z / mpmath.log((mpmath.sqrt(1 - 2 * r * z + z * z) + z - r) / (1 - r)) if z else mpmath.mpf(1)
    level = a / (middle * (1 + c**2 / 24 * ratio**2 + c**4 / 1920 * ratio**4))
    drift = c**2 / 24 * a**2 / middle**2 + r * b * v * a / (4 * middle) + (2 - 3 * r**2) / 24 * v**2
    return level * bend * (1 + drift * t)


def smile(seed, *, noise=0.01, beta=None):
    """Twenty quotes of a SABR smile over ±2 deviations, with relative noise."""
    random = np.random.default_rng(seed)
    forward, tau = 100.0 * np.exp(random.normal()), random.uniform(0.05, 3.0)
    beta = random.choice([0.0, 0.5, 1.0]) if beta is None else beta
    level, rho = random.uniform(0.1, 0.4), random.uniform(-0.85, 0.6)
    nu, alpha = random.uniform(0.2, 1.2) / np.sqrt(max(tau, 0.4)), level * forward ** (1.0 - beta)
    strike = forward * np.exp(np.linspace(-2.0, 1.5, 20) * level * np.sqrt(tau))
    clean = lognormal_vol(forward=forward, strike=strike, tau=tau, alpha=alpha, beta=beta, rho=rho, nu=nu)
    vol = clean * (1.0 + noise * random.standard_normal(20))
    return {"forward": forward, "strike": strike, "vol": vol, "tau": tau, "beta": beta}, (alpha, rho, nu)


def rmse(quotes, alpha, rho, nu):
    given = {name: quotes[name] for name in ("forward", "strike", "tau", "beta")}
    return float(np.sqrt(np.mean((lognormal_vol(**given, alpha=alpha, rho=rho, nu=nu) - quotes["vol"]) ** 2)))


@settings(max_examples=400)
@given(
    FORWARDS,
    st.one_of(st.floats(-2.0, 2.0), st.floats(-1e-3, 1e-3), st.floats(-1e-9, 1e-9)),
    st.floats(0.0, 10.0),
    st.floats(0.01, 2.0),
    BETAS,
    st.one_of(st.floats(-0.999, 0.999), st.sampled_from([-1.0 + 1e-9, 1.0 - 1e-9, 1.0 - 1e-13])),
    st.one_of(st.just(0.0), st.floats(1e-8, 3.0)),
)
def test_formula_agrees_with_fifty_digits_near_and_far_from_the_money(forward, reach, tau, level, beta, rho, nu):
    strike, alpha = forward * np.exp(reach), level * forward ** (1.0 - beta)
    wanted = exact(forward, strike, tau, alpha, beta, rho, nu)
    # Where the terms in time nearly cancel the 1, no double can be better than their size allows.
    assume(wanted / exact(forward, strike, 0.0, alpha, beta, rho, nu) > 0.02)
    found = lognormal_vol(forward=forward, strike=strike, tau=tau, alpha=alpha, beta=beta, rho=rho, nu=nu)
    assert abs(mpmath.mpf(float(found)) / wanted - 1) < 1e-12


def test_the_money_is_no_seam():
    shape = {"forward": 100.0, "tau": 1.0, "alpha": 2.0, "beta": 0.5, "rho": -0.7, "nu": 0.8}
    at = float(lognormal_vol(strike=100.0, **shape))
    assert at == pytest.approx(float(exact(100, 100, 1, 2, 0.5, -0.7, 0.8)), rel=1e-15)
    steps = np.outer([-1, 1], [1e-15, 1e-13, 1e-11, 1e-9, 1e-7])
    below, above = lognormal_vol(strike=[100.0 * (1 - 1e-5), 100.0 * (1 + 1e-5)], **shape)
    around = lognormal_vol(strike=100.0 * (1.0 + steps), **shape)
    np.testing.assert_allclose(around - at, (above - below) / 2e-5 * steps, atol=1e-14)


@pytest.mark.parametrize("seed", range(5))
def test_formula_agrees_with_quantlib(seed):
    quotes, (alpha, rho, nu) = smile(seed)
    given = (quotes["forward"], quotes["tau"], alpha, quotes["beta"], nu, rho)
    peers = [QuantLib.sabrVolatility(float(strike), *map(float, given)) for strike in quotes["strike"]]
    shape = {name: quotes[name] for name in ("forward", "strike", "tau", "beta")}
    np.testing.assert_allclose(lognormal_vol(**shape, alpha=alpha, rho=rho, nu=nu), peers, rtol=1e-10)


@given(FORWARDS, st.floats(-1.0, 1.0), BETAS, st.floats(0.1, 10.0))
def test_volatility_does_not_depend_on_the_unit_of_money(forward, reach, beta, unit):
    shape = {"tau": 0.7, "beta": beta, "rho": -0.4, "nu": 0.6}
    strike, alpha = forward * np.exp(reach), 0.3 * forward ** (1.0 - beta)
    found = lognormal_vol(forward=forward, strike=strike, alpha=alpha, **shape)
    scaled = lognormal_vol(forward=unit * forward, strike=unit * strike, alpha=alpha * unit ** (1.0 - beta), **shape)
    assert float(scaled) == pytest.approx(float(found), rel=1e-11)


def test_without_vol_of_vol_beta_one_is_flat():
    found = lognormal_vol(forward=100.0, strike=[50.0, 100.0, 200.0], tau=2.0, alpha=0.2, beta=1.0, rho=-0.5, nu=0.0)
    np.testing.assert_allclose(found, 0.2, rtol=1e-15)


def test_arguments_broadcast_and_threads_change_nothing():
    strike = np.linspace(50.0, 200.0, 70_000)
    shape = {"forward": 100.0, "tau": 0.5, "alpha": 0.2, "beta": 1.0, "rho": -0.3, "nu": 0.7}
    one, two = (lognormal_vol(strike=strike, **shape, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one, two)
    table = lognormal_vol(strike=strike[:6].reshape(2, 1, 3), **shape | {"rho": [[-0.3], [0.2]]})
    assert table.shape == (2, 2, 3)
    np.testing.assert_array_equal(table[:, 0].ravel(), one[:6])
    assert lognormal_vol(strike=90.0, **shape).shape == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"forward": 0.0}, {"forward": -1.0}, {"strike": 0.0}, {"strike": np.nan}, {"tau": -0.1}, {"alpha": 0.0},
        {"beta": 1.1}, {"beta": -0.1}, {"rho": 1.0}, {"rho": -1.0}, {"nu": -0.1}, {"nu": np.nan}, {"tau": np.inf},
        {"tau": 50.0, "nu": 5.0, "rho": -0.99},  # the expansion has become negative
    ],
)  # fmt: skip
def test_out_of_range_is_nan_and_not_a_number_that_looks_right(wrong):
    sound = {"forward": 100.0, "strike": 90.0, "tau": 1.0, "alpha": 0.2, "beta": 1.0, "rho": -0.3, "nu": 0.5}
    assert np.isfinite(lognormal_vol(**sound))
    assert np.isnan(lognormal_vol(**sound | wrong))


@pytest.mark.parametrize("seed", range(8))
def test_fit_gives_the_parameters_of_an_exact_smile_back(seed):
    quotes, true = smile(seed, noise=0.0)
    found = fit(**quotes)
    np.testing.assert_allclose(found[:3], true, rtol=1e-6, atol=1e-7)
    assert found.rmse < 1e-11


@pytest.mark.parametrize("seed", range(12))
def test_fit_is_the_best_that_scipy_finds_from_three_starts(seed):
    quotes, true = smile(seed)
    given = {name: quotes[name] for name in ("forward", "strike", "tau", "beta")}

    def misses(x):
        found = lognormal_vol(**given, alpha=x[0], rho=x[1], nu=x[2])
        return np.where(np.isfinite(found), found, 5.0) - quotes["vol"]

    bounds = ([1e-9, -0.9999, 1e-6], [np.inf, 0.9999, 50.0])
    starts = (true, (true[0], -0.3, 0.5), (true[0], 0.3, 1.5))
    peers = [least_squares(misses, start, bounds=bounds, x_scale=(true[0], 0.3, 0.5), ftol=1e-12) for start in starts]
    best = min(np.sqrt(2.0 * peer.cost / 20) for peer in peers)
    found = fit(**quotes)
    assert found.rmse <= best * (1.0 + 1e-8)
    assert found.rmse == pytest.approx(rmse(quotes, *found[:3]), rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_fit_is_no_worse_than_quantlib(seed):
    quotes, _ = smile(seed, noise=0.003, beta=1.0)
    strikes, vols = quotes["strike"].tolist(), quotes["vol"].tolist()
    peer = QuantLib.SABRInterpolation(
        strikes, vols, float(quotes["tau"]), float(quotes["forward"]), vols[11], 1.0, 0.5, -0.3,
        False, True, False, False, False,
    )  # fmt: skip
    assert fit(**quotes).rmse <= rmse(quotes, peer.alpha(), peer.rho(), peer.nu()) * (1.0 + 1e-9)


@pytest.mark.parametrize("rho", [-0.99999, 0.99999])
def test_a_smile_at_the_edge_of_correlation_is_fitted_at_the_edge(rho):
    strike = 100.0 * np.exp(np.linspace(-0.4, 0.3, 15))
    vol = lognormal_vol(forward=100.0, strike=strike, tau=0.5, alpha=0.2, beta=1.0, rho=rho, nu=0.4)
    found = fit(forward=100.0, strike=strike, vol=vol, tau=0.5)
    assert abs(found.rho) == sabr.sabr.STEEP
    assert found.rmse < 1e-5


def test_a_frowning_smile_gets_the_least_vol_of_vol_instead_of_failing():
    k = np.linspace(-0.3, 0.3, 15)
    found = fit(forward=100.0, strike=100.0 * np.exp(k), vol=0.2 - 0.3 * k**2, tau=0.5)
    assert found.nu < 1e-3
    assert found.rmse < 0.01


def test_weights_count_squared_and_zero_leaves_out():
    quotes, _ = smile(3)
    strike, vol = np.append(quotes["strike"], 100.0), np.append(quotes["vol"], 3.0)
    ignored = fit(**quotes | {"strike": strike, "vol": vol}, weights=np.append(np.ones(20), 0.0))
    np.testing.assert_allclose(ignored, fit(**quotes), rtol=1e-7)
    twice = fit(**quotes | {name: np.append(quotes[name], quotes[name][0]) for name in ("strike", "vol")})
    heavy = fit(**quotes, weights=np.append(np.sqrt(2.0), np.ones(19)))
    np.testing.assert_allclose(heavy, twice, rtol=1e-5)
    assert isinstance(heavy, SabrFit)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"vol": [0.2, np.nan, 0.2, 0.2]}, "Quote 1 .* volatility nan"),
        ({"vol": [0.2, 0.2, 0.2, -0.2]}, "Quote 3"),
        ({"strike": [90.0, 0.0, 100.0, 110.0]}, "Quote 1"),
        ({"weights": [1.0, 1.0, 1.0, -1.0]}, "Quote 3"),
        ({"weights": [1.0, 1.0, 0.0, 0.0]}, "three different strikes"),
        ({"strike": [90.0, 90.0, 100.0, 100.0]}, "three different strikes"),
        ({"strike": [100.0] * 4}, "three different strikes"),
        ({"strike": [90.0, 100.0], "vol": [0.2, 0.2]}, "at least 3 strikes"),
        ({"strike": [90.0, 100.0, 110.0]}, "as many volatilities"),
        ({"forward": 0.0}, "forward 0.0"),
        ({"forward": np.nan}, "forward nan"),
        ({"tau": 0.0}, "0.0 years"),
        ({"beta": 1.5}, "beta 1.5"),
    ],
)
def test_unusable_quotes_are_refused_by_name(change, says):
    quotes = {"forward": 100.0, "strike": [90.0, 95.0, 100.0, 110.0], "vol": [0.22, 0.21, 0.2, 0.2], "tau": 0.5}
    assert fit(**quotes).rmse < 0.01
    with pytest.raises(DataError, match=says):
        fit(**quotes | change)
