"""Layers: a fold over what was known; fading, promotion and demotion as the constants say."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.recall_layers import DEPTH, LEAST, MOST, STABILITY_DAYS, USEFUL_STEP, Feedback, layer_of, standing

BORN = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)
told = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from("abcdef"), st.booleans()).map(
        lambda one: Feedback(BORN + one[0] * DAY, one[1], one[2])
    ),
    max_size=12,
    unique_by=lambda one: one[:2],
)


@pytest.mark.parametrize(
    ("importance", "layer"),
    [(0.5, "short"), (0.6499, "short"), (0.65, "mid"), (0.8499, "mid"), (0.85, "long"), (1.0, "long")],
)
def test_a_memory_begins_in_the_layer_of_its_importance_and_fades_by_that_layers_days(importance, layer):
    stands = standing(importance, BORN, [], as_of=BORN + 10 * DAY)
    assert (stands.layer, stands.importance, stands.since) == (layer, importance, BORN)
    assert stands.recency == pytest.approx(math.exp(-10 / STABILITY_DAYS[layer]))


def test_proving_useful_promotes_and_begins_the_age_anew():
    useful = [Feedback(BORN + 20 * DAY, "a", True), Feedback(BORN + 30 * DAY, "b", True)]
    before = standing(0.58, BORN, useful, as_of=BORN + 29 * DAY)
    after = standing(0.58, BORN, useful, as_of=BORN + 31 * DAY)
    assert (before.layer, before.since) == ("short", BORN)
    assert (after.layer, after.since) == ("mid", BORN + 30 * DAY)
    assert after.recency > before.recency


def test_proving_useless_demotes_without_making_young():
    useless = [Feedback(BORN + day * DAY, "a", False) for day in (5, 6)]
    stands = standing(0.9, BORN, useless, as_of=BORN + 10 * DAY)
    assert (stands.layer, stands.since) == ("mid", BORN)
    assert stands.importance == pytest.approx(0.9 - 2 * USEFUL_STEP)


@given(told, st.floats(0.5, 1), st.integers(0, 500), st.randoms())
def test_a_standing_is_bounded_needs_no_order_and_knows_nothing_later(feedback, importance, day, random):
    as_of = BORN + day * DAY
    stands = standing(importance, BORN, feedback, as_of=as_of)
    assert LEAST <= stands.importance <= MOST
    assert 0 < stands.recency <= 1
    assert stands.layer == layer_of(stands.importance)
    shuffled = list(feedback)
    random.shuffle(shuffled)
    assert standing(importance, BORN, shuffled, as_of=as_of) == stands
    later = [*feedback, Feedback(as_of, "z", True), Feedback(as_of + DAY, "z", False)]
    assert standing(importance, BORN, later, as_of=as_of) == stands


@given(told, st.floats(0.5, 1))
def test_more_usefulness_never_means_a_shallower_layer(feedback, importance):
    as_of = BORN + 500 * DAY
    one = standing(importance, BORN, feedback, as_of=as_of)
    more = standing(importance, BORN, [*feedback, Feedback(BORN + 450 * DAY, "z", True)], as_of=as_of)
    assert DEPTH[more.layer] >= DEPTH[one.layer]
