"""The decision log in PostgreSQL: one append-only hash chain over all runs.

    payload_hash = SHA-256 of the entry's canonical JSON, as stored
    hash         = SHA-256 of the canonical JSON array of seq, logged_at, code_version, run_id, node, ticker, kind,
                   author, payload_hash and the previous row's hash (64 zeros before the first)

Appending takes one advisory lock, so that two runs at once still make one chain without gaps or forks.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from domain.audit import AuditEntry, AuditRow, Seal, VerifyReport
from domain.errors import TamperError, UsageError
from domain.ports import Clock
from domain.record import canonical_json
from memory.seals import append_seal

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

GENESIS = "0" * 64
LOCK = 7_120_002  # advisory lock of whoever appends


class Link(NamedTuple):
    """What a row's hash covers, in the order in which it is hashed."""

    seq: int
    logged_at: str  # ISO 8601, UTC
    code_version: str
    run_id: str
    node: str
    ticker: str
    kind: str
    author: str
    payload_hash: str
    previous_hash: str


def payload_hash(entry: str) -> str:
    """Hash of an entry's canonical JSON text."""
    return hashlib.sha256(entry.encode()).hexdigest()


def link_hash(link: Link) -> str:
    """Hash of a row: of `canonical_json(link)`, put together here because verification does it for every row."""
    return hashlib.sha256(f"[{link[0]},{','.join(map(quoted, link[1:]))}]".encode()).hexdigest()


@lru_cache(maxsize=1_024)
def stamp(instant: datetime) -> str:
    """The one text of an instant that is hashed."""
    return instant.astimezone(UTC).isoformat()


class PostgresAuditLog:
    """`domain.ports.AuditLog`, and the questions that `desk audit` asks. `seal_path`: DESK_HOME/audit/seals.jsonl."""

    def __init__(self, engine: "AsyncEngine", clock: Clock, code_version: str, seal_path: Path) -> None:
        self._engine = engine
        self._clock = clock
        self._code_version = code_version
        self._seal_path = seal_path

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """See the port. All of `entries` or none."""
        if not entries:
            return
        async with self._engine.begin() as connection:
            await _alone(connection)  # waits first: rows are stamped in the order in which they are chained
            await append_entries(connection, entries, logged_at=self._clock.now(), code_version=self._code_version)

    async def seal(self, run_id: str) -> Seal:
        """See the port. Raises `UsageError` for a run without a row. The file follows the commit: a crash between
        the two is mended by sealing again.
        """
        from sqlalchemy import insert, select

        from memory.tables.audit import DecisionTable, SealTable

        async with self._engine.begin() as connection:
            await _alone(connection)
            found = (await connection.execute(select(SealTable).where(SealTable.run_id == run_id))).one_or_none()
            if found is None:
                last = (
                    select(DecisionTable.seq, DecisionTable.hash)
                    .where(DecisionTable.run_id == run_id)
                    .order_by(DecisionTable.seq.desc())
                    .limit(1)
                )
                head = (await connection.execute(last)).one_or_none()
                if head is None:
                    raise UsageError(f"Run {run_id} has no row in the decision log.", remedy="See 'desk audit show'.")
                seal = Seal(run_id=run_id, sealed_at=self._clock.now(), rows=head.seq, head_hash=head.hash)
                await connection.execute(insert(SealTable), seal.model_dump())
            else:
                seal = Seal.model_validate(dict(found._mapping))  # noqa: SLF001 - SQLAlchemy's public name for it
        await asyncio.to_thread(append_seal, self._seal_path, seal)
        return seal

    async def latest_seal(self) -> Seal | None:
        """The seal that covers most rows; None before the first."""
        from sqlalchemy import select

        from memory.tables.audit import SealTable

        async with self._engine.connect() as connection:
            last = select(SealTable).order_by(SealTable.rows.desc()).limit(1)
            found = (await connection.execute(last)).one_or_none()
        return None if found is None else Seal.model_validate(dict(found._mapping))  # noqa: SLF001 - SQLAlchemy's public name for it

    async def verify(self) -> VerifyReport:
        """Walk the whole chain; see `memory.verify`."""
        from memory.verify import verify

        url = self._engine.url.render_as_string(hide_password=False)
        return await asyncio.to_thread(verify, url, self._seal_path)

    async def rows(self, run_id: str, ticker: str | None = None) -> tuple[AuditRow, ...]:
        """Rows of a run in order; with `ticker`, its rows and those of the whole run ("*")."""
        from memory.tables.audit import DecisionTable as Log

        wanted = [Log.run_id == run_id] + ([] if ticker is None else [Log.ticker.in_((ticker, "*"))])
        return tuple([row async for row in self._stream(*wanted)])

    async def find_by_ticker(self, ticker: str, *, limit: int = 200) -> tuple[AuditRow, ...]:
        """The latest `limit` rows about `ticker`, over all runs, oldest first."""
        from sqlalchemy import select

        from memory.tables.audit import DecisionTable as Log

        latest = select(Log.seq).where(Log.ticker == ticker).order_by(Log.seq.desc()).limit(limit)
        return tuple([row async for row in self._stream(Log.seq.in_(latest))])

    async def find_by_order(self, order_id: str) -> tuple[AuditRow, ...]:
        """The story of an order: all rows of the run and ticker that staged it, and later ones that name it."""
        from sqlalchemy import func, or_, select, tuple_

        from memory.tables.audit import DecisionTable as Log

        names_it = func.strpos(Log.entry, quoted(order_id)) > 0
        steps = select(Log.run_id, Log.ticker).where(names_it, Log.ticker != "*")
        return tuple([row async for row in self._stream(or_(names_it, tuple_(Log.run_id, Log.ticker).in_(steps)))])

    async def latest_run(self, ticker: str | None = None) -> str | None:
        """Run of the log's last row, or of the last row about `ticker`."""
        from sqlalchemy import select

        from memory.tables.audit import DecisionTable as Log

        wanted = select(Log.run_id).order_by(Log.seq.desc()).limit(1)
        async with self._engine.connect() as connection:
            return await connection.scalar(wanted if ticker is None else wanted.where(Log.ticker == ticker))

    def export(self, run_id: str | None = None) -> AsyncGenerator[AuditRow, None]:
        """Every row, or a run's, in order, without holding them all in memory. Close it (`aclosing`) to stop early."""
        from memory.tables.audit import DecisionTable as Log

        return self._stream(*([] if run_id is None else [Log.run_id == run_id]))

    async def _stream(self, *conditions: "ColumnElement[bool]") -> AsyncGenerator[AuditRow, None]:
        from sqlalchemy import select

        from memory.tables.audit import DecisionTable as Log

        wanted = select(
            Log.seq, Log.logged_at, Log.code_version, Log.entry, Log.payload_hash, Log.previous_hash, Log.hash
        )
        wanted = wanted.where(*conditions).order_by(Log.seq)
        async with self._engine.connect() as connection:
            found = await connection.stream(wanted)
            try:
                async for row in found:
                    columns = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
                    columns["entry"] = AuditEntry.model_validate_json(row.entry)
                    yield AuditRow.model_validate(columns)
            finally:  # SQLAlchemy's own `async with` leaves the server's cursor open when a reader stops early
                await found.close()


