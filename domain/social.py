"""Words and ports of what the crowd said: items as seen, how far listings have been read, counts and velocity.

Everything carries the instant from which it may be known. An item is known from when it was first fetched, not from
when it was written; an edit or a deletion from when it was noticed.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import Field

from domain.market import DataNote, Post
from domain.record import Instant, Record


class Sighting(Record):
    """One look at one item. `post` is None when the item was deleted or removed: from then on it no longer counts."""

    source: str
    id: str
    published_at: Instant
    seen_at: Instant
    post: Post | None


class Bookmark(Record):
    """How far one listing of a source has been read.

    Everything the listing showed of `complete_from` to `complete_to` is stored. A walk down the listing that was cut
    off goes on at `after`; what it began at `begun_at` becomes `complete_to` when it arrives.
    """

    source: str
    channel: str
    complete_from: Instant | None = None
    complete_to: Instant | None = None
    begun_at: Instant | None = None
    after: str | None = None
    seen: int = 0  # items of the walk so far


class MentionCount(Record):
    """Items that named `symbol` in the hour that begins at `timestamp`; "*": all items of the source in that hour.

    `sentiment` is the mean of those that could be scored. A count is revised when items are deleted or arrive late:
    the latest `known_at` not after an instant is what was known then.
    """

    source: str
    symbol: str
    mention_count: int = Field(ge=0)
    sentiment: float | None
    timestamp: Instant
    known_at: Instant


class VelocityReading(Record):
    """How fast `symbol` was talked about in the hour that ended at `timestamp`, against its own usual."""

    symbol: str
    velocity_score: float = Field(ge=0)  # observed over expected mentions
    z_score: float
    timestamp: Instant
    known_at: Instant


class Harvest(Record):
    """What one visit to a source brought. `complete` names the channels that were read to their end."""

    source: str
    items: int = 0  # seen for the first time
    changed: int = 0  # edited, re-scored, deleted
    requests: int = 0
    complete: tuple[str, ...] = ()
    notes: tuple[DataNote, ...] = ()


class SocialSource(Protocol):
    """A place where the crowd speaks, read bit by bit."""

    name: str

    async def fetch(self) -> Harvest:
        """Read what is new and store it page by page. Never raises for a source or channel that is down: it says so in
        notes, and the other channels go on. A fetch that was cut off is gone on with by the next one.
        """
        ...


class SocialStore(Protocol):
    """Items of the crowd, their counts and velocities, each as known at an instant."""

    async def bookmark(self, source: str, channel: str) -> Bookmark:
        """How far the listing has been read; an empty bookmark if never."""
        ...

    async def keep(self, sightings: Sequence[Sighting], bookmark: Bookmark | None = None) -> tuple[int, int]:
        """Store looks and the bookmark together or not at all; (items new, items changed). Idempotent: an item seen
        twice is one item, and a look that found nothing changed leaves nothing but when it was.
        """
        ...

    async def due(self, source: str, *, at: datetime, ages: Sequence[timedelta], limit: int) -> tuple[str, ...]:
        """Ids of items that have passed one of `ages` since they were last looked at, oldest look first."""
        ...

    async def posts(self, tickers: Collection[str], *, since: datetime, as_of: datetime) -> tuple[Post, ...]:
        """Items published after `since` that named any of `tickers`, as known at `as_of`, deleted ones left out; by
        publication, then id.
        """
        ...

    async def settle(self, source: str, channels: Collection[str], *, since: datetime, at: datetime) -> int:
        """Count the mentions of every whole hour after `since` for which all `channels` are complete; number of counts
        that are new or revised.
        """
        ...

    async def mention_counts(
        self, *, since: datetime, as_of: datetime, symbols: Collection[str] | None = None
    ) -> tuple[MentionCount, ...]:
        """Counts of the hours from `since` on as known at `as_of`, by source, symbol and hour; all symbols if None."""
        ...

    async def publish_velocity(self, readings: Sequence[VelocityReading]) -> int:
        """Store readings; the first for a symbol and hour stands. How many were new."""
        ...

    async def velocities(self, *, since: datetime, as_of: datetime) -> tuple[VelocityReading, ...]:
        """Readings of the hours after `since` known at `as_of`, by hour, then symbol."""
        ...
