"""SSVI: the surface of least squares, and its freedom from arbitrage whatever the quotes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares, minimize

from domain.errors import DataError
from options import svi
from options.chain import price_chain
from options.kernels.ssvi import largest_eta
from options.settings import ChainSettings
from options.ssvi import fit_surface
from tests.options.real_chains import CURVE_2019_06, spx_close

WIDE = np.linspace(-3.0, 3.0, 20_001)


def modelled(k, theta, rho, eta, gamma):
    """w(k, θ) as Gatheral and Jacquier write it (equation 4.1, power law of section 4)."""
    x = eta / (theta**gamma * (1.0 + theta) ** (1.0 - gamma)) * k
    return 0.5 * theta * (1.0 + rho * x + np.sqrt((x + rho) ** 2 + 1.0 - rho**2))


def quoted(seed, *, expiries=6, strikes=15, noise=0.01, steep=0.9, falls=False):
    """Quotes of an SSVI surface with relative noise in volatility; η is `steep` times the largest free of arbitrage."""
    random = np.random.default_rng(seed)
    tau = np.cumsum(random.uniform(0.02, 0.3, expiries))
    theta = np.cumsum(np.diff(tau, prepend=0.0) * random.uniform(0.1, 0.35, expiries) ** 2)
    if falls:
        theta[2], theta[3] = theta[3] * 1.1, theta[2] * 0.9
    rho, gamma = random.uniform(-0.85, 0.4), random.uniform(0.15, 0.48)
    eta = steep * random.uniform(0.5, 1.0) * largest_eta(rho, gamma, theta.max())[0]
    k = np.outer(np.sqrt(theta), np.linspace(-2.5, 1.8, strikes)).ravel()
    w = modelled(k, np.repeat(theta, strikes), rho, eta, gamma) * (1.0 + noise * random.standard_normal(len(k))) ** 2
    quotes = {"k": k, "total_variance": w, "weights": 1.0 / w, "offsets": np.arange(expiries + 1) * strikes, "tau": tau}
    return quotes, (*theta, rho, eta, gamma)


def loss_of(quotes, x):
    counts = np.diff(quotes["offsets"])
    misses = modelled(quotes["k"], np.repeat(x[:-3], counts), *x[-3:]) - quotes["total_variance"]
    return float(np.sum((quotes["weights"] * misses) ** 2))


def loss(quotes, surface):
    return loss_of(quotes, np.array([*surface.theta, surface.rho, surface.eta, surface.gamma]))


def is_free(surface):
    """Proved for all k, and seen on a grid that the proof does not know."""
    slices = [surface.slice(i) for i in range(len(surface.theta))]
    proved = all(svi.is_butterfly_free(piece) for piece in slices)
    proved &= all(svi.is_calendar_free(near, far) for near, far in pairwise(slices))
    seen = all((piece.durrleman(WIDE) >= 0).all() for piece in slices)
    rising = np.diff([piece.total_variance(WIDE) for piece in slices], axis=0) >= -1e-14
    return proved and seen and bool(rising.all())


def constrained(quotes, starts):
    """SciPy's sequential quadratic programming with η's bound and rising levels: the slow way to the same optimum."""
    m = len(quotes["tau"])
    limits = [
        {"type": "ineq", "fun": lambda x: largest_eta(x[-3], x[-1], np.exp(x[:m]).max())[0] - x[-2]},
        {"type": "ineq", "fun": lambda x: np.diff(x[:m])},
    ]
    bounds = [(-12, 2)] * m + [(-0.9999, 0.9999), (1e-3, 9.0), (1e-4, 0.499999)]

    def scaled(x):
        return loss_of(quotes, np.append(np.exp(x[:m]), x[m:]))

    found = [
        minimize(
            scaled, start, bounds=bounds, constraints=limits, method="SLSQP", options={"maxiter": 500, "ftol": 1e-14}
        )
        for start in starts
    ]
    return min(each.fun for each in found if all((limit["fun"](each.x) >= -1e-7).all() for limit in limits))


@pytest.mark.parametrize("seed", range(6))
def test_quotes_without_noise_give_their_surface_back(seed):
    quotes, true = quoted(seed, noise=0.0)
    found = fit_surface(**quotes)
    np.testing.assert_allclose([*found.theta, found.rho, found.eta, found.gamma], true, rtol=1e-6)
    assert found.rmse < 1e-10
    assert found.arrived


@pytest.mark.parametrize("seed", range(8))
def test_noisy_quotes_are_fitted_as_closely_as_scipy_does_from_four_starts(seed):
    quotes, true = quoted(seed, steep=0.8)
    weight, m = quotes["weights"], len(quotes["tau"])

    def misses(x):
        return weight * (modelled(quotes["k"], np.repeat(x[:m], 15), *x[m:]) - quotes["total_variance"])

    lows, highs = [1e-8] * m + [-0.9999, 1e-4, 1e-4], [9.0] * m + [0.9999, 50.0, 0.499999]
    starts = [np.append(true[:m], shape) for shape in ((-0.4, 0.8, 0.4), (0.4, 0.8, 0.3), (-0.8, 1.2, 0.48), true[m:])]
    peers = [
        least_squares(misses, start, bounds=(lows, highs), x_scale="jac", ftol=1e-13, xtol=1e-13, gtol=1e-13)
        for start in starts
    ]
    found = fit_surface(**quotes)
    assert loss(quotes, found) <= 2.0 * min(peer.cost for peer in peers) * (1.0 + 1e-8)
    assert found.rmse == pytest.approx(np.sqrt(loss(quotes, found) / np.sum(weight**2)), rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_quotes_beyond_the_butterfly_bound_end_on_it_and_nothing_free_fits_better(seed):
    quotes, _ = quoted(seed, steep=1.9)
    found = fit_surface(**quotes)
    most = largest_eta(found.rho, found.gamma, found.theta[-1])[0]
    assert found.arrived
    assert found.eta == pytest.approx(most, rel=1e-6)
    assert is_free(found)
    begin = np.append(np.log(np.maximum.accumulate(found.theta)), (-0.3, 0.6, 0.4))
    other = np.append(begin[:-3], (found.rho, 0.99 * found.eta, found.gamma))
    assert loss(quotes, found) <= constrained(quotes, (begin, other)) * (1.0 + 1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_levels_that_fall_with_time_are_pooled_and_nothing_rising_fits_better(seed):
    quotes, _ = quoted(seed, steep=0.7, falls=True)
    found = fit_surface(**quotes)
    assert found.theta[2] == found.theta[3]
    assert is_free(found)
    begin = np.append(np.log(found.theta), (found.rho, 0.9 * found.eta, found.gamma))
    assert loss(quotes, found) <= constrained(quotes, (begin,)) * (1.0 + 1e-6)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 4.0), st.floats(0.0, 0.4), st.integers(1, 7))
def test_whatever_is_quoted_the_surface_admits_no_arbitrage(seed, steep, noise, expiries):
    quotes, _ = quoted(seed, steep=steep, noise=noise, expiries=expiries, strikes=7)
    found = fit_surface(**quotes)
    assert (np.diff(found.theta) >= 0).all()
    assert is_free(found)


@settings(max_examples=200)
@given(st.floats(-0.9999, 0.9999), st.floats(1e-4, 0.499999), st.floats(1e-4, 4.0))
def test_the_largest_eta_keeps_both_conditions_up_to_the_level_and_no_larger_one_does(rho, gamma, high):
    eta, in_rho, in_gamma, in_high, _ = largest_eta(rho, gamma, high)
    theta = np.concatenate([np.geomspace(1e-9, high, 4_000), [min(high, max(1.0 - 2.0 * gamma, 1e-9))]])
    phi = eta / (theta**gamma * (1.0 + theta) ** (1.0 - gamma))
    hardest = max((theta * phi).max() / 4.0, (theta * phi**2).max() / 4.0) * (1.0 + abs(rho))
    by_slope = ((theta * phi).max() * (1.0 + abs(rho))) / 4.0
    by_curvature = np.sqrt((theta * phi**2).max() * (1.0 + abs(rho)) / 4.0)
    assert max(by_slope, by_curvature) == pytest.approx(1.0, rel=1e-6)
    assert hardest <= 1.0 + 1e-9
    step = 1e-6
    tied = abs(by_slope - by_curvature) < 1e-3 or abs(1.0 - 2.0 * gamma - high) < 1e-2 or abs(rho) < 1e-3
    if not tied and 2e-2 < gamma < 0.48:
        slopes = [
            (largest_eta(rho + step * (1 - abs(rho)), gamma, high)[0] - eta) / (step * (1 - abs(rho))),
            (largest_eta(rho, gamma + step, high)[0] - eta) / step,
            (largest_eta(rho, gamma, high * (1 + step))[0] - eta) / (high * step),
        ]
        np.testing.assert_allclose([in_rho, in_gamma, in_high], slopes, rtol=2e-3, atol=1e-3 * eta)


def test_a_slice_is_the_raw_svi_of_gatheral_and_jacquier():
    quotes, _ = quoted(3)
    found = fit_surface(**quotes)
    k = np.linspace(-1, 1, 101)
    for i, theta in enumerate(found.theta):
        wanted = modelled(k, theta, found.rho, found.eta, found.gamma)
        np.testing.assert_allclose(found.total_variance(k, i), wanted, rtol=1e-12)
        assert float(found.total_variance(0.0, i)) == pytest.approx(theta, rel=1e-12)


def test_between_expiries_and_before_the_first_levels_are_linear_in_time_and_free():
    found = fit_surface(**quoted(5, steep=2.5)[0])
    times = np.concatenate([[1e-4, 0.5 * found.tau[0]], 0.5 * (found.tau[1:] + found.tau[:-1]), found.tau[-1:]])
    slices = [found.slice_at(float(tau)) for tau in np.sort(times)]
    assert all(svi.is_butterfly_free(piece) for piece in slices)
    assert all(svi.is_calendar_free(near, far) for near, far in pairwise(slices))
    halfway = found.slice_at(float(0.5 * (found.tau[0] + found.tau[1])))
    assert float(halfway.total_variance(0.0)) == pytest.approx(0.5 * (found.theta[0] + found.theta[1]), rel=1e-12)
    for outside in (0.0, -1.0, found.tau[-1] * 1.01, np.nan):
        with pytest.raises(DataError, match="says nothing"):
            found.slice_at(outside)


def test_a_wild_quote_moves_the_plain_fit_and_not_the_robust_one():
    quotes, true = quoted(1, noise=0.004)
    quotes["total_variance"][20] *= 3.0
    plain, robust = fit_surface(**quotes), fit_surface(**quotes, huber=1.5)
    wanted = np.array(true[:-3])
    misses = [np.abs(np.log(found.theta / wanted)).max() for found in (plain, robust)]
    assert misses[1] < 0.02 < misses[0]
    assert robust.rmse > plain.rmse
    assert is_free(robust)


def test_exact_quotes_need_no_robustness():
    quotes, true = quoted(2, noise=0.0)
    np.testing.assert_allclose(fit_surface(**quotes, huber=1.5).theta, true[:-3], rtol=1e-6)


def test_order_within_an_expiry_and_quotes_without_weight_do_not_matter():
    quotes, _ = quoted(4)
    found = fit_surface(**quotes)
    turned = quotes | {
        name: quotes[name].reshape(6, 15)[:, ::-1].ravel() for name in ("k", "total_variance", "weights")
    }
    np.testing.assert_allclose(fit_surface(**turned).theta, found.theta, rtol=1e-6)
    more = {
        name: np.append(quotes[name], value) for name, value in (("k", 0.0), ("total_variance", 9.0), ("weights", 0))
    }
    padded = fit_surface(**quotes | more | {"offsets": np.append(quotes["offsets"][:-1], 91)})
    np.testing.assert_allclose(padded.theta, found.theta, rtol=1e-6)


def test_one_expiry_fits_without_telling_eta_from_gamma():
    quotes, _ = quoted(2, expiries=1, noise=0.0)
    found = fit_surface(**quotes)
    assert found.rmse < 1e-9
    assert is_free(found)


def test_quotes_on_one_side_of_the_money_are_enough():
    quotes, true = quoted(2, noise=0.0, steep=0.6)
    keep = quotes["k"] > 0.0
    each = int(keep.reshape(6, 15)[0].sum())
    right = {name: quotes[name][keep] for name in ("k", "total_variance")}
    found = fit_surface(**right, tau=quotes["tau"], offsets=np.arange(7) * each)
    np.testing.assert_allclose(found.theta, true[:-3], rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"total_variance": [0.01, np.nan, 0.02]}, "Quote 1 .* is not usable"),
        ({"total_variance": [0.01, 0.01, 0.0]}, "Quote 2"),
        ({"k": [0.0, np.inf, 0.1]}, "Quote 1"),
        ({"weights": [1.0, 1.0, -1.0]}, "Quote 2"),
        ({"weights": [1.0, 1.0, 0.0]}, "Expiry 1 .* no quote with weight"),
        ({"tau": [0.2, 0.1]}, "Expiry 1 .* is not after"),
        ({"tau": [0.0, 0.1]}, "Expiry 0"),
        ({"tau": [0.1, np.nan]}, "Expiry 1"),
        ({"offsets": [0, 3, 3]}, "do not cut 3 quotes into 2 expiries"),
        ({"offsets": [0, 2, 4]}, "do not cut"),
        ({"k": [0.0, 0.1]}, "as many log-moneynesses"),
        ({"huber": 0.0}, "Huber threshold of 0.0 is not above 0"),
    ],
)
def test_unusable_input_is_refused_by_name(change, says):
    quotes = {"k": [-0.1, 0.0, 0.1], "total_variance": [0.01, 0.01, 0.02], "offsets": [0, 2, 3], "tau": [0.1, 0.2]}
    with pytest.raises(DataError, match=says):
        fit_surface(**quotes | change)


@pytest.mark.shared_data
@pytest.mark.parametrize("day", ["2019-05-07", "2019-07-12"])
def test_a_whole_day_of_spx_is_fitted_within_a_volatility_point_and_free(shared_data, day):
    chain = spx_close(shared_data, day)
    priced = price_chain(chain, as_of=chain.as_of, curve=CURVE_2019_06, settings=ChainSettings())
    k, vol, tau = [], [], []
    for piece in priced.slices:
        rows = piece.rows[priced.good[piece.rows] & np.isfinite(priced.iv[piece.rows])]
        out = rows[chain.is_call[rows] == (priced.k[rows] > 0)]
        near = out[np.abs(priced.k[out]) < 2.5 * piece.atm_vol * np.sqrt(piece.tau)]
        if piece.tau > 7 / 365 and len(near) >= 5 and piece.tau not in tau:
            k.append(priced.k[near])
            vol.append(priced.iv[near])
            tau.append(piece.tau)
    years = np.repeat(tau, [len(each) for each in k])
    vols = np.concatenate(vol)
    found = fit_surface(
        k=np.concatenate(k),
        total_variance=vols**2 * years,
        weights=0.5 / (vols * years),  # misses in volatility
        offsets=np.cumsum([0, *(len(each) for each in k)]),
        tau=tau,
        huber=1.5,
    )
    misses = [
        float(np.sqrt(np.mean((found.slice(i).vol(k[i], tau[i]) - vol[i]) ** 2))) for i in range(len(tau))
    ]  # fmt: skip
    assert len(tau) > 30
    assert found.arrived
    assert is_free(found)
    assert np.median(misses) < 0.006
