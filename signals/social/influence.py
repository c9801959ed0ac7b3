"""How much one author, and one forum or publisher, may weigh in a mood.

A mood is a weighted mean, so whoever brings most weight could make it alone: one much-voted post, one busy account, one
forum that was won over. Weights are therefore cut until no group holds more than its share of what is left. Where the
groups are too few for that, each is held to its share of the whole and the rest counts as silence, which lowers the
mood's size: a crowd of one is a weak crowd.
"""

import math
from collections.abc import Sequence

from pydantic import Field

from domain.market import Headline, Post
from domain.record import Record

FEW = 0.5


class InfluenceSettings(Record):
    """The most that one voice may be of a mood. Of fewer than 1 / `author_share` authors each may be an equal part,
    but never more than half.
    """

    author_share: float = Field(default=0.2, gt=0, le=1)
    channel_share: float = Field(default=0.8, gt=0, le=1)  # one forum or publisher


def held_back(
    items: Sequence[Post | Headline], sizes: Sequence[float], settings: InfluenceSettings
) -> tuple[list[float], float]:
    """Weights of `items` with both caps applied, and the total that a mean must divide by (≥ their sum)."""
    by_author, silent = held_back_authors(items, sizes, settings)
    by_channel, total = capped(by_author, [_channel(item) for item in items], most=settings.channel_share)
    return by_channel, total + silent - math.fsum(by_author)


def held_back_authors(
    items: Sequence[Post | Headline], sizes: Sequence[float], settings: InfluenceSettings
) -> tuple[list[float], float]:
    """The same with the cap on authors alone."""
    authors = [_author(item) for item in items]
    most = max(settings.author_share, min(1.0 / len(set(authors)), FEW)) if authors else settings.author_share
    return capped(sizes, authors, most=most)


def capped(sizes: Sequence[float], groups: Sequence[str], *, most: float) -> tuple[list[float], float]:
    """Weights scaled group by group so that none holds more than `most` of the total returned with them."""
    sums: dict[str, float] = {}
    for group, size in zip(groups, sizes, strict=True):
        sums[group] = sums.get(group, 0.0) + size
    total = math.fsum(sizes)
    limit = _limit(sorted(sums.values(), reverse=True), total, most)
    kept = [size * min(1.0, limit / sums[group]) for group, size in zip(groups, sizes, strict=True)]
    # where shares cannot hold among the groups themselves, what was cut stays in the total as silence
    return kept, max(math.fsum(kept), limit / most)


def _limit(sums: Sequence[float], total: float, most: float) -> float:
    """The largest weight that a group may keep: with the k largest held to it, limit = most · (k·limit + the rest)."""
    rest = total
    for held, size in enumerate(sums):
        if held * most >= 1.0:
            break
        limit = most * rest / (1.0 - held * most)
        if size <= limit:
            return limit if held else max(sums)
        rest -= size
    return most * total


def _author(item: Post | Headline) -> str:
    """A text without a named author, a headline too, is a voice of its own."""
    return f"{item.source}/{(item.author if isinstance(item, Post) else None) or item.id}"


def _channel(item: Post | Headline) -> str:
    return f"{item.source}/{item.channel}" if isinstance(item, Post) else item.source
