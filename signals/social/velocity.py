"""How loudly a ticker is talked about, against its own usual.

The usual is the mean of the trailing week, put on the clock of the crowd: each hour is weighed by how much is posted
in that hour of the week, and by how much all *other* tickers are talked about in that very hour. A rising tide is no
burst, nor is a feed that caught up on lost hours; and where the others are too few to tell, their weight shrinks to
the profile's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from domain.market import Series
from domain.units import Bools, Days, Floats, to_datetime64
from signals.history import Refusal

HOURS_A_WEEK = 168


@dataclass(frozen=True, slots=True)
class Velocity:
    """Mentions in a window against the usual there. `velocity` = observed / max(expected, 1)."""

    observed: float
    expected: float
    velocity: float
    z_score: float
    dispersion: float  # variance of the usual over a Poisson count's; at least 1
    tide: float  # how loud all others are in the window, 1 = as usual at that hour
    unit: str  # "posts in 24 hours", "posts a day"


def against_usual(
    *, observed: float, exposure: float, usual: Floats, exposures: Floats, rate: float | None = None
) -> tuple[float, float, float]:
    """Expected count, z-score and dispersion of `observed`, from counts `usual` (shape `(m,)`, m ≥ 2) of which each was
    made under its own exposure (`exposures`, shape `(m,)`, > 0), as `observed` was under `exposure`.

    A quasi-Poisson rate (Σ usual / Σ exposures unless given), variance = φ × mean with φ = Pearson's χ² / (m − 1), ≥ 1
    (McCullagh & Nelder, Generalized Linear Models, 1989, 6.2). One pseudo-mention keeps the variance off zero, and
    1 + 1/m counts the error of the rate itself: so 1 → 4 mentions is a z of 2.0, not the 3 or more that a quiet week's
    own deviation of nearly nothing would make of it.
    """
    rate = float(usual.sum()) / float(exposures.sum()) if rate is None else rate
    expected = rate * exposure
    fitted = rate * exposures
    dispersion = max(1.0, float(np.sum((usual - fitted) ** 2 / (fitted + 1.0))) / (len(usual) - 1))
    error = math.sqrt(dispersion * (expected + 1.0) * (1.0 + 1.0 / len(usual)))
    return expected, (observed - expected) / error, dispersion


def hourly_velocity(
    own: Floats,
    others: Floats,
    *,
    window_hours: int,
    baseline_days: int,
    tide_prior: float,
    min_known_share: float,
) -> Velocity | Refusal:
    """The last `window_hours` against the `baseline_days` before.

    `own` and `others` (shape `(h,)`, h ≥ window + 24 × baseline) are mentions of the ticker and posts that do not name
    it, by the hour *backwards*: [0] is the hour that ends now. NaN: not counted. Refuses when less than
    `min_known_share` of the window or of the baseline was counted.
    """
    reach = window_hours + 24 * baseline_days
    own, others = own[:reach], others[:reach]
    known = np.isfinite(own)
    now, before = slice(0, window_hours), slice(window_hours, reach)
    shares = {"window_known": float(known[now].mean()), "baseline_known": float(known[before].mean())}
    if len(own) < reach or min(shares.values()) < min_known_share:
        return Refusal("short_history", f"too few counted hours in {window_hours} hours or the week before", shares)
    others = np.where(known, np.nan_to_num(others), 0.0)
    own = np.where(known, own, 0.0)
    profile = hour_profile(own + others, known, before, tide_prior)
    typical = float(others[before].sum() / known[before].sum())
    exposure = np.where(known, (others + tide_prior * profile) / (typical + tide_prior), 0.0)
    slots = [slice(24 * day, 24 * day + window_hours) for day in range(1, baseline_days + 1)]
    slots = [slot for slot in slots if known[slot].mean() >= min_known_share]
    if len(slots) < 2:
        return Refusal("short_history", "the week before has too few days with counted hours", shares)
    usual, exposures = (np.array([row[slot].sum() for slot in slots]) for row in (own, exposure))
    observed = float(own[now].sum())
    expected, z, dispersion = against_usual(
        observed=observed,
        exposure=float(exposure[now].sum()),
        usual=usual,
        exposures=exposures,
        rate=float(own[before].sum() / exposure[before].sum()),  # all hours tell the level, like hours the scatter
    )
    usually_here = float((profile[now] * known[now]).sum())
    tide = (float(others[now].sum()) + tide_prior * usually_here) / ((typical + tide_prior) * usually_here)
    return Velocity(
        observed=observed,
        expected=expected,
        velocity=observed / max(expected, 1.0),
        z_score=z,
        dispersion=dispersion,
        tide=tide,
        unit=f"posts in {window_hours} hours" if window_hours > 1 else "posts in 1 hour",
    )


def hour_profile(crowd: Floats, known: Bools, baseline: slice, prior: float) -> Floats:
    """How busy each hour is, 1 = the baseline's mean hour (shape as `crowd`, hours backwards).

    The hour of the week, shrunk to the hour of the day by `prior` posts, and that to the mean hour: with one week of
    history every hour of the week stands in it once, which alone would be mostly noise.
    """
    mean = max(float(crowd[baseline].sum() / max(int(known[baseline].sum()), 1)), 1e-9)
    index = np.arange(len(crowd))
    counted = np.zeros(len(crowd), dtype=bool)
    counted[baseline] = known[baseline]
    flat = np.ones(len(crowd))
    by_day = _by_class(index % 24, crowd, counted, mean, prior, flat)
    return _by_class(index % HOURS_A_WEEK, crowd, counted, mean, prior, by_day)


def _by_class(kind: np.ndarray, crowd: Floats, counted: Bools, mean: float, prior: float, centre: Floats) -> Floats:
    posts = np.bincount(kind, weights=np.where(counted, crowd, 0.0))
    hours = np.bincount(kind, weights=counted.astype(np.float64))
    return np.asarray((posts[kind] + prior * centre) / (mean * hours[kind] + prior), dtype=np.float64)


def daily_velocity(
    series: Series, others: Sequence[Series] = (), *, baseline_days: int, tide_prior: float
) -> Velocity | Refusal:
    """The last day of a mention series against the `baseline_days` calendar days before it, each weighed by its kind of
    day (`weekend_factor`: crowds rest at weekends, and every Monday would be a burst) and by the other tickers' series.

    A day absent from such a series had no mention on record and counts as 0; a series that begins later is too short.
    """
    first, last = series.day[0], series.day[-1]
    reach = int((last - first).astype("timedelta64[D]").astype(np.int64))
    if reach < baseline_days:
        numbers = {"days": float(reach), "days_needed": float(baseline_days)}
        return Refusal("short_history", f"{series.name} reaches back {reach} days, {baseline_days} needed", numbers)
    days = np.arange(first, last + np.timedelta64(1, "D"))
    counts = _on(days, series)
    kind = weekend_factor(days[:-1], counts[:-1], days)[-1 - baseline_days :]
    counts = counts[-1 - baseline_days :]
    forum = np.sum([_on(days[-1 - baseline_days :], other) for other in others], axis=0) + np.zeros(len(counts))
    typical, prior = float(forum[:-1].mean()), 24 * tide_prior
    exposure = (forum + prior * kind) / (typical + prior)
    expected, z, dispersion = against_usual(
        observed=float(counts[-1]), exposure=float(exposure[-1]), usual=counts[:-1], exposures=exposure[:-1]
    )
    return Velocity(
        observed=float(counts[-1]),
        expected=expected,
        velocity=float(counts[-1]) / max(expected, 1.0),
        z_score=z,
        dispersion=dispersion,
        tide=float(exposure[-1] / kind[-1]),
        unit="posts a day",
    )


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


def hours_back(instants: Sequence[datetime], as_of: datetime, hours: int) -> Floats:
    """Counts by the hour backwards from `as_of`, shape `(hours,)`: [0] holds (as_of − 1 h, as_of]."""
    if not instants:
        return np.zeros(hours)
    end = as_of.timestamp()
    ages = np.floor((end - np.array([instant.timestamp() for instant in instants])) / 3600).astype(np.int64)
    return np.bincount(ages[(ages >= 0) & (ages < hours)], minlength=hours).astype(np.float64)


def series_back(series: Series, as_of: datetime, hours: int) -> Floats:
    """The same of an hourly series (`domain.market.hourly_mentions`), NaN where an hour was not counted. The hour that
    `as_of` stands in is over only when it is full, so [0] is the last full one.
    """
    end = to_datetime64(as_of).astype("datetime64[h]")
    ages = (end - series.day.astype("datetime64[h]")).astype(np.int64) - 1
    found = np.full(hours, np.nan)
    keep = (ages >= 0) & (ages < hours)
    found[ages[keep]] = series.value[keep]
    return found


def stuck(counts: Floats, *, repeats: int = 3) -> Bools:
    """Where a busy counter only repeats itself: marks the second and later of at least `repeats` equal hours in a row.
    A forum's total that stands still to the post is a feed that filled a hole with its last value.
    """
    same = np.concatenate(([False], (np.diff(counts) == 0) & (counts[1:] > 0)))
    marked = np.zeros(len(counts), dtype=bool)
    start = 0
    for at in range(1, len(counts) + 1):
        if at == len(counts) or not same[at]:
            if at - start >= repeats:
                marked[start + 1 : at] = True
            start = at
    return marked


def _on(days: Days, series: Series) -> Floats:
    counts = np.zeros(len(days))
    keep = (series.day >= days[0]) & (series.day <= days[-1])
    counts[np.searchsorted(days, series.day[keep])] = series.value[keep]
    return counts


def _is_weekend(days: Days) -> Bools:
    return np.asarray(~np.is_busday(days))
