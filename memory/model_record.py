"""Recorded model calls: a run resumes and replays from them, and the budget is counted over them."""

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from domain.debate import ModelCall
from domain.ports import Clock
from domain.sessions import NEW_YORK

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


class PostgresModelRecord:
    """`domain.ports.ModelRecord`. A call is counted on the New York day that `clock` shows when it is stored."""

    def __init__(self, engine: "AsyncEngine", clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def find(self, run_id: str, key: str) -> ModelCall | None:
        """See the port. Failed calls are found too: replay must fail as the run did."""
        from sqlalchemy import select

        from memory.tables.runs import ModelCallTable as Calls

        async with self._engine.connect() as connection:
            return await connection.scalar(select(Calls.call).where(Calls.run_id == run_id, Calls.key == key))

    async def calls(self, run_id: str) -> tuple[ModelCall, ...]:
        """All calls of a run, by key."""
        from sqlalchemy import select

        from memory.tables.runs import ModelCallTable as Calls

        async with self._engine.connect() as connection:
            return tuple(await connection.scalars(select(Calls.call).where(Calls.run_id == run_id).order_by(Calls.key)))

    async def store(self, call: ModelCall) -> None:
        """See the port. The first record of a key stands."""
        from sqlalchemy.dialects.postgresql import insert

        from memory.tables.runs import ModelCallTable as Calls

        new = insert(Calls).values(
            run_id=call.run_id,
            key=call.key,
            day=self._clock.now().astimezone(NEW_YORK).date(),
            cost_usd=Decimal(repr(call.cost_usd)),
            tokens=call.input_tokens + call.output_tokens,
            call=call,
        )
        async with self._engine.begin() as connection:
            await connection.execute(new.on_conflict_do_nothing())

    async def spent(self, *, run_id: str, day: date) -> tuple[Decimal, Decimal, int, int]:
        """See the port. `day` is a New York day."""
        from sqlalchemy import func, select

        from memory.tables.runs import ModelCallTable as Calls

        mine, today = Calls.run_id == run_id, Calls.day == day
        sums = [func.coalesce(func.sum(Calls.cost_usd).filter(which), 0) for which in (mine, today)]
        sums += [func.coalesce(func.sum(Calls.tokens).filter(which), 0) for which in (mine, today)]
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(*sums).where(mine | today))).one()
        return Decimal(row[0]), Decimal(row[1]), int(row[2]), int(row[3])