async def append_entries(
    connection: "AsyncConnection", entries: Sequence[AuditEntry], *, logged_at: datetime, code_version: str
) -> None:
    """`AuditLog.append` in a transaction that is open already: what it logs and the rows are kept together or not at
    all. Holds the log's lock until that transaction ends.
    """
    from sqlalchemy import insert

    from memory.tables.audit import DecisionTable

    await _alone(connection)
    known = await _known(connection, entries)
    seq, previous = await _head(connection)
    rows: list[dict[str, Any]] = []
    for entry in entries:
        step = (entry.run_id, entry.node, entry.ticker, entry.kind)
        text = canonical_json(entry)
        payload = payload_hash(text)
        if step in known:
            if known[step] != payload:
                raise TamperError(
                    f"Run {entry.run_id} logged another {entry.kind!r} of {entry.node} for {entry.ticker}.",
                    remedy="A repeated step must give the same result: look for what changed in between.",
                )
            continue
        known[step] = payload
        seq += 1
        link = Link(seq, stamp(logged_at), code_version, *step, entry.author, payload, previous)
        previous = link_hash(link)
        rows.append({**link._asdict(), "logged_at": logged_at, "entry": text, "hash": previous})
    if rows:
        await connection.execute(insert(DecisionTable), rows)


async def _alone(connection: "AsyncConnection") -> None:
    from sqlalchemy import func, select

    await connection.execute(select(func.pg_advisory_xact_lock(LOCK)))


async def _head(connection: "AsyncConnection") -> tuple[int, str]:
    from sqlalchemy import select

    from memory.tables.audit import DecisionTable as Log

    last = (await connection.execute(select(Log.seq, Log.hash).order_by(Log.seq.desc()).limit(1))).one_or_none()
    return (0, GENESIS) if last is None else (last.seq, last.hash)


async def _known(connection: "AsyncConnection", entries: Sequence[AuditEntry]) -> dict[tuple[str, ...], str]:
    """Payload hashes of those steps of `entries` that are logged already."""
    from sqlalchemy import select, tuple_

    from memory.tables.audit import DecisionTable as Log

    steps = {(entry.run_id, entry.node, entry.ticker, entry.kind) for entry in entries}
    columns = (Log.run_id, Log.node, Log.ticker, Log.kind)
    wanted = select(*columns, Log.payload_hash).where(tuple_(*columns).in_(sorted(steps)))
    return {tuple(row[:4]): row.payload_hash for row in await connection.execute(wanted)}
