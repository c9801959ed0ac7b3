"""Situations as vectors and words: bounded, the same each time, silent about names and dates."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.experience import Situation
from domain.regime import Regime
from domain.signals import EDGE_AXIS
from signals.situation import FEATURES, described, features
from tests.support.experience import part, situation


@given(
    st.lists(st.tuples(st.sampled_from(sorted(EDGE_AXIS)), st.floats(-1, 1)), max_size=8),
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.sampled_from(list(Regime)),
)
def test_every_situation_is_a_finite_unit_vector_and_a_sentence(parts, price, vol, regime):
    contributions = tuple(part(edge, value) for edge, value in parts)
    one = Situation(composite=situation(price, vol, contributions=contributions), regime=regime)
    assert features(one).shape == (len(FEATURES),)
    assert math.isclose(np.linalg.norm(features(one)), 1.0)
    assert described(one) == described(one.model_copy())
    assert len(described(one)) < 2_000


def test_contributions_of_one_edge_add_up_and_the_regime_is_one_of_four():
    parts = (part("trend", 0.25), part("trend", 0.5), part("iv_rich", -0.1))
    one = Situation(composite=situation(contributions=parts), regime="crisis")
    vector = dict(zip(FEATURES, features(one), strict=True))
    assert math.isclose(vector["edge.trend"] / vector["price_score"], 1.5)
    assert [vector[f"regime.{regime}"] > 0 for regime in Regime] == [False, False, False, True]
    assert "Evidence: trend +0.75, iv rich -0.10." in described(one)


def test_likeness_is_of_situations_not_of_names_or_dates():
    one = Situation(composite=situation(ticker="GME"), regime="neutral")
    other = Situation(composite=situation(ticker="SPY", at=one.composite.as_of.replace(year=2020)), regime="neutral")
    assert described(one) == described(other)
    assert np.array_equal(features(one), features(other))
    assert not any(word in described(one) for word in ("GME", "2026"))


def test_scores_near_zero_lean_nowhere():
    words = described(Situation(composite=situation(0.01, -0.5), regime="high_vol"))
    assert words.startswith("Regime high vol. undecided on price (+0.01), implied volatility rich (-0.50).")
    assert "no edge" in words
