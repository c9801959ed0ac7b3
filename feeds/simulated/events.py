"""The stories planted in the simulated market, week by week.

Every single name lives through the same thirteen weeks, each name one week later than the one before it in the
roster; thirteen names therefore show every story in every week. Weeks count from the Monday of the epoch's week
and begin on Monday; a state change is complete by the Friday close before. Indices and ETFs have no stories of
their own, but the whole market has a stress week in every twenty-six and put/call extremes in between.

| week | story | what is in the numbers |
|---|---|---|
| 0 | quiet | the earnings reaction of week 12 has passed; implied volatility is back to normal |
| 1 | `iv_cheap` | implied volatility at the bottom of its year, realised unchanged |
| 2-4 | `trend_up` (week 4) | steady rise with little noise; more call volume, kind posts and headlines |
| 5 | `iv_rich` | implied volatility at the top of its year, realised unchanged; from Friday on a crowd talks: |
| | | kind posts, tenfold and more over the weekend, while price and volumes are quiet |
| 6 | `squeeze` | mentions up to thirtyfold by Wednesday from many authors; volatility stays high; calls rich, five |
| | | times usual, crowded 3-12 % out of the money: by noon more than twice the open interest there; the |
| | | price waits until Tuesday, then breaks out by about 15 % until Friday |
| 7 | quiet | most of the squeeze is given back, mentions fade |
| 8 | `skew_rich` | puts rich: the smile's tilt far below its history |
| 9-10 | `trend_down` (week 10) | steady fall, more puts, sour posts and headlines |
| 11 | `put_call_extreme` | put volume four times usual with calls below usual |
| 12 | `backwardation` | short-dated implied volatility far above long-dated; earnings on Thursday after the close |
"""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from domain.units import Bools, Days, Floats
from feeds.simulated.settings import SimulatedName, SimulatedSettings

CYCLE_WEEKS = 13
EARNINGS_WEEK = 12
STRESS_EVERY_WEEKS = 26
STRESS_WEEK = 17
PUT_CALL_EVERY_WEEKS = 6


class Story(StrEnum):
    """What is planted in a name in one week."""

    QUIET = "quiet"
    IV_CHEAP = "iv_cheap"
    TREND_UP = "trend_up"
    IV_RICH = "iv_rich"
    SQUEEZE = "squeeze"
    SKEW_RICH = "skew_rich"
    TREND_DOWN = "trend_down"
    PUT_CALL_EXTREME = "put_call_extreme"
    BACKWARDATION = "backwardation"


@dataclass(frozen=True)
class Week:
    """One week of the script. `drift` is the log return added on Monday to Friday; the rest are targets that replace
    the state (None: left alone) or multiples of the quiet level.
    """

    story: Story = Story.QUIET
    level: float | None = None  # log of implied volatility over its long-run value
    slope: float | None = None  # log of short-dated over long-dated volatility
    rho: float | None = None  # SSVI tilt
    drift: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    noise: float = 1.0  # multiple of the idiosyncratic noise
    calls: float = 1.0  # multiple of call volume
    puts: float = 1.0
    mentions: tuple[float, ...] = (1.0,) * 7  # multiple of posts, Monday to Sunday
    kind: float | tuple[float, ...] = 0.55  # share of opinionated posts and headlines that are favourable; by day


_RISING = Week(drift=(0.009,) * 5, noise=0.35, calls=1.3, kind=0.65)
_FALLING = Week(drift=(-0.0155,) * 5, noise=0.35, puts=1.3, kind=0.35)
# Drifts of the thirteen weeks add up to nothing, so that prices keep their order of magnitude over the years.
SCRIPT: tuple[Week, ...] = (
    Week(),
    Week(Story.IV_CHEAP, level=-0.55, slope=-0.1),
    _RISING,
    _RISING,
    Week(Story.TREND_UP, drift=(0.009,) * 5, noise=0.35, calls=1.8, kind=0.8, mentions=(1.5,) * 7),
    Week(
        Story.IV_RICH,
        level=0.65,
        slope=0.05,
        kind=(*(0.55,) * 4, *(0.95,) * 3),
        mentions=(1.0, 1.0, 1.0, 1.5, 10.0, 12.0, 16.0),
    ),
    Week(
        Story.SQUEEZE,
        level=0.65,
        rho=0.4,
        drift=(0.0, 0.01, 0.05, 0.06, 0.03),
        noise=0.6,
        calls=5.0,
        kind=0.95,
        mentions=(14.0, 20.0, 30.0, 20.0, 10.0, 5.0, 3.0),
    ),
    Week(drift=(-0.045, -0.035, -0.02, -0.015, -0.015), mentions=(2.0, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0)),
    Week(Story.SKEW_RICH, rho=-0.85),
    _FALLING,
    Week(Story.TREND_DOWN, drift=(-0.0155,) * 5, noise=0.35, puts=1.8, kind=0.2, mentions=(1.5,) * 7),
    Week(Story.PUT_CALL_EXTREME, calls=0.7, puts=4.0, kind=0.4),
    Week(Story.BACKWARDATION, level=0.0, slope=0.4, mentions=(1.5,) * 7),
)


