"""Texts read run by run: what stands between spaces. Forums use few words, so that most runs have been met before."""

from collections.abc import Callable
from functools import lru_cache
from itertools import chain
from typing import TypeVar

T = TypeVar("T")

KEPT = 1 << 16
LONGEST = 40  # letters: longer runs are links and noise, seldom met twice, and would fill the memory


def by_run(read: Callable[[str], tuple[T, ...]]) -> Callable[[str], list[T]]:
    """A reader of whole texts out of a pure one of runs, whose answers are kept. What is read must not reach over a
    space.
    """
    known = lru_cache(maxsize=KEPT)(read)

    def whole(text: str) -> list[T]:
        runs = text.split()
        if max(map(len, runs), default=0) <= LONGEST:
            return list(chain.from_iterable(map(known, runs)))
        return [item for run in runs for item in (known(run) if len(run) <= LONGEST else read(run))]

    return whole
