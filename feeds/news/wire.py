"""The wire: asks every vendor at once, each for itself, and hands over the headlines that a picture may know.

One provider's outage never costs the others anything: each has its own turn with its own time limit, its own circuit
(left alone after repeated failures, a refused key or a rate limit, across restarts), and its own line in the report.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from domain.errors import DataError
from domain.ports import Clock
from domain.record import Instant, Record
from feeds.fetch import Answer, Fetcher, Unserved
from feeds.news.item import NewsItem
from feeds.news.settings import NewsSettings
from feeds.news.store import Asked, Circuit, NewsStore
from feeds.news.vendor import Question, Scope, Vendor

State = Literal["ok", "cached", "nothing_to_ask", "resting", "denied", "limited", "down", "unreadable"]
_DENIED, _LIMITED = (401, 403), 429


class Report(Record):
    """How one provider fared. `new` counts items never seen before, `dropped` those without title or date."""

    provider: str
    state: State
    detail: str = ""
    questions: int = 0
    new: int = 0
    received: int = 0
    dropped: int = 0
    cut_short: bool = False  # there was more than the allowed pages
    resting_until: Instant | None = None


@dataclass
class _Turn:
    """What one provider's turn has brought so far."""

    questions: int = 0
    new: int = 0
    received: int = 0
    dropped: int = 0
    cut_short: bool = False
    unreadable: str = ""


class NewsWire:
    """Asks `vendors` through one cache. Close it with `aclose`."""

    def __init__(self, vendors: Sequence[Vendor], store: NewsStore, settings: NewsSettings, clock: Clock) -> None:
        self._vendors = tuple(sorted(vendors, key=lambda vendor: vendor.name))
        self._store = store
        self._settings = settings
        self._clock = clock
        self._fetchers: dict[tuple[str, str], Fetcher] = {}

    @property
    def providers(self) -> tuple[str, ...]:
        """Names of those who are asked, ascending."""
        return tuple(vendor.name for vendor in self._vendors)

    @property
    def lookback(self) -> timedelta:
        """How far back headlines reach."""
        return timedelta(hours=self._settings.lookback_hours)

    async def aclose(self) -> None:
        """Close all connections."""
        for fetcher in self._fetchers.values():
            await fetcher.aclose()
        self._fetchers.clear()

    async def refresh(self, tickers: Sequence[str], *, anew: bool = False) -> tuple[Report, ...]:
        """Ask every provider about those `tickers` that are due, and keep what comes; a report each, by name.

        `anew`: ask also who is resting, and about what was asked a moment ago. Raises `MachineError` when the cache
        cannot be used; whatever a provider does is in its report.
        """
        reports = await asyncio.gather(*(self._turn(vendor, tickers, anew=anew) for vendor in self._vendors))
        before = self._clock.now() - timedelta(days=self._settings.keep_days)
        await asyncio.to_thread(self._store.prune, before)
        return tuple(reports)

    async def known(self, as_of: datetime) -> tuple[NewsItem, ...]:
        """Kept items known at `as_of` and not older than the look-back, one an article, by knowledge time."""
        items = await asyncio.to_thread(self._store.items, since=as_of - self.lookback, until=as_of)
        return one_an_article(items)

    async def _turn(self, vendor: Vendor, tickers: Sequence[str], *, anew: bool) -> Report:
        now = self._clock.now()
        circuit = await asyncio.to_thread(self._store.circuit, vendor.name)
        if not anew and circuit.resting_until is not None and now < circuit.resting_until:
            detail = f"left alone until {circuit.resting_until:%H:%M} UTC: {circuit.detail}"
            return Report(provider=vendor.name, state="resting", detail=detail, resting_until=circuit.resting_until)
        due, asked = await self._due(vendor, tickers, now, anew=anew)
        if not due:
            return Report(provider=vendor.name, state="cached" if asked else "nothing_to_ask")
        turn = _Turn()
        try:
            async with asyncio.timeout(self._settings.provider_seconds):
                for scope in due:
                    await self._converse(vendor, scope, now, turn)
        except TimeoutError:
            return await self._failed(
                vendor, turn, circuit, "down", f"not done in {self._settings.provider_seconds:g} s"
            )
        except Unserved as error:
            state, detail = _meaning(error)
            return await self._failed(vendor, turn, circuit, state, detail, error.retry_after)
        if turn.unreadable:
            return await self._failed(vendor, turn, circuit, "unreadable", turn.unreadable)
        if circuit != Circuit():
            await asyncio.to_thread(self._store.set_circuit, vendor.name, Circuit())
        return _report(vendor, turn, "ok", "")

    async def _due(
        self, vendor: Vendor, tickers: Sequence[str], now: datetime, *, anew: bool
    ) -> tuple[tuple[Scope, ...], bool]:
        """Scopes of what was not asked about within the vendor's cache time, and whether there was any scope at all."""
        scopes = vendor.scopes(tickers)
        keys = [key for scope in scopes for key in scope.keys]
        if anew or not keys:
            return scopes, bool(keys)
        diary = await asyncio.to_thread(self._store.asked, vendor.name, keys)
        oldest = now - timedelta(minutes=vendor.cache_minutes)
        fresh = {key for key, entry in diary.items() if oldest < entry.at <= now}
        again = vendor.scopes([name for name in tickers if name not in fresh])
        return tuple(scope for scope in again if not fresh.issuperset(scope.keys)), True

    async def _converse(self, vendor: Vendor, scope: Scope, now: datetime, turn: _Turn) -> None:
        """Ask about one scope, page by page, keeping each page as it comes."""
        diary = await asyncio.to_thread(self._store.asked, vendor.name, scope.keys)
        question: Question | None = vendor.question(scope, since=self._since(vendor, scope, diary, now), until=now)
        validators = diary.get(scope.keys[0]) if len(scope.keys) == 1 else None
        last: NewsItem | None = None
        answer: Answer | None = None
        while question is not None and question.page <= vendor.most_pages:
            turn.questions += 1
            try:
                answer = await self._ask(vendor, question, validators)
                if answer.status == 304:
                    break
                page = await asyncio.to_thread(vendor.read, answer.body, answer.headers, question)
            except DataError as error:
                turn.unreadable = error.message
                return
            turn.received += len(page.items)
            turn.dropped += page.dropped
            turn.new += await asyncio.to_thread(self._store.put, page.items)
            last = max((*page.items, *([last] if last else [])), key=lambda item: item.known_at, default=None)
            question = page.following
        cut_short = question is not None and answer is not None and answer.status != 304
        turn.cut_short |= cut_short
        # Cut short oldest first: the next question goes on where this one ended.
        complete_to = min(last.known_at, now) if cut_short and vendor.oldest_first and last is not None else now
        entry = Asked(now, complete_to)
        if answer is not None and answer.status == 304 and validators is not None:
            entry = replace(entry, etag=validators.etag, modified=validators.modified)
        elif answer is not None:
            entry = replace(entry, etag=_short(answer, "etag"), modified=_short(answer, "last-modified"))
        await asyncio.to_thread(self._store.note, vendor.name, scope.keys, entry)

    def _since(self, vendor: Vendor, scope: Scope, diary: dict[str, Asked], now: datetime) -> datetime:
        """Where to begin: at the look-back, or shortly before what is complete for every key of the scope."""
        earliest = now - self.lookback
        ends = [diary[key].complete_to if key in diary else None for key in scope.keys]
        known = [end for end in ends if end is not None]
        if len(known) < len(ends) or not known:
            return earliest
        return max(earliest, min(known) - timedelta(minutes=vendor.overlap_minutes))

    async def _ask(self, vendor: Vendor, question: Question, validators: Asked | None) -> Answer:
        key = (vendor.name, question.base_url)
        if key not in self._fetchers:
            self._fetchers[key] = Fetcher(question.base_url, self._settings.fetch, vendor.secret_headers)
        headers = {}
        if validators is not None and validators.etag:
            headers["If-None-Match"] = validators.etag
        if validators is not None and validators.modified:
            headers["If-Modified-Since"] = validators.modified
        subject = f"news about {', '.join(question.scope.tickers[:3])}" if question.scope.tickers else "its feed"
        return await self._fetchers[key].ask(question.path, subject=subject, params=question.params, headers=headers)

    async def _failed(
        self, vendor: Vendor, turn: _Turn, before: Circuit, state: State, detail: str, retry_after: float = 0.0
    ) -> Report:
        """Count the failure; open the circuit where it is due."""
        now, settings = self._clock.now(), self._settings
        failures = before.failures + 1
        until: datetime | None = None
        if state == "denied":
            until = now + timedelta(minutes=settings.denied_minutes)
        elif state == "limited":
            # A day at most: nobody's limit lasts longer, and a hostile figure must not silence a source for good.
            until = now + timedelta(seconds=min(max(retry_after, 60 * settings.rest_minutes), 86_400))
        elif failures >= settings.failures:
            until = now + timedelta(minutes=settings.rest_minutes)
        await asyncio.to_thread(self._store.set_circuit, vendor.name, Circuit(failures, until, state, detail))
        return _report(vendor, turn, state, detail, until)


