"""Google Trends' time line as a window: pure, and refusing what is not one value from 0 to 100 a day."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

from domain.errors import DataError
from feeds.trends.windows import Window


def parse_window(
    answer: Mapping[str, Any], *, term: str, geo: str, start: date, end: date, fetched_at: datetime
) -> Window:
    """The whole days of an answer; days still running (`isPartial`) are left out. No row at all: too few searches.

    Raises `DataError` for another resolution than the day, days outside the window, and values outside 0 to 100.
    """
    try:
        rows = answer["default"]["timelineData"]
        whole = [row for row in rows if not _partial(row)]
        instants = [int(row["time"]) for row in whole]
        values = tuple(_value(row) for row in whole)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(f"Google Trends' time line for {term!r} cannot be read ({error}).") from error
    days = tuple(datetime.fromtimestamp(instant, tz=UTC).date() for instant in instants)
    steps = {(later - earlier).days for earlier, later in pairwise(days)}
    if steps - {1} or any(instant % 86_400 for instant in instants):
        raise DataError(f"Google Trends answered {term!r} not by the day; the window of {start} to {end} is not used.")
    if days and not start <= days[0] <= days[-1] <= end:
        raise DataError(f"Google Trends answered {term!r} for {days[0]} to {days[-1]} instead of {start} to {end}.")
    return Window(term=term, geo=geo, start=start, end=end, fetched_at=fetched_at, days=days, values=values)


def _partial(row: Mapping[str, Any]) -> bool:
    return row.get("isPartial") in (True, "true", "True")


def _value(row: Mapping[str, Any]) -> int:
    (value,) = row["value"]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100:
        raise ValueError(f"the value {value!r} is no whole number from 0 to 100")
    return value
