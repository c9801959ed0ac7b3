"""What was collected of the crowd joins the history of a live feed, as it was known at the run's instant."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from domain.errors import DataError, MachineError
from domain.market import FORUM, DataNote, MarketData, Post, Series, hourly_mentions
from domain.social import MentionCount, SocialStore
from domain.units import to_datetime64

History = Callable[[datetime, Sequence[str]], Awaitable[MarketData]]
Tag = Callable[[Sequence[Post]], list[Post]]
Interest = Callable[[Sequence[str], datetime], Mapping[str, Series]]


def with_crowd(history: History, store: SocialStore, *, interest: Interest | None, days: int, tag: Tag) -> History:
    """`history` with the posts about its tickers of the last `days`, put through `tag`, hourly counts of the same
    days, and search interest. A database that is down, or a sentiment model that cannot be loaded, costs what comes of
    it and is a note; where nothing was ever collected nothing is said.
    """

    async def read(as_of: datetime, tickers: Sequence[str]) -> MarketData:
        past = await history(as_of, tickers)
        since = as_of - timedelta(days=days)
        tagged: list[Post] = []
        counts: tuple[MentionCount, ...] = ()
        notes = past.notes
        try:
            counts = await store.mention_counts(since=since, as_of=as_of, symbols={*tickers, FORUM})
            posts = await store.posts(tickers, since=since, as_of=as_of)
            tagged = await asyncio.to_thread(tag, posts)
        except (MachineError, DataError) as error:
            notes = (*notes, DataNote(code="no_posts", subject="*", detail=str(error)))
        searched = await asyncio.to_thread(interest, tickers, as_of) if interest else {}
        found = {**hourly_series(counts, tickers), **searched}
        if not tagged and not found:
            return replace(past, notes=notes)
        by_id = {post.id: post for post in (*tagged, *past.posts)}
        said = {
            "posts": f"{len(tagged)} collected posts of the last {days} days, scored when collected",
            **({"series of the crowd": ", ".join(sorted(found))} if found else {}),
        }
        return replace(
            past,
            posts=tuple(sorted(by_id.values(), key=lambda post: (post.known_at, post.id))),
            series={**past.series, **dict(sorted(found.items()))},
            notes=notes,
            provenance={**past.provenance, **said},
        )

    return read


def hourly_series(counts: Sequence[MentionCount], tickers: Sequence[str]) -> dict[str, Series]:
    """Hourly mentions of each ticker and of the whole forum, by series name, summed over the sources.

    The hours are those in which the forum was counted: in them a ticker without a row had no mention. Empty when the
    forum was never counted.
    """
    forum: dict[datetime, list[MentionCount]] = {}
    own: dict[tuple[str, datetime], list[MentionCount]] = {}
    for count in counts:
        if count.symbol == FORUM:
            forum.setdefault(count.timestamp, []).append(count)
        else:
            own.setdefault((count.symbol, count.timestamp), []).append(count)
    hours = sorted(forum)
    if not hours:
        return {}
    found = {}
    for symbol in (FORUM, *sorted(set(tickers))):
        rows = [forum[hour] if symbol == FORUM else own.get((symbol, hour), []) for hour in hours]
        known = [max(row.known_at for row in (*rows[at], *forum[hour])) for at, hour in enumerate(hours)]
        name = hourly_mentions(symbol)
        found[name] = Series(
            name,
            "posts an hour",
            np.array([to_datetime64(hour) for hour in hours]),
            np.array([to_datetime64(instant) for instant in known]),
            np.array([float(sum(row.mention_count for row in each)) for each in rows]),
        )
    return found
