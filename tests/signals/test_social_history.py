"""History replayed: the signal goes off before the price does, and seldom for nothing."""

from datetime import date

import pytest

from benchmarks import social_history, social_records
from tests.support.analyst_cases import signal_settings


@pytest.fixture(scope="module")
def gme(shared_data):
    """The hourly counts and every day read from them: ten seconds that two tests share."""
    path = shared_data / "reddit_wsb" / "gme_hourly_activity_2020_04_2021_02.csv.gz"
    counts = social_records.hourly(path)
    return counts, list(social_history.gme_days(path, counts, signal_settings()))


@pytest.mark.shared_data
def test_gme_fires_two_weeks_before_its_peak_with_a_third_of_the_plain_rules_false_days(gme, settings):
    counts, days = gme
    assert social_history.print_gme(days, counts, settings)
    right = [day for day in days if day.squeeze and day.conviction > social_history.FIRES]
    assert right[0].day <= date(2021, 1, 13)
    false = [day for day in days if not day.squeeze and day.conviction > social_history.FIRES]
    assert len(false) * 3 <= sum(day.plain for day in days if not day.squeeze) == 28


@pytest.mark.shared_data
def test_a_quiet_ticker_does_not_fire_in_the_weeks_of_the_squeeze(shared_data, settings):
    days = social_records.quiver_days(shared_data / "reddit_wsb", settings.social)
    spy = [day for day in days if day.ticker == "SPY" and date(2020, 10, 1) <= day.day <= date(2021, 1, 28)]
    assert len(spy) > 100
    assert not any(social_history.loud(day, settings.social) for day in spy)


@pytest.mark.shared_data
def test_thresholds_are_those_that_the_odd_weeks_choose(gme, shared_data, settings):
    folder = shared_data / "reddit_wsb"
    days = [
        *gme[1],
        *social_records.quiver_days(folder, settings.social),
        *social_records.top_days(folder, settings.social),
    ]
    assert social_history.print_choice(days, settings.social) == settings.social.spike.z_full
