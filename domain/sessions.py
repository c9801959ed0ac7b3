"""New York trading sessions (XNYS) and the instants that follow from them. Reads no clock."""

import warnings
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np

from domain.errors import UsageError
from domain.units import Days, Instants, to_datetime64

NEW_YORK = ZoneInfo("America/New_York")
FIRST_DAY = date(2000, 1, 1)
LAST_DAY = date(2040, 12, 31)
INDEX_CLOSE = time(16, 15)
NEXT_MORNING = time(9, 0)
AM_SETTLEMENT = time(9, 30)
REGULAR_CLOSE = time(16, 0)


@lru_cache(maxsize=1)
def _xnys() -> Any:
    import exchange_calendars

    with warnings.catch_warnings():
        # exchange_calendars 4.13 reads Series.values, which pandas 3.1 announces to change; harmless here.
        warnings.simplefilter("ignore", DeprecationWarning)
        return exchange_calendars.get_calendar("XNYS", start=FIRST_DAY.isoformat(), end=LAST_DAY.isoformat())


@lru_cache(maxsize=1)
def _table() -> tuple[Days, Instants, Instants]:
    """Session days with their open and close instants (UTC), each shape `(n_sessions,)`."""
    schedule = _xnys().schedule
    days = schedule.index.to_numpy().astype("datetime64[D]")
    opens = schedule["open"].dt.tz_convert(None).to_numpy().astype("datetime64[s]")
    closes = schedule["close"].dt.tz_convert(None).to_numpy().astype("datetime64[s]")
    return days, opens, closes


def _position(day: date) -> int:
    """Index of the first session on or after `day`."""
    if not FIRST_DAY <= day <= LAST_DAY:
        raise UsageError(f"{day} is outside the trading calendar ({FIRST_DAY} to {LAST_DAY}).")
    return int(np.searchsorted(_table()[0], np.datetime64(day)))


def is_session(day: date) -> bool:
    """Whether New York trades on `day`."""
    position = _position(day)
    days = _table()[0]
    return position < len(days) and bool(days[position] == np.datetime64(day))


def session_on_or_after(day: date) -> date:
    """`day` itself if it is a session, else the next one."""
    return _as_date(_table()[0][_position(day)])


def session_after(day: date) -> date:
    """The first session strictly after `day`."""
    return session_on_or_after(day + timedelta(days=1))


def session_before(day: date) -> date:
    """The last session strictly before `day`."""
    return _as_date(_table()[0][_position(day) - 1])


def session_open(day: date) -> datetime:
    """Opening instant of the session on `day`; raises `UsageError` if there is none."""
    return _bound(day, 1)


def session_close(day: date) -> datetime:
    """Closing instant of the session on `day` (13:00 New York on half-days); raises `UsageError` if there is none."""
    return _bound(day, 2)


def is_half_day(day: date) -> bool:
    """Whether the session on `day` closes early."""
    return is_session(day) and session_close(day).astimezone(NEW_YORK).time() < REGULAR_CLOSE


def session_of(instant: datetime) -> date | None:
    """The session whose regular hours contain `instant`, its exact open and close included; else None."""
    day = instant.astimezone(NEW_YORK).date()
    if not is_session(day):
        return None
    return day if session_open(day) <= instant <= session_close(day) else None


def sessions_between(start: datetime, end: datetime) -> int:
    """Session closes after `start` and at or before `end`; 0 if `end` is not later."""
    closes = _table()[2]
    first, last = (np.searchsorted(closes, to_datetime64(instant), side="right") for instant in (start, end))
    return max(int(last - first), 0)


def expiry_instant(expiry: date, *, am_settled: bool) -> datetime:
    """Instant at which a contract's value is fixed.

    16:00 New York (the early close on a half-day); 09:30 for AM-settled index options. An expiry dated on a
    day without a session (old Saturday expiries, holidays) settles at the previous session.
    """
    day = expiry if is_session(expiry) else session_before(expiry)
    if am_settled:
        return new_york(day, AM_SETTLEMENT)
    return session_close(day)


def new_york(day: date, at: time) -> datetime:
    """`at` on `day` in New York, as a UTC instant."""
    return datetime.combine(day, at, tzinfo=NEW_YORK).astimezone(UTC)


def close_known_at(days: Days, *, index_close: bool = False) -> Instants:
    """Instants from which closes dated `days` (shape `(n,)`, `datetime64[D]`) may be used.

    The session's close, half-days included; 16:15 New York for the VIX family and index closes
    (`index_close`). Days without a session (vendor rows on holidays) count as 16:00, respectively 16:15.
    """
    return np.array([_close_known_at(day.astype(object), index_close) for day in days], dtype="datetime64[s]")


def next_morning_known_at(days: Days) -> Instants:
    """09:00 New York of the session after each of `days`: put/call ratios, DIX/GEX, yields, fed funds."""
    return np.array([_next_morning(day.astype(object)) for day in days], dtype="datetime64[s]")


def next_midnight_known_at(days: Days) -> Instants:
    """Next 00:00 UTC: posts and mention counts that carry a day but no time."""
    return np.asarray((days + np.timedelta64(1, "D")).astype("datetime64[s]"))


@lru_cache(maxsize=65_536)
def _close_known_at(day: date, index_close: bool) -> np.datetime64:
    if index_close:
        instant = new_york(day, INDEX_CLOSE)
    elif day >= FIRST_DAY and is_session(day):
        instant = session_close(day)
    else:
        instant = new_york(day, REGULAR_CLOSE)
    return np.datetime64(instant.replace(tzinfo=None), "s")


@lru_cache(maxsize=65_536)
def _next_morning(day: date) -> np.datetime64:
    following = session_after(day) if day >= FIRST_DAY else day + timedelta(days=1)
    return np.datetime64(new_york(following, NEXT_MORNING).replace(tzinfo=None), "s")


def _bound(day: date, column: int) -> datetime:
    if not is_session(day):
        raise UsageError(
            f"{day} is not a New York trading session.", remedy=f"The next one is {session_on_or_after(day)}."
        )
    instant = _table()[column][_position(day)]
    return datetime.fromtimestamp(int(instant.astype(np.int64)), tz=UTC)


def _as_date(day: np.datetime64) -> date:
    return cast("date", day.astype(object))
