"""What every news service looks like to the wire: questions to ask, answers to read. Pure: no vendor does I/O."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from domain.errors import DataError
from feeds.news.item import NewsItem


@dataclass(frozen=True)
class Scope:
    """What one conversation covers. `keys` is what the diary remembers it under: tickers, or a feed's address."""

    keys: tuple[str, ...]
    tickers: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """One request. `params` may hold a key: it is shown nowhere."""

    base_url: str
    path: str
    scope: Scope
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    page: int = 1


@dataclass(frozen=True)
class Page:
    """What one answer held: usable items, how many were not, and the question that goes on from here, if any."""

    items: tuple[NewsItem, ...]
    dropped: int = 0
    following: Question | None = None


class Vendor(Protocol):
    """One news service."""

    @property
    def name(self) -> str:
        """How notes, ids and screens call it."""
        ...

    @property
    def secret_headers(self) -> Mapping[str, str]:
        """Headers that hold its key; empty where it has none, or takes it in the query."""
        ...

    @property
    def cache_minutes(self) -> float:
        """How long what it said of a scope is good for."""
        ...

    @property
    def overlap_minutes(self) -> float:
        """How far before the last complete answer the next question begins."""
        ...

    @property
    def oldest_first(self) -> bool:
        """Whether answers that are cut short lack their newest items, not their oldest."""
        ...

    @property
    def most_pages(self) -> int:
        """Pages that are asked of one scope at once."""
        ...

    def scopes(self, tickers: Sequence[str]) -> tuple[Scope, ...]:
        """What has to be asked to learn about `tickers`; empty where it cannot be asked about any of them."""
        ...

    def question(self, scope: Scope, *, since: datetime, until: datetime) -> Question:
        """The first question about `scope`."""
        ...

    def read(self, body: bytes, headers: Mapping[str, str], asked: Question) -> Page:
        """Read one answer. Raises `DataError` when it is not what the service documents."""
        ...


def json_answer(body: bytes, name: str) -> Any:
    """The JSON in `body`: UTF-8 by its standard, cp1252 where a service breaks it. Raises `DataError`."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("cp1252", errors="replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        said = "with a web page" if text.lstrip()[:1] == "<" else "with JSON that is not whole" if text else "nothing"
        raise DataError(f"{name} answered {said}.", remedy="It is asked again later.") from error


def rows_of(answer: Any, name: str, key: str | None = None) -> list[Any]:
    """The list of items in an answer: the answer itself, or its field `key`. Raises `DataError`."""
    rows = answer.get(key) if key is not None and isinstance(answer, dict) else answer
    if not isinstance(rows, list):
        where = f"no list of {key}" if key else "no list"
        raise DataError(f"{name} answered with {where}.", remedy="It is asked again later.")
    return rows


def page_of(items: Sequence[NewsItem | None], following: Question | None = None) -> Page:
    """The usable among `items`, in their order, and how many are not."""
    usable = tuple(item for item in items if item is not None)
    return Page(items=usable, dropped=len(items) - len(usable), following=following)


def in_groups(tickers: Sequence[str], size: int) -> tuple[Scope, ...]:
    """`tickers` in scopes of at most `size`."""
    ordered = sorted(set(tickers))
    groups = (tuple(ordered[start : start + size]) for start in range(0, len(ordered), size))
    return tuple(Scope(keys=group, tickers=group) for group in groups)


def stamp(instant: datetime) -> str:
    """As services take instants: ISO 8601 UTC to the second."""
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
