"""Visits to the crowd: fetch what is new, count it, measure its velocity. Used by the command and by a serving desk."""

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from app.crowd import ASIDE, Crowd, crowd_of
from app.documents import plain
from app.services.instants import require_past
from domain.errors import ConfigError, DatabaseDown, DeskError, UsageError
from domain.market import FORUM, DataNote, MarketData
from domain.ports import Clock
from domain.record import Instant, Record
from domain.social import Harvest, MentionCount, SocialSource, VelocityReading
from feeds.collected import hourly_series
from feeds.news.item import listed
from feeds.text import clean
from signals.social.measure import Talk, talk
from signals.social.settings import SocialSettings

if TYPE_CHECKING:
    from app.wiring import Desk

log = structlog.get_logger("desk.social")

HOUR = timedelta(hours=1)
REVISED = timedelta(hours=30)  # counts of hours this old may still change: late items, deletions


class Visit(Record):
    """One round over all sources."""

    at: Instant
    harvests: tuple[Harvest, ...]
    counted: int  # hourly counts new or revised
    measured: int  # velocities of the last whole hour

    @property
    def troubles(self) -> tuple[DataNote, ...]:
        """Everything that did not go as it should and that somebody could mend or has to wait for."""
        return tuple(note for harvest in self.harvests for note in harvest.notes if note.code not in ASIDE)


async def visit(crowd: Crowd, clock: Clock, settings: SocialSettings) -> Visit:
    """Every source once, one after the other, each failing alone. A source that another process is visiting is left."""
    harvests, counted = [], 0
    for source in crowd.sources:
        async with crowd.store.alone(source.name) as mine:
            if not mine:
                note = DataNote(code="elsewhere", subject=source.name, detail="another process is fetching it")
                harvests.append(Harvest(source=source.name, notes=(note,)))
                continue
            harvest = await _harvest(source)
            now = clock.now()
            counted += await crowd.store.settle(source.name, harvest.complete, since=now - REVISED, at=now)
        harvests.append(harvest)
    measured = await measure(crowd, clock.now(), settings) if counted else 0
    return Visit(at=clock.now(), harvests=tuple(harvests), counted=counted, measured=measured)


async def _harvest(source: SocialSource) -> Harvest:
    """What `source` brings. Without a database there is no visit at all; any other fault is a note of this source."""
    try:
        return await source.fetch()
    except DatabaseDown:
        raise
    except DeskError as error:
        detail = str(error)
    except Exception as error:  # whatever one source trips over must not cost the others
        log.exception("source failed", source=source.name)
        detail = f"{type(error).__name__}: {error}"
    return Harvest(source=source.name, notes=(DataNote(code="failed", subject=source.name, detail=detail),))


async def measure(crowd: Crowd, now: datetime, settings: SocialSettings) -> int:
    """Publish the velocity of every symbol that was named in the last counted hour; how many."""
    since = now - timedelta(days=settings.spike.baseline_days + 2)
    counts = await crowd.store.mention_counts(since=since, as_of=now)
    return await crowd.store.publish_velocity(await asyncio.to_thread(velocities, counts, now, settings))


def velocities(counts: tuple[MentionCount, ...], now: datetime, settings: SocialSettings) -> list[VelocityReading]:
    """The fastest of the analyst's windows for every symbol named in the last counted hour, by symbol; none while the
    history is too short. Only an hour that ended within the last two is worth a reading.
    """
    last = max((count.timestamp for count in counts if count.symbol == FORUM), default=None)
    if last is None or now - (last + HOUR) >= 2 * HOUR:
        return []
    named = sorted({count.symbol for count in counts if count.timestamp == last and count.mention_count} - {FORUM})
    series = hourly_series(counts, named)
    market = MarketData(as_of=now, feed="collected", tickers=tuple(named), chains={}, bars={}, series=series)
    readings = []
    for symbol in named:
        found = talk(market, symbol, (), settings)
        if isinstance(found, Talk):
            loudest = max(found.velocities, key=lambda each: each.z_score)
            readings.append(
                VelocityReading(
                    symbol=symbol,
                    velocity_score=loudest.velocity,
                    z_score=loudest.z_score,
                    timestamp=last + HOUR,
                    known_at=now,
                )
            )
    return readings


async def fetch(desk: "Desk") -> dict[str, Any]:
    """One visit, for a person. Raises `ConfigError` where no source is configured."""
    async with AsyncExitStack() as closing:
        crowd = crowd_of(desk.configuration.environment, desk.engine, desk.clock, closing)
        if not crowd.sources:
            reasons = "; ".join(f"{name}: {why}" for name, why in sorted(crowd.off.items()))
            raise ConfigError(
                f"There is no source to fetch from – {reasons}.", remedy="'desk doctor' shows what is set."
            )
        done = await visit(crowd, desk.clock, desk.configuration.graph.signals.social)
        return {**plain(done), "off": crowd.off}


async def shown(desk: "Desk", hours: int, symbol: str | None, at: datetime | None) -> dict[str, Any]:
    """What is known at `at` (default: now) of the last `hours`: counts, velocities, posts on `symbol`, cleaned; and how
    far the listings have been read by now. Raises `UsageError` for what is no ticker, and for the future.
    """
    if symbol is not None and not listed((symbol,)):
        raise UsageError(f"{symbol!r} is no ticker.", remedy="Write e.g. GME.")
    now = desk.clock.now()
    as_of = require_past(at or now, now)
    async with AsyncExitStack() as closing:
        crowd = crowd_of(desk.configuration.environment, desk.engine, desk.clock, closing)
        since = as_of - timedelta(hours=hours)
        symbols = None if symbol is None else {symbol}
        counts = await crowd.store.mention_counts(since=since, as_of=as_of, symbols=symbols)
        readings = await crowd.store.velocities(since=since, as_of=as_of)
        posts = await crowd.store.posts(symbols, since=since, as_of=as_of) if symbols else ()
        return {
            "as_of": plain(as_of),
            "hours": hours,
            "symbol": symbol,
            "off": crowd.off,
            "bookmarks": plain(await crowd.store.bookmarks()),
            "mentions": plain([count for count in counts if count.mention_count]),
            "velocities": plain([reading for reading in readings if symbol in (None, reading.symbol)]),
            "posts": [{**plain(post), "text": clean(post.text)} for post in posts],
        }
