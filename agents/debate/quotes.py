"""The newest outside text on a ticker, for bull and bear to read – never for the judge."""

from typing import Any

from domain.market import Headline, Post
from domain.snapshot import MarketSnapshot
from prompts.outside import clean


def quotes(snapshot: MarketSnapshot, ticker: str, *, count: int, characters: int) -> list[dict[str, Any]]:
    """At most `count` headlines and posts tagged with `ticker` and known at the snapshot, newest first."""
    texts: list[Headline | Post] = [*snapshot.market.headlines, *snapshot.market.posts]
    tagged = [item for item in texts if ticker in item.tickers and item.known_at <= snapshot.as_of]
    newest = sorted(tagged, key=lambda item: (-item.known_at.timestamp(), item.id))[:count]
    return [{"id": item.id, "source": item.source, "text": clean(item.text, limit=characters)} for item in newest]
