"""Reddit as a source: each listing read from its newest item down to where it was left, each failing alone.

Reddit's `before` cannot be trusted to go on from: it finds nothing once the item it names is deleted. So every walk
begins at the top and goes down by `after`, page by page, until it meets what is known to be complete. A page and the
bookmark are stored together; a walk that is cut off between two pages goes on where it was.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.errors import DataError, FeedDown
from domain.market import DataNote, Post
from domain.ports import Clock
from domain.social import Bookmark, Harvest, Sighting, SocialStore
from feeds.reddit.client import PAGE, NoListing, Page, RedditClient, SourceClosed, Unreachable
from feeds.reddit.parse import SOURCE

SHOWN = 900  # Reddit lists 1,000 items at most, less those removed: a longer listing may have been cut there
SILENCES = 2  # listings in a row without any answer: the host is out of reach


@dataclass
class _Visit:
    """What this visit has brought so far."""

    items: int = 0
    changed: int = 0
    complete: list[str] = field(default_factory=list)
    notes: list[DataNote] = field(default_factory=list)
    threads: Counter[str] = field(default_factory=Counter)  # of the comments seen in this walk

    def note(self, code: str, subject: str, detail: str, count: int = 1) -> None:
        self.notes.append(DataNote(code=code, subject=subject, detail=detail, count=count))


class RedditSource:
    """Implements `domain.social.SocialSource`. `tag` adds tickers and sentiment to posts before they are stored."""

    name = SOURCE

    def __init__(
        self, client: RedditClient, store: SocialStore, clock: Clock, *, tag: Callable[[Sequence[Post]], list[Post]]
    ) -> None:
        self._client = client
        self._settings = client.settings
        self._store = store
        self._clock = clock
        self._tag = tag
        self._closed_until: datetime | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """Listings read at each visit: "stocks/new", "stocks/comments", …"""
        kinds = ("new", "comments") if self._settings.comments else ("new",)
        return tuple(f"{name}/{kind}" for name in self._settings.subreddits for kind in kinds)

    async def fetch(self) -> Harvest:
        """See the port."""
        visit, before = _Visit(), self._client.requests
        if self._closed_until and self._clock.now() < self._closed_until:
            visit.note("closed", SOURCE, f"not to be asked before {self._closed_until:%Y-%m-%d %H:%M:%S} UTC")
        else:
            self._closed_until = None
            try:
                await self._listings(visit)
                await self._recheck(visit)
            except SourceClosed as error:
                visit.note("closed", SOURCE, str(error))
                wait = min(error.wait_s, timedelta(days=1).total_seconds())
                self._closed_until = self._clock.now() + timedelta(seconds=wait)
        return Harvest(
            source=SOURCE,
            items=visit.items,
            changed=visit.changed,
            requests=self._client.requests - before,
            complete=tuple(visit.complete),
            notes=tuple(visit.notes),
        )

    async def _listings(self, visit: _Visit) -> None:
        silences, absent = 0, set[str]()
        for channel in self.channels:
            subreddit = channel.partition("/")[0]
            if subreddit in absent:
                continue  # said once already
            try:
                await self._read(channel, visit)
                silences = 0
            except Unreachable as error:
                silences += 1
                visit.note("unreachable", channel, str(error))
                if silences == SILENCES:
                    raise SourceClosed("Reddit cannot be reached.", wait_s=0.0) from error
            except SourceClosed:
                raise
            except (NoListing, FeedDown) as error:  # not every DataError: a sentiment model may raise one too
                silences = 0
                visit.note("no_listing" if isinstance(error, NoListing) else "feed_down", channel, str(error))
                if isinstance(error, NoListing):
                    absent.add(subreddit)

    async def _read(self, channel: str, visit: _Visit) -> None:
        mark = await self._store.bookmark(SOURCE, channel)
        if mark.after is not None:
            mark = await self._walk(channel, mark, visit)
        await self._walk(channel, _at_the_top(mark), visit)
        visit.complete.append(channel)

    async def _walk(self, channel: str, mark: Bookmark, visit: _Visit) -> Bookmark:
        """Go down the listing from `mark.after` (None: its top) to what is complete; the bookmark at its end."""
        begun = mark.begun_at or self._clock.now()
        known_to = mark.complete_to or begun - timedelta(hours=self._settings.first_hours)
        goal = known_to - timedelta(minutes=self._settings.overlap_minutes) if mark.complete_to else known_to
        lowest, seen = begun, mark.seen
        visit.threads.clear()
        for number in range(1, self._settings.max_pages + 1):
            page = await self._client.page(f"r/{channel}", mark.after)
            if number == 1 and not page.sightings and not page.unreadable:
                if mark.after is not None:  # the item to go on after is gone: the next walk starts from the top
                    return _at_the_top(mark)
                raise FeedDown(f"Reddit shows nothing at all in {channel}, which is seldom true.")
            self._look_at(page, channel, visit)
            seen += len(page.sightings)
            lowest = min((look.published_at for look in page.sightings), default=lowest)
            reached = lowest <= goal or (page.after is None and seen < SHOWN)
            if reached or page.after is None or number == self._settings.max_pages:
                start = (mark.complete_from or known_to) if reached else lowest
                mark = _at_the_top(mark).model_copy(update={"complete_from": start, "complete_to": begun})
                await self._keep(page.sightings, visit, mark)
                if not reached:
                    await self._mend(channel, known_to, lowest, visit)
                break
            mark = mark.model_copy(update={"begun_at": begun, "after": page.after, "seen": seen})
            await self._keep(page.sightings, visit, mark)
        return mark

    def _look_at(self, page: Page, channel: str, visit: _Visit) -> None:
        visit.threads.update(look.post.thread for look in page.sightings if look.post and look.post.thread)
        if page.unreadable:
            visit.note("unreadable", channel, "items without a usable id or time were passed over", page.unreadable)

    async def _mend(self, channel: str, since: datetime, until: datetime, visit: _Visit) -> None:
        """The listing ended before what is known: say so, and read the busiest threads in full."""
        detail = f"the listing goes back to {until:%Y-%m-%d %H:%M} UTC only, wanted from {since:%Y-%m-%d %H:%M} UTC"
        visit.note("hole", channel, detail)
        if not channel.endswith("/comments"):
            return
        busiest = sorted(visit.threads.items(), key=lambda each: (-each[1], each[0]))[: self._settings.mended_threads]
        for name, _ in busiest:
            try:
                looks = await self._client.thread(name)
            except SourceClosed:
                raise
            except (DataError, FeedDown) as error:
                visit.note("no_thread", name, str(error))
                continue
            await self._keep(tuple(look for look in looks if look.published_at >= since), visit)

    async def _recheck(self, visit: _Visit) -> None:
        """Look again at what has come of age: scores, edits, and what is gone."""
        ages = [timedelta(hours=hours) for hours in self._settings.recheck_hours]
        now = self._clock.now()
        due = await self._store.due(SOURCE, at=now, ages=ages, limit=self._settings.rechecks)
        for start in range(0, len(due), PAGE):
            batch = due[start : start + PAGE]
            try:
                looks = {look.id: look for look in await self._client.again(batch)}
            except SourceClosed:
                raise
            except (DataError, FeedDown) as error:
                visit.note("no_recheck", SOURCE, str(error), len(batch))
                return
            seen_at = self._clock.now()
            gone = [
                Sighting(source=SOURCE, id=name, published_at=seen_at, seen_at=seen_at, post=None)
                for name in batch
                if name not in looks
            ]
            await self._keep((*looks.values(), *gone), visit)

    async def _keep(self, looks: tuple[Sighting, ...], visit: _Visit, mark: Bookmark | None = None) -> None:
        tagged = await asyncio.to_thread(self._tagged, looks)
        new, changed = await self._store.keep(tagged, mark)
        visit.items += new
        visit.changed += changed

    def _tagged(self, looks: Sequence[Sighting]) -> list[Sighting]:
        read = iter(self._tag([look.post for look in looks if look.post is not None]))
        return [look if look.post is None else look.model_copy(update={"post": next(read)}) for look in looks]


def _at_the_top(mark: Bookmark) -> Bookmark:
    """The bookmark without a walk under way."""
    return mark.model_copy(update={"begun_at": None, "after": None, "seen": 0})
