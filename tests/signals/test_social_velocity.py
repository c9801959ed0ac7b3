from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.market import Series
from domain.sessions import next_midnight_known_at
from signals.history import Refusal
from signals.social.velocity import (
    against_usual,
    daily_velocity,
    hour_profile,
    hourly_velocity,
    hours_back,
    series_back,
    stuck,
    weekend_factor,
)

AS_OF = datetime(2021, 1, 22, 15, 0, tzinfo=UTC)
WEEK = 24 * 7


def series(days, values):
    day = np.array(days, dtype="datetime64[D]")
    return Series("mentions.GME", "posts a day", day, next_midnight_known_at(day), np.array(values, dtype=float))


def hourly(own, others=None, *, window=1, **more):
    own = np.asarray(own, dtype=float)
    others = np.zeros(len(own)) if others is None else np.asarray(others, dtype=float)
    chosen = {"baseline_days": 7, "tide_prior": 5.0, "min_known_share": 0.4, **more}
    return hourly_velocity(own, others, window_hours=window, **chosen)


def z(observed, usual, exposures=None):
    exposures = np.ones(len(usual)) if exposures is None else np.asarray(exposures, dtype=float)
    return against_usual(
        observed=float(observed), exposure=1.0, usual=np.asarray(usual, dtype=float), exposures=exposures
    )[1]


def test_one_to_four_mentions_is_no_spike_but_one_to_forty_is(settings):
    spike = settings.social.spike
    assert z(4, [1] * 7) == pytest.approx(1.98, abs=0.01)
    assert z(4, [1] * 7) < spike.z < z(40, [1] * 7)
    assert z(3, [0] * 7) < spike.z


def test_a_restless_week_needs_a_louder_burst_than_a_calm_one_of_the_same_mean():
    assert z(60, [20] * 7) > 2 * z(60, [0, 0, 0, 0, 0, 0, 140])


def test_a_day_that_was_counted_by_half_is_not_taken_for_a_quiet_one():
    half_counted = z(20, [20, 20, 20, 10], [1, 1, 1, 0.5])
    assert half_counted == pytest.approx(0.0, abs=1e-9)


@given(st.lists(st.integers(0, 500), min_size=2, max_size=14), st.integers(0, 500))
def test_more_mentions_never_give_a_lower_z(usual, observed):
    assert z(observed + 1, usual) > z(observed, usual)


def test_an_hour_is_measured_against_the_same_hour_not_against_the_night():
    morning = np.arange(WEEK + 1) % 24 == 0
    own = np.where(morning, 20.0, 1.0)
    own[0] = 24
    found = hourly(own, others=np.where(morning, 200, 10))
    assert found.expected == pytest.approx(20, rel=0.1)
    assert found.z_score < 1  # against the week's mean of 1.8 an hour it would be a burst of thirteen times


def test_alone_in_its_feed_a_ticker_is_its_own_crowd_and_keeps_the_forums_hours():
    own = np.where(np.arange(WEEK + 1) % 24 == 0, 200.0, 10.0)
    assert hourly(own).velocity == pytest.approx(1.0, rel=0.1)


