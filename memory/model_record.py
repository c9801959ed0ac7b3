"""Recorded model calls: a run resumes and replays from them, and the budget is counted over them."""

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from domain.debate import CostRow, ModelCall, Spent
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
            day=self._today(),
            cost_usd=Decimal(repr(call.cost_usd)),
            tokens=call.input_tokens + call.output_tokens,
            call=call,
        )
        async with self._engine.begin() as connection:
            await connection.execute(new.on_conflict_do_nothing())

    async def spent(self, *, run_id: str, agent: str) -> Spent:
        """See the port. A call stored with less than nothing, as none can be now, gives nothing back."""
        from sqlalchemy import func, select

        from memory.tables.runs import ModelCallTable as Calls

        day = self._today()
        scopes = {
            "run": Calls.run_id == run_id,
            "day": Calls.day == day,
            # a key reads ticker/role/round/attempt
            "agent": (Calls.day == day) & (func.split_part(Calls.key, "/", 2) == agent),
        }
        sums = [
            func.coalesce(func.sum(func.greatest(column, 0)).filter(which), 0).label(f"{name}_{unit}")
            for unit, column in (("usd", Calls.cost_usd), ("tokens", Calls.tokens))
            for name, which in scopes.items()
        ]
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(*sums).where(scopes["run"] | scopes["day"]))).mappings().one()
        return Spent.model_validate(dict(row))

    def _today(self) -> date:
        return self._clock.now().astimezone(NEW_YORK).date()

    async def costs(self, *, since: date, run_id: str | None = None) -> tuple[CostRow, ...]:
        """Spending from the New York day `since` on, by day, run, agent and model, newest day first."""
        from sqlalchemy import Double, Numeric, Text, cast, func, select
        from sqlalchemy.dialects.postgresql import JSONB

        from memory.tables.runs import ModelCallTable as Calls

        call = cast(cast(Calls.call, Text), JSONB)
        agent, model = call["role"].astext, call["model"].astext
        failed = call["error"].astext.is_not(None)
        latency = cast(call["latency_ms"].astext, Double)
        asked = latency > 0  # a call that budget or breaker turned away never left
        wanted = select(
            Calls.day,
            Calls.run_id,
            agent.label("agent"),
            model.label("model"),
            func.count().filter(asked).label("calls"),
            func.count().filter(failed & asked).label("failed"),
            func.count().filter(~asked).label("turned_away"),
            func.sum(func.greatest(Calls.cost_usd, 0)).label("usd"),
            func.sum(func.greatest(cast(call["input_tokens"].astext, Numeric), 0)).label("input_tokens"),
            func.sum(func.greatest(cast(call["output_tokens"].astext, Numeric), 0)).label("output_tokens"),
            func.coalesce(func.max(latency).filter(asked), 0.0).label("slowest_ms"),
            func.coalesce(func.sum(latency).filter(asked), 0.0).label("waited_ms"),
        ).where(Calls.day >= since)
        if run_id is not None:
            wanted = wanted.where(Calls.run_id == run_id)
        grouped = wanted.group_by(Calls.day, Calls.run_id, "agent", "model")
        async with self._engine.connect() as connection:
            rows = await connection.execute(grouped.order_by(Calls.day.desc(), Calls.run_id, "agent", "model"))
            return tuple(CostRow.model_validate(dict(row)) for row in rows.mappings())
