"""Items of the crowd in PostgreSQL, each as known at an instant. Counts live in `memory.mentions`.

An item's row is written once, when it is first seen. Whatever later looks find changed (its score, an edit, that it is
gone) is a row beside it with the time of that look, so that a picture of the past never shows the later text, nor
misses what was deleted since.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Interval, and_, bindparam, func, literal, or_, select, text, true, update
from sqlalchemy.dialects.postgresql import insert

from domain.errors import DataError
from domain.market import Post
from domain.social import Bookmark, MentionCount, Sighting, VelocityReading
from memory.mentions import mention_counts, settle, settled_hours
from memory.tables.social import BookmarkTable, ItemTable, SightingTable, VelocityTable

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

LOCK = 7_120_601  # advisory, with the source's name as second key: one process fetches a source at a time


class PostgresSocialStore:
    """`domain.social.SocialStore`."""

    def __init__(self, engine: "AsyncEngine") -> None:
        self._engine = engine

    @asynccontextmanager
    async def alone(self, source: str) -> AsyncIterator[bool]:
        """Whether this process is the one that fetches `source` until the block ends."""
        async with self._engine.connect() as link:
            key = {"space": LOCK, "source": source}
            took = await link.scalar(text("SELECT pg_try_advisory_lock(:space, hashtext(:source))"), key)
            await link.commit()
            try:
                yield bool(took)
            finally:
                if took:
                    await link.execute(text("SELECT pg_advisory_unlock(:space, hashtext(:source))"), key)
                    await link.commit()

    async def bookmark(self, source: str, channel: str) -> Bookmark:
        """See the port."""
        columns = [getattr(BookmarkTable, name) for name in Bookmark.model_fields]
        query = select(*columns).where(BookmarkTable.source == source, BookmarkTable.channel == channel)
        async with self._engine.connect() as link:
            row = (await link.execute(query)).mappings().one_or_none()
        return Bookmark(**row) if row else Bookmark(source=source, channel=channel)

    async def bookmarks(self) -> tuple[Bookmark, ...]:
        """All bookmarks, by source and channel."""
        columns = [getattr(BookmarkTable, name) for name in Bookmark.model_fields]
        query = select(*columns).order_by(BookmarkTable.source, BookmarkTable.channel)
        async with self._engine.connect() as link:
            return tuple(Bookmark(**row) for row in (await link.execute(query)).mappings())

    async def keep(self, sightings: Sequence[Sighting], bookmark: Bookmark | None = None) -> tuple[int, int]:
        """See the port."""
        looks = {(look.source, look.id): look for look in sightings}  # of two looks in one page the later stands
        async with self._engine.begin() as link:
            new = await _add(link, [look for look in looks.values() if look.post is not None])
            changed = await _amend(link, {key: look for key, look in looks.items() if key not in new})
            if bookmark is not None:
                put = insert(BookmarkTable).values(**dict(bookmark))
                rest = {
                    name: put.excluded[name] for name in ("complete_from", "complete_to", "begun_at", "after", "seen")
                }
                await link.execute(put.on_conflict_do_update(index_elements=["source", "channel"], set_=rest))
        return len(new), changed

    async def due(self, source: str, *, at: datetime, ages: Sequence[timedelta], limit: int) -> tuple[str, ...]:
        """See the port."""
        if not ages:
            return ()
        came_of = [(at - age, ItemTable.published_at + literal(age, Interval())) for age in ages]
        passed = or_(*(and_(ItemTable.published_at <= by, ItemTable.checked_at < then) for by, then in came_of))
        query = (
            select(ItemTable.id)
            .where(ItemTable.source == source, ItemTable.published_at > at - 2 * max(ages), passed)
            .order_by(ItemTable.checked_at, ItemTable.id)
            .limit(limit)
        )
        async with self._engine.connect() as link:
            return tuple(await link.scalars(query))

    async def posts(self, tickers: Collection[str], *, since: datetime, as_of: datetime) -> tuple[Post, ...]:
        """See the port."""
        if not tickers:
            return ()
        wanted = sorted(tickers)
        edited = select(SightingTable.id).where(
            SightingTable.source == ItemTable.source, SightingTable.id == ItemTable.id,
            SightingTable.seen_at <= as_of, SightingTable.tickers.overlap(wanted),
        )  # fmt: skip
        query = known_items(as_of).where(
            ItemTable.published_at > since,
            ItemTable.published_at <= as_of,
            or_(ItemTable.tickers.overlap(wanted), edited.exists()),
        )
        async with self._engine.connect() as link:
            rows = (await link.execute(query)).mappings().all()
        found = [_as_known(row) for row in rows if not row["gone"]]
        named = [post for post in found if set(wanted) & set(post.tickers)]
        return tuple(sorted(named, key=lambda post: (post.published_at, post.id)))

    async def settle(self, source: str, channels: Collection[str], *, since: datetime, at: datetime) -> int:
        """See the port."""
        marks = [await self.bookmark(source, channel) for channel in sorted(channels)]
        async with self._engine.begin() as link:
            hours = await settled_hours(link, source, marks, since=since)
            return await settle(link, source, hours, known_items(at), at=at) if hours else 0

    async def mention_counts(
        self, *, since: datetime, as_of: datetime, symbols: Collection[str] | None = None
    ) -> tuple[MentionCount, ...]:
        """See the port."""
        async with self._engine.connect() as link:
            return await mention_counts(link, since=since, as_of=as_of, symbols=symbols)

    async def publish_velocity(self, readings: Sequence[VelocityReading]) -> int:
        """See the port."""
        if not readings:
            return 0
        put = insert(VelocityTable).on_conflict_do_nothing().returning(VelocityTable.symbol)
        async with self._engine.begin() as link:
            return len((await link.execute(put, [dict(reading) for reading in readings])).all())

    async def velocities(self, *, since: datetime, as_of: datetime) -> tuple[VelocityReading, ...]:
        """See the port."""
        columns = [getattr(VelocityTable, name) for name in VelocityReading.model_fields]
        query = (
            select(*columns)
            .where(VelocityTable.timestamp > since, VelocityTable.known_at <= as_of)
            .order_by(VelocityTable.timestamp, VelocityTable.symbol)
        )
        async with self._engine.connect() as link:
            return tuple(VelocityReading(**row) for row in (await link.execute(query)).mappings())


def known_items(as_of: datetime | None) -> "Select[Any]":
    """Items first seen by `as_of` (None: by now), each with its latest change by then."""
    later = select(SightingTable).where(SightingTable.source == ItemTable.source, SightingTable.id == ItemTable.id)
    if as_of is not None:
        later = later.where(SightingTable.seen_at <= as_of)
    last = later.order_by(SightingTable.seen_at.desc()).limit(1).lateral("last")
    query = select(
        ItemTable.source,
        ItemTable.id,
        ItemTable.published_at,
        ItemTable.post,
        func.coalesce(last.c.gone, False).label("gone"),
        last.c.seen_at.label("changed_at"),
        last.c.score,
        last.c.comments,
        last.c.post.label("edited"),
        func.coalesce(last.c.tickers, ItemTable.tickers).label("tickers"),
        func.coalesce(last.c.sentiment, ItemTable.sentiment).label("sentiment"),
    ).join(last, true(), isouter=True)
    return query if as_of is None else query.where(ItemTable.known_at <= as_of)


def _as_known(row: Mapping[str, Any]) -> Post:
    post: Post = row["edited"] or row["post"]
    if row["changed_at"] is None:
        return post
    return post.model_copy(
        update={"known_at": row["post"].known_at, "score": row["score"], "comments": row["comments"]}
    )


async def _add(link: "AsyncConnection", looks: Sequence[Sighting]) -> set[tuple[str, str]]:
    """Insert items never seen before; which ones they were."""
    rows: list[dict[str, Any]] = [
        {
            "source": look.source,
            "id": look.id,
            "channel": post.channel,
            "published_at": look.published_at,
            "known_at": post.known_at,
            "checked_at": look.seen_at,
            "tickers": list(post.tickers),
            "sentiment": post.sentiment,
            "post": post,
        }
        for look in sorted(looks, key=lambda look: look.id)
        if (post := look.post) is not None
    ]
    for row in rows:
        if row["known_at"] < row["published_at"]:
            raise DataError(f"{row['source']} {row['id']} is said to be known before it was published.")
    if not rows:
        return set()
    put = insert(ItemTable).on_conflict_do_nothing().returning(ItemTable.source, ItemTable.id)
    return {(source, item) for source, item in await link.execute(put, rows)}


async def _amend(link: "AsyncConnection", looks: Mapping[tuple[str, str], Sighting]) -> int:
    """Add a row for each known item that changed, and note for all of them that they were looked at."""
    if not looks:
        return 0
    ids = sorted({item for _, item in looks})
    stored = (await link.execute(known_items(None).where(ItemTable.id.in_(ids)))).mappings().all()
    changes = [
        change for row in stored if (look := looks.get((row["source"], row["id"]))) and (change := _change(row, look))
    ]
    if changes:
        await link.execute(insert(SightingTable).on_conflict_do_nothing(), changes)
    checked = [{"s": look.source, "i": look.id, "at": look.seen_at} for look in looks.values()]
    mark = update(ItemTable).where(ItemTable.source == bindparam("s"), ItemTable.id == bindparam("i"))
    await link.execute(mark.values(checked_at=bindparam("at")), sorted(checked, key=lambda each: str(each["i"])))
    return len(changes)


def _change(row: Mapping[str, Any], look: Sighting) -> dict[str, Any] | None:
    """What the look found different from what is known; None if nothing."""
    known, post = _as_known(row), look.post
    found: dict[str, Any] = {"source": look.source, "id": look.id, "seen_at": look.seen_at, "gone": post is None}
    if post is None:
        nothing = {"score": known.score, "comments": known.comments, "tickers": None, "sentiment": None, "post": None}
        return None if row["gone"] else found | nothing
    same = (known.text, known.score, known.comments) == (post.text, post.score, post.comments)
    if same and not row["gone"]:
        return None
    edited = post.text != row["post"].text
    return found | {
        "score": post.score,
        "comments": post.comments,
        "tickers": list(post.tickers) if edited else None,
        "sentiment": post.sentiment if edited else None,
        "post": post if edited else None,
    }
