"""American chains: the forward and the volatilities they were made of, early exercise and all."""

from dataclasses import replace

import numpy as np
import pytest

from options import american
from options.chain import price_chain
from options.early_exercise import without_early_exercise
from options.parity import parity_forwards
from options.rates import RateCurve
from options.settings import ChainSettings
from tests.options.made_chain import made_chain

SETTINGS = ChainSettings()
RATE = 0.05
CURVE = RateCurve(np.array([1.0]), np.array([RATE]))


@pytest.fixture(scope="module")
def truth():
    """A chain with dear rates and a low yield, long expiries, quoted at American values."""
    return made_chain(rate=RATE, dividend_yield=0.01, dtes=(46, 180, 365), skew=-0.2, curve=0.3)


@pytest.fixture(scope="module")
def quoted(truth):
    chain = truth.chain
    worth = american.price(
        spot=chain.spot,
        strike=chain.strike,
        tau=truth.tau,
        rate=RATE,
        dividend_yield=0.01,
        vol=truth.iv,
        is_call=chain.is_call,
    )
    return replace(chain, bid=worth - 0.005, ask=worth + 0.005)


def test_the_forward_is_not_biased_by_the_right_to_exercise(truth, quoted):
    usable = np.ones(len(quoted), dtype=bool)
    naive = parity_forwards(quoted, usable=usable, curve=CURVE, settings=SETTINGS)
    european = without_early_exercise(quoted, naive, spot=quoted.spot, usable=usable, settings=SETTINGS)
    found = parity_forwards(european, usable=usable, curve=CURVE, settings=SETTINGS)
    for piece, biased, mended in zip(truth.slices, naive, found, strict=True):
        assert abs(mended.forward - piece.forward) < 0.25 * abs(biased.forward - piece.forward)


def test_volatilities_are_those_it_was_made_of_on_both_sides_of_the_forward(truth, quoted):
    found = price_chain(quoted, as_of=quoted.as_of, curve=CURVE, settings=SETTINGS)
    near = found.good & (np.abs(truth.k) < 0.15) & np.isfinite(found.iv)
    assert near.sum() > 60
    assert np.abs(found.iv - truth.iv)[near].max() < 0.001
    european = price_chain(
        replace(quoted, european=np.ones(len(quoted), dtype=bool)),
        as_of=quoted.as_of,
        curve=CURVE,
        settings=SETTINGS,
    )
    assert np.abs(european.iv - truth.iv)[near & np.isfinite(european.iv)].max() > 0.01
    for mine, theirs in zip(found.slices, truth.slices, strict=True):
        assert mine.atm_vol == pytest.approx(theirs.atm_vol, abs=0.001)


def test_quotes_at_immediate_exercise_have_no_volatility_and_are_valued_at_the_smile(truth, quoted):
    deep = np.flatnonzero(~quoted.is_call & (quoted.strike > 130))
    bid, ask = quoted.bid.copy(), quoted.ask.copy()
    bid[deep], ask[deep] = quoted.strike[deep] - 100.005, quoted.strike[deep] - 99.995
    found = price_chain(replace(quoted, bid=bid, ask=ask), as_of=quoted.as_of, curve=CURVE, settings=SETTINGS)
    assert np.isnan(found.iv[deep]).all()
    assert np.isfinite(found.delta[deep]).all()


def test_european_chains_are_left_as_they_are(truth):
    chain = replace(truth.chain, european=np.ones(len(truth.chain), dtype=bool))
    forwards = parity_forwards(chain, usable=truth.good, curve=CURVE, settings=SETTINGS)
    assert without_early_exercise(chain, forwards, spot=100.0, usable=truth.good, settings=SETTINGS) is chain
