"""Slot arithmetic: where calendars, clocks and sleeping machines set their traps."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.scheduler import due_slot, next_slot, slots_between, slots_on, start_of_day
from domain.errors import ConfigError, UsageError
from domain.sessions import NEW_YORK, is_session, session_close, session_open

TIMES = (time(9, 35), time(12, 0), time(15, 30))
GRACE = timedelta(minutes=15)


INSTANTS = st.integers(0, 7 * 365 * 86_400).map(
    lambda seconds: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def names(slots) -> list[str]:
    return [slot.name for slot in slots]


def test_a_session_has_its_three_slots_in_new_york_time():
    assert [(slot.name, slot.at) for slot in slots_on(date(2026, 11, 20), TIMES)] == [
        ("2026-11-20T09:35", utc("2026-11-20T14:35")),
        ("2026-11-20T12:00", utc("2026-11-20T17:00")),
        ("2026-11-20T15:30", utc("2026-11-20T20:30")),
    ]


def test_the_half_day_after_thanksgiving_drops_the_afternoon_slot_and_keeps_noon():
    assert names(slots_on(date(2026, 11, 27), TIMES)) == ["2026-11-27T09:35", "2026-11-27T12:00"]


def test_a_slot_exactly_at_the_early_close_is_dropped_and_one_a_minute_before_is_kept():
    assert names(slots_on(date(2026, 11, 27), (time(12, 59), time(13, 0)))) == ["2026-11-27T12:59"]


def test_slots_before_the_opening_bell_or_at_the_regular_close_are_dropped():
    times = (time(9, 29), time(9, 30), time(15, 59), time(16, 0))
    assert names(slots_on(date(2026, 11, 20), times)) == ["2026-11-20T09:30", "2026-11-20T15:59"]


def test_a_day_without_trading_has_no_slots_to_ask_for():
    with pytest.raises(UsageError, match="not a New York trading session"):
        slots_on(date(2026, 11, 26), TIMES)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(("2026-03-06T20:30", "2026-03-06T15:30"), ("2026-03-09T13:35", "2026-03-09T09:35"), id="spring"),
        pytest.param(("2026-10-30T19:30", "2026-10-30T15:30"), ("2026-11-02T14:35", "2026-11-02T09:35"), id="autumn"),
    ],
)
def test_over_a_change_of_clocks_the_slot_keeps_its_new_york_time(before, after):
    last = next_slot(utc(before[0]) - timedelta(minutes=1), TIMES)
    assert (last.at, last.name) == (utc(before[0]), before[1])
    first = next_slot(last.at, TIMES)
    assert (first.at, first.name) == (utc(after[0]), after[1])


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2026-11-25T20:30", "2026-11-27T09:35"),  # Thanksgiving lies between
        ("2026-11-27T17:00", "2026-11-30T09:35"),  # the half-day's noon was the last
        ("2026-11-21T02:00", "2026-11-23T09:35"),  # Saturday in UTC, Friday evening in New York
        ("2026-12-31T20:30", "2027-01-04T09:35"),  # New Year's Day is a Friday
        ("2026-11-20T14:34:59", "2026-11-20T09:35"),
        ("2026-11-20T14:35", "2026-11-20T12:00"),  # strictly after
    ],
)
def test_the_next_slot_skips_holidays_weekends_and_the_year_end(after, expected):
    assert next_slot(utc(after), TIMES).name == expected


def test_a_schedule_outside_trading_hours_is_refused_instead_of_searched_for_ever():
    with pytest.raises(ConfigError, match=r"17:00.*schedule\.times"):
        next_slot(utc("2026-11-20T14:35"), (time(17, 0),))


def test_a_slot_is_due_up_to_and_including_the_grace_and_not_a_second_later():
    since = utc("2026-11-20T14:00")
    at_grace = due_slot(utc("2026-11-20T14:50"), TIMES, since=since, grace=GRACE)
    assert (at_grace.slot.name, at_grace.skipped) == ("2026-11-20T09:35", ())
    too_late = due_slot(utc("2026-11-20T14:50:01"), TIMES, since=since, grace=GRACE)
    assert too_late.slot is None
    assert names(too_late.skipped) == ["2026-11-20T09:35"]


def test_a_missed_group_runs_once_its_latest_and_names_the_rest():
    due = due_slot(utc("2026-11-20T20:31"), TIMES, since=utc("2026-11-19T20:30"), grace=GRACE)
    assert due.slot.name == "2026-11-20T15:30"
    assert names(due.skipped) == ["2026-11-20T09:35", "2026-11-20T12:00"]


def test_slots_closer_together_than_the_grace_still_run_once():
    close = (time(10, 0), time(10, 5), time(10, 10))
    due = due_slot(utc("2026-11-20T15:12"), close, since=utc("2026-11-20T14:59"), grace=GRACE)
    assert due.slot.name == "2026-11-20T10:10"
    assert names(due.skipped) == ["2026-11-20T10:00", "2026-11-20T10:05"]


def test_without_grace_only_the_exact_instant_runs():
    since, grace = utc("2026-11-20T14:00"), timedelta(0)
    assert due_slot(utc("2026-11-20T14:35"), TIMES, since=since, grace=grace).slot is not None
    assert due_slot(utc("2026-11-20T14:35:01"), TIMES, since=since, grace=grace).slot is None


def test_a_clock_set_back_makes_no_slot_due_again():
    due = due_slot(utc("2026-11-20T14:36"), TIMES, since=utc("2026-11-20T15:36"), grace=GRACE)
    assert (due.slot, due.skipped) == (None, ())


def test_a_weekend_start_looks_back_to_new_yorks_midnight_and_finds_nothing():
    saturday = utc("2026-11-21T02:30")  # still Friday evening in New York
    assert start_of_day(saturday) == utc("2026-11-20T05:00")
    assert names(due_slot(saturday, TIMES, since=start_of_day(saturday), grace=GRACE).skipped) == [
        "2026-11-20T09:35",
        "2026-11-20T12:00",
        "2026-11-20T15:30",
    ]
    sunday = utc("2026-11-22T15:00")
    assert due_slot(sunday, TIMES, since=start_of_day(sunday), grace=GRACE).skipped == ()


@settings(max_examples=60)
@given(INSTANTS)
def test_every_next_slot_lies_ahead_within_hours_and_at_a_configured_time(after):
    slot = next_slot(after, TIMES)
    local = slot.at.astimezone(NEW_YORK)
    assert slot.at > after
    assert is_session(local.date())
    assert session_open(local.date()) <= slot.at < session_close(local.date())
    assert local.time() in TIMES
    assert slot.name == f"{local:%Y-%m-%dT%H:%M}"


@settings(max_examples=40)
@given(
    start=INSTANTS,
    steps=st.lists(st.integers(1, 3000), min_size=1, max_size=12),
)
def test_however_often_the_clock_is_looked_at_each_slot_is_met_exactly_once(start, steps):
    met, now = [], start
    for minutes in steps:
        later = now + timedelta(minutes=minutes)
        due = due_slot(later, TIMES, since=now, grace=GRACE)
        met += [*due.skipped, *([due.slot] if due.slot else [])]
        now = later
    assert met == list(slots_between(start, now, TIMES))
