"""Headlines for a person: ask the services now, or read what they have said."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

from app.documents import plain
from app.newsroom import news_settings, news_wire, reading, services_off
from app.services.instants import require_past
from app.settings import Environment
from domain.errors import UsageError
from domain.ports import Clock
from feeds.news.item import listed
from feeds.news.join import about, scored


async def fetch(environment: Environment, clock: Clock, tickers: Sequence[str], *, anew: bool) -> dict[str, Any]:
    """Ask every configured service about `tickers`: how each fared, and how many headlines are known about each ticker.

    Raises `UsageError` where no service is configured or a ticker is none.
    """
    wanted = _tickers(tickers)
    off = services_off(environment, news_settings(environment))
    async with AsyncExitStack() as closing:
        wire = news_wire(environment, clock, closing)
        if not wire.providers:
            raise UsageError(
                "No news service is configured.",
                remedy="Set the key of one, e.g. FINNHUB_API_KEY, or name RSS feeds under `feeds` in news.yaml.",
            )
        reports = await wire.refresh(wanted, anew=anew)
        now = clock.now()
        items = await wire.known(now)
    names = reading(environment).names
    return {
        "at": plain(now),
        "providers": plain(reports),
        "off": off,
        "lookback_hours": wire.lookback.total_seconds() / 3600,
        "headlines": {ticker: len(about(items, (ticker,), names)) for ticker in wanted},
    }


async def shown(environment: Environment, clock: Clock, ticker: str, at: datetime | None) -> dict[str, Any]:
    """The kept headlines about `ticker` known at `at` (default: now), newest first, scored. Asks nobody."""
    (wanted,) = _tickers((ticker,))
    now = clock.now()
    as_of = require_past(at or now, now)
    async with AsyncExitStack() as closing:
        wire = news_wire(environment, clock, closing)
        kept = await wire.known(as_of)
    how = reading(environment)
    items = about(kept, (wanted,), how.names)
    rows = [
        {**plain(headline), "publisher": item.publisher, "url": item.url}
        for item, headline in zip(items, scored(items, (wanted,), how), strict=True)
    ]
    return {
        "ticker": wanted,
        "as_of": plain(as_of),
        "lookback_hours": wire.lookback.total_seconds() / 3600,
        "headlines": rows[::-1],
    }


def _tickers(named: Sequence[str]) -> tuple[str, ...]:
    """Upper case, each once, ascending. Raises `UsageError` for what is no ticker."""
    for name in named:
        if not listed((name,)):
            raise UsageError(f"{name!r} is no ticker.", remedy="Write e.g. AAPL.")
    return listed(named)
