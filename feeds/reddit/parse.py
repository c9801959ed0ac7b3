"""Reddit's submissions and comments as sightings: pure, and suspicious of every field."""

import hashlib
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from domain.market import Post
from domain.social import Sighting

SOURCE = "reddit"
MAX_TEXT = 4_000  # twice what cleaning keeps
SKEW = timedelta(minutes=5)  # a host's clock may be ahead of ours by this much
_GONE = frozenset(("[deleted]", "[removed]", "[ Removed by Reddit ]"))
_FIRST = datetime(2005, 6, 1, tzinfo=UTC)  # before Reddit

Kind = Literal["t1", "t3"]


def read_thing(fields: Mapping[str, Any], kind: Kind, *, seen_at: datetime) -> Sighting | None:
    """A submission (`t3`) or comment (`t1`) as it stood at `seen_at`; None when it cannot be read or is dated absurdly.

    `post.text` is title and body without what PostgreSQL or a log could choke on; cleaning, tickers and sentiment come
    later. An author is kept as a digest of the account's id: enough to tell voices apart, and no name.
    """
    identity = fields.get("id")
    published = _instant(fields.get("created_utc"))
    if not isinstance(identity, str) or not identity.isalnum() or published is None:
        return None
    if not _FIRST <= published <= seen_at + SKEW:
        return None
    title, body = _text(fields.get("title")), _text(fields.get("selftext" if kind == "t3" else "body"))
    gone = body.strip() in _GONE or bool(fields.get("removed_by_category"))
    name = f"{kind}_{identity}"
    text = f"{title}\n{body}".strip()[:MAX_TEXT]
    post = Post(
        id=name,
        source=SOURCE,
        channel=str(fields.get("subreddit", "")).lower(),
        author=author_digest(fields),
        published_at=published,
        known_at=max(seen_at, published),
        text=text,
        tickers=(),
        score=_whole(fields.get("score")),
        comments=_whole(fields.get("num_comments")) if kind == "t3" else None,
        thread=name if kind == "t3" else _thread(fields.get("link_id")),
    )
    return Sighting(source=SOURCE, id=name, published_at=published, seen_at=seen_at, post=None if gone else post)


def author_id(fields: Mapping[str, Any]) -> str | None:
    """The account's fullname (`t2_…`); None for deleted accounts."""
    found = fields.get("author_fullname")
    return found if isinstance(found, str) and found.startswith("t2_") and found[3:].isalnum() else None


def author_digest(fields: Mapping[str, Any]) -> str | None:
    """Sixteen hexadecimal digits that stand for the account; None where it is deleted."""
    account = author_id(fields)
    return hashlib.sha256(account.encode()).hexdigest()[:16] if account else None


def account_age_days(created_utc: Any, published: datetime) -> float | None:
    """Age of an account in days when it published; None where its beginning is absent or absurd."""
    created = _instant(created_utc)
    if created is None or not _FIRST <= created <= published + SKEW:
        return None
    return max((published - created).total_seconds() / 86_400, 0.0)


def _instant(seconds: Any) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return None
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _text(value: Any) -> str:
    """Without NUL, which PostgreSQL refuses, and without half surrogates, which no encoder takes."""
    if not isinstance(value, str):
        return ""
    return value[: 2 * MAX_TEXT].replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else None


def _thread(link: Any) -> str | None:
    return link if isinstance(link, str) and link.startswith("t3_") and link[3:].isalnum() else None
