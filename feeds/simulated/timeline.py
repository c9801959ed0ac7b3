"""The simulated calendar: sessions of the real New York calendar, run slots, and scheduled events' dates."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np

from domain.errors import UsageError
from domain.sessions import (
    NEW_YORK,
    close_known_at,
    is_session,
    new_york,
    next_morning_known_at,
    session_after,
    session_before,
    session_close,
    session_of,
    session_on_or_after,
    session_open,
)
from domain.units import Days, Instants
from feeds.simulated.settings import SimulatedSettings


@dataclass(frozen=True, eq=False)
class Timeline:
    """All sessions from the start of the history to the last one, shape `(n,)`; `first` is the epoch's index."""

    days: Days
    close_known: Instants
    index_close_known: Instants
    next_morning: Instants
    first: int

    def position(self, day: date) -> int:
        """Index of the session `day`."""
        return int(np.searchsorted(self.days, np.datetime64(day)))

    def day(self, index: int) -> date:
        """The session at `index`."""
        found: date = self.days[index].astype(object)
        return found


def timeline(settings: SimulatedSettings) -> Timeline:
    """Lay out history and future around the epoch."""
    start = session_on_or_after(settings.epoch)
    history, day = [], start
    for _ in range(settings.history_sessions):
        day = session_before(day)
        history.append(day)
    future, day = [], start
    for _ in range(settings.sessions):
        future.append(day)
        day = session_after(day)
    days = np.array([*reversed(history), *future], dtype="datetime64[D]")
    return Timeline(
        days=days,
        close_known=close_known_at(days),
        index_close_known=close_known_at(days, index_close=True),
        next_morning=next_morning_known_at(days),
        first=settings.history_sessions,
    )


def check_instant(as_of: datetime, line: Timeline) -> int:
    """Index of the session that contains `as_of`. Raises `UsageError` outside sessions and outside the calendar."""
    first, last = line.day(line.first), line.day(len(line.days) - 1)
    if as_of < session_open(first):
        raise UsageError(
            f"The simulated market has nothing before {first}.",
            remedy=f"Ask for an instant from {session_open(first)} on.",
        )
    if as_of > session_close(last):
        raise UsageError(
            f"The simulated calendar ends on {last}.",
            remedy="Ask for an earlier instant or raise `sessions` in simulated.yaml.",
        )
    day = session_of(as_of)
    if day is None:
        following = session_after(as_of.astimezone(NEW_YORK).date() - timedelta(days=1))
        if session_close(following) < as_of:
            following = session_after(following)
        raise UsageError(
            f"New York does not trade at {as_of:%Y-%m-%d %H:%M} UTC, so every quote would be stale.",
            remedy=f"The next session is {following}, from {session_open(following):%H:%M} UTC.",
        )
    return line.position(day)


def first_instant(settings: SimulatedSettings) -> datetime:
    """The first run slot of the simulated calendar."""
    return new_york(session_on_or_after(settings.epoch), min(settings.slots))


def next_slot(after: datetime, times: Sequence[time]) -> datetime:
    """The first run slot strictly after `after`: New York `times` on sessions, those past an early close left out."""
    if not times:
        raise UsageError("The simulated calendar has no slots.", remedy="Give at least one New York time.")
    day = session_on_or_after(after.date() - timedelta(days=1))
    while True:
        for at in sorted(times):
            instant = new_york(day, at)
            if instant > after and session_of(instant) == day:
                return instant
        day = session_after(day)


def third_friday(year: int, month: int) -> date:
    """The third Friday of a month, session or not."""
    first = date(year, month, 1)
    return first + timedelta(days=(4 - first.weekday()) % 7 + 14)


def listed_expiry(day: date) -> date:
    """The session on which options dated around `day` really expire: the one before, on a holiday."""
    return day if is_session(day) else session_before(day)