def test_the_week_has_its_own_quiet_hours_beyond_those_of_the_day():
    crowd = np.where((np.arange(WEEK + 24) // 24) % 7 == 2, 5.0, 50.0)  # one day of the week is a Sunday
    profile = hour_profile(crowd, np.ones(len(crowd), dtype=bool), slice(24, None), 5.0)
    assert profile[50] < 0.3
    assert profile[30] > 0.9
    flat = hour_profile(np.zeros(WEEK), np.ones(WEEK, dtype=bool), slice(0, None), 5.0)
    assert np.allclose(flat, 1.0)


def test_a_rising_tide_is_no_burst_and_a_burst_in_a_falling_one_is():
    own, others = np.full(WEEK + 24, 10.0), np.full(WEEK + 24, 100.0)
    own[:24], others[:24] = 40, 400
    lifted = hourly(own, others, window=24)
    assert lifted.tide == pytest.approx(3.9, abs=0.1)
    assert lifted.velocity < 1.1
    others[:24] = 50
    assert hourly(own, others, window=24).velocity > 7


def test_a_handful_of_others_hardly_moves_what_is_expected():
    own, others = np.full(WEEK + 24, 10.0), np.full(WEEK + 24, 0.1)
    others[:24] = 0.4
    assert hourly(own, others, window=24).tide == pytest.approx(1.06, abs=0.01)


def test_hours_that_were_not_counted_are_neither_silence_nor_speech():
    own = np.full(WEEK + 24, 10.0)
    own[60:108] = np.nan  # two days lost
    found = hourly(own, window=24)
    assert found.expected == pytest.approx(240)
    assert found.z_score == pytest.approx(0, abs=1e-9)
    gone = own.copy()
    gone[:20] = np.nan
    refused = hourly(gone, window=24)
    assert isinstance(refused, Refusal)
    assert refused.numbers["window_known"] == pytest.approx(4 / 24)


def test_a_young_feed_and_a_holed_week_are_refused():
    young = np.full(WEEK + 1, np.nan)
    young[:48] = 3
    assert hourly(young).code == "short_history"
    holed = np.full(3 * 24 + 1, 5.0)
    holed[24::24] = np.nan  # the very hour that is looked at is missing on every day
    assert hourly(holed, baseline_days=3).code == "short_history"


def test_daily_counts_know_the_weekend_and_read_a_hole_as_silence():
    days = np.arange(np.datetime64("2020-12-01"), np.datetime64("2021-01-19"))
    values = np.where(np.is_busday(days), 70.0, 20.0)
    found = daily_velocity(series(days, values), baseline_days=7, tide_prior=5)
    assert found.velocity < 1.3  # Monday against the plain mean of a week would say 1.4 and more
    assert found.z_score < 1
    silent = daily_velocity(series([days[0], days[-1]], [0, 20]), baseline_days=7, tide_prior=5)
    assert silent.expected == 0.0


def test_daily_counts_rise_with_the_tide_of_all_other_tickers():
    days = np.arange(np.datetime64("2021-01-04"), np.datetime64("2021-01-16"))
    own, others = np.full(len(days), 100.0), np.full(len(days), 4000.0)
    own[-1], others[-1] = 300, 12_000
    lone = daily_velocity(series(days, own), baseline_days=7, tide_prior=5)
    among = daily_velocity(series(days, own), [series(days, others)], baseline_days=7, tide_prior=5)
    assert lone.velocity == pytest.approx(3.0)
    assert among.velocity == pytest.approx(1.0, abs=0.1)
    assert among.tide == pytest.approx(2.9, abs=0.1)


def test_a_young_series_is_refused_and_a_dead_one_has_no_weekend():
    found = daily_velocity(series(["2021-01-18", "2021-01-21"], [3, 40]), baseline_days=7, tide_prior=5)
    assert (found.code, found.numbers) == ("short_history", {"days": 3.0, "days_needed": 7.0})
    days = np.arange(np.datetime64("2021-01-01"), np.datetime64("2021-02-10"))
    assert np.all(weekend_factor(days, np.zeros(len(days)), days) == 1)


def test_hours_are_counted_backwards_from_the_instant():
    instants = [AS_OF - timedelta(minutes=minutes) for minutes in (0, 59, 61, 60 * 24)]
    assert hours_back(instants, AS_OF, 24).tolist() == [2, 1, *[0] * 22]
    assert hours_back([], AS_OF, 2).tolist() == [0, 0]


def test_an_hour_that_is_not_over_is_not_in_the_series():
    hours = np.array(["2021-01-22T13", "2021-01-22T14"], dtype="datetime64[h]").astype("datetime64[s]")
    counted = Series(
        "mentions.hour.GME", "posts an hour", hours, hours + np.timedelta64(3600, "s"), np.array([4.0, 7.0])
    )
    assert series_back(counted, AS_OF, 3)[:2].tolist() == [7.0, 4.0]
    half_past = AS_OF + timedelta(minutes=30)
    assert series_back(counted, half_past, 2).tolist() == [7.0, 4.0]
    assert np.isnan(series_back(counted, AS_OF + timedelta(hours=1), 2)[0])


def test_a_counter_that_repeats_itself_is_stuck_but_two_equal_hours_are_chance():
    assert stuck(np.array([5, 5, 7, 9, 9, 9, 9, 4, 0, 0, 0, 0])).tolist() == [
        False, False, False, False, True, True, True, False, False, False, False, False,
    ]  # fmt: skip
