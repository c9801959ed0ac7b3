"""Windows of Google Trends, and how they are chained to one comparable series. Pure.

Google scales each answer to the peak of the window that was asked for, so two answers are not comparable. Windows
that overlap are: on the days they share they show the same searches on two scales, and the ratio of their sums over
those days is the factor between them. A ratio of sums, not a mean of ratios: values are whole numbers from 0 to 100,
and a day at 1 may really have been 0.5 or 1.5.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
from pydantic import Field

from domain.market import Series
from domain.record import Instant, Record
from domain.units import Floats, to_datetime64
from feeds.trends.settings import TrendsSettings

ANCHOR = date(2020, 1, 1)  # windows begin on a fixed grid, so that a finished one is asked for only once
PEAK = 100.0


class Window(Record):
    """One answer: interest in `term` on `days`, whole ones only, 0 to 100 of the window's peak, known from then on."""

    term: str
    geo: str
    start: date
    end: date  # asked for; the last days may be missing
    fetched_at: Instant
    days: tuple[date, ...]
    values: tuple[int, ...] = Field(default=())


def plan(today: date, settings: TrendsSettings) -> tuple[tuple[date, date], ...]:
    """First and last day of each window that covers the wanted history up to `today`, ascending.

    Consecutive windows share `overlap_days`. A new one is begun only when it shares them all with the one before:
    until then the old one grows, for a window of a few days would be answered by the hour.
    """
    step = settings.window_days - settings.overlap_days
    latest = ((today - ANCHOR).days + 1 - settings.overlap_days) // step
    first = max((today - ANCHOR).days - settings.history_days, 0) // step
    spans = []
    for number in range(min(first, latest), latest + 1):
        start = ANCHOR + timedelta(days=number * step)
        spans.append((start, min(start + timedelta(days=settings.window_days - 1), today)))
    return tuple(spans)


def chained(windows: Sequence[Window], name: str) -> Series | None:
    """Windows of one term as one series in percent of its own peak; None when none has any interest.

    Of several answers for one window the latest counts. Where two windows share no day with interest the earlier
    ones are dropped: no factor could be told. A day is known from the first answer that had it whole.
    """
    latest = {window.start: window for window in sorted(windows, key=lambda each: each.fetched_at)}
    joined: dict[date, float] = {}
    for window in sorted(latest.values(), key=lambda each: each.start):
        fresh = {day: float(value) for day, value in zip(window.days, window.values, strict=True)}
        shared = sorted(joined.keys() & fresh.keys())
        before, now = sum(joined[day] for day in shared), sum(fresh[day] for day in shared)
        if not fresh:
            continue
        if not joined or not before or not now:
            joined = fresh
            continue
        # The later scale is kept, so that the newest values are Google's own figures.
        joined = {day: value * now / before for day, value in joined.items() if day not in fresh} | fresh
    peak = max(joined.values(), default=0.0)
    if not peak:
        return None
    known: dict[date, np.datetime64] = {}
    for window in sorted(windows, key=lambda each: each.fetched_at):
        for day in window.days:
            known.setdefault(day, to_datetime64(window.fetched_at))
    days = sorted(joined)
    return Series(
        name,
        "percent of its own peak",
        np.array(days, dtype="datetime64[D]"),
        np.array([known[day] for day in days], dtype="datetime64[s]"),
        np.array([joined[day] for day in days]) * PEAK / peak,
    )


def summed(parts: Sequence[Series], name: str) -> Series | None:
    """Several terms of one ticker as one series: the mean over the terms on the days that all of them have."""
    if not parts:
        return None
    days = parts[0].day
    for part in parts[1:]:
        days = np.intersect1d(days, part.day)
    if not len(days):
        return None
    places = [np.searchsorted(part.day, days) for part in parts]
    value: Floats = np.mean([part.value[at] for part, at in zip(parts, places, strict=True)], axis=0)
    known = np.max([part.known_at[at] for part, at in zip(parts, places, strict=True)], axis=0)
    return Series(name, parts[0].unit, days, known, value * PEAK / value.max() if value.max() else value)
