"""Distributions: the market's own recovers its forward and its prices; the desk's has the moments asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from domain.errors import DataError
from options import black
from options.distribution import expectation, physical, probability_between, risk_neutral
from options.priced import Distribution
from options.smile import smile_cdf, smile_vol
from tests.options.made_chain import made_smile


@pytest.fixture(scope="module")
def smile():
    return made_smile(tau=30 / 365, vol=0.2, skew=-0.35, curve=1.0)


def test_probabilities_add_to_one_and_the_mean_is_the_forward(smile):
    for n in (400, 25):
        found = risk_neutral(smile, n)
        assert found.probabilities.sum() == pytest.approx(1, abs=1e-12)
        assert (found.probabilities > 0).all()
        assert (np.diff(found.prices) > 0).all()
        assert float(expectation(found, found.prices)) == pytest.approx(smile.forward, rel=1e-12)


def test_options_valued_on_the_distribution_are_the_smiles_own_prices(smile):
    found = risk_neutral(smile, 2_000)
    strikes = np.linspace(85, 112, 28)
    on_distribution = expectation(found, np.maximum(found.prices - strikes[:, None], 0))
    vol = smile_vol(smile, np.log(strikes / 100))
    on_smile = black.price(forward=100.0, strike=strikes, tau=smile.tau, discount=1.0, vol=vol, is_call=True)
    np.testing.assert_allclose(on_distribution, on_smile, atol=2e-3)


def test_the_tilt_of_the_smile_is_in_the_probabilities(smile):
    """The trap: N(−d2) alone forgets that volatility changes with the strike."""
    k = np.log(95 / 100)
    with_skew = float(smile_cdf(smile, k)[0])
    assert probability_between(risk_neutral(smile, 2_000), 0, 95) == pytest.approx(with_skew, abs=1e-3)
    s = float(smile_vol(smile, k)) * np.sqrt(smile.tau)
    naive = float(ndtr(k / s + s / 2))
    assert naive - with_skew > 0.01


def test_flat_smile_is_lognormal():
    found = risk_neutral(made_smile(tau=0.5, vol=0.3), 2_000)
    logs = np.log(found.prices / 100)
    mean = float(expectation(found, logs))
    assert mean == pytest.approx(-0.5 * 0.3**2 * 0.5, abs=1e-5)
    assert float(expectation(found, (logs - mean) ** 2)) == pytest.approx(0.3**2 * 0.5, rel=1e-4)


@settings(max_examples=60)
@given(
    spot=st.floats(1, 5_000),
    drift=st.floats(-0.5, 0.5),
    vol=st.floats(0.02, 2),
    tau=st.floats(1 / 365, 2),
    tilt=st.floats(-0.5, 0.5),
)
def test_physical_has_the_mean_and_the_deviation_asked_for(spot, drift, vol, tau, tilt):
    # one shape in deviations at every maturity
    market = made_smile(tau=tau, forward=spot, vol=0.25, skew=tilt * 0.15 / np.sqrt(tau), curve=0.15 / tau)
    found = physical(market, spot=spot, drift=drift, forecast_vol=vol, tau=tau)
    assert float(expectation(found, found.prices)) == pytest.approx(spot * np.exp(drift * tau), rel=1e-9)
    logs = np.log(found.prices)
    centred = logs - float(expectation(found, logs))
    assert np.sqrt(float(expectation(found, centred**2)) / tau) == pytest.approx(vol, rel=1e-9)
    assert (np.diff(found.prices) >= 0).all()


def test_physical_keeps_the_skew_of_the_market(smile):
    def skewness(found):
        logs = np.log(found.prices)
        centred = logs - expectation(found, logs)
        return float(expectation(found, centred**3) / expectation(found, centred**2) ** 1.5)

    desk = physical(smile, spot=100.0, drift=0.1, forecast_vol=0.35, tau=smile.tau)
    assert skewness(desk) == pytest.approx(skewness(risk_neutral(smile)), rel=1e-9)
    assert skewness(desk) < -0.3


@pytest.mark.parametrize(
    "bad", [{"spot": 0.0}, {"forecast_vol": -0.1}, {"tau": 0.0}, {"drift": np.nan}, {"spot": np.nan}]
)
def test_physical_refuses_nonsense_clearly(smile, bad):
    asked = {"spot": 100.0, "drift": 0.0, "forecast_vol": 0.2, "tau": 0.1} | bad
    with pytest.raises(DataError, match="No distribution has spot"):
        physical(smile, **asked)


def test_probability_between_adds_up_and_orders(smile):
    found = risk_neutral(smile)
    parts = [probability_between(found, low, high) for low, high in ((0, 95), (95, 104.5), (104.5, 1e9))]
    assert sum(parts) == pytest.approx(1, abs=1e-12)
    assert probability_between(found, 104, 95) == 0
    certain = Distribution(0.1, np.array([100.0]), np.array([1.0]))
    assert probability_between(certain, 99, 100) == 1
    assert probability_between(certain, 100, 101) == 0
