"""Google Trends as a source: windows that are missing or old are fetched one by one, each term failing alone."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from domain.errors import DataError, FeedDown
from domain.market import DataNote, Series, search_interest
from domain.ports import Clock
from domain.social import Harvest
from feeds.trends.cache import Pause, TrendsCache
from feeds.trends.parse import parse_window
from feeds.trends.settings import TrendsSettings
from feeds.trends.windows import Window, chained, plan, summed

if TYPE_CHECKING:
    from feeds.trends.session import TrendsSession

SOURCE = "trends"
T = TypeVar("T")
Want = tuple[str, date, date]  # term, first and last day


class TrendsSource:
    """Implements `domain.social.SocialSource`; the series come from what is cached and ask nobody."""

    name = SOURCE

    def __init__(self, settings: TrendsSettings, cache: TrendsCache, clock: Clock) -> None:
        self._settings = settings
        self._cache = cache
        self._clock = clock

    @property
    def pause(self) -> Pause | None:
        """The pause in force now, None without one: after "too many requests" nothing is asked for a while."""
        pause = self._cache.pause
        return pause if pause and self._clock.now() < pause.until else None

    async def fetch(self) -> Harvest:
        """See the port. A pause holds also for later processes."""
        now, pause = self._clock.now(), self.pause
        if pause:
            detail = f"Google Trends asked for fewer requests; not asked before {pause.until:%Y-%m-%d %H:%M:%S} UTC"
            return Harvest(source=SOURCE, notes=(DataNote(code="closed", subject=SOURCE, detail=detail),))
        wanted = self._wanted(now)
        if not wanted:
            return Harvest(source=SOURCE, complete=tuple(sorted(self._settings.terms)))
        return await self._visit(wanted)

    def series(self, tickers: Sequence[str], as_of: datetime) -> dict[str, Series]:
        """Search interest of each ticker that has terms, by series name, from answers fetched by `as_of`."""
        found: dict[str, Series] = {}
        for ticker in sorted(set(tickers) & self._settings.terms.keys()):
            name = search_interest(ticker)
            parts = [
                series
                for term in self._settings.terms[ticker]
                if (series := chained(self._cache.windows(term, self._settings.geo, as_of), name))
            ]
            if (whole := summed(parts, name)) is not None:
                found[name] = whole
        return found

    def _wanted(self, now: datetime) -> list[Want]:
        """Windows to fetch, those that were never fetched first."""
        today = now.astimezone(UTC).date()
        old = now - timedelta(hours=self._settings.refresh_hours)
        ranked: list[tuple[datetime, Want]] = []
        for term in sorted({term for terms in self._settings.terms.values() for term in terms}):
            for start, end in plan(today, self._settings):
                held = self._cache.latest(term, self._settings.geo, start, now)
                finished = held is not None and held.fetched_at.date() > held.end
                if held is None or (not finished and held.fetched_at <= old) or (finished and held.end < end):
                    ranked.append((held.fetched_at if held else datetime.min.replace(tzinfo=UTC), (term, start, end)))
        return [want for _, want in sorted(ranked)][: self._settings.requests_a_visit]

    async def _visit(self, wanted: Sequence[Want]) -> Harvest:
        notes: list[DataNote] = []
        kept, session = 0, None
        try:
            session = await self._patiently(self._open)
            for number, (term, start, end) in enumerate(wanted):
                if number:
                    await asyncio.sleep(self._settings.spacing_seconds)
                kept += await self._one(session, term, start, end, notes)
            self._cache.set_pause(None)
        except FeedDown as error:
            notes.append(self._closed(error))
        finally:
            if session is not None:
                session.close()
        failed = {note.subject for note in notes}
        complete = [ticker for ticker, terms in sorted(self._settings.terms.items()) if not failed & {*terms, SOURCE}]
        sent = session.sent if session else 1
        return Harvest(source=SOURCE, items=kept, requests=sent, complete=tuple(complete), notes=tuple(notes))

    async def _one(self, session: "TrendsSession", term: str, start: date, end: date, notes: list[DataNote]) -> int:
        """Fetch one window; a fault that concerns this term alone becomes a note."""
        from feeds.trends.session import TooManyRequests

        def ask() -> Window:
            answer = session.ask(term, f"{start} {end}", self._settings.geo)
            at = self._clock.now()
            return parse_window(answer, term=term, geo=self._settings.geo, start=start, end=end, fetched_at=at)

        try:
            window = await self._patiently(ask)
        except TooManyRequests:
            raise
        except (DataError, FeedDown) as error:
            code = "unreadable" if isinstance(error, DataError) else "feed_down"
            notes.append(DataNote(code=code, subject=term, detail=str(error)))
            return 0
        await asyncio.to_thread(self._cache.keep, window)
        if not window.days:
            detail = f"too few searches for {term!r} from {start} to {end}"
            notes.append(DataNote(code="no_interest", subject=term, detail=detail))
        return 1

    def _open(self) -> "TrendsSession":
        from feeds.trends.session import TrendsSession

        return TrendsSession(self._settings.base_url, timeout_s=self._settings.timeout_seconds)

    async def _patiently(self, question: Callable[[], T]) -> T:
        """Ask again after a passing fault, longer apart each time; never after "too many requests"."""
        from feeds.trends.session import TooManyRequests

        for attempt in range(1, self._settings.attempts + 1):
            try:
                return await asyncio.to_thread(question)
            except FeedDown as error:
                if isinstance(error, TooManyRequests) or attempt == self._settings.attempts:
                    raise
            await asyncio.sleep(self._settings.backoff_seconds * 2 ** (attempt - 1))
        raise AssertionError("attempts is at least 1")

    def _closed(self, error: FeedDown) -> DataNote:
        from feeds.trends.session import TooManyRequests

        if not isinstance(error, TooManyRequests):
            return DataNote(code="feed_down", subject=SOURCE, detail=str(error))
        strikes = self._cache.pause.strikes + 1 if self._cache.pause else 1
        ours = self._settings.pause_minutes * 60 * 2 ** (min(strikes, 20) - 1)
        wait = min(max(ours, error.wait_s), self._settings.longest_pause_minutes * 60)
        until = self._clock.now() + timedelta(seconds=wait)
        self._cache.set_pause(Pause(until=until, strikes=strikes))
        detail = f"{error} Not asked again before {until:%Y-%m-%d %H:%M} UTC."
        return DataNote(code="closed", subject=SOURCE, detail=detail)
