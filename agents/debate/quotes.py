"""The newest outside text on a ticker, for the reader or for bull and bear – never for the judge."""

from collections import Counter
from typing import Any

from domain.market import Headline, Post
from domain.snapshot import MarketSnapshot
from prompts.outside import clean


def quotes(
    snapshot: MarketSnapshot, ticker: str, *, count: int, per_channel: int, characters: int
) -> list[dict[str, Any]]:
    """At most `count` headlines and posts tagged with `ticker` and known at the snapshot, newest first, and of those
    at most `per_channel` from one forum or publisher, so that nobody fills the list alone.

    Ids are q1, q2, …: names that strangers chose (a post's id, an author) go into no prompt.
    """
    texts: list[Headline | Post] = [*snapshot.market.headlines, *snapshot.market.posts]
    tagged = [item for item in texts if ticker in item.tickers and item.known_at <= snapshot.as_of]
    chosen: list[Headline | Post] = []
    taken: Counter[str] = Counter()
    for item in sorted(tagged, key=lambda item: (-item.known_at.timestamp(), item.id)):
        channel = _channel(item)
        if len(chosen) < count and taken[channel] < per_channel:
            taken[channel] += 1
            chosen.append(item)
    return [
        {"id": f"q{number}", "source": clean(item.source, limit=40), "text": clean(item.text, limit=characters)}
        for number, item in enumerate(chosen, start=1)
    ]


def _channel(item: Headline | Post) -> str:
    return f"{item.source}/{item.channel}" if isinstance(item, Post) else item.source