def one_an_article(items: Sequence[NewsItem]) -> tuple[NewsItem, ...]:
    """Items with the same canonical address are one, whoever brought them: the earliest known, about all their tickers.

    What each item knew stays its own: none moves earlier by it.
    """
    merged: dict[str, NewsItem] = {}
    for item in sorted(items, key=lambda item: (item.known_at, item.provider, item.id)):
        key = item.url or f"{item.provider}:{item.id}"
        first = merged.get(key)
        tickers = sorted({*item.tickers, *(first.tickers if first else ())})
        merged[key] = (first or item).model_copy(update={"tickers": tuple(tickers)})
    return tuple(merged.values())


def _meaning(error: Unserved) -> tuple[State, str]:
    if error.status in _DENIED:
        return "denied", f"the key was refused, or its plan has no news ({error.reason})"
    if error.status == _LIMITED:
        return "limited", f"more requests than its limit ({error.reason})"
    return "down", error.reason


def _report(vendor: Vendor, turn: _Turn, state: State, detail: str, until: datetime | None = None) -> Report:
    return Report(
        provider=vendor.name,
        state=state,
        detail=detail,
        questions=turn.questions,
        new=turn.new,
        received=turn.received,
        dropped=turn.dropped,
        cut_short=turn.cut_short,
        resting_until=until,
    )


def _short(answer: Answer, header: str) -> str | None:
    value = answer.headers.get(header)
    with suppress(UnicodeEncodeError):
        if value is not None and len(value.encode("ascii")) <= 200:
            return value
    return None
