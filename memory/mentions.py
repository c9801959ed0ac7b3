"""Hourly mention counts: taken once an hour has been read completely, revised when items come late or go."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on, insert

from domain.market import FORUM
from domain.social import Bookmark, MentionCount
from memory.tables.social import ItemTable, MentionTable

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection

HOUR = timedelta(hours=1)


async def settled_hours(
    link: "AsyncConnection", source: str, marks: Sequence[Bookmark], *, since: datetime
) -> tuple[datetime, ...]:
    """Beginnings of the whole hours that every bookmark covers, from `since` or, if that is earlier, from the first
    hour not counted yet.
    """
    starts = [mark.complete_from for mark in marks]
    ends = [mark.complete_to for mark in marks]
    if not marks or None in starts or None in ends:
        return ()
    first = max(start for start in starts if start is not None)
    last = min(end for end in ends if end is not None)
    counted = await link.scalar(
        select(func.max(MentionTable.timestamp)).where(MentionTable.source == source, MentionTable.symbol == FORUM)
    )
    horizon = min(since, counted + HOUR) if counted else first
    hour = _ceiling(max(first, horizon))
    hours = []
    while hour + HOUR <= last:
        hours.append(hour)
        hour += HOUR
    return tuple(hours)


async def settle(
    link: "AsyncConnection", source: str, hours: Sequence[datetime], items: "Select[Any]", *, at: datetime
) -> int:
    """Count `items` (as `memory.social.known_items` selects them) in `hours`; how many counts are new or revised."""
    first, end = hours[0], hours[-1] + HOUR
    known = items.where(ItemTable.source == source, ItemTable.published_at >= first, ItemTable.published_at < end)
    live = known.cte("live")
    hour = func.date_bin(HOUR, live.c.published_at, first).label("hour")
    figures = (func.count().label("mentions"), func.avg(live.c.sentiment).label("sentiment"))
    every = select(hour, *figures).where(~live.c.gone).group_by("hour")
    symbol = func.unnest(live.c.tickers).label("symbol")
    named = select(hour, symbol, *figures).where(~live.c.gone).group_by("hour", "symbol")
    now: dict[tuple[str, datetime], tuple[int, float | None]] = {(FORUM, hour): (0, None) for hour in hours}
    for row in await link.execute(every):
        now[FORUM, row.hour] = (row.mentions, _rounded(row.sentiment))
    for row in await link.execute(named):
        now[row.symbol, row.hour] = (row.mentions, _rounded(row.sentiment))
    past = await mention_counts(link, since=first, as_of=at, source=source)
    before = {(count.symbol, count.timestamp): count for count in past if count.timestamp < end}
    rows = [
        {"source": source, "symbol": name, "timestamp": hour, "known_at": at,
         "mention_count": count, "sentiment": sentiment}
        for name, hour in sorted(now.keys() | before.keys())
        for count, sentiment in [now.get((name, hour), (0, None))]
        if (old := before.get((name, hour))) is None or (old.mention_count, old.sentiment) != (count, sentiment)
    ]  # fmt: skip
    if rows:
        await link.execute(insert(MentionTable).on_conflict_do_nothing(), rows)
    return len(rows)


async def mention_counts(
    link: "AsyncConnection",
    *,
    since: datetime,
    as_of: datetime,
    symbols: Collection[str] | None = None,
    source: str | None = None,
) -> tuple[MentionCount, ...]:
    """See `domain.social.SocialStore.mention_counts`."""
    key = (MentionTable.source, MentionTable.symbol, MentionTable.timestamp)
    query = (
        select(*(getattr(MentionTable, name) for name in MentionCount.model_fields))
        .ext(distinct_on(*key))
        .where(MentionTable.timestamp >= since, MentionTable.known_at <= as_of)
        .order_by(*key, MentionTable.known_at.desc())
    )
    if symbols is not None:
        query = query.where(MentionTable.symbol.in_(sorted(symbols)))
    if source is not None:
        query = query.where(MentionTable.source == source)
    return tuple(MentionCount(**row) for row in (await link.execute(query)).mappings())


def _rounded(mean: float | None) -> float | None:
    # A server may add the same numbers in another order: the last digits must not look like a revision.
    return None if mean is None else round(mean, 6)


def _ceiling(at: datetime) -> datetime:
    whole = at.replace(minute=0, second=0, microsecond=0)
    return whole if whole == at else whole + HOUR
