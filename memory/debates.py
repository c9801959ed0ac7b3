"""Debates as the decision log has them: what the alarm watches and what an ablation argues again."""

from typing import TYPE_CHECKING, NamedTuple

from domain.debate import Verdict

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


class Judged(NamedTuple):
    """One debate's verdict, and which engine gave it."""

    run_id: str
    ticker: str
    engine: str
    verdict: Verdict


class PostgresDebates:
    """Debates of one account."""

    def __init__(self, engine: "AsyncEngine", *, account: str) -> None:
        self._engine = engine
        self._account = account

    async def judged(self, limit: int) -> tuple[Judged, ...]:
        """The latest `limit` debates, newest first; those of one run by row."""
        from sqlalchemy import cast, select
        from sqlalchemy.dialects.postgresql import JSONB

        from memory.tables.audit import DecisionTable
        from memory.tables.runs import RunTable

        output = cast(DecisionTable.entry, JSONB)["output"]
        wanted = (
            select(
                DecisionTable.run_id,
                DecisionTable.ticker,
                output["engine"].astext.label("engine"),
                output["verdict"].astext.label("verdict"),
            )
            .join(RunTable, RunTable.run_id == DecisionTable.run_id)
            .where(RunTable.feed == self._account, DecisionTable.node == "debate", DecisionTable.kind == "debate")
            .order_by(DecisionTable.seq.desc())
            .limit(limit)
        )
        async with self._engine.connect() as link:
            rows = await link.execute(wanted)
            return tuple(Judged(row.run_id, row.ticker, row.engine, Verdict(row.verdict)) for row in rows)
