"""One news item as a vendor gave it, made plain at the edge: clean title, aware instants, canonical address."""

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from domain.market import Headline
from domain.record import Instant, Record
from feeds.text import clean

LONGEST_TITLE = 300
LONGEST_ADDRESS = 2_000
MOST_TICKERS = 50
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_MILLISECONDS = 100_000_000_000  # a number of seconds this large would lie in the year 5138
_TICKER = re.compile(r"[A-Z]{1,5}(?:[.-][A-Z]{1,2})?")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_TRACKING = re.compile(
    r"utm_\w+|(?:fb|g|ms|dc)clid|mc_[ce]id|_ga|igshid|yptr|cmpid|ncid|soc_src|soc_trk|guccounter|guce_\w+|tpcc"
)
_PLACEHOLDERS = frozenset({"", "[removed]", "untitled", "null", "none"})


class NewsItem(Record):
    """One version of one item. A vendor's later edit has the same `id` and a later `known_at`."""

    provider: str
    id: str  # the vendor's own, or a hash where it has none or an odd one
    url: str  # canonical, for comparison and reading; "" where there is none
    title: str
    publisher: str
    published_at: Instant
    known_at: Instant  # publication, or the edit that gave it this text
    tickers: tuple[str, ...]  # as the vendor gave them, ascending

    def headline(self) -> Headline:
        """As analysts read it, not yet scored."""
        return Headline(
            id=f"{self.provider}:{self.id}",
            source=self.provider,
            published_at=self.published_at,
            known_at=self.known_at,
            text=self.title,
            tickers=self.tickers,
        )


def news_item(
    *,
    provider: str,
    vendor_id: object,
    title: object,
    url: object,
    publisher: object,
    published: datetime | None,
    updated: datetime | None = None,
    tickers: Iterable[object] = (),
) -> NewsItem | None:
    """A vendor's fields made plain; None for an item without title or publication, which cannot be used."""
    text = clean(title)[:LONGEST_TITLE].rstrip() if isinstance(title, str) else ""
    if published is None or published < _EARLIEST or text.lower() in _PLACEHOLDERS:
        return None
    address = canonical_url(url) if isinstance(url, str) else ""
    return NewsItem(
        provider=provider,
        id=_identity(vendor_id, address or text),
        url=address,
        title=text,
        publisher=clean(publisher)[:80] if isinstance(publisher, str) else "",
        published_at=published,
        known_at=max(published, updated or published),
        tickers=listed(tickers),
    )


def canonical_url(address: str) -> str:
    """The same article has the same canonical address, whichever way it was reached: https, lower-case host without
    "www.", no default port, no user, no fragment, no tracking parameters, sorted query, no trailing slash.

    Empty for what is no http address of an article: other schemes, a bare host, a malformed or overlong one.
    """
    if len(address) > LONGEST_ADDRESS:
        return ""
    try:
        parts = urlsplit(address.strip())
        host, port = (parts.hostname or "").removeprefix("www."), parts.port
        host = host.encode("idna").decode("ascii")
        path = quote(unquote(parts.path), safe="/:@!$&'()*+,;=~-._").rstrip("/")
        query = urlencode(sorted(pair for pair in parse_qsl(parts.query) if not _TRACKING.fullmatch(pair[0].lower())))
    except ValueError:  # UnicodeError is one
        return ""
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or not (path or query):
        return ""
    place = host if port in (None, 80, 443) else f"{host}:{port}"
    return urlunsplit(("https", place, path, query, ""))


def listed(names: Iterable[object]) -> tuple[str, ...]:
    """Vendor's tickers in the desk's spelling, ascending: "NASDAQ:AAPL", "$aapl" and "AAPL" are AAPL. What is no ticker
    of a share (currency pairs, numbers) is left out.
    """
    plain = {
        name.strip().upper().removeprefix("$").rsplit(":", 1)[-1].replace("/", ".")
        for name in names
        if isinstance(name, str)
    }
    return tuple(sorted(name for name in plain if _TICKER.fullmatch(name))[:MOST_TICKERS])


def instant_of(value: object, *, naive_is_utc: bool = False) -> datetime | None:
    """An aware UTC instant from epoch seconds or milliseconds, ISO 8601 or an RFC 5322 date.

    None for anything else, and for a time without a zone unless the vendor's documentation says that it is UTC.
    """
    try:
        found = _read(value)
        if found is None or (found.tzinfo is None and not naive_is_utc):
            return None
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _read(value: object) -> datetime | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value / 1000 if value >= _MILLISECONDS else value, tz=UTC)
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        return _rfc_5322(value.strip())


def _rfc_5322(text: str) -> datetime | None:
    found = parsedate_to_datetime(text)
    # "-0000" says: UTC, told by a sender that does not say where it is.
    return found.replace(tzinfo=UTC) if found.tzinfo is None and text.endswith("-0000") else found


def _identity(vendor_id: object, otherwise: str) -> str:
    plain = str(vendor_id) if isinstance(vendor_id, str | int) and not isinstance(vendor_id, bool) else ""
    if _ID.fullmatch(plain):
        return plain
    return hashlib.sha256((plain or otherwise).encode(errors="replace")).hexdigest()[:20]
