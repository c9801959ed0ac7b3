"""RSS and Atom feeds, read by feedparser, which expands no entities and opens nothing that a feed points to."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from domain.errors import DataError
from feeds.news.item import NewsItem, instant_of, news_item
from feeds.news.settings import FeedSettings
from feeds.news.vendor import Page, Question, Scope, page_of

PER_TICKER = "{ticker}"
# A feed of hundreds of items has some ten thousand of them; a hostile one would keep the parser busy for minutes.
_MOST_MARKS = 100_000
_MOST_ITEMS = 1_000


class Rss:
    """One feed. Implements `feeds.news.vendor.Vendor`."""

    oldest_first = False
    most_pages = 1
    overlap_minutes = 0.0  # a feed is always served whole
    secret_headers: Mapping[str, str] = {}

    def __init__(self, settings: FeedSettings) -> None:
        self._settings = settings
        self._zone = ZoneInfo(settings.time_zone) if settings.time_zone else None
        self.name = f"rss-{settings.name}"
        self.cache_minutes = settings.cache_minutes

    def scopes(self, tickers: Sequence[str]) -> tuple[Scope, ...]:
        """The feed's address, or one for each ticker."""
        if PER_TICKER not in self._settings.url:
            return (Scope((self._settings.url,), ()),)
        addresses = {name: self._settings.url.replace(PER_TICKER, quote(name)) for name in sorted(set(tickers))}
        return tuple(Scope((address,), (name,)) for name, address in addresses.items())

    def question(self, scope: Scope, *, since: datetime, until: datetime) -> Question:
        """The feed as it stands."""
        parts = urlsplit(scope.keys[0])
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return Question(f"{parts.scheme}://{parts.netloc}", path or "/", scope)

    def read(self, body: bytes, headers: Mapping[str, str], asked: Question) -> Page:
        """See `Vendor`. What is no feed, or has absurdly many tags, is refused."""
        import feedparser

        if body.count(b"<") + body.count(b"&") > _MOST_MARKS:
            raise DataError(f"{self.name} is too large to be a feed of news.", remedy="Take it out of news.yaml.")
        kind = {"content-type": headers.get("content-type", "application/xml")}
        # From a stream, never as bytes: feedparser takes bytes for the name of a file to open.
        found = feedparser.parse(BytesIO(body), response_headers=kind, resolve_relative_uris=False, sanitize_html=False)
        if not found.version:
            raise DataError(f"{self.name} answered with no RSS or Atom feed.", remedy="Check its address in news.yaml.")
        publisher = found.feed.get("title")
        return page_of([self._item(entry, publisher, asked) for entry in found.entries[:_MOST_ITEMS]])

    def _item(self, entry: Any, publisher: object, asked: Question) -> NewsItem | None:
        published = self._instant(entry, "published")
        updated = self._instant(entry, "updated")
        return news_item(
            provider=self.name,
            vendor_id=entry.get("id"),
            title=entry.get("title"),
            url=entry.get("link"),
            publisher=publisher,
            published=published or updated,
            updated=updated,
            tickers=asked.scope.tickers,
        )

    def _instant(self, entry: Any, field: str) -> datetime | None:
        """From the text, not from feedparser's reading of it: that takes a time without a zone for UTC."""
        if field not in entry:
            return None
        found = instant_of(entry[field])
        if found is None and self._zone is not None:
            naive = instant_of(entry[field], naive_is_utc=True)
            return None if naive is None else naive.replace(tzinfo=self._zone).astimezone(UTC)
        return found
