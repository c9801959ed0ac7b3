"""Which texts are one story: near-duplicates on the same ticker within a window, across posts and headlines.

MinHash (Broder 1997) of word triples with banding (Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, ch. 3),
over many texts at once in numpy: one object of a MinHash library per text costs as much as reading and scoring it.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from domain.market import Headline, Post
from signals.runs import by_run
from signals.social.mood import placed_at

PERMUTATIONS = 64
BANDS = 16  # of 4 rows: texts of similarity 0.7 meet in one with 98.8 %, of 0.3 with 12 % (and are then compared)
_CHUNK = 1 << 11  # words hashed at a time: their table of half a MB stays near the processor
_WORD = re.compile(r"\w+")
_FIRST, _SECOND = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77)  # odd, so that no word of a triple is lost

Item = Post | Headline
Signatures = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Story:
    """Items that say the same: the first published, and its copies in order of publication."""

    first: Item
    copies: tuple[Item, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """Where it was told, ascending."""
        return tuple(sorted({source_of(item) for item in (self.first, *self.copies)}))


def source_of(item: Item) -> str:
    """Social sources by their name; all wires are "news", for they print each other."""
    return "news" if isinstance(item, Headline) else item.source


def stories(items: Sequence[Item], *, similarity: float, window_hours: int) -> tuple[Story, ...]:
    """Cluster items on one ticker. A text is a copy of the earliest story whose first text is at least `similarity`
    like it (estimated Jaccard) and at most `window_hours` older; empty texts are no copies. The same item fetched
    twice (same source and id) is one item. Ordered by publication, then id.
    """
    ordered = sorted(
        {(source_of(item), item.id): item for item in items}.values(),
        key=lambda item: (placed_at(item), source_of(item), item.id),
    )
    prints = signatures([item.text for item in ordered])
    keys = band_keys(prints)
    window = timedelta(hours=window_hours)
    firsts: list[int] = []
    copies: dict[int, list[Item]] = {}
    buckets: dict[int, list[int]] = {}
    for at, item in enumerate(ordered):
        told = _told_before(at, keys, prints, buckets, similarity) if item.text.strip() else None
        if told is not None and placed_at(item) - placed_at(ordered[told]) <= window:
            copies[told].append(item)
            continue
        firsts.append(at)
        copies[at] = []
        for key in keys[at]:
            buckets.setdefault(key, []).append(at)
    return tuple(Story(ordered[at], tuple(copies[at])) for at in firsts)


def _told_before(
    at: int, keys: list[list[int]], prints: Signatures, buckets: dict[int, list[int]], similarity: float
) -> int | None:
    met = sorted({other for key in keys[at] for other in buckets.get(key, ())})
    alike = [other for other in met if float(np.mean(prints[at] == prints[other])) >= similarity]
    return alike[-1] if alike else None  # the latest: an older one may lie outside the window


def signatures(texts: Sequence[str]) -> Signatures:
    """MinHash of each text's word triples, shape `(n, PERMUTATIONS)`: the share of equal columns of two rows estimates
    the Jaccard similarity with a standard error of at most 1/16. A text of one or two words is one shingle.
    """
    words = [_hashes(text) or [0] for text in texts]
    found = np.zeros((len(texts), PERMUTATIONS), dtype=np.uint32)
    start = 0
    while start < len(texts):
        stop, size = start, 0
        while stop < len(texts) and (size == 0 or size + len(words[stop]) <= _CHUNK):
            size += len(words[stop])
            stop += 1
        found[start:stop] = _minima(words[start:stop])
        start = stop
    return found


def band_keys(prints: Signatures) -> list[list[int]]:
    """One bucket key per band of each row; texts that share none are not alike."""
    rows = np.ascontiguousarray(prints).view(np.uint64).reshape(len(prints), BANDS, PERMUTATIONS // BANDS // 2)
    mixed = rows[:, :, 0] * np.uint64(0x9E3779B97F4A7C15) ^ rows[:, :, 1] * np.uint64(0xC2B2AE3D27D4EB4F)
    keys: list[list[int]] = (mixed + np.arange(BANDS, dtype=np.uint64)).tolist()
    return keys


def _minima(words: list[list[int]]) -> Signatures:
    multiply, add = _permutations()
    padded = [one + [0] * max(0, 3 - len(one)) for one in words]
    lengths = np.array([len(one) for one in padded])
    flat = np.fromiter(chain.from_iterable(padded), dtype=np.uint32, count=int(lengths.sum()))
    triples = (flat[:-2] * _FIRST + flat[1:-1]) * _SECOND + flat[2:]
    starts = np.cumsum(lengths) - lengths
    inside = np.ones(len(flat), dtype=bool)
    inside[starts[1:] - 1] = inside[starts[1:] - 2] = False  # a triple does not reach into the next text
    hashed = triples[inside[:-2]] * multiply[:, None] + add[:, None]  # modulo 2^32
    return np.asarray(np.minimum.reduceat(hashed, starts - 2 * np.arange(len(starts)), axis=1).T, dtype=np.uint32)


def _hashed(run: str) -> tuple[int, ...]:
    return tuple(zlib.crc32(word.encode()) for word in _WORD.findall(run.casefold()))


_hashes = by_run(_hashed)


@lru_cache(maxsize=1)
def _permutations() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    draw = np.random.default_rng(1997)
    multiply = draw.integers(1, 1 << 32, PERMUTATIONS, dtype=np.uint32) | np.uint32(1)
    return multiply, draw.integers(0, 1 << 32, PERMUTATIONS, dtype=np.uint32)


def distinct(posts: Sequence[Post]) -> tuple[Post, ...]:
    """One post per id and per text (case, spaces and punctuation aside), the cheap half of the same idea for a whole
    week of posts. Of copies the earliest counts; ordered by publication, then id.
    """
    seen: set[str] = set()
    kept: list[Post] = []
    for post in sorted(posts, key=lambda post: (post.published_at, post.id)):
        text = "".join(letter for letter in post.text.casefold() if letter.isalnum())
        keys = {f"id:{post.source}:{post.id}"} | ({f"text:{text}"} if text else set())
        if not keys & seen:
            kept.append(post)
        seen |= keys
    return tuple(kept)
