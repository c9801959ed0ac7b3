"""The simulated market as a feed: the same instant always gives the same picture, whatever was asked before."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

import numpy as np

from domain.errors import UsageError
from domain.market import CalendarEvent, Chain, DataNote, Headline, MarketData, Post, Series, mentions
from domain.sessions import session_close, session_of, session_open
from domain.units import Days, Floats
from feeds.simulated import agenda, crowd, histories
from feeds.simulated.curve import yields
from feeds.simulated.paths import Path, market_path, name_path
from feeds.simulated.quotes import Board, board, chain
from feeds.simulated.settings import SimulatedSettings
from feeds.simulated.timeline import Timeline, check_instant, timeline

_PROVENANCE = {
    "chains": "simulated: SSVI surface around a simulated path; not market data",
    "bars": "simulated path",
    "series": "simulated; volatility indices are variance-swap rates of the simulated SPX surface",
    "posts": "simulated from sentence templates; authors are numbers",
    "headlines": "simulated from sentence templates",
    "events": "simulated calendar on real New York sessions",
}


class SimulatedFeed:
    """Implements `domain.ports.MarketFeed` without any input but its settings."""

    name = "simulated"

    def __init__(self, settings: SimulatedSettings) -> None:
        self.settings = settings
        self._names = {name.ticker: name for name in settings.roster()}
        self._paths: dict[str, Path] = {}
        self._series: dict[str, dict[str, Series]] = {}
        self._boards: dict[str, tuple[int, Board]] = {}
        self._posts: dict[tuple[str, date], tuple[Post, ...]] = {}

    async def universe(self, as_of: datetime) -> tuple[str, ...]:
        """All names, ascending, within a session of the simulated calendar; else empty."""
        try:
            check_instant(as_of, self._line)
        except UsageError:
            return ()
        return tuple(sorted(self._names))

    async def gather(self, as_of: datetime, tickers: Sequence[str]) -> MarketData:
        """Everything knowable at `as_of`. Raises `UsageError` outside sessions, before the epoch and past the end."""
        check_instant(as_of, self._line)
        known, unknown = self._split(tickers)
        series = {
            name: histories.known_window(full, as_of, self.settings.history_sessions)
            for name, full in self._market_series.items()
        }
        posts: list[Post] = []
        headlines: list[Headline] = []
        events: list[CalendarEvent] = agenda.market_events(as_of)
        for ticker in known:
            for name, full in self._name_series(ticker).items():
                series[name] = histories.known_window(full, as_of, self.settings.history_sessions)
            posts += self._recent_posts(ticker, as_of)
            headlines += self._recent_headlines(ticker, as_of)
            events += agenda.name_events(self._path(ticker), self._line, as_of)
        return MarketData(
            as_of=as_of,
            feed=self.name,
            tickers=known,
            chains=await self.quotes(as_of, known),
            bars={
                ticker: histories.bars(self._path(ticker), self._line, as_of, self.settings.history_sessions)
                for ticker in sorted({*known, *(name for name in ("SPX", "SPY") if name in self._names)})
            },
            series={name: series[name] for name in sorted(series)},
            posts=tuple(sorted(posts, key=lambda post: (post.published_at, post.id))),
            headlines=tuple(sorted(headlines, key=lambda item: (item.published_at, item.id))),
            events=tuple(sorted(events, key=lambda event: (event.at, event.kind, event.ticker or ""))),
            events_known=frozenset({"", *known}),
            sectors={ticker: self._names[ticker].sector for ticker in known},
            notes=tuple(
                DataNote(code="unknown_ticker", subject=ticker, detail=f"The simulated market does not list {ticker}.")
                for ticker in unknown
            ),
            provenance=_PROVENANCE,
        )

    async def quotes(self, as_of: datetime, tickers: Sequence[str]) -> Mapping[str, Chain]:
        """Chains at `as_of`, or of the last close before it when New York is not trading."""
        instant = self._last_trading_instant(as_of)
        index = check_instant(instant, self._line)
        day = self._line.day(index)
        elapsed = (instant - session_open(day)) / (session_close(day) - session_open(day))
        known, _ = self._split(tickers)
        return {
            ticker: chain(
                self._path(ticker),
                self._line,
                index,
                as_of=instant,
                elapsed=elapsed,
                curve_row=self._curve[index - 1],
                day=self._board(ticker, index),
                settings=self.settings,
            )
            for ticker in known
        }

    def _split(self, tickers: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        asked = sorted(set(tickers))
        known = tuple(ticker for ticker in asked if ticker in self._names)
        if asked and not known:
            listed = ", ".join(sorted(self._names)[:20])
            raise UsageError(f"The simulated market lists none of {', '.join(asked)}.", remedy=f"It lists {listed}.")
        return known, tuple(ticker for ticker in asked if ticker not in self._names)

    def _last_trading_instant(self, as_of: datetime) -> datetime:
        if session_of(as_of) is not None:
            return as_of
        closes = self._line.close_known
        before = int(np.searchsorted(closes, np.datetime64(as_of.astimezone(UTC).replace(tzinfo=None)), side="right"))
        return as_of if before <= self._line.first else session_close(self._line.day(before - 1))

    @cached_property
    def _line(self) -> Timeline:
        return timeline(self.settings)

    @cached_property
    def _curve(self) -> Floats:
        return yields(self.settings, len(self._line.days))

    @cached_property
    def _market(self) -> Path:
        return market_path(self.settings, self._line)

    @cached_property
    def _market_series(self) -> dict[str, Series]:
        return histories.market_series(self._market, self._curve, self.settings, self._line)

    @cached_property
    def _days(self) -> Days:
        return crowd.calendar_days(self._line.day(0), self._line.day(len(self._line.days) - 1))

    def _path(self, ticker: str) -> Path:
        if ticker not in self._paths:
            self._paths[ticker] = name_path(self._names[ticker], self._market, self.settings, self._line)
        return self._paths[ticker]

    def _name_series(self, ticker: str) -> dict[str, Series]:
        if ticker not in self._series:
            counts = crowd.post_counts(self._names[ticker], self._days, self.settings)
            mentioned = crowd.mention_series(self._names[ticker], self._days, counts)
            found = histories.name_series(self._path(ticker), self.settings, self._line)
            self._series[ticker] = {**found, mentioned.name: mentioned}
        return self._series[ticker]

    def _board(self, ticker: str, index: int) -> Board:
        """The session's board; one per name is kept, so memory does not grow as the days pass."""
        kept = self._boards.get(ticker)
        if kept is None or kept[0] != index:
            kept = (index, board(self._path(ticker), self._line, index, self.settings))
            self._boards[ticker] = kept
        return kept[1]

    def _recent_posts(self, ticker: str, as_of: datetime) -> list[Post]:
        name, counted = self._names[ticker], self._name_series(ticker)[mentions(ticker)]
        start = counted.day[0].astype(object)
        found: list[Post] = []
        for day in _days_back(as_of, crowd.POST_DAYS):
            if (ticker, day) not in self._posts:
                count = int(counted.value[(day - start).days])
                self._posts[ticker, day] = crowd.posts_of(name, day, count, self.settings)
            found += [post for post in self._posts[ticker, day] if post.known_at <= as_of]
        for stale in [
            key for key in self._posts if key[0] == ticker and key[1] not in _days_back(as_of, crowd.POST_DAYS)
        ]:
            del self._posts[stale]
        return found

    def _recent_headlines(self, ticker: str, as_of: datetime) -> list[Headline]:
        name = self._names[ticker]
        days = _days_back(as_of, crowd.HEADLINE_DAYS)
        found = [item for day in days for item in crowd.headlines_of(name, day, self.settings)]
        return [item for item in found if item.known_at <= as_of]


def _days_back(as_of: datetime, count: int) -> list[date]:
    today = as_of.astimezone(UTC).date()
    return [today - timedelta(days=back) for back in reversed(range(count))]
