"""What the engine refuses in words instead of answering with a number."""

import numpy as np
import pytest

from domain.errors import DataError
from options import american
from options.exposure import gamma_exposure, gamma_profile
from options.variance import model_free_variance
from tests.options.made_chain import made_chain

PUT = {"spot": 100.0, "strike": 100.0, "tau": 1.0, "rate": 0.05, "dividend_yield": 0.02, "vol": 0.2, "is_call": False}


def test_no_options_give_no_greeks():
    assert all(column.shape == (0,) for column in american.greeks(**{**PUT, "strike": []}))


def test_a_dividend_without_an_amount_is_no_dividend():
    with pytest.raises(ValueError, match="time and an amount"):
        american.price(**PUT, dividend_times=[0.5], dividend_amounts=[1.0, 2.0])


def test_a_forward_outside_its_strip_has_no_variance():
    with pytest.raises(DataError, match="gives no variance"):
        model_free_variance(strike=[1.0, 2.0, 3.0], price=[1.0, 1.0, 1.0], forward=1e9, discount=1.0, tau=1.0)


def test_exposure_names_the_conventions_and_dynamics_there_are():
    priced = made_chain()
    with pytest.raises(DataError, match="no convention 'foo'"):
        gamma_exposure(priced, "foo")
    with pytest.raises(DataError, match="no dynamics 'foo'"):
        gamma_profile(priced, np.array([priced.spot]), dynamics="foo")
