"""The recorded feed: the market as an imported library lets one know it at a past instant."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from domain.errors import DataError, UsageError
from domain.market import (
    DIX,
    FED_FUNDS,
    FORUM,
    GEX,
    PUT_CALL,
    VIX_FAMILY,
    YIELDS,
    Chain,
    DataNote,
    MarketData,
    Post,
    hourly_mentions,
    hourly_tone,
    iv30,
    mentions,
    option_volume,
    skew25,
)
from domain.ports import Clock, SentimentModel
from domain.sessions import NEW_YORK, is_session, session_on_or_after
from feeds.calendars import FixedCalendar
from feeds.library import MarketLibrary
from feeds.recorded.history import known_series
from feeds.recorded.manifest import Capture
from feeds.recorded.prices import known_bars
from feeds.recorded.settings import RecordedSettings
from feeds.sectors import sectors_of
from signals.social.extraction import NO_NAMES, NameIndex

INDEX = "SPX"  # its bars and series belong to every picture: regime and benchmark read them
_MARKET_SERIES = (*VIX_FAMILY, *YIELDS, *PUT_CALL, FED_FUNDS, DIX, GEX)


class RecordedFeed:
    """`MarketFeed` over a `MarketLibrary`; `clock` is the wall's and only tells the future from the past."""

    name = "recorded"

    def __init__(
        self,
        library: MarketLibrary,
        clock: Clock,
        *,
        settings: RecordedSettings | None = None,
        sectors: Mapping[str, str] | None = None,
        names: NameIndex = NO_NAMES,
        sentiment: SentimentModel | None = None,
    ) -> None:
        self._library = library
        self._clock = clock
        self._settings = settings or RecordedSettings()
        self._sectors = dict(sectors or {})
        self._names = names
        self._sentiment = sentiment
        self._read: dict[tuple[frozenset[str], str], tuple[Post, Post]] = {}  # the last picture's: raw, and read

    async def universe(self, as_of: datetime) -> tuple[str, ...]:
        """Tickers with a quoted chain at most `max_quote_age_minutes` old."""
        self._refuse_future(as_of)
        fresh = await asyncio.to_thread(self._fresh, as_of)
        return tuple(sorted(ticker for ticker, capture in fresh.items() if capture.quoted))

    async def gather(self, as_of: datetime, tickers: Sequence[str]) -> MarketData:
        """See `domain.ports.MarketFeed`. Without `tickers` it takes the universe.

        Raises `UsageError` also on a day without a session and when no ticker has a fresh chain, naming the captures
        around `as_of`.
        """
        return await asyncio.to_thread(self._gather, as_of, tickers)

    async def histories(self, as_of: datetime, tickers: Sequence[str]) -> MarketData:
        """Everything but chains: the companion of a live feed that has only quotes. An empty library gives little."""
        return await asyncio.to_thread(self._histories, as_of, tuple(sorted(set(tickers))), {})

    async def quotes(self, as_of: datetime, tickers: Sequence[str]) -> Mapping[str, Chain]:
        """The latest quoted chains at or before `as_of`, however old: each says its own `as_of`."""
        self._refuse_future(as_of)
        return await asyncio.to_thread(self._quotes, as_of, tickers)

    def _quotes(self, as_of: datetime, tickers: Sequence[str]) -> dict[str, Chain]:
        latest = {item.ticker: item for item in self._library.captures(until=as_of) if item.quoted}
        return {ticker: self._library.chain(latest[ticker]) for ticker in sorted(set(tickers)) if ticker in latest}

    def _gather(self, as_of: datetime, tickers: Sequence[str]) -> MarketData:
        captures = self._captures(as_of)
        fresh = self._fresh(as_of)
        wanted = tuple(sorted(set(tickers))) or tuple(sorted(name for name, item in fresh.items() if item.quoted))
        covered = {capture.ticker for capture in captures}
        notes = _missing(wanted, covered, fresh, captures, as_of, self._settings)
        chosen = {ticker: fresh[ticker] for ticker in wanted if ticker in fresh}
        if wanted and not covered.intersection(wanted):
            raise UsageError(
                f"The library holds no option chain of {', '.join(wanted)}.",
                remedy=f"It has {', '.join(sorted(covered))}.",
            )
        if not chosen:
            raise UsageError(
                f"No recorded chain of {', '.join(wanted) or 'any ticker'} is at most "
                f"{self._settings.max_quote_age_minutes} minutes old at {_utc(as_of)}.",
                remedy=_around(captures, as_of, set(wanted) & covered or covered),
            )
        chains = {ticker: self._library.chain(capture) for ticker, capture in chosen.items()}
        sources = {source.id: source.name for source in self._library.list()}
        past = self._histories(as_of, wanted, chains)
        named = "; ".join(
            f"{ticker} {_utc(item.as_of)} from {sources[item.source_id]}" for ticker, item in chosen.items()
        )
        return replace(
            past,
            tickers=tuple(ticker for ticker in wanted if ticker in covered),
            chains=chains,
            notes=(*notes, *_chain_notes(chains, chosen, past.bars), *past.notes),
            provenance={"chains": f"recorded; {named}", **past.provenance},
        )

    def _histories(self, as_of: datetime, wanted: Sequence[str], chains: Mapping[str, Chain]) -> MarketData:
        spots = {ticker: chain.spot for ticker, chain in chains.items()}
        bars, bar_notes = known_bars(self._library.bars((*wanted, INDEX)), as_of, spots, self._settings)
        series, series_notes = known_series(self._library.series(_names(wanted)), as_of, self._settings)
        agenda = FixedCalendar(self._library.events(until=as_of)).agenda(as_of, wanted)
        return MarketData(
            as_of=as_of,
            feed=self.name,
            tickers=tuple(wanted),
            chains={},
            bars=bars,
            series=series,
            posts=self._posts(as_of, wanted),
            events=agenda.events,
            events_known=agenda.known,
            sectors=sectors_of(wanted, self._sectors, self._library.sectors()),
            notes=(*bar_notes, *series_notes),
            provenance={
                "bars": "recorded daily bars in the share units of this instant" if bars else "none recorded",
                "series": f"recorded: {', '.join(series)}" if series else "none recorded",
                "posts": "recorded posts, scored when collected",
                "calendar": "imported calendar rows" if agenda.known else "no calendar imported: events are unknown",
                "sectors": "sector map; tickers it does not name are unknown",
            },
        )

    def _captures(self, as_of: datetime) -> tuple[Capture, ...]:
        """Every capture, after refusing instants for which no picture can exist."""
        self._refuse_future(as_of)
        captures = self._library.captures()
        if not captures:
            raise DataError("The library holds no option chains.", remedy="Import some with 'desk data import PATH'.")
        day = as_of.astimezone(NEW_YORK).date()
        if as_of < captures[0].as_of:
            raise UsageError(
                f"Nothing is recorded by {_utc(as_of)}.", remedy=f"The first chain is of {_utc(captures[0].as_of)}."
            )
        if not is_session(day):
            raise UsageError(
                f"{day} is not a New York trading session.", remedy=f"The next one is {session_on_or_after(day)}."
            )
        return captures

    def _fresh(self, as_of: datetime) -> dict[str, Capture]:
        """Per ticker the latest fresh capture; one with quotes goes before one without."""
        oldest = as_of - timedelta(minutes=self._settings.max_quote_age_minutes, seconds=1)
        captures = self._library.captures(until=as_of, since=oldest)
        ranked = sorted(captures, key=lambda item: item.quoted)  # stable: time order within each kind
        return {capture.ticker: capture for capture in ranked}

    def _posts(self, as_of: datetime, tickers: Sequence[str]) -> tuple[Post, ...]:
        from feeds.text import LEXICON, tag_and_score_all, tickers_in

        since = as_of - timedelta(days=self._settings.post_days)
        wanted, model = frozenset(tickers), self._sentiment or LEXICON
        posts = [
            post
            for post in self._library.posts(since=since, until=as_of)
            if wanted.intersection(post.tickers) or tickers_in(post.text, wanted, self._names)
        ]
        read = {post.id: kept for post in posts if (kept := self._read.get((wanted, post.id))) and kept[0] == post}
        new = [post for post in posts if post.id not in read]
        scored = tag_and_score_all(new, wanted, self._names, model=model)
        read |= {post.id: (post, reading) for post, reading in zip(new, scored, strict=True)}
        self._read = {(wanted, name): pair for name, pair in read.items()}
        return tuple(read[post.id][1] for post in posts)

    def _refuse_future(self, as_of: datetime) -> None:
        if as_of.tzinfo is None:
            raise UsageError("The instant has no time zone.", remedy="Write it e.g. 2026-02-12T15:10:00Z.")
        now = self._clock.now()
        if as_of > now:
            raise UsageError(f"{_utc(as_of)} lies in the future (it is {_utc(now)}).", remedy="Give a past instant.")


