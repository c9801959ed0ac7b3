"""Calendars: unknown is not 'no event', and nothing is known before it was announced."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.errors import DataError
from feeds.calendars import MARKET, EventCalendar, FixedCalendar, calendar_from_file

CALENDAR = """kind,ticker,at,known_at,amount,title
earnings,NVDA,2026-02-25T21:20:00Z,2026-01-30T14:00:00Z,,Q4
earnings,NVDA,2025-11-19T21:20:00Z,2025-10-30T14:00:00Z,,Q3
ex_dividend,AAPL,2026-02-09T14:30:00Z,2026-01-29T21:30:00Z,0.26,
fomc,,2026-03-18T18:00:00Z,2025-06-01T14:00:00Z,,March
coverage,SPY,2026-06-30T00:00:00Z,2026-01-01T00:00:00Z,,
"""


@pytest.fixture
def calendar(tmp_path: Path) -> EventCalendar:
    path = tmp_path / "calendar.csv"
    path.write_text(CALENDAR)
    return calendar_from_file(path)


def test_only_announced_events_are_seen_and_only_covered_tickers_are_known(calendar: EventCalendar) -> None:
    agenda = calendar.agenda(datetime(2026, 2, 12, 15, tzinfo=UTC), ["NVDA", "AAPL", "SPY", "TSLA"])
    assert [(event.ticker, event.kind) for event in agenda.events] == [
        ("NVDA", "earnings"),
        ("AAPL", "ex_dividend"),
        ("NVDA", "earnings"),
        (None, "fomc"),
    ]
    assert agenda.known == {"NVDA", "SPY", MARKET}, "a dividend alone does not vouch for AAPL's earnings"


def test_planted_breach_the_announcement_is_invisible_a_second_before_it(calendar: EventCalendar) -> None:
    announced = datetime(2026, 1, 30, 14, tzinfo=UTC)
    before = calendar.agenda(announced.replace(minute=0, hour=13, second=59), ["NVDA"])
    assert [event.title for event in before.events] == ["Q3", "March"]
    assert "NVDA" not in before.known
    assert "NVDA" in calendar.agenda(announced, ["NVDA"]).known


def test_a_calendar_that_ended_is_unknown_again_and_other_tickers_stay_out(calendar: EventCalendar) -> None:
    agenda = calendar.agenda(datetime(2026, 7, 1, tzinfo=UTC), ["SPY"])
    assert agenda.known == frozenset()
    assert {event.ticker for event in agenda.events} == {None}


def test_an_empty_calendar_knows_nothing() -> None:
    assert FixedCalendar(()).agenda(datetime(2026, 7, 1, tzinfo=UTC), ["SPY"]).known == frozenset()


def test_another_file_is_refused_as_a_calendar(tmp_path: Path) -> None:
    (tmp_path / "closes.csv").write_text("ticker,date,close\nAAPL,2026-08-06,200\n")
    with pytest.raises(DataError, match="not a calendar"):
        calendar_from_file(tmp_path / "closes.csv")
    with pytest.raises(DataError, match="cannot be read"):
        calendar_from_file(tmp_path / "absent.csv")
