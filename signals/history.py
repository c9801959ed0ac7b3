"""A measure's own past: is it long, fresh and unbroken enough, and where in it does today stand."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from domain.market import Bars, Series
from domain.sessions import NEW_YORK
from domain.units import Days, Floats


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a measure has no value: the code and numbers of an abstention."""

    code: str
    detail: str
    numbers: dict[str, float] = field(default_factory=dict)


def unbroken_start(day: Days, *, max_gap_days: int) -> int:
    """Index at which the last stretch without a hole of more than `max_gap_days` calendar days begins.

    `day` ascending, shape `(n,)`, `datetime64[D]`. Windows must not roll across a hole in the data.
    """
    holes = np.flatnonzero(np.diff(day).astype("timedelta64[D]").astype(np.int64) > max_gap_days)
    return int(holes[-1]) + 1 if len(holes) else 0


def age_days(day: Days, as_of: datetime) -> int:
    """Calendar days in New York from the last of `day` to `as_of`."""
    today = np.datetime64(as_of.astimezone(NEW_YORK).date())
    return int((today - day[-1]).astype("timedelta64[D]").astype(np.int64))


def recent_series(
    series: Series | None, name: str, as_of: datetime, *, max_gap_days: int, max_age_days: int, min_days: int = 1
) -> Series | Refusal:
    """The last unbroken stretch of `series` known at `as_of`, or why it cannot be used."""
    if series is None:
        return Refusal("no_history", f"the snapshot has no series {name}")
    known = series.known_by(as_of)
    fault = _fault(known.day, name, as_of, max_age_days)
    if fault:
        return fault
    start = unbroken_start(known.day, max_gap_days=max_gap_days)
    days = len(known) - start
    if days < min_days:
        return _short(name, days, min_days)
    return Series(
        name=known.name,
        unit=known.unit,
        day=known.day[start:],
        known_at=known.known_at[start:],
        value=known.value[start:],
    )


def recent_bars(
    bars: Bars | None, ticker: str, as_of: datetime, *, max_gap_days: int, max_age_days: int, min_bars: int
) -> Bars | Refusal:
    """The last unbroken stretch of `bars` known at `as_of`, at least `min_bars` long and with every close present,
    or why it cannot be used.
    """
    name = f"bars of {ticker}"
    if bars is None:
        return Refusal("no_history", f"the snapshot has no {name}")
    known = bars.known_by(as_of)
    fault = _fault(known.day, name, as_of, max_age_days)
    if fault:
        return fault
    start = unbroken_start(known.day, max_gap_days=max_gap_days)
    length = len(known) - start
    if length < min_bars:
        return _short(name, length, min_bars)
    bad = int(np.sum(~(np.isfinite(known.close[start:]) & (known.close[start:] > 0))))
    if bad:
        return Refusal("bad_bars", f"{bad} closes among the {name} are missing or not positive", {"bad_closes": bad})
    return Bars(
        ticker=known.ticker,
        day=known.day[start:],
        known_at=known.known_at[start:],
        open=known.open[start:],
        high=known.high[start:],
        low=known.low[start:],
        close=known.close[start:],
        volume=known.volume[start:],
        adjusted_as_of=known.adjusted_as_of,
    )


def share_below(history: Floats, current: float, *, min_days: int, window_days: int) -> float | Refusal:
    """Percentile: share of the last `window_days` of `history` (shape `(n,)`, today not included) strictly below
    `current`, in [0, 1]. Refuses with fewer than `min_days` days. Raises `ValueError` on NaN.
    """
    past = trailing(history, current, min_days=min_days, window_days=window_days)
    return past if isinstance(past, Refusal) else float(np.mean(past < current))


def trailing(history: Floats, current: float, *, min_days: int, window_days: int) -> Floats | Refusal:
    """The last `window_days` of `history`; refuses fewer than `min_days`, raises `ValueError` on NaN or infinity."""
    past = history[-window_days:]
    if not (np.isfinite(past).all() and np.isfinite(current)):
        raise ValueError("history and current value must be finite")
    return past if len(past) >= min_days else _short("history", len(past), min_days)


def _fault(day: Days, name: str, as_of: datetime, max_age_days: int) -> Refusal | None:
    if not len(day):
        return Refusal("no_history", f"nothing of {name} was known by {as_of:%Y-%m-%d %H:%M}Z")
    age = age_days(day, as_of)
    if age > max_age_days:
        numbers = {"age_days": float(age), "max_age_days": float(max_age_days)}
        return Refusal("stale_history", f"{name} ends {day[-1]}, {age} days old (limit {max_age_days})", numbers)
    return None


def _short(name: str, days: int, needed: int) -> Refusal:
    numbers = {"days": float(days), "days_needed": float(needed)}
    return Refusal("short_history", f"{name}: {days} days without a gap, {needed} needed", numbers)
