"""When runs are due: slot arithmetic on New York trading sessions. Reads no clock.

A slot is a configured New York time on a session, within trading hours: times at or after an early close are dropped.
The misfire policy: of all slots that passed since the last look, only the latest may still run, and only within the
grace; the others are skipped and named, so that a sleeping machine wakes to one run and not to a crowd.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from domain.errors import ConfigError
from domain.record import Instant, Record
from domain.sessions import NEW_YORK, new_york, session_after, session_close, session_on_or_after, session_open

SEARCHED_SESSIONS = 10  # a time that falls into no session of two weeks never will


class Slot(Record):
    """One scheduled run. `name` is what the database keeps unique."""

    name: str  # New York, e.g. "2026-11-20T09:35"
    at: Instant


class Due(Record):
    """What one look at the clock found: the slot to run now, if any, and those that came too late."""

    slot: Slot | None = None
    skipped: tuple[Slot, ...] = ()


def slots_on(session: date, times: Sequence[time]) -> tuple[Slot, ...]:
    """The slots of one session, ascending. Raises `UsageError` for a day without trading."""
    opened, closed = session_open(session), session_close(session)
    planned = ((at, new_york(session, at)) for at in sorted(times))
    return tuple(
        Slot(name=f"{session}T{at:%H:%M}", at=instant) for at, instant in planned if opened <= instant < closed
    )


def next_slot(after: datetime, times: Sequence[time]) -> Slot:
    """The first slot strictly after `after`. Raises `ConfigError` when no time lies within trading hours."""
    day = session_on_or_after(after.astimezone(NEW_YORK).date())
    for _ in range(SEARCHED_SESSIONS):
        for slot in slots_on(day, times):
            if slot.at > after:
                return slot
        day = session_after(day)
    raise ConfigError(
        f"None of the schedule's times ({', '.join(f'{at:%H:%M}' for at in times)}) lies in trading hours.",
        remedy="Set schedule.times in desk.yaml to times from 09:30 to before 16:00.",
    )


def slots_between(after: datetime, until: datetime, times: Sequence[time]) -> tuple[Slot, ...]:
    """Slots later than `after` and not later than `until`, ascending."""
    found = []
    slot = next_slot(after, times)
    while slot.at <= until:
        found.append(slot)
        slot = next_slot(slot.at, times)
    return tuple(found)


def due_slot(now: datetime, times: Sequence[time], *, since: datetime, grace: timedelta) -> Due:
    """What is due at `now`, when the clock was last looked at at `since`; a slot exactly `grace` old still runs.

    A clock that was set back (`now` before `since`) makes nothing due again.
    """
    passed = slots_between(since, now, times)
    if passed and now - passed[-1].at <= grace:
        return Due(slot=passed[-1], skipped=passed[:-1])
    return Due(skipped=passed)


def start_of_day(now: datetime) -> datetime:
    """Midnight in New York: what a starting server looks back to, so that it names what the day has missed."""
    return new_york(now.astimezone(NEW_YORK).date(), time())
