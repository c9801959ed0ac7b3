"""Prediction-market odds from Polymarket's public Gamma API: optional evidence for the regime."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime

from domain.errors import DataError, FeedDown
from domain.market import DataNote, MarketData, OddsReading
from domain.record import Record
from feeds.fetch import Fetcher, FetchSettings
from feeds.polymarket.parse import parse_odds

History = Callable[[datetime, Sequence[str]], Awaitable[MarketData]]


class PolymarketSettings(Record):
    """Which markets to read; none means that odds are not used."""

    base_url: str = "https://gamma-api.polymarket.com"
    slugs: tuple[str, ...] = ()
    fetch: FetchSettings = FetchSettings()


class PolymarketOdds:
    """Reads the configured markets. An outage or an odd market costs that reading only."""

    def __init__(self, settings: PolymarketSettings) -> None:
        self._settings = settings
        self._fetcher = Fetcher(settings.base_url, settings.fetch)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._fetcher.aclose()

    async def odds(self, as_of: datetime) -> tuple[tuple[OddsReading, ...], tuple[DataNote, ...]]:
        """Readings known at `as_of`, by slug, and a note for each one that is missing."""
        readings: list[OddsReading] = []
        notes: list[DataNote] = []
        for slug in sorted(set(self._settings.slugs)):
            try:
                reading = parse_odds(await self._fetcher.get("/markets", subject=slug, params={"slug": slug}), slug)
            except (DataError, FeedDown) as error:
                notes.append(DataNote(code="no_odds", subject=slug, detail=str(error)))
                continue
            if reading.known_at <= as_of:
                readings.append(reading)
            else:
                detail = f"updated at {reading.known_at:%Y-%m-%d %H:%M:%S} UTC, after the run's instant"
                notes.append(DataNote(code="not_yet_known", subject=slug, detail=detail))
        return tuple(readings), tuple(notes)


def with_odds(history: History, source: PolymarketOdds) -> History:
    """`history` with the odds known at the same instant."""

    async def read(as_of: datetime, tickers: Sequence[str]) -> MarketData:
        past = await history(as_of, tickers)
        readings, notes = await source.odds(as_of)
        return replace(past, odds=readings, notes=(*past.notes, *notes)) if readings or notes else past

    return read
