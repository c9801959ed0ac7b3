"""The surface: values at any maturity, densities that are densities, and its making from a captured chain."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from domain.errors import DataError
from options import surface
from options.hyperbolas import is_butterfly_free, is_calendar_free
from options.rates import RateCurve
from options.smile import curve_of, density
from options.surface import VolSurface, fit_surface, forward_curve
from tests.options.made_chain import made_chain, made_smile, made_surface

CURVE = RateCurve(np.array([1.0]), np.array([0.03]))
K = np.linspace(-0.5, 0.5, 21)


def made():
    return made_surface(
        made_smile(tau=tau, forward=100.0 + 4 * tau, vol=vol, skew=-0.2, curve=0.4)
        for tau, vol in ((0.1, 0.25), (0.3, 0.22), (1.0, 0.2))
    )


def test_at_a_slice_the_surface_is_the_slice_and_between_two_total_variance_is_linear():
    found = made()
    near, far = found.slices[:2]
    np.testing.assert_allclose(found.vol(K, near.tau), near.vol(K), rtol=1e-14)
    np.testing.assert_allclose(found.vol(K, 1.0), found.slices[2].vol(K), rtol=1e-14)
    middle = 0.25 * near.svi.total_variance(K) + 0.75 * far.svi.total_variance(K)
    np.testing.assert_allclose(found.total_variance(K, 0.25), middle, rtol=1e-13)


def test_before_the_first_expiry_its_volatility_stands_and_beyond_the_last_the_at_the_money_one():
    found = made()
    np.testing.assert_allclose(found.vol(K, 0.01), found.slices[0].vol(K), rtol=1e-14)
    assert found.vol(0.0, 3.0) == pytest.approx(found.slices[2].vol(0.0), rel=1e-14)
    wings = np.array([-40.0, -39.0, 39.0, 40.0])
    steep = np.abs(np.diff(found.total_variance(wings, 3.0))[[0, 2]])
    assert (steep <= 2.0).all()  # Lee's bound, where scaling the last slice would break it


@given(tau=st.floats(0.001, 5), more=st.floats(0, 2), k=st.floats(-3, 3))
def test_total_variance_never_falls_with_time(tau, more, k):
    found = made()
    assert found.total_variance(k, tau + more) >= found.total_variance(k, tau) * (1 - 1e-14)


def test_strikes_and_maturities_broadcast_and_the_past_is_refused():
    assert made().vol(K[:, None], [0.2, 0.4]).shape == (21, 2)
    with pytest.raises(DataError, match="tau > 0"):
        made().vol(0.0, [0.2, 0.0])


def test_forwards_run_through_spot_and_the_expiries_in_their_logarithm():
    found = made()
    assert found.forward([0.1, 0.3, 1.0]) == pytest.approx([100.4, 101.2, 104.0])
    assert found.forward(0.2) == pytest.approx(np.sqrt(100.4 * 101.2))
    assert found.forward(2.0) == pytest.approx(100 * 1.04**2)


def whole_line(function, reach):
    """Integral over all real k."""
    pieces = ((-np.inf, -reach), (-reach, 0.0), (0.0, reach), (reach, np.inf))
    return sum(quad(function, *piece, limit=200)[0] for piece in pieces)


@pytest.mark.parametrize("tau", [0.02, 0.1, 0.17, 1.0, 2.5])
def test_density_integrates_to_one_and_returns_the_forward(tau):
    found = made()
    reach = 4 * float(np.sqrt(found.total_variance(0.0, tau)))
    assert whole_line(lambda k: float(found.density(k, tau)), reach) == pytest.approx(1, abs=1e-6)
    # the measure under which the share is the unit of account
    assert whole_line(lambda k: float(found.density(k, tau) * np.exp(min(k, 700.0))), reach) == pytest.approx(
        1, abs=1e-6
    )


def test_moments_of_a_flat_surface_are_the_normal_ones():
    flat = made_surface([made_smile(tau=0.5, vol=0.3)])
    found = flat.moments(0.5)
    assert found.mean == pytest.approx(-0.5 * 0.09 * 0.5, rel=1e-9)
    assert found.std == pytest.approx(0.3 * np.sqrt(0.5), rel=1e-9)
    assert found.skew == pytest.approx(0, abs=1e-8)
    assert found.kurtosis == pytest.approx(3, rel=1e-8)


@pytest.mark.parametrize("tau", [0.1, 0.2])
def test_moments_are_those_of_the_density(tau):
    found = made()
    reach = 4 * float(np.sqrt(found.total_variance(0.0, tau)))
    powers = [whole_line(lambda k, n=n: float(found.density(k, tau)) * k**n, reach) for n in (1, 2, 3)]
    moments = found.moments(tau)
    assert moments.mean == pytest.approx(powers[0], abs=1e-8)
    assert moments.std == pytest.approx(np.sqrt(powers[1] - powers[0] ** 2), rel=1e-6)
    third = powers[2] - 3 * powers[0] * powers[1] + 2 * powers[0] ** 3
    assert moments.skew == pytest.approx(third / moments.std**3, rel=1e-5)
    assert moments.skew < -0.3
    assert moments.kurtosis > 3


def test_a_sharp_bend_between_wide_quotes_is_not_stepped_over():
    """The trap: a fixed grid misses a slice whose sigma is a hundredth of its deviation."""
    from options.svi import RawSvi

    sharp = RawSvi(0.0098, 0.02, -0.3, 0.005, 0.001)
    assert is_butterfly_free(sharp)
    found = made_surface([replace(made_smile(tau=0.25, vol=0.2), svi=sharp)])
    k, weight = found._panels(0.25)
    mass = weight * density(k, curve_of(found.slices[0], k))
    assert mass.sum() == pytest.approx(1, abs=1e-9)
    assert mass @ np.exp(k) == pytest.approx(1, abs=1e-9)


def test_a_captured_chain_becomes_a_surface_that_lies_inside_its_quotes():
    truth = made_chain(european=True, skew=-0.2, curve=0.5)
    found = fit_surface(truth.chain, curve=CURVE)
    assert isinstance(found, VolSurface)
    assert [piece.tau for piece in found.slices] == [piece.tau for piece in truth.slices]
    for mine, theirs in zip(found.slices, truth.slices, strict=True):
        near = np.linspace(-1.5, 1.5, 13) * theirs.atm_vol * np.sqrt(theirs.tau)
        np.testing.assert_allclose(mine.vol(near), theirs.smile.vol(near), atol=0.002)
        assert mine.quality.inside_share > 0.9
        assert not mine.quality.poor
        assert is_butterfly_free(mine.svi)
    for near, far in zip(found.slices[:-1], found.slices[1:], strict=True):
        assert is_calendar_free(near.svi, far.svi)


def test_a_quote_outside_the_fitted_value_is_mispriced_and_dear_is_positive():
    made_one = made_chain(european=True).chain
    at = int(np.flatnonzero((made_one.strike == 105) & made_one.is_call)[1])
    bid, ask = made_one.bid.copy(), made_one.ask.copy()
    bid[at], ask[at] = bid[at] + 0.10, ask[at] + 0.10
    found = fit_surface(replace(made_one, bid=bid, ask=ask), curve=CURVE).residuals
    assert found.mispriced[at]
    assert found.vol_points[at] > 0.3
    assert found.spreads[at] > 2
    near = (np.abs(made_one.strike - 100) < 10) & (np.arange(len(made_one)) != at)
    assert found.mispriced[near].sum() <= 2


def test_a_chain_that_cannot_be_used_is_refused_in_its_own_words():
    made_one = made_chain().chain
    with pytest.raises(DataError, match="calls and 0 puts"):
        fit_surface(made_one.rows(made_one.is_call))
    few = made_one.rows(np.isin(made_one.strike, [97.5]))
    with pytest.raises(DataError, match="no expiry with enough good quotes"):
        fit_surface(few, curve=CURVE)


def test_forward_curve_needs_nothing_but_the_chain():
    truth = made_chain(european=True)
    found = forward_curve(truth.chain)
    assert [f.forward for f in found] == pytest.approx([s.forward for s in truth.slices], rel=1e-4)
    assert surface.forward_curve is forward_curve
