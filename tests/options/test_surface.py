"""Smiles: faithful to good quotes, deaf to bad ones, and always a distribution."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from options import black
from options.priced import Smile
from options.surface import (
    atm_vol_at,
    butterfly_25,
    fit_smile,
    forward_vol,
    risk_reversal_25,
    skew_at,
    smile_cdf,
    smile_vol,
    vol_at_delta,
)
from tests.options.made_chain import made_chain

TAU = 30 / 365


def svi(k, tau=TAU, *, level=0.01, wing=0.06, tilt=-0.6, centre=0.02, width=0.15):
    """Raw SVI (Gatheral 2004) in k/√τ, so that every maturity has the same shape."""
    x = k / np.sqrt(tau)
    return np.sqrt(level + wing * (tilt * (x - centre) + np.sqrt((x - centre) ** 2 + width**2)))


def quotes(seed=0, count=60, spread=0.004, noise=0.0):
    k = np.linspace(-0.25, 0.14, count)
    iv = svi(k) + noise * np.random.default_rng(seed).normal(size=count)
    return {"k": k, "iv": iv, "spread": np.full(count, spread), "tau": TAU, "forward": 100.0}


def test_clean_quotes_are_met_within_a_tenth_of_their_spread():
    given_quotes = quotes()
    smile = fit_smile(**given_quotes)
    miss = smile_vol(smile, given_quotes["k"]) - given_quotes["iv"]
    assert np.sqrt(np.mean(miss**2)) < 0.0004
    assert abs(smile_vol(smile, 0.0) - svi(0.0)) < 0.0002


@pytest.mark.parametrize("at", [5, 30, 38, 39, 58])
@pytest.mark.parametrize("wrong", [0.05, 0.60, 3.00])
def test_one_stale_quote_moves_the_smile_by_less_than_a_quarter_of_a_point(at, wrong):
    given_quotes = quotes()
    given_quotes["iv"][at] = wrong
    smile = fit_smile(**given_quotes)
    inner = np.linspace(-0.2, 0.1, 31)
    assert np.abs(smile_vol(smile, inner) - svi(inner)).max() < 0.0025


def test_order_of_quotes_does_not_matter_to_the_last_bit():
    given_quotes = quotes(noise=0.002)
    shuffled = np.random.default_rng(1).permutation(60)
    other = {n: v[shuffled] if isinstance(v, np.ndarray) else v for n, v in given_quotes.items()}
    assert fit_smile(**given_quotes).knots_vol.tobytes() == fit_smile(**other).knots_vol.tobytes()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(5, 80),
    noise=st.floats(0, 0.05),
    tau=st.floats(0.0005, 3),
    reach=st.floats(0.3, 8),
    spread=st.floats(0.0005, 0.1),
)
def test_whatever_the_quotes_the_smile_is_a_distribution(seed, count, noise, tau, reach, spread):
    rng = np.random.default_rng(seed)
    k = np.sort(rng.uniform(-reach, reach, count)) * 0.2 * np.sqrt(tau)
    k[0], k[-1] = -abs(k[0]), abs(k[-1])
    iv = np.maximum(svi(k, tau) + noise * rng.normal(size=count), 0.02)
    smile = fit_smile(k=k, iv=iv, spread=np.full(count, spread), tau=tau, forward=50.0)
    grid = np.linspace(-12, 12, 2_001) * 0.2 * np.sqrt(tau)
    below, above = smile_cdf(smile, grid)
    assert np.diff(below).min() > -1e-6  # between the points that the fit itself checks
    assert (below > -1e-9).all()
    assert (above > -1e-9).all()
    np.testing.assert_allclose(below + above, 1.0, atol=1e-12)


def test_distribution_function_is_the_slope_of_its_own_prices():
    smile = fit_smile(**quotes())
    strikes = np.linspace(80, 115, 36)

    def put(strike):
        k = np.log(strike / 100)
        return black.price(forward=100.0, strike=strike, tau=TAU, discount=1.0, vol=smile_vol(smile, k), is_call=False)

    slope = (put(strikes + 1e-3) - put(strikes - 1e-3)) / 2e-3
    np.testing.assert_allclose(smile_cdf(smile, np.log(strikes / 100))[0], slope, atol=1e-6)


def test_beyond_the_outer_knots_variance_is_flat_and_one_knot_is_a_flat_smile():
    smile = Smile(0.5, 100.0, np.array([-0.2, 0.0, 0.2]), np.array([0.3, 0.2, 0.18]))
    assert smile_vol(smile, [-5.0, -0.2, 0.0, 0.2, 5.0]) == pytest.approx([0.3, 0.3, 0.2, 0.18, 0.18])
    flat = Smile(0.5, 100.0, np.array([0.0]), np.array([0.25]))
    assert flat.vol(np.array([-9.0, 0.3])).tolist() == [0.25, 0.25]


@pytest.mark.parametrize(
    "k", [[-0.02, -0.01, 0.01, 0.02], [0.01, 0.02, 0.03, 0.04, 0.05], [-0.05, -0.04, -0.03, -0.02, -0.01]]
)
def test_too_few_quotes_or_one_side_only_is_no_smile(k):
    k = np.array(k)
    assert fit_smile(k=k, iv=np.full(len(k), 0.2), spread=np.full(len(k), 0.01), tau=TAU, forward=100.0) is None


def test_rows_without_numbers_are_left_out():
    given_quotes = quotes()
    with_holes = {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in given_quotes.items()}
    for name, at, value in (("iv", 7, np.nan), ("k", 8, np.nan), ("spread", 9, 0.0)):
        with_holes[name][at] = value
    kept = np.ones(60, dtype=bool)
    kept[7:10] = False
    without = {n: v[kept] if isinstance(v, np.ndarray) else v for n, v in given_quotes.items()}
    assert fit_smile(**with_holes).knots_vol.tolist() == fit_smile(**without).knots_vol.tolist()


def test_constant_maturity_is_linear_in_total_variance():
    priced = made_chain(vol=0.2, skew=0.0, curve=0.0, term=0.3, dtes=(18, 46))
    near, far = priced.slices
    tau = 30 / 365
    share = (tau - near.tau) / (far.tau - near.tau)
    variance = (1 - share) * near.atm_vol**2 * near.tau + share * far.atm_vol**2 * far.tau
    assert atm_vol_at(priced, 30) == pytest.approx(np.sqrt(variance / tau), rel=1e-12)


def test_outside_the_listed_expiries_only_a_quarter_of_the_maturity_is_bridged():
    priced = made_chain(dtes=(32, 46))
    assert atm_vol_at(priced, 30) == priced.slices[0].atm_vol
    assert atm_vol_at(priced, 55) == priced.slices[-1].atm_vol
    assert np.isnan(atm_vol_at(priced, 20))
    assert np.isnan(atm_vol_at(priced, 90))
    assert np.isnan(atm_vol_at(replace(priced, slices=()), 30))
    unfitted = tuple(replace(s, smile=None, atm_vol=float("nan")) for s in priced.slices)
    assert np.isnan(atm_vol_at(replace(priced, slices=unfitted), 30))


def test_skew_measures_have_their_defined_signs_and_sizes():
    piece = made_chain(skew=-0.2, curve=0.5).slices[1]
    s = np.sqrt(piece.tau)
    for delta in (0.25, -0.25):
        vol = vol_at_delta(piece, delta)
        z = {0.25: 0.6744897501960817, -0.25: -0.6744897501960817}[delta]
        strike = z * vol * s + 0.5 * vol**2 * piece.tau  # N(d1) = 0.25, or 0.75
        assert float(smile_vol(piece.smile, strike)) == pytest.approx(vol, abs=1e-5)
    assert risk_reversal_25(piece) < 0  # puts dearer
    assert butterfly_25(piece) > 0
    mean = (vol_at_delta(piece, 0.25) + vol_at_delta(piece, -0.25)) / 2
    assert butterfly_25(piece) == pytest.approx(mean - piece.atm_vol)


def test_skew_beyond_the_quotes_is_not_guessed():
    piece = made_chain().slices[0]
    narrow = replace(piece.smile, knots_k=piece.smile.knots_k / 50)
    assert np.isnan(risk_reversal_25(replace(piece, smile=narrow)))
    assert np.isnan(butterfly_25(replace(piece, smile=None)))


def test_constant_maturity_skew_lies_between_its_neighbours():
    priced = made_chain(skew=-0.2, curve=0.5)
    found = skew_at(priced, 40)
    around = sorted(risk_reversal_25(s) for s in priced.slices[1:3])
    assert around[0] < found.risk_reversal < around[1]
    assert found.butterfly > 0


def test_forward_vol_is_what_links_two_expiries_and_refuses_calendar_arbitrage():
    near, far = made_chain(term=0.2, dtes=(18, 46)).slices
    between = forward_vol(near, far)
    assert near.atm_vol**2 * near.tau + between**2 * (far.tau - near.tau) == pytest.approx(far.atm_vol**2 * far.tau)
    assert np.isnan(forward_vol(far, near))
    assert np.isnan(forward_vol(replace(near, atm_vol=0.9), far))