@dataclass(frozen=True, eq=False)
class Effects:
    """The script sampled on calendar days; every array has shape `(n,)`. `*_pull` in [0, 1] is how far the state is
    drawn to its target.
    """

    level: Floats
    level_pull: Floats
    slope: Floats
    slope_pull: Floats
    rho: Floats
    rho_pull: Floats
    drift: Floats
    noise: Floats
    calls: Floats
    puts: Floats
    mentions: Floats
    kind: Floats
    squeeze: Bools


def week_number(days: Days, settings: SimulatedSettings) -> NDArray[np.int64]:
    """Weeks since the Monday of the epoch's week, negative in the history. Shape as `days`."""
    monday = np.datetime64(settings.epoch - timedelta(days=settings.epoch.weekday()))
    return np.asarray((days - monday).astype(np.int64) // 7, dtype=np.int64)


def phase(name: SimulatedName, settings: SimulatedSettings) -> int | None:
    """How many weeks into the script `name` is at the epoch; None for indices and ETFs."""
    place = settings.stock_order.get(name.ticker)
    return None if place is None else -place % CYCLE_WEEKS


def script_week(name: SimulatedName, days: Days, settings: SimulatedSettings) -> NDArray[np.int64] | None:
    """Week of the script (0 to 12) in which `name` is on each day; None for names without a script."""
    offset = phase(name, settings)
    return None if offset is None else (week_number(days, settings) + offset) % CYCLE_WEEKS


def story_of(name: SimulatedName, day: date, settings: SimulatedSettings) -> Story:
    """The story planted in `name` on `day`."""
    week = script_week(name, np.array([day], dtype="datetime64[D]"), settings)
    return Story.QUIET if week is None else SCRIPT[int(week[0])].story


def planted(day: date, settings: SimulatedSettings) -> dict[Story, tuple[str, ...]]:
    """Every story of the week of `day` with the tickers that live it, quiet ones left out."""
    found: dict[Story, list[str]] = {}
    for name in settings.roster():
        story = story_of(name, day, settings)
        if story is not Story.QUIET:
            found.setdefault(story, []).append(name.ticker)
    return {story: tuple(tickers) for story, tickers in sorted(found.items())}


def effects(name: SimulatedName, days: Days, settings: SimulatedSettings) -> Effects:
    """What the script does to `name` on each of `days`."""
    week = script_week(name, days, settings)
    weekday = _weekday(days)
    if week is None:
        week = np.zeros(len(days), dtype=np.int64)  # week 0 is quiet
    return Effects(
        squeeze=np.array([told.story is Story.SQUEEZE for told in SCRIPT])[week],
        **{field: table[week, weekday] for field, table in _tables().items()},
    )


def earnings_days(name: SimulatedName, days: Days, settings: SimulatedSettings) -> Days:
    """The last session up to Thursday of each earnings week of `name` among the sessions `days`, ascending."""
    script = script_week(name, days, settings)
    if script is None:
        return days[:0]
    early = (script == EARNINGS_WEEK) & (_weekday(days) <= 3)
    weeks = week_number(days, settings)[early]
    last = np.append(weeks[1:] != weeks[:-1], True) if len(weeks) else np.zeros(0, dtype=np.bool_)
    found: Days = days[early][last]
    return found


def stress(days: Days, settings: SimulatedSettings) -> Bools:
    """Sessions of the market's stress weeks: falling market, high and inverted volatility."""
    return np.asarray(week_number(days, settings) % STRESS_EVERY_WEEKS == STRESS_WEEK, dtype=np.bool_)


def put_call_tilt(days: Days, settings: SimulatedSettings) -> Floats:
    """Addition to the log of the market's put/call ratios: fear in one week of six, greed in another."""
    week = week_number(days, settings) % PUT_CALL_EVERY_WEEKS
    return np.where(week == 0, 0.35, np.where(week == 3, -0.35, 0.0))


def _weekday(days: Days) -> NDArray[np.int64]:
    """0 is Monday; 1970-01-01 was a Thursday."""
    return np.asarray((days.astype(np.int64) + 3) % 7, dtype=np.int64)


@lru_cache(maxsize=1)
def _tables() -> dict[str, Floats]:
    """Lookup tables of shape `(13 weeks, 7 weekdays)` made from the script."""
    shape = (CYCLE_WEEKS, 7)
    tables: dict[str, Floats] = {}
    for state in ("level", "slope", "rho"):
        target, pull = np.zeros(shape), np.zeros(shape)
        for number, week in enumerate(SCRIPT):
            value = getattr(week, state)
            if value is None:
                continue
            target[number], pull[number] = value, 1.0
            target[number - 1, 4:], pull[number - 1, 4:] = value, 1.0
        tables |= {state: target, f"{state}_pull": pull}
    tables["drift"] = np.array([(*week.drift, 0.0, 0.0) for week in SCRIPT])
    tables["mentions"] = np.array([week.mentions for week in SCRIPT])
    for share in ("noise", "calls", "puts", "kind"):
        tables[share] = np.array([np.broadcast_to(getattr(week, share), 7) for week in SCRIPT])
    return tables
