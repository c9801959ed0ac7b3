"""Google Trends against a local server with its junk, cookies and scales: one comparable series, politely fetched."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import DataError, StorageFull
from domain.market import search_interest
from domain.units import to_datetime64
from feeds.trends.cache import TrendsCache
from feeds.trends.parse import parse_window
from feeds.trends.settings import TrendsSettings
from feeds.trends.source import TrendsSource
from feeds.trends.windows import ANCHOR, Window, chained, plan, summed
from tests.support.trends_server import JSON, trends_server

NOW = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)
DAY = timedelta(days=1)
NAME = search_interest("GME")
HTML = {"Content-Type": "text/html"}


class HandClock:
    def __init__(self):
        self.at = NOW

    def now(self):
        return self.at


@pytest.fixture
def site():
    with trends_server() as server:
        server.searches = {"gamestop": lambda day: 50.0 + day.weekday(), "game stop": lambda day: 10.0}
        yield server


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def source_of(site, clock, tmp_path):
    def build(terms=None, **changes):
        values = {"history_days": 400, "spacing_seconds": 0.0, "backoff_seconds": 0.0, "timeout_seconds": 2.0} | changes
        settings = TrendsSettings(terms=terms or {"GME": ("gamestop",)}, base_url=site.base_url, **values)
        return TrendsSource(settings, TrendsCache(tmp_path), clock)

    return build


def codes(harvest):
    return [(note.code, note.subject) for note in harvest.notes]


async def test_windows_are_chained_to_the_scale_of_one_although_google_scales_each_to_its_own_peak(source_of, site):
    spike = date(2026, 1, 15)
    site.searches["gamestop"] = lambda day: 1000.0 if day == spike else 50.0 + 40 * (day > date(2026, 6, 1))
    harvest = await source_of().fetch()
    assert (harvest.items, harvest.notes, harvest.complete) == (3, (), ("GME",))
    series = source_of().series(("GME", "AMC"), NOW)[NAME]
    value = dict(zip(series.day.astype(object), series.value, strict=True))
    assert value[spike] == 100.0
    assert value[date(2025, 12, 1)] == pytest.approx(5.0, abs=0.3)
    assert value[date(2026, 11, 19)] == pytest.approx(9.0, abs=0.6)
    assert (np.diff(series.day).astype(int) == 1).all()
    assert series.day[-1] == np.datetime64("2026-11-19")  # the running day is partial


async def test_a_second_visit_asks_nothing_until_the_growing_window_is_old_and_then_only_for_that(
    source_of, site, clock
):
    await source_of().fetch()
    site.requests.clear()
    assert (await source_of().fetch()).requests == 0
    clock.at, site.today = NOW + DAY, site.today + DAY
    harvest = await source_of().fetch()
    assert harvest.items == 1
    assert site.asked("multiline") == ["gamestop 2026-05-29 2026-11-21"]
    assert source_of().series(["GME"], clock.at)[NAME].day[-1] == np.datetime64("2026-11-20")


async def test_no_value_is_known_before_it_was_fetched(source_of, clock):
    await source_of().fetch()
    assert source_of().series(["GME"], NOW - timedelta(seconds=1)) == {}
    series = source_of().series(["GME"], NOW)[NAME]
    assert (series.known_at == to_datetime64(NOW)).all()
    clock.at = NOW + DAY
    await source_of().fetch()
    grown = source_of().series(["GME"], clock.at)[NAME]
    assert len(source_of().series(["GME"], NOW)[NAME]) == len(series)
    assert grown.known_at[-1] == to_datetime64(NOW)  # the day was whole in the first answer already


async def test_terms_of_one_ticker_are_one_series_on_the_days_that_all_have(source_of):
    source = source_of({"GME": ("gamestop", "game stop")})
    await source.fetch()
    series = source.series(["GME"], NOW)[NAME]
    assert series.value.max() == 100.0
    assert series.value.min() > 80.0  # the flat term, at its own peak all the time, softens the weekly wave


async def test_one_term_that_cannot_be_read_never_stops_the_others(source_of, site):
    site.searches["nothing"] = lambda day: 0.0
    site.without_series = {"game stop"}
    source = source_of({"A": ("game stop",), "B": ("gamestop",), "C": ("nothing",)}, history_days=60)
    harvest = await source.fetch()
    assert set(codes(harvest)) == {("unreadable", "game stop"), ("no_interest", "nothing")}
    assert harvest.complete == ("B",)
    assert sorted(source.series(("A", "B", "C"), NOW)) == [search_interest("B")]


async def test_an_answer_without_a_time_series_is_not_given_the_former_terms_one(source_of, site):
    site.without_series = {"zzz"}
    site.searches["zzz"] = lambda day: 1.0
    source = source_of({"GME": ("gamestop",), "Z": ("zzz",)}, history_days=60)
    harvest = await source.fetch()  # pytrends alone would answer "zzz" with the series of "gamestop"
    assert ("unreadable", "zzz") in codes(harvest)
    assert source.series(["Z"], NOW) == {}


async def test_too_many_requests_pauses_longer_each_time_and_later_processes_keep_the_pause(source_of, site, clock):
    busy = (429, b"<html>slow down</html>", HTML)
    site.faults["multiline"] = [busy, busy]
    first = await source_of().fetch()
    assert codes(first) == [("closed", "trends")]
    asked = len(site.requests)
    clock.at = NOW + timedelta(minutes=9)
    assert codes(await source_of().fetch()) == [("closed", "trends")]
    assert len(site.requests) == asked
    clock.at = NOW + timedelta(minutes=10)
    await source_of().fetch()
    assert len(site.requests) > asked
    clock.at = NOW + timedelta(minutes=29)
    assert codes(await source_of().fetch()) == [("closed", "trends")]
    clock.at = NOW + timedelta(minutes=30)
    assert (await source_of().fetch()).notes == ()
    site.faults["explore"] = [(429, b"", {"Retry-After": "3600"})]
    clock.at = NOW + 2 * DAY
    assert codes(await source_of().fetch()) == [("closed", "trends")]
    clock.at += timedelta(minutes=59)
    assert codes(await source_of().fetch()) == [("closed", "trends")]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((500, b"", HTML), "feed_down"),
        ((403, b"", HTML), "feed_down"),
        ((302, b"", {"Location": "/trends/nowhere"}), "feed_down"),
        ((200, b')]}\',\n{"default": {"timeli', JSON), "unreadable"),
        ((200, b"<html>unusual traffic</html>", HTML), "unreadable"),
        ((200, b')]}\',\n{"default": {}}', JSON), "unreadable"),
    ],
)
async def test_a_broken_answer_is_a_note_and_the_other_windows_are_fetched(source_of, site, answer, code):
    site.faults["multiline"] = [answer]
    site.faults["nowhere"] = [(404, b"", HTML)]
    harvest = await source_of(attempts=1).fetch()
    assert (codes(harvest), harvest.items, harvest.complete) == ([(code, "gamestop")], 2, ())


async def test_a_passing_fault_is_asked_again_and_the_cookie_goes_along(source_of, site):
    site.faults["multiline"] = [(503, b"", HTML)]
    assert (await source_of(history_days=60).fetch()).notes == ()
    assert all("NID=5" in cookie for path, _, cookie in site.requests if "/api/" in path)


async def test_a_host_that_does_not_answer_is_one_note(tmp_path, clock):
    settings = TrendsSettings(terms={"GME": ("gamestop",)}, base_url="http://127.0.0.1:9/trends", attempts=1)
    harvest = await TrendsSource(settings, TrendsCache(tmp_path), clock).fetch()
    assert (codes(harvest), harvest.complete) == ([("feed_down", "trends")], ())


async def test_a_visit_asks_for_no_more_windows_than_allowed_and_the_next_goes_on(source_of):
    assert [(await source_of(requests_a_visit=2).fetch()).items for _ in range(3)] == [2, 1, 0]


async def test_a_damaged_file_of_the_cache_counts_as_not_there(source_of, tmp_path):
    await source_of().fetch()
    first = min(tmp_path.glob("*/*.json"))
    first.write_bytes(first.read_bytes()[:50])
    assert (await source_of().fetch()).items == 1


def answered(*rows):
    return {"default": {"timelineData": list(rows)}}


def row(day, value, **more):
    return {"time": str(int(datetime(2026, 11, day, tzinfo=UTC).timestamp())), "value": [value]} | more


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({}, "cannot be read"),
        (answered(row(1, 101)), "0 to 100"),
        (answered(row(1, -1)), "0 to 100"),
        (answered(row(1, True)), "0 to 100"),
        (answered(row(1, "<1")), "0 to 100"),
        (answered(row(1, 5) | {"value": [1, 2]}), "cannot be read"),
        (answered(row(1, 5), row(8, 5)), "not by the day"),
        (answered(row(2, 5), row(1, 5)), "not by the day"),
        (answered(row(1, 5) | {"time": "1763600001"}), "not by the day"),
        (answered(row(9, 5), row(10, 5), row(11, 5)), "instead of"),
    ],
)
def test_a_time_line_of_another_kind_is_refused(answer, says):
    span = {"term": "x", "geo": "", "start": date(2026, 11, 1), "end": date(2026, 11, 10), "fetched_at": NOW}
    with pytest.raises(DataError, match=says):
        parse_window(answer, **span)


@given(st.integers(100, 4000), st.integers(60, 900))
def test_the_plan_covers_the_history_with_windows_that_overlap_and_are_answered_by_the_day(age, history):
    settings = TrendsSettings(history_days=history)
    today = ANCHOR + age * DAY
    spans = plan(today, settings)
    assert spans[-1][1] == today
    assert spans[0][0] <= max(today - history * DAY, ANCHOR)
    for (start, end), (following, _) in pairwise(spans):
        assert (end - following).days + 1 == settings.overlap_days
        assert (end - start).days + 1 == settings.window_days
    assert settings.overlap_days <= (spans[-1][1] - spans[-1][0]).days + 1 <= 269


def window(start, values, fetched=NOW):
    days = tuple(start + n * DAY for n in range(len(values)))
    return Window(term="x", geo="", start=start, end=days[-1], fetched_at=fetched, days=days, values=tuple(values))


FIRST = date(2026, 1, 1)


@given(st.floats(0.05, 1.0), st.lists(st.integers(20, 100), min_size=30, max_size=60))
def test_chaining_finds_the_factor_between_two_scales_whatever_it_is(factor, values):
    """Within the rounding of whole numbers: half a point a day on either scale, so 1 in 40 of values of 20 and more."""
    second = [round(value * factor) for value in values]
    cut = len(values) // 3
    series = chained([window(FIRST, values), window(FIRST + cut * DAY, second[cut:])], NAME)
    expected = np.array(values) / max(values) * 100
    assert series.value == pytest.approx(expected, rel=0.06 + 0.6 / (20 * factor), abs=1.0)


def test_windows_that_share_no_interest_are_not_chained_and_the_later_one_stands_alone():
    zero = chained([window(FIRST, [0] * 9 + [5]), window(FIRST + 5 * DAY, [0, 0, 0, 0, 0, 80, 40])], NAME)
    assert zero.day[0] == np.datetime64(FIRST + 5 * DAY)
    assert zero.value.max() == 100.0
    assert chained([window(FIRST, [0] * 10)], NAME) is None
    assert chained([], NAME) is None


def test_of_two_answers_for_one_window_the_later_counts():
    again = window(FIRST, [50, 100], NOW + DAY)
    assert chained([again, window(FIRST, [100, 50])], NAME).value.tolist() == [50.0, 100.0]


def test_series_without_a_common_day_are_not_summed():
    one, two = chained([window(FIRST, [1, 2])], NAME), chained([window(FIRST + 9 * DAY, [1, 2])], NAME)
    assert summed([one, two], NAME) is None
    assert summed([], NAME) is None


def test_an_answer_that_cannot_be_kept_is_said_so_with_what_to_do(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder of the cache should be")
    with pytest.raises(StorageFull, match="cannot be kept") as caught:
        TrendsCache(tmp_path / "cache").keep(window(FIRST, [1, 2]))
    assert "Make room" in caught.value.remedy


def test_settings_refuse_what_would_be_answered_by_the_week_or_the_hour():
    for wrong in ({"window_days": 300}, {"overlap_days": 5}, {"overlap_days": 200}, {"geo": "usa"}):
        with pytest.raises(ValueError, match=r"days|geo"):
            TrendsSettings(**wrong)
