"""Scores of forecasts against textbook values and against their own meaning."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio.forecasts import Forecast
from signals.calibration import brier, calibrate, curve, log_score, wilson

AT = datetime(2026, 3, 2, tzinfo=UTC)


def forecast(probability, happened, *, name="flow", kind="source"):
    return Forecast(
        kind=kind, name=name, order_id="O-1", probability=probability, happened=happened, known_at=AT
    )  # fmt: skip


def test_scores_of_a_worked_example():
    found = [forecast(0.7, True), forecast(0.2, False), forecast(0.9, False)]
    assert brier(found) == pytest.approx((0.09 + 0.04 + 0.81) / 3)
    assert log_score(found) == pytest.approx(-(math.log(0.7) + math.log(0.8) + math.log(0.1)) / 3)


def test_saying_one_half_scores_a_quarter_and_ln_two_and_a_certain_miss_stays_finite():
    coin = [forecast(0.5, True), forecast(0.5, False)]
    assert brier(coin) == 0.25
    assert log_score(coin) == pytest.approx(math.log(2))
    assert log_score([forecast(1.0, False)]) == pytest.approx(-math.log(0.001))


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_the_curve_counts_every_forecast_once_and_keeps_each_in_its_bin(pairs):
    points = curve([forecast(*pair) for pair in pairs])
    assert sum(point.count for point in points) == len(pairs)
    for point in points:
        assert point.low - 1e-12 <= point.probability <= point.high + 1e-12
        assert point.rate_low <= point.rate <= point.rate_high


def test_the_true_probability_scores_best_in_expectation():
    """Both scores are proper: 70 of 100, foretold at 0.7, beats any other constant."""
    best = {}
    for said in (0.5, 0.6, 0.7, 0.8, 0.9):
        found = [forecast(said, number < 70) for number in range(100)]
        best[said] = (brier(found), log_score(found))
    assert min(best, key=lambda said: best[said][0]) == min(best, key=lambda said: best[said][1]) == 0.7


def test_wilson_is_the_textbook_interval():
    assert wilson(7, 10) == pytest.approx((0.3968, 0.8922), abs=1e-4)
    assert wilson(0, 5)[0] == 0.0


def test_one_row_a_voice_with_skill_over_its_own_rate():
    rows = calibrate(
        [forecast(0.9, True), forecast(0.1, False), forecast(0.6, True, name="llm", kind="engine")]
    )  # fmt: skip
    assert [(row.kind, row.name, row.count, row.hits) for row in rows] == [
        ("engine", "llm", 1, 1),
        ("source", "flow", 2, 2),
    ]
    assert rows[1].skill == pytest.approx(1 - 0.01 / 0.25)
    assert rows[0].skill == 0.0, "one outcome has no climate to beat"
    assert calibrate([]) == ()
