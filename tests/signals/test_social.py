from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.market import Headline, Post, Series
from domain.sessions import next_midnight_known_at
from signals.social import (
    author_share,
    daily_velocity,
    distinct,
    engagement,
    hourly_velocity,
    mood,
    z_score,
)

AS_OF = datetime(2021, 1, 22, 15, 0, tzinfo=UTC)


def post(number, *, hours=0.5, text=None, author="a", score=None, comments=None, sentiment=None):
    at = AS_OF - timedelta(hours=hours)
    return Post(
        id=f"p{number}",
        source="reddit",
        channel="wsb",
        author=author,
        published_at=at,
        known_at=at,
        text=f"text {number}" if text is None else text,
        tickers=("GME",),
        score=score,
        comments=comments,
        sentiment=sentiment,
    )


def series(days, values):
    day = np.array(days, dtype="datetime64[D]")
    return Series("mentions.GME", "posts a day", day, next_midnight_known_at(day), np.array(values, dtype=float))


def test_one_to_four_is_no_spike_and_forty_is(settings):
    assert z_score(4, [1] * 7) == pytest.approx(3 / np.sqrt(2 * 8 / 7))
    assert z_score(4, [1] * 7) < settings.social.z_spike
    assert z_score(4, [0] * 7) < 4
    assert z_score(40, [1] * 7) > settings.social.z_spike


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=30), st.integers(0, 10_000))
def test_z_is_never_larger_than_the_poisson_floor_allows_and_rises_with_the_count(history, observed):
    mean, count = np.mean(history), len(history)
    found = z_score(observed, history)
    assert abs(found) <= abs(observed - mean) / np.sqrt((mean + 1) * (1 + 1 / count)) + 1e-9
    assert z_score(observed + 1, history) > found


def test_a_wild_baseline_makes_the_same_burst_less_surprising():
    assert z_score(60, [10] * 7) > z_score(60, [0, 0, 0, 0, 0, 0, 70])


def test_days_without_mentions_count_as_zero_not_as_absent():
    found = daily_velocity(series(["2021-01-10", "2021-01-20", "2021-01-21"], [3, 7, 40]), baseline_days=7)
    assert found.expected == 1.0
    assert found.velocity == 40.0
    assert found.unit == "posts a day"


def test_every_monday_is_not_a_burst():
    days = [str(np.datetime64("2020-11-30") + n) for n in range(43)]  # ends on Monday 2021-01-11
    counts = [6 if np.datetime64(day).astype(object).weekday() >= 5 else 60 for day in days]
    found = daily_velocity(series(days, counts), baseline_days=7)
    assert found.velocity < 1.3  # the plain mean would say 1.7
    assert found.z_score < 1
    silent = daily_velocity(series([days[0], days[-1]], [0, 20]), baseline_days=7)
    assert silent.expected == 0.0


def test_a_young_series_is_refused():
    found = daily_velocity(series(["2021-01-18", "2021-01-21"], [3, 40]), baseline_days=7)
    assert (found.code, found.numbers) == ("short_history", {"days": 3.0, "days_needed": 7.0})


def test_an_hour_is_measured_against_the_same_hour_not_against_the_night():
    usual = [post(f"{day}-{n}", hours=24 * day + 0.5) for day in range(1, 8) for n in range(20)]
    now = [post(f"now{n}") for n in range(22)]
    since = AS_OF - timedelta(days=8)
    found = hourly_velocity([*usual, *now], AS_OF, since=since, baseline_days=7, window_hours=1)
    assert (found.observed, found.expected) == (22.0, 20.0)
    assert found.z_score < 1  # against a 24-hour mean of 0.8 an hour it would be a burst
    late = hourly_velocity(now, AS_OF, since=AS_OF - timedelta(days=2), baseline_days=7, window_hours=1)
    assert late.code == "short_history"


def test_copies_are_one_voice_and_the_earliest_counts():
    first, copy = post(1, hours=3, text="GME to the MOON!!"), post(2, text="gme to the moon")
    assert distinct([copy, first, first]) == (first,)
    assert len(distinct([post(3, text=""), post(4, text="")])) == 2  # no text is no copy


def test_author_share_is_unknown_without_authors():
    assert author_share([post(1, author=None)]) is None
    assert author_share([post(n, author="one") for n in range(4)]) == 0.25


def test_mood_weighs_by_engagement_shrinks_few_and_ignores_the_unscored():
    loud, quiet = post(1, score=1_000, comments=500, sentiment=0.9), post(2, sentiment=-0.9)
    assert engagement(loud) < 20
    found = mood([quiet, loud, post(3)], shrink_texts=2)
    assert found.texts == 2
    assert found.evidence == ("p1", "p2")
    assert 0.2 < found.mean < 0.45
    assert mood([post(3)], shrink_texts=2).texts == 0


def test_negative_scores_do_not_break_the_weight():
    assert engagement(post(1, score=-50)) == 1.0


def test_headlines_weigh_the_same():
    rows = [
        Headline(
            id=f"h{n}", source="s", published_at=AS_OF, known_at=AS_OF, text="t", tickers=("GME",), sentiment=value
        )
        for n, value in enumerate((0.5, -0.1))
    ]
    assert mood(rows, shrink_texts=2).mean == pytest.approx(0.2 * 2 / 4)


def spikes(found, settings):
    chosen = settings.social
    return (
        found.velocity > chosen.velocity_spike
        and found.z_score > chosen.z_spike
        and found.observed >= chosen.min_mentions
    )


@pytest.mark.shared_data
def test_gme_triggers_before_its_price_peak_and_a_quiet_ticker_does_not(shared_data, settings):
    import pandas as pd

    hours = pd.read_csv(shared_data / "reddit_wsb" / "gme_hourly_activity_2020_04_2021_02.csv.gz")
    daily = (
        hours.assign(day=hours.hour.str[:10]).groupby("day").agg(n=("cnt_gme_post", "sum"), high=("high_price", "max"))
    )
    peak = daily.high.idxmax()
    window = daily.loc["2021-01-04":peak]
    fired = [
        day
        for day in window.index
        if spikes(
            daily_velocity(
                series(list(daily.index[: daily.index.get_loc(day) + 1]), daily.n[: daily.index.get_loc(day) + 1]),
                baseline_days=7,
            ),
            settings,
        )
    ]
    print("GME first fired", fired[0], "price peak", peak)
    assert fired[0] < peak

    rows = pd.read_csv(shared_data / "reddit_wsb" / "mention_counts_2018_2025.csv").query("ticker == 'SPY'")
    quiet = rows[rows.date.between("2020-10-01", peak)]
    days, counts = quiet.date.to_list(), quiet.mentions.to_list()
    fired = [
        days[at]
        for at in range(12, len(days))
        if spikes(daily_velocity(series(days[: at + 1], counts[: at + 1]), baseline_days=7), settings)
    ]
    assert fired == []
