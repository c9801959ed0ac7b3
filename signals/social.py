"""How loudly a ticker is talked about, against its own usual, and in which mood."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from domain.market import Headline, Post, Series
from domain.units import Bools, Days, Floats
from signals.history import Refusal


@dataclass(frozen=True, slots=True)
class Velocity:
    """Mentions now against the usual. `velocity` = observed / max(expected, 1); `z_score` has a Poisson floor."""

    observed: float
    expected: float
    velocity: float
    z_score: float
    unit: str  # "posts an hour" or "posts a day"


@dataclass(frozen=True, slots=True)
class Mood:
    """Mean sentiment of scored texts in [−1, 1], weighted by engagement and shrunk towards 0 when they are few."""

    mean: float
    texts: int
    evidence: tuple[str, ...]  # ids of the weightiest, heaviest first


def z_score(observed: float, history: Sequence[float]) -> float:
    """How far `observed` lies above its usual, in standard deviations.

    The deviation is the sample's own, but never less than a Poisson count's whose mean (plus one pseudo-mention) was
    itself estimated from n periods: √((μ + 1)(1 + 1/n)). So 1 → 4 mentions is 2.0, not the 3 or more that a quiet
    week's own deviation of nearly nothing would make of it.
    """
    counts = np.asarray(history, dtype=np.float64)
    mean = float(counts.mean())
    floor = math.sqrt((mean + 1.0) * (1.0 + 1.0 / len(counts)))
    deviation = float(counts.std(ddof=1)) if len(counts) > 1 else 0.0
    return (observed - mean) / max(deviation, floor)


def daily_velocity(series: Series, *, baseline_days: int) -> Velocity | Refusal:
    """The last day of a mention series against the mean of the `baseline_days` calendar days before it, each weighed
    by its kind of day (`weekend_factor`): crowds rest at weekends, and every Monday would be a burst.

    A day absent from such a series had no mention on record and counts as 0; a series that begins later is too short.
    """
    first, last = series.day[0], series.day[-1]
    reach = int((last - first).astype("timedelta64[D]").astype(np.int64))
    if reach < baseline_days:
        numbers = {"days": float(reach), "days_needed": float(baseline_days)}
        return Refusal("short_history", f"{series.name} reaches back {reach} days, {baseline_days} needed", numbers)
    days = np.arange(first, last + np.timedelta64(1, "D"))
    counts = np.zeros(len(days))
    counts[np.searchsorted(days, series.day)] = series.value
    kind = weekend_factor(days[:-1], counts[:-1], days)
    usual = counts[-1 - baseline_days : -1] / kind[-1 - baseline_days : -1] * kind[-1]
    return _velocity(float(counts[-1]), usual.tolist(), "posts a day")


def weekend_factor(past: Days, counts: Floats, days: Days) -> Floats:
    """How busy each of `days` (shape `(m,)`) usually is relative to the average day, from the last 8 weeks of `past`
    (`counts` of the same shape); 1 throughout with less than 4 weeks. A quarter of the average day is the least.
    """
    if len(past) < 28:
        return np.ones(len(days))
    past, counts = past[-56:], counts[-56:]
    resting, mean = _is_weekend(past), float(counts.mean())
    if mean == 0:
        return np.ones(len(days))
    factor = np.where(_is_weekend(days), counts[resting].mean(), counts[~resting].mean()) / mean
    return np.asarray(np.maximum(factor, 0.25), dtype=np.float64)


def hourly_velocity(
    posts: Sequence[Post], as_of: datetime, *, since: datetime, baseline_days: int, window_hours: int
) -> Velocity | Refusal:
    """Posts published in the `window_hours` before `as_of` against the same hours of each of the `baseline_days` days
    before. Crowds keep hours: measured against the mean of the whole week every American morning would be a burst.

    With seven days each weekday stands in the profile once. `since` is the instant from which the source's posts are
    complete; if the profile starts before it, refuses.
    """
    start = as_of - timedelta(days=baseline_days, hours=window_hours)
    if since > start:
        days = (as_of - since).total_seconds() / 86_400
        numbers = {"days": days, "days_needed": float(baseline_days)}
        return Refusal("short_history", f"posts reach back {days:.1f} days, {baseline_days} needed", numbers)
    times = [post.published_at for post in posts]
    counts = [
        float(_within(times, as_of - timedelta(days=day), window_hours)) / window_hours
        for day in range(baseline_days + 1)
    ]
    return _velocity(counts[0], counts[1:], "posts an hour")


def distinct(posts: Sequence[Post]) -> tuple[Post, ...]:
    """One post per id and per text (case, spaces and punctuation aside): copies are one voice. Of copies the earliest
    counts; ordered by publication, then id.
    """
    seen: set[str] = set()
    kept: list[Post] = []
    for post in sorted(posts, key=lambda post: (post.published_at, post.id)):
        text = "".join(letter for letter in post.text.casefold() if letter.isalnum())
        keys = {f"id:{post.source}:{post.id}"} | ({f"text:{text}"} if text else set())
        if not keys & seen:
            kept.append(post)
        seen |= keys
    return tuple(kept)


def author_share(posts: Sequence[Post]) -> float | None:
    """Distinct authors over posts that name one, in (0, 1]; None where no author is known."""
    authors = [post.author for post in posts if post.author]
    return len(set(authors)) / len(authors) if authors else None


def engagement(item: Post | Headline) -> float:
    """Weight of a text: 1 + ln(1 + score) + ln(1 + comments), so that a thousand upvotes are not a thousand votes."""
    if isinstance(item, Headline):
        return 1.0
    return 1.0 + math.log1p(max(item.score or 0, 0)) + math.log1p(max(item.comments or 0, 0))


def mood(items: Sequence[Post] | Sequence[Headline], *, shrink_texts: float, cite: int = 10) -> Mood:
    """Engagement-weighted mean sentiment of the scored items × n / (n + `shrink_texts`). Unscored ones are left out,
    not read as neutral.
    """
    scored = sorted(
        ((engagement(item), item.id, item.sentiment) for item in items if item.sentiment is not None),
        key=lambda row: (-row[0], row[1]),
    )
    count = len(scored)
    if not count:
        return Mood(mean=0.0, texts=0, evidence=())
    weight = math.fsum(row[0] for row in scored)
    mean = math.fsum(row[0] * row[2] for row in scored) / weight
    return Mood(
        mean=mean * count / (count + shrink_texts), texts=count, evidence=tuple(row[1] for row in scored[:cite])
    )


def _velocity(observed: float, history: Sequence[float], unit: str) -> Velocity:
    expected = math.fsum(history) / len(history)
    return Velocity(
        observed=observed,
        expected=expected,
        velocity=observed / max(expected, 1.0),
        z_score=z_score(observed, history),
        unit=unit,
    )


def _is_weekend(days: Days) -> Bools:
    return np.asarray(~np.is_busday(days))


def _within(times: Sequence[datetime], end: datetime, hours: int) -> int:
    start = end - timedelta(hours=hours)
    return sum(start < time <= end for time in times)
