"""What has been fetched and asked, kept on disk (SQLite): restarts and other processes neither ask nor store it twice.

Only a cache: what a run read is frozen in its snapshot, and deleting the file costs no more than asking again.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from domain.errors import MachineError
from feeds.news.item import NewsItem

_PATIENCE_SECONDS = 10.0  # for another process that is writing
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TABLES = """
CREATE TABLE IF NOT EXISTS items (
    provider TEXT NOT NULL, id TEXT NOT NULL, known_at INTEGER NOT NULL, item TEXT NOT NULL,
    PRIMARY KEY (provider, id, known_at)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_known_at ON items (known_at);
CREATE TABLE IF NOT EXISTS diary (
    provider TEXT NOT NULL, key TEXT NOT NULL, asked_at INTEGER NOT NULL, complete_to INTEGER,
    etag TEXT, modified TEXT,
    PRIMARY KEY (provider, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS circuits (
    provider TEXT PRIMARY KEY, failures INTEGER NOT NULL, resting_until INTEGER,
    code TEXT NOT NULL, detail TEXT NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Asked:
    """When a provider was last asked about a key, and up to which instant its answers are complete."""

    at: datetime
    complete_to: datetime | None = None
    etag: str | None = None
    modified: str | None = None


@dataclass(frozen=True)
class Circuit:
    """Failures in a row of one provider; until `resting_until` it is left alone."""

    failures: int = 0
    resting_until: datetime | None = None
    code: str = ""
    detail: str = ""


class NewsStore:
    """One file. Every call opens, commits and closes: any number of processes may share it.

    Raises `MachineError` when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, items: Iterable[NewsItem]) -> int:
        """Store what is new and return how much that was. The same version of an item is stored once; a version that
        comes back under another ticker is about both.
        """
        new = 0
        with self._open() as link:
            for item in items:
                key = (item.provider, item.id, _number(item.known_at))
                row = link.execute(
                    "SELECT item FROM items WHERE provider = ? AND id = ? AND known_at = ?", key
                ).fetchone()
                before = NewsItem.model_validate_json(row[0]) if row else None
                if before is None:
                    new += 1
                elif set(item.tickers) <= set(before.tickers):
                    continue
                else:
                    both = tuple(sorted({*before.tickers, *item.tickers}))
                    item = before.model_copy(update={"tickers": both})  # noqa: PLW2901 - the row to be written
                link.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?)", (*key, item.model_dump_json()))
        return new

    def items(self, *, since: datetime, until: datetime) -> tuple[NewsItem, ...]:
        """The latest version known at `until` of each item that became known after `since`, by knowledge time."""
        with self._open() as link:
            rows = link.execute(
                "SELECT item FROM items WHERE known_at > ? AND known_at <= ? ORDER BY known_at, provider, id",
                (_number(since), _number(until)),
            ).fetchall()
        latest: dict[tuple[str, str], NewsItem] = {}
        for (text,) in rows:
            item = NewsItem.model_validate_json(text)
            latest[item.provider, item.id] = item
        return tuple(sorted(latest.values(), key=lambda item: (item.known_at, item.provider, item.id)))

    def prune(self, before: datetime) -> None:
        """Forget items known before `before`."""
        with self._open() as link:
            link.execute("DELETE FROM items WHERE known_at < ?", (_number(before),))

    def asked(self, provider: str, keys: Sequence[str]) -> dict[str, Asked]:
        """The diary's entries of those `keys` that were ever asked about."""
        with self._open() as link:
            rows = link.execute(
                "SELECT key, asked_at, complete_to, etag, modified FROM diary WHERE provider = ?", (provider,)
            ).fetchall()
        wanted = set(keys)
        return {
            key: Asked(_instant(at), None if to is None else _instant(to), etag, modified)
            for key, at, to, etag, modified in rows
            if key in wanted
        }

    def note(self, provider: str, keys: Sequence[str], entry: Asked) -> None:
        """Write the diary."""
        to = None if entry.complete_to is None else _number(entry.complete_to)
        rows = [(provider, key, _number(entry.at), to, entry.etag, entry.modified) for key in keys]
        with self._open() as link:
            link.executemany("INSERT OR REPLACE INTO diary VALUES (?, ?, ?, ?, ?, ?)", rows)

    def circuit(self, provider: str) -> Circuit:
        """How `provider` has fared; closed where nothing is known."""
        with self._open() as link:
            row = link.execute(
                "SELECT failures, resting_until, code, detail FROM circuits WHERE provider = ?", (provider,)
            ).fetchone()
        if row is None:
            return Circuit()
        failures, until, code, detail = row
        return Circuit(failures, None if until is None else _instant(until), code, detail)

    def set_circuit(self, provider: str, circuit: Circuit) -> None:
        """Remember how `provider` has fared."""
        until = None if circuit.resting_until is None else _number(circuit.resting_until)
        with self._open() as link:
            link.execute(
                "INSERT OR REPLACE INTO circuits VALUES (?, ?, ?, ?, ?)",
                (provider, circuit.failures, until, circuit.code, circuit.detail),
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=_PATIENCE_SECONDS, isolation_level=None)) as link:
                link.executescript(_TABLES)
                link.execute("BEGIN IMMEDIATE")
                yield link
                link.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            raise MachineError(
                f"The news cache {self._path} cannot be used: {error}.",
                remedy="It may be deleted: what it holds is fetched again.",
            ) from error


def _number(instant: datetime) -> int:
    """Microseconds since 1970."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _instant(number: int) -> datetime:
    return _EPOCH + timedelta(microseconds=number)
