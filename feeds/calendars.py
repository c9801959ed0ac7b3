"""Calendars of events: what is scheduled, and for whom nothing is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from domain.errors import DataError
from domain.market import CalendarEvent
from feeds.importers.listings import COVERAGE
from feeds.importers.presets import recognise
from feeds.importers.table import read_table

MARKET = ""  # stands for the whole market where tickers are listed
_LOOK_BACK = timedelta(days=800)


@dataclass(frozen=True)
class Agenda:
    """Events knowable at an instant, and the tickers (`MARKET` for the market) whose calendar is complete."""

    events: tuple[CalendarEvent, ...]
    known: frozenset[str]


class EventCalendar(Protocol):
    """Where scheduled events come from."""

    def agenda(self, as_of: datetime, tickers: Sequence[str]) -> Agenda:
        """Events of `tickers` and of the market that were known at `as_of`. Absence from `known` means unknown."""
        ...


@dataclass(frozen=True)
class FixedCalendar:
    """A calendar from imported rows, coverage rows included."""

    rows: tuple[CalendarEvent, ...]

    def agenda(self, as_of: datetime, tickers: Sequence[str]) -> Agenda:
        """A ticker is covered while a coverage row says so, or while its next earnings date is known; the market
        while its next FOMC date is.
        """
        wanted = {*tickers, MARKET}
        known = [row for row in self.rows if row.known_at <= as_of and (row.ticker or MARKET) in wanted]
        covered = {row.ticker or MARKET for row in known if row.at >= as_of and _vouches(row)}
        events = [row for row in known if row.title != COVERAGE and row.at >= as_of - _LOOK_BACK]
        return Agenda(
            events=tuple(sorted(events, key=lambda row: (row.at, row.ticker or MARKET, row.kind, row.title))),
            known=frozenset(covered),
        )


def calendar_from_file(path: Path) -> FixedCalendar:
    """Calendar CSV (`kind,ticker,at,known_at[,amount,title]`) for feeds without a library.

    Raises `DataError` naming the file when it is something else.
    """
    try:
        table = read_table(path.name, path.read_bytes())
    except OSError as error:
        raise DataError(f"The calendar {path} cannot be read ({error.strerror}).") from error
    preset = recognise(table)
    if preset.name != "calendar":
        raise DataError(f"{path.name} is {preset.title}, not a calendar of events.", remedy="Give the calendar's file.")
    return FixedCalendar(preset.read(table).events)


def _vouches(row: CalendarEvent) -> bool:
    if row.title == COVERAGE:
        return True
    return row.kind == ("earnings" if row.ticker else "fomc")
