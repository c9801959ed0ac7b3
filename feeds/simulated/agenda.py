"""Scheduled events of the simulated market: reports, dividends, rate decisions, inflation figures."""

from datetime import date, datetime, time, timedelta

import numpy as np

from domain.market import CalendarEvent
from domain.sessions import new_york, session_before, session_close, session_on_or_after
from domain.units import to_datetime64
from feeds.simulated.paths import Path
from feeds.simulated.timeline import Timeline, third_friday

_PAST_DAYS, _AHEAD_DAYS = 100, 400
_FOMC_MONTHS = (1, 3, 5, 6, 7, 9, 11, 12)
_REPORT_DELAY = timedelta(seconds=300)


def name_events(path: Path, line: Timeline, as_of: datetime) -> list[CalendarEvent]:
    """Reports and dividends of one name known at `as_of`.

    The date of a report is announced the day after the one before it, so that the next one is always known.
    Dividends are a quarter of the yearly yield, announced four weeks ahead.
    """
    ticker = path.name.ticker
    found = []
    reports = [line.day(int(index)) for index in np.flatnonzero(path.earnings)]
    for earlier, day in zip([None, *reports], reports, strict=False):
        announced = earlier or line.day(0)
        found.append(
            CalendarEvent(
                kind="earnings",
                ticker=ticker,
                at=session_close(day) + _REPORT_DELAY,
                known_at=new_york(announced + timedelta(days=1), time(8, 0)),
                title=f"{ticker} reports after the close",
            )
        )
    if path.name.dividend_yield > 0 and path.name.kind != "index":
        found += [_dividend(path, line, day) for day in _ex_days(path, as_of.date())]
    return _visible(found, as_of)


def market_events(as_of: datetime) -> list[CalendarEvent]:
    """Rate decisions and inflation figures known at `as_of`; their dates are public a year ahead."""
    found = []
    for year in range(as_of.year - 1, as_of.year + 2):
        for month in range(1, 13):
            print_day = session_on_or_after(date(year, month, 11))
            found.append(_scheduled("cpi", print_day, time(8, 30), "Consumer price index"))
            if month in _FOMC_MONTHS:
                decision = session_before(third_friday(year, month) - timedelta(days=1))
                found.append(_scheduled("fomc", decision, time(14, 0), "Federal Reserve rate decision"))
    return _visible(found, as_of)


def _scheduled(kind: str, day: date, at: time, title: str) -> CalendarEvent:
    known = new_york(date(day.year - 1, 1, 2), time(9, 0))
    return CalendarEvent.model_validate(
        {"kind": kind, "ticker": None, "at": new_york(day, at), "known_at": known, "title": title}
    )


def _ex_days(path: Path, today: date) -> list[date]:
    """Ex-dividend days around `today`: one a quarter, on a day of the month that depends on the name."""
    offset = sum(ord(letter) for letter in path.name.ticker)
    days = []
    for year in (today.year - 1, today.year, today.year + 1):
        days += [session_on_or_after(date(year, 3 * q + 1 + offset % 3, 5 + offset % 20)) for q in range(4)]
    return days


def _dividend(path: Path, line: Timeline, day: date) -> CalendarEvent:
    announced = new_york(day - timedelta(days=28), time(16, 30))
    known = max(int(np.searchsorted(line.close_known, to_datetime64(announced), side="right")) - 1, 0)
    amount = round(path.name.dividend_yield / 4 * float(path.close[min(known, len(path.close) - 1)]), 2)
    return CalendarEvent(
        kind="ex_dividend",
        ticker=path.name.ticker,
        at=new_york(day, time(9, 30)),
        known_at=announced,
        amount=amount,
        title=f"{path.name.ticker} trades without its dividend",
    )


def _visible(found: list[CalendarEvent], as_of: datetime) -> list[CalendarEvent]:
    first, last = as_of - timedelta(days=_PAST_DAYS), as_of + timedelta(days=_AHEAD_DAYS)
    return [event for event in found if event.known_at <= as_of and first <= event.at <= last]
