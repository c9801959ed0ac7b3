"""Headlines join the history of a live feed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.errors import DataError, MachineError
from domain.market import DataNote, Headline, MarketData
from domain.ports import SentimentModel
from feeds.news.item import NewsItem
from feeds.news.wire import NewsWire, Report
from feeds.text import tag_and_score_all
from signals.social.extraction import NO_NAMES, NameIndex, tickers_in

History = Callable[[datetime, Sequence[str]], Awaitable[MarketData]]


@dataclass(frozen=True)
class Reading:
    """How titles are read: the model of their mood, which is the desk's, and what companies are called."""

    model: SentimentModel
    names: NameIndex = NO_NAMES


def with_news(history: History, wire: NewsWire, reading: Reading) -> History:
    """`history` with the headlines about its tickers (by the vendor, or by a name in the title) known at the same
    instant, scored. Whatever goes wrong is a note; nothing is asked and nothing said where no provider is configured.
    """
    if not wire.providers:
        return history

    async def read(as_of: datetime, tickers: Sequence[str]) -> MarketData:
        past = await history(as_of, tickers)
        headlines, notes = await headlines_at(wire, as_of, tickers, reading)
        said = (
            f"{len(headlines)} headlines of the last {wire.lookback.total_seconds() / 3600:g} h, scored when collected"
        )
        return replace(
            past,
            headlines=(*past.headlines, *headlines),
            notes=(*past.notes, *notes),
            provenance={**past.provenance, "headlines": f"{', '.join(wire.providers)}: {said}"},
        )

    return read


async def headlines_at(
    wire: NewsWire, as_of: datetime, tickers: Sequence[str], reading: Reading
) -> tuple[tuple[Headline, ...], tuple[DataNote, ...]]:
    """Ask who is due, then the headlines about `tickers` known at `as_of`, by knowledge time, and a note for every
    provider that did not answer as it should. Never raises: without its cache, or without the sentiment model that the
    settings name, there are no headlines, and a note says so.
    """
    notes: tuple[DataNote, ...] = ()
    try:
        reports = await wire.refresh(tickers)
        notes = tuple(note for report in reports for note in notes_of(report))
        return await asyncio.to_thread(scored, await wire.known(as_of), tickers, reading), notes
    except (MachineError, DataError) as error:
        return (), (*notes, DataNote(code="no_news", subject="*", detail=str(error)))


def about(items: Sequence[NewsItem], tickers: Sequence[str], names: NameIndex) -> tuple[NewsItem, ...]:
    """The `items` that a vendor ties to one of `tickers`, or whose title names one."""
    wanted = frozenset(tickers)
    return tuple(item for item in items if wanted.intersection(item.tickers) or tickers_in(item.title, wanted, names))


def scored(items: Sequence[NewsItem], tickers: Sequence[str], reading: Reading) -> tuple[Headline, ...]:
    """The `items` about `tickers`, in their order, tagged and scored."""
    wanted, chosen = frozenset(tickers), about(items, tickers, reading.names)
    return tuple(tag_and_score_all([item.headline() for item in chosen], wanted, reading.names, model=reading.model))


def notes_of(report: Report) -> tuple[DataNote, ...]:
    """What of a report belongs into the record."""
    if report.state not in ("ok", "cached", "nothing_to_ask"):
        return (DataNote(code=f"news_{report.state}", subject=report.provider, detail=report.detail),)
    if report.cut_short:
        detail = "there was more than the allowed pages; raise `pages` in news.yaml if this stays"
        return (DataNote(code="news_cut_short", subject=report.provider, detail=detail),)
    return ()