def _names(tickers: Sequence[str]) -> tuple[str, ...]:
    own = [
        name
        for ticker in tickers
        for name in (
            mentions(ticker),
            hourly_mentions(ticker),
            hourly_tone(ticker),
            iv30(ticker),
            skew25(ticker),
            option_volume(ticker, "call"),
            option_volume(ticker, "put"),
        )
    ]
    return (*_MARKET_SERIES, hourly_mentions(FORUM), *own)


def _missing(
    wanted: Sequence[str],
    covered: set[str],
    fresh: Mapping[str, Capture],
    captures: Sequence[Capture],
    as_of: datetime,
    settings: RecordedSettings,
) -> list[DataNote]:
    notes: list[DataNote] = []
    for ticker in wanted:
        if ticker not in covered:
            detail = "the library holds no chain of it at any time"
            notes.append(DataNote(code="unknown_ticker", subject=ticker, detail=detail))
        elif ticker not in fresh:
            detail = (
                f"no chain at most {settings.max_quote_age_minutes} minutes old; {_around(captures, as_of, {ticker})}"
            )
            notes.append(DataNote(code="no_fresh_chain", subject=ticker, detail=detail))
    return notes


def _chain_notes(
    chains: Mapping[str, Chain], captures: Mapping[str, Capture], bars: Mapping[str, object]
) -> list[DataNote]:
    notes: list[DataNote] = []
    for ticker, chain in chains.items():
        if not captures[ticker].quoted:
            detail = "the recording has last prices only: nothing of it can be traded"
            notes.append(DataNote(code="last_prices_only", subject=ticker, detail=detail, count=len(chain)))
        if chain.spot_source == "parity":
            detail = f"spot {chain.spot:g} implied from put-call parity: the source's own is missing or out of step"
            notes.append(DataNote(code="parity_spot", subject=ticker, detail=detail))
        if ticker not in bars:
            notes.append(DataNote(code="no_bars", subject=ticker, detail="no daily bars are known at this instant"))
    return notes


def _around(captures: Sequence[Capture], as_of: datetime, tickers: set[str]) -> str:
    instants = sorted({capture.as_of for capture in captures if capture.ticker in tickers})
    before = [instant for instant in instants if instant <= as_of]
    after = [instant for instant in instants if instant > as_of]
    ends = [f"before it {_utc(before[-1])}" if before else "", f"after it {_utc(after[0])}" if after else ""]
    return f"Nearest captures: {' and '.join(end for end in ends if end)}."


def _utc(instant: datetime) -> str:
    return f"{instant.astimezone(NEW_YORK):%Y-%m-%d %H:%M:%S} New York"


__all__ = ["INDEX", "RecordedFeed"]
