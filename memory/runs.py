"""Runs, their slots, and what each publishes for later ones."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from domain.errors import Refused, UsageError
from domain.ports import Clock
from domain.regime import RegimeReading
from domain.run import RunRequest, RunRow, RunState
from domain.signals import Signal

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncEngine

    from memory.tables.runs import RunTable


class PostgresRunStore:
    """`domain.ports.RunStore`, and the lists that people ask for."""

    def __init__(self, engine: "AsyncEngine", clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def begin(self, request: RunRequest) -> RunRow:
        """See the port. Also raises `Refused` for a run that ended (`run_finished`; `slot_taken` if it held a slot)
        and for another request under a known id (`run_differs`).
        """
        from sqlalchemy import select
        from sqlalchemy.dialects.postgresql import insert

        from memory.tables.runs import RunTable

        started_at = self._clock.now()
        new = insert(RunTable).values(
            run_id=request.run_id,
            slot=request.slot,
            feed=request.feed,
            as_of=request.as_of,
            request=request,
            state="running",
            started_at=started_at,
            detail="",
        )
        async with self._engine.begin() as connection:
            if await connection.scalar(new.on_conflict_do_nothing().returning(RunTable.run_id)):
                return RunRow(request=request, state="running", started_at=started_at)
            holder = None  # ad-hoc runs hold no slot, and `slot == None` would find any of them
            if request.slot is not None:
                holder = await connection.scalar(select(RunTable.run_id).where(RunTable.slot == request.slot))
        if holder is not None and holder != request.run_id:
            raise Refused(f"Slot {request.slot} was taken by run {holder}.", code="slot_taken")
        known = await self.get(request.run_id)
        if known.request != request:
            raise Refused(
                f"Run {request.run_id} was begun with another request.",
                code="run_differs",
                remedy="Resume it under the configuration and code it was begun with.",
            )
        if known.state != "running":
            code = "run_finished" if request.slot is None else "slot_taken"
            raise Refused(f"Run {request.run_id} has ended already: {known.state}.", code=code)
        return known

    async def remember_snapshot(self, run_id: str, snapshot_id: str) -> None:
        """See the port."""
        from sqlalchemy import update

        from memory.tables.runs import RunTable

        bind = update(RunTable).where(RunTable.run_id == run_id, RunTable.snapshot_id.is_(None))
        async with self._engine.begin() as connection:
            bound = (await connection.execute(bind.values(snapshot_id=snapshot_id))).rowcount
        if not bound:
            await self.get(run_id)

    async def snapshot_of(self, run_id: str) -> str | None:
        """See the port."""
        return (await self.get(run_id)).snapshot_id

    async def publish_signals(self, run_id: str, signals: Sequence[Signal]) -> None:
        """See the port. Of two runs of one feed at one instant the first one's signals stand."""
        from sqlalchemy.dialects.postgresql import insert

        from memory.tables.runs import SignalTable

        feed = (await self.get(run_id)).request.feed
        names = ("id", "source", "ticker", "edge_type", "timestamp")
        rows = [
            {name: getattr(signal, name) for name in names} | {"feed": feed, "run_id": run_id, "signal": signal}
            for signal in sorted(signals, key=lambda signal: signal.id)
        ]
        if rows:
            async with self._engine.begin() as connection:
                await connection.execute(insert(SignalTable).on_conflict_do_nothing(), rows)

    async def publish_regime(self, run_id: str, reading: RegimeReading) -> None:
        """See the port."""
        from sqlalchemy.dialects.postgresql import insert

        from memory.tables.runs import RegimeTable

        feed = (await self.get(run_id)).request.feed
        row = {"as_of": reading.as_of, "regime": reading.regime.value, "reading": reading}
        new = insert(RegimeTable).values(feed=feed, run_id=run_id, **row)
        async with self._engine.begin() as connection:
            await connection.execute(new.on_conflict_do_nothing())

    async def finish(self, run_id: str, *, state: str, head_hash: str | None, detail: str) -> None:
        """See the port. Idempotent; raises `Refused` (`run_finished`) if the run ended in another state."""
        from sqlalchemy import update

        from memory.tables.runs import RunTable

        end = update(RunTable).where(RunTable.run_id == run_id, RunTable.state.in_(("running", state)))
        async with self._engine.begin() as connection:
            ended = (await connection.execute(end.values(state=state, head_hash=head_hash, detail=detail))).rowcount
        if not ended:
            known = await self.get(run_id)
            raise Refused(f"Run {run_id} has ended already: {known.state}.", code="run_finished")

    async def get(self, run_id: str) -> RunRow:
        """The run; a unique beginning of its id is enough. Raises `UsageError` for none or several."""
        from sqlalchemy import or_

        from memory.tables.runs import RunTable

        alike = or_(RunTable.run_id == run_id, RunTable.run_id.startswith(run_id, autoescape=True))
        found = await self._read(_runs().where(alike).order_by(RunTable.run_id).limit(3))
        exact = [row for row in found if row.request.run_id == run_id]
        match exact or found:
            case [row]:
                return row
            case []:
                raise UsageError(f"There is no run {run_id!r}.", remedy="See 'desk audit list'.")
        raise UsageError(f"Several runs begin with {run_id!r}.", remedy="Give more of the id.")

    async def list(self, *, state: RunState | None = None, limit: int = 50) -> tuple[RunRow, ...]:
        """The latest runs, newest first."""
        from memory.tables.runs import RunTable

        wanted = _runs().order_by(RunTable.started_at.desc(), RunTable.run_id.desc()).limit(limit)
        return await self._read(wanted if state is None else wanted.where(RunTable.state == state))

    async def unfinished(self) -> tuple[RunRow, ...]:
        """Every run that was begun and neither sealed nor failed, oldest first: what a restart resumes."""
        from memory.tables.runs import RunTable

        return await self._read(
            _runs().where(RunTable.state == "running").order_by(RunTable.started_at, RunTable.run_id)
        )

    async def orders_staged(self, run_ids: Sequence[str]) -> dict[str, int]:
        """How many orders each of these runs staged; runs without any are left out."""
        from sqlalchemy import func, select

        from memory.tables.orders import OrderTable

        wanted = select(OrderTable.run_id, func.count()).where(OrderTable.run_id.in_(run_ids))
        async with self._engine.connect() as connection:
            return {row[0]: row[1] for row in await connection.execute(wanted.group_by(OrderTable.run_id))}

    async def order_ids(self, run_id: str) -> tuple[str, ...]:
        """The orders that a run staged, ascending."""
        from sqlalchemy import select

        from memory.tables.orders import OrderTable

        wanted = select(OrderTable.order_id).where(OrderTable.run_id == run_id).order_by(OrderTable.order_id)
        async with self._engine.connect() as connection:
            return tuple(await connection.scalars(wanted))

    async def latest_as_of(self, feed: str) -> datetime | None:
        """The latest instant any run of `feed` looked at; None before the first. A failed run saw nothing."""
        from sqlalchemy import func, select

        from memory.tables.runs import RunTable

        async with self._engine.connect() as connection:
            seen = select(func.max(RunTable.as_of)).where(RunTable.feed == feed, RunTable.state != "failed")
            return await connection.scalar(seen)

    @asynccontextmanager
    async def in_turn(self, name: str) -> AsyncIterator[None]:
        """Held by one process after another: whoever comes second waits. For short steps only."""
        from sqlalchemy import func, select

        async with self._engine.begin() as connection:  # the lock goes with the transaction, also after kill -9
            await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"turn:{name}", 0))))
            yield

    @asynccontextmanager
    async def run_lock(self, run_id: str) -> AsyncIterator[None]:
        """Held while a process executes the run; the server frees it if that process dies.

        Raises `Refused` (`run_busy`) at once if another process, or this one, executes it already.
        """
        from sqlalchemy import func, select

        key = func.hashtextextended(f"run:{run_id}", 0)
        async with self._engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
            if not await connection.scalar(select(func.pg_try_advisory_lock(key))):
                raise Refused(f"Run {run_id} is being executed by another process.", code="run_busy")
            try:
                yield
            finally:
                try:
                    await connection.execute(select(func.pg_advisory_unlock(key)))
                except BaseException:  # a connection back in the pool must not keep the lock
                    await connection.invalidate()
                    raise

    async def _read(self, wanted: "Select[RunTable]") -> tuple[RunRow, ...]:
        from sqlalchemy.ext.asyncio import AsyncSession

        async with AsyncSession(self._engine) as session:
            return tuple(_row(stored) for stored in await session.scalars(wanted))


def _runs() -> "Select[RunTable]":
    from sqlalchemy import select

    from memory.tables.runs import RunTable

    return select(RunTable)


def _row(stored: "RunTable") -> RunRow:
    names = ("request", "state", "started_at", "snapshot_id", "head_hash", "detail")
    return RunRow.model_validate({name: getattr(stored, name) for name in names})
