"""From quotes to slices: faithful to good quotes, deaf to bad ones, and never an arbitrage, whatever the quotes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from options.calibration import calibrate
from options.hyperbolas import BentSvi, is_butterfly_free, is_calendar_free, numbers_of, wing_slopes
from options.quotes import Quotes, first_look
from options.settings import ChainSettings
from options.smile import smile_cdf, smile_vol
from options.svi_forms import RawSvi

SETTINGS = ChainSettings()
TAUS = (10 / 365, 30 / 365, 91 / 365, 1.0)


def truth(tau, *, vol=0.2, rho=-0.5):
    """A raw slice of the usual shape, one for every maturity: steepness falls with √τ."""
    s = vol * np.sqrt(tau)
    return RawSvi(0.35 * s * s, 0.5 * s, rho, 0.2 * s, s)


def quotes(expiries, *, spread=0.004):
    """Quotes of several expiries from (tau, k, iv) or (tau, k, iv, half-spread)."""
    parts = [(tau, k, iv, *(half or (np.full(len(k), spread / 2),))) for tau, k, iv, *half in expiries]
    return Quotes(
        tau=np.array([tau for tau, *_ in parts]),
        forward=np.full(len(parts), 100.0),
        offsets=np.concatenate([[0], np.cumsum([len(k) for _, k, *_ in parts])]),
        k=np.concatenate([k for _, k, *_ in parts]),
        iv=np.concatenate([iv for _, _, iv, _ in parts]),
        half_spread=np.concatenate([half for *_, half in parts]),
    )


def strikes(tau, count=41, low=-3.0, high=2.5):
    return np.linspace(low, high, count) * 0.2 * np.sqrt(tau)


def clean(noise=0.0, seed=0, taus=TAUS, **options):
    rng = np.random.default_rng(seed)
    return [
        (tau, k, truth(tau, **options).vol(k, tau) + noise * rng.normal(size=len(k)))
        for tau, k in ((tau, strikes(tau)) for tau in taus)
    ]


def assert_no_arbitrage(smiles):
    """Proved, and not refuted on 20,001 points."""
    fitted = [smile for smile in smiles if smile is not None]
    widest = max(np.sqrt(float(smile.svi.total_variance(0.0))) for smile in fitted)
    k = np.sinh(np.linspace(-8, 8, 20_001)) * widest / 50
    for smile in fitted:
        assert is_butterfly_free(smile.svi)
        assert smile.svi.durrleman(k).min() >= -1e-9
        assert smile.svi.total_variance(k).min() > 0
        assert max(wing_slopes(numbers_of(smile.svi))) <= 2.0
    for near, far in pairwise(fitted):
        assert near.tau < far.tau
        assert is_calendar_free(near.svi, far.svi)
        assert ((far.svi.total_variance(k) - near.svi.total_variance(k)) / (1 + np.abs(k))).min() >= -1e-11


def test_clean_quotes_are_met_within_a_hundredth_of_a_point_and_wings_continue():
    given_quotes = clean()
    smiles = calibrate(quotes(given_quotes), SETTINGS)
    assert_no_arbitrage(smiles)
    for smile, (tau, k, iv) in zip(smiles, given_quotes, strict=True):
        inner = np.abs(k) < 2 * 0.2 * np.sqrt(tau)
        assert np.abs(smile_vol(smile, k) - iv)[inner].max() < 0.0005
        assert smile.quality.rmse_vol_points < 0.03
        assert (smile.quality.inside_share, smile.quality.source, smile.quality.poor) == (1.0, "svi", False)
        assert (smile.k_low, smile.k_high) == (k[0], k[-1])
        beyond = k[-1] * 2
        assert smile_vol(smile, beyond) == pytest.approx(float(truth(tau).vol(beyond, tau)), rel=0.25)


def test_a_smile_that_bends_twice_is_met_where_raw_svi_cannot():
    tau, s = 30 / 365, 0.2 * np.sqrt(30 / 365)
    twice = BentSvi((0.2 * s * s, 0.5 * s, -0.3 * s, 0.3 * s, 0.6 * s, -0.12 * s, -0.03 * s, 0.9 * s, 0.3 * s))
    assert is_butterfly_free(twice)
    k = strikes(tau, 61, -2.5, 1.8)
    (smile,) = calibrate(quotes([(tau, k, twice.vol(k, tau))], spread=0.0001), SETTINGS)
    (raw,) = calibrate(quotes([(tau, k, twice.vol(k, tau))], spread=0.0001), ChainSettings(bend_quotes=1_000))
    assert isinstance(raw.svi, RawSvi)
    assert raw.quality.rmse_vol_points > 0.03
    assert smile.quality.rmse_vol_points < 0.001
    assert isinstance(smile.svi, BentSvi)
    assert_no_arbitrage([smile])


@pytest.mark.parametrize("at", [1, 12, 20, 21, 30, 40])
@pytest.mark.parametrize("wrong", [0.05, 0.60, 3.00])
def test_one_stale_quote_moves_the_smile_by_less_than_a_tenth_of_a_point(at, wrong):
    given_quotes = clean()
    right = calibrate(quotes(given_quotes), SETTINGS)[1]
    given_quotes[1][2][at] = wrong
    found = calibrate(quotes(given_quotes), SETTINGS)[1]
    inner = np.linspace(-1.5, 1.5, 31) * 0.2 * np.sqrt(found.tau)
    assert np.abs(found.vol(inner) - right.vol(inner)).max() < 0.001


def test_first_look_sees_the_stale_quote_and_no_other():
    given_quotes = clean()
    given_quotes[2][2][7] *= 1.5
    looked = first_look(quotes(given_quotes))
    assert np.flatnonzero(looked == 0).tolist() == [2 * 41 + 7]


@settings(max_examples=150)
@given(
    seed=st.integers(0, 10_000),
    counts=st.lists(st.integers(3, 60), min_size=1, max_size=5),
    noise=st.floats(0, 0.1),
    reach=st.floats(0.2, 8),
    spread=st.floats(0.0002, 0.1),
)
def test_whatever_the_quotes_there_is_no_arbitrage_and_the_distribution_rises(seed, counts, noise, reach, spread):
    rng = np.random.default_rng(seed)
    taus = np.sort(rng.uniform(0.001, 2, len(counts)))  # also a day apart, at levels that fall with time
    expiries = []
    for tau, count in zip(taus, counts, strict=True):
        level = rng.uniform(0.1, 0.6)
        k = np.sort(rng.uniform(-reach, reach, count)) * level * np.sqrt(tau)
        expiries.append((tau, k, np.maximum(truth(tau, vol=level).vol(k, tau) + noise * rng.normal(size=count), 0.02)))
    smiles = calibrate(quotes(expiries, spread=spread), SETTINGS)
    assert_no_arbitrage(smiles)
    for smile in smiles:
        if smile is not None:
            at = np.linspace(-12, 12, 2_001) * float(smile.vol(0.0)) * np.sqrt(smile.tau)
            below, above = smile_cdf(smile, at)
            assert np.diff(below).min() > -1e-12
            np.testing.assert_allclose(below + above, 1.0, atol=1e-12)


def test_where_the_market_itself_crosses_the_sparse_expiry_yields_to_the_liquid_one():
    liquid, sparse = clean(taus=(0.25, 0.26))
    sparse = (0.26, sparse[1][::5], sparse[2][::5] * 0.8)  # less variance than a quarter of a week earlier
    first, second = calibrate(quotes([liquid, sparse]), SETTINGS)
    assert_no_arbitrage([first, second])
    assert first.quality.rmse_vol_points < 0.05
    assert second.quality.rmse_vol_points > 1.0
    assert second.quality.poor
    assert "misses its quotes" in second.quality.reason


def test_an_expiry_with_a_few_quotes_borrows_the_shape_of_the_others():
    expiries = clean(taus=(0.1, 0.25, 0.5))
    tau, k, iv = expiries[1]
    expiries[1] = (tau, k[[18, 21, 24]], iv[[18, 21, 24]] + 0.01)
    found = calibrate(quotes(expiries), SETTINGS)[1]
    assert found.quality.source == "ssvi"
    assert found.quality.poor
    assert "only 3 good quotes" in found.quality.reason
    wide = np.array([-1.5, 0.0, 1.0]) * 0.2 * np.sqrt(tau)
    np.testing.assert_allclose(found.vol(wide), truth(tau).vol(wide, tau) + 0.01, atol=0.015)


def test_quotes_on_one_side_only_borrow_the_other_side():
    expiries = clean(taus=(0.1, 0.25, 0.5))
    tau, k, iv = expiries[1]
    expiries[1] = (tau, k[:20], iv[:20])
    found = calibrate(quotes(expiries), SETTINGS)[1]
    assert found.quality.source == "ssvi"
    assert float(found.vol(0.1)) == pytest.approx(float(truth(tau).vol(0.1, tau)), abs=0.01)


def test_fewer_quotes_than_the_least_are_no_smile():
    expiries = clean()
    tau, k, iv = expiries[1]
    expiries[1] = (tau, k[:2], iv[:2])
    smiles = calibrate(quotes(expiries), SETTINGS)
    assert smiles[1] is None
    assert all(smile is not None for i, smile in enumerate(smiles) if i != 1)
    assert calibrate(quotes([expiries[1]]), SETTINGS) == [None]


def test_a_fit_outside_its_quotes_is_poor_by_the_thresholds_of_the_settings():
    noisy = quotes(clean(noise=0.01), spread=0.0005)
    smiles = calibrate(noisy, SETTINGS)
    assert all(smile.quality.poor for smile in smiles)
    lenient = ChainSettings(poor_inside_share=0.0, poor_rmse_points=5.0)
    assert not any(smile.quality.poor for smile in calibrate(noisy, lenient))
    strict = ChainSettings(poor_inside_share=1.0)
    reasons = [smile.quality.reason for smile in calibrate(quotes(clean(noise=0.002), spread=0.004), strict)]
    assert all("lies inside" in reason for reason in reasons)


def test_the_same_quotes_give_the_same_bytes():
    once, again = (calibrate(quotes(clean(noise=0.002)), SETTINGS) for _ in range(2))
    assert [smile.svi for smile in once] == [smile.svi for smile in again]
