"""Cboe's free delayed quotes as a feed: chains 15 minutes old, no key, no history of its own."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import Field

from domain.errors import DataError, FeedDown, UsageError
from domain.market import Chain, DataNote, MarketData
from domain.ports import Clock
from domain.record import Record
from domain.sessions import session_of
from feeds.cboe.parse import DELAY, Delayed, document_name, parse_chain
from feeds.fetch import Fetcher, FetchSettings

History = Callable[[datetime, Sequence[str]], Awaitable[MarketData]]


class CboeSettings(Record):
    """Where the documents are and how long one is good for."""

    base_url: str = "https://cdn.cboe.com/api/global/delayed_quotes/options/"
    universe: tuple[str, ...] = ("SPX", "SPY", "QQQ", "IWM")
    cache_seconds: float = Field(default=60.0, ge=0)
    max_quote_age_minutes: float = Field(default=30.0, gt=15)  # the delay itself uses up 15 of them
    fetch: FetchSettings = FetchSettings()


class CboeClient:
    """Fetches documents through a cache on disk, so that restarts and other processes do not ask again."""

    def __init__(self, settings: CboeSettings, clock: Clock, cache: Path) -> None:
        self.settings = settings
        self._clock = clock
        self._cache = cache
        self._fetcher = Fetcher(settings.base_url, settings.fetch)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._fetcher.aclose()

    async def delayed(self, ticker: str) -> Delayed:
        """Latest document of a ticker. Raises `FeedDown`; `DataError` for an unknown ticker or unreadable answer."""
        kept = self._cache / document_name(ticker)
        body = self._fresh(kept)
        if body is not None:
            return parse_chain(body, ticker)
        body = await self._fetcher.get(document_name(ticker), subject=ticker)
        found = parse_chain(body, ticker)
        self._keep(kept, body)  # only what could be read is worth keeping
        return found

    def _fresh(self, kept: Path) -> bytes | None:
        if not kept.is_file():
            return None
        age = self._clock.now().timestamp() - kept.stat().st_mtime
        return kept.read_bytes() if 0 <= age < self.settings.cache_seconds else None

    def _keep(self, kept: Path, body: bytes) -> None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}.part")
        partial.write_bytes(body)
        now = self._clock.now().timestamp()
        os.utime(partial, (now, now))
        partial.replace(kept)


class CboeFeed:
    """Implements `domain.ports.MarketFeed` for the present only.

    `history` is the `gather` of a companion feed (recorded files, say) from which bars, series, calendar and sectors
    come; without it they are absent and the analysts that need them abstain.
    """

    name = "cboe"

    def __init__(self, client: CboeClient, clock: Clock, *, history: History | None = None) -> None:
        self._client = client
        self._clock = clock
        self._history = history

    async def universe(self, as_of: datetime) -> tuple[str, ...]:
        """Configured tickers whose quotes are fresh at `as_of`."""
        chains, _ = await self._chains(as_of, self._client.settings.universe)
        oldest = as_of - timedelta(minutes=self._client.settings.max_quote_age_minutes)
        return tuple(ticker for ticker, chain in chains.items() if chain.as_of >= oldest and session_of(chain.as_of))

    async def gather(self, as_of: datetime, tickers: Sequence[str]) -> MarketData:
        """Chains published by `as_of`, and the companion's history. Raises `UsageError` for a past or future instant,
        `FeedDown` when Cboe serves none of `tickers`.
        """
        chains, notes = await self._chains(as_of, tickers)
        past = await self._past(as_of, tickers, notes)
        provenance = {"chains": f"Cboe delayed quotes, {DELAY.seconds // 60} minutes old when published"}
        known = tuple(sorted(set(tickers)))
        if past is None:
            return MarketData(
                as_of=as_of,
                feed=self.name,
                tickers=known,
                chains=chains,
                bars={},
                series={},
                notes=tuple(notes),
                provenance=provenance,
            )
        return replace(
            past,
            feed=self.name,
            tickers=known,
            chains=chains,
            notes=(*notes, *past.notes),
            provenance={**past.provenance, **provenance},
        )

    async def quotes(self, as_of: datetime, tickers: Sequence[str]) -> Mapping[str, Chain]:
        """The latest chains published by `as_of`; tickers that Cboe cannot serve are left out."""
        return (await self._chains(as_of, tickers))[0]

    async def _past(self, as_of: datetime, tickers: Sequence[str], notes: list[DataNote]) -> MarketData | None:
        if self._history is None:
            return None
        try:
            return await self._history(as_of, tickers)
        except UsageError as error:
            notes.append(DataNote(code="no_history", subject="*", detail=str(error)))
            return None

    async def _chains(self, as_of: datetime, tickers: Sequence[str]) -> tuple[dict[str, Chain], list[DataNote]]:
        self._check(as_of)
        asked = sorted(set(tickers))
        answers = await asyncio.gather(*(self._one(ticker) for ticker in asked))
        chains: dict[str, Chain] = {}
        notes: list[DataNote] = []
        for ticker, answer in zip(asked, answers, strict=True):
            if isinstance(answer, Delayed) and answer.known_at <= as_of:
                chains[ticker] = answer.chain
                notes += answer.notes
            elif isinstance(answer, Delayed):
                detail = f"published at {answer.known_at:%H:%M:%S} UTC, after the run's {as_of:%H:%M:%S} UTC"
                notes.append(DataNote(code="not_yet_known", subject=ticker, detail=detail))
            else:
                code = "feed_down" if isinstance(answer, FeedDown) else "unreadable"
                notes.append(DataNote(code=code, subject=ticker, detail=str(answer)))
        down = [answer for answer in answers if isinstance(answer, FeedDown)]
        if down and len(down) == len(asked):
            raise down[0]
        return chains, notes

    async def _one(self, ticker: str) -> Delayed | DataError | FeedDown:
        try:
            return await self._client.delayed(ticker)
        except (DataError, FeedDown) as error:
            return error

    def _check(self, as_of: datetime) -> None:
        now = self._clock.now()
        oldest = now - timedelta(minutes=self._client.settings.max_quote_age_minutes)
        if not oldest <= as_of <= now:
            raise UsageError(
                f"Cboe's delayed quotes show the present ({now:%Y-%m-%d %H:%M} UTC), not {as_of:%Y-%m-%d %H:%M} UTC.",
                remedy="Use the recorded feed for the past.",
            )
