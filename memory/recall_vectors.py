"""Vectors of closed situations: how they are made, kept, and searched. Vectors of two embedders never meet."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from domain.experience import Situation
from domain.ports import Embedder
from domain.regime import Regime
from domain.units import Floats
from memory.engine import driver_of
from memory.recall_layers import Feedback
from signals.situation import FEATURES, FEATURES_ID, features

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

SCAN = """
SELECT set_config('hnsw.iterative_scan', 'strict_order', true), set_config('hnsw.ef_search', %(ef_search)s, true),
       set_config('hnsw.max_scan_tuples', %(most)s, true), set_config('plan_cache_mode', 'force_custom_plan', true)
"""
"""Without iterative scans the index stops at its first few dozen neighbours, and filters are applied after. A plan that
fits every account fits none: each has its own index, and how much was known decides whether a look needs it.
"""
POOL = """
WITH pool AS MATERIALIZED (
    SELECT run_id, ticker, known_at, importance,
           (embedding::vector({dimensions}) <=> CAST(%(vector)s AS vector({dimensions}))){exactly} AS distance
    FROM memory_vectors
    WHERE feed = %(feed)s AND embedder = %(embedder)s AND known_at < %(as_of)s
    ORDER BY distance, run_id, ticker
    LIMIT %(limit)s
)
SELECT pool.*, told.by_run_id, told.by_ticker, told.useful, told.known_at AS told_at
FROM pool LEFT JOIN memory_feedback told
    ON told.run_id = pool.run_id AND told.ticker = pool.ticker AND told.known_at < %(as_of)s
"""
"""The ordering is the expression that the indexes are made on, or `EXACTLY` not; run and ticker decide who of equals is
in the pool.
"""
EXACTLY = " + 0"
WIDTH = 120  # least number of candidates a search keeps: fewer may end in the wrong cluster
BATCH = 256  # situations embedded at a time
SCANNED = 200_000  # most vectors an index is walked for, where most are filtered out


class Neighbour(NamedTuple):
    """A remembered situation near the present one; `feedback` as far as it was known."""

    run_id: str
    ticker: str
    known_at: datetime
    importance: float
    similarity: float
    feedback: tuple[Feedback, ...]

    @property
    def id(self) -> str:
        """What it is cited by."""
        return memory_id(self.run_id, self.ticker)


class FeatureEmbedder:
    """`domain.ports.Embedder` without a model: the feature vector of `signals.situation`."""

    name = f"features/{FEATURES_ID}"
    dimensions = len(FEATURES)

    async def embed(self, situations: Sequence[Situation]) -> Floats:
        """See the port. Never fails."""
        import numpy as np

        return np.array([features(situation) for situation in situations]).reshape(-1, self.dimensions)


def memory_id(run_id: str, ticker: str) -> str:
    """What a memory is cited by."""
    return f"memory/{run_id}/{ticker}"


def key_of(cited: str) -> tuple[str, str] | None:
    """Run and ticker of a cited id; None if it is no memory's."""
    kind, _, rest = cited.partition("/")
    run_id, _, ticker = rest.partition("/")
    return (run_id, ticker) if kind == "memory" and run_id and ticker else None


async def keep(link: "AsyncConnection", embedder: Embedder, rows: Sequence[dict[str, Any]], vectors: Floats) -> None:
    """Store vectors of closed situations (`run_id, ticker, feed, known_at, importance`) once each; an account's first
    vector of an embedder brings its index.
    """
    from sqlalchemy import text
    from sqlalchemy.dialects.postgresql import insert

    from memory.tables.recall import MemoryVectorTable

    for feed in sorted({row["feed"] for row in rows}):
        await link.execute(
            text("SELECT index_memory_vectors(:feed, :model, :dimensions)"),
            {"feed": feed, "model": embedder.name, "dimensions": embedder.dimensions},
        )
    values = [
        {**row, "embedder": embedder.name, "embedding": vector.tolist()}
        for row, vector in zip(rows, vectors, strict=True)
    ]
    if values:
        await link.execute(insert(MemoryVectorTable).on_conflict_do_nothing(), values)


async def embed_missing(
    engine: "AsyncEngine", embedder: Embedder, *, feed: str | None = None, most: int | None = None
) -> int:
    """Give closed situations that lack a vector of `embedder` one, oldest knowledge first; how many were given. Batch
    by batch, so that what was paid for is kept. Raises as `Embedder.embed`.
    """
    done = 0
    while most is None or done < most:
        rows, situations = await _lacking(
            engine, embedder.name, feed, BATCH if most is None else min(BATCH, most - done)
        )
        if not rows:
            break
        vectors = await embedder.embed(situations)
        async with engine.begin() as link:
            await keep(link, embedder, rows, vectors)
        done += len(rows)
    return done


async def unseen(engine: "AsyncEngine", embedder: str, feed: str) -> int:
    """How many closed situations of `feed` have no vector of `embedder`."""
    from sqlalchemy import func, select

    from memory.tables.recall import MemoryTable

    lacking = select(func.count()).select_from(MemoryTable).where(*_without(embedder, feed))
    async with engine.connect() as link:
        return int((await link.execute(lacking)).scalar_one())


async def forget_others(engine: "AsyncEngine", embedders: Sequence[str]) -> int:
    """Drop the vectors of all but these embedders; how many there were."""
    from sqlalchemy import delete

    from memory.tables.recall import MemoryVectorTable

    others = delete(MemoryVectorTable).where(MemoryVectorTable.embedder.not_in(sorted(embedders)))
    async with engine.begin() as link:
        return int((await link.execute(others)).rowcount)


async def _lacking(
    engine: "AsyncEngine", embedder: str, feed: str | None, limit: int
) -> tuple[list[dict[str, Any]], list[Situation]]:
    from sqlalchemy import select

    from memory.tables.recall import MemoryTable as Past

    wanted = select(Past.run_id, Past.ticker, Past.feed, Past.known_at, Past.lesson, Past.composite, Past.regime).where(
        *_without(embedder, feed)
    )
    async with engine.connect() as link:
        found = (await link.execute(wanted.order_by(Past.known_at, Past.run_id, Past.ticker).limit(limit))).all()
    rows = [
        {"run_id": row.run_id, "ticker": row.ticker, "feed": row.feed, "known_at": row.known_at,
         "importance": row.lesson.importance}
        for row in found
    ]  # fmt: skip
    return rows, [Situation(composite=row.composite, regime=Regime(row.regime)) for row in found]


def _without(embedder: str, feed: str | None) -> "list[ColumnElement[bool]]":
    """Conditions of a situation that is over and that `embedder` has not seen."""
    from sqlalchemy import select

    from memory.tables.recall import MemoryTable as Past
    from memory.tables.recall import MemoryVectorTable as Vectors

    has = select(Vectors.run_id).where(
        Vectors.run_id == Past.run_id, Vectors.ticker == Past.ticker, Vectors.embedder == embedder
    )
    return [Past.lesson.is_not(None), ~has.exists(), *([] if feed is None else [Past.feed == feed])]


async def nearest(
    link: "AsyncConnection", embedder: Embedder, vector: Floats, *, feed: str, as_of: datetime, limit: int
) -> list[Neighbour]:
    """The `limit` most similar situations of `feed` known strictly before `as_of`, in no particular order; fewer only
    if there are no more. An index whose walk ends early, because what was known lies far off, is asked no further:
    everything known is then compared.
    """
    asked = {
        "vector": str(vector.tolist()), "feed": feed, "embedder": embedder.name, "as_of": as_of, "limit": limit,
        "ef_search": str(min(max(6 * limit // 5, WIDTH), 1000)), "most": str(SCANNED),
    }  # fmt: skip
    size = int(embedder.dimensions)
    async with driver_of(link) as driver:
        found = await _pool(driver, POOL.format(dimensions=size, exactly=""), asked)
        return (
            found if len(found) == limit else await _pool(driver, POOL.format(dimensions=size, exactly=EXACTLY), asked)
        )


async def _pool(driver: "psycopg.AsyncConnection[Any]", query: str, asked: dict[str, Any]) -> list[Neighbour]:
    async with driver.pipeline():  # one journey to the server and back
        await driver.execute(SCAN, asked)
        pool = await driver.execute(query.encode(), asked)
    found: dict[tuple[str, str], Neighbour] = {}
    for run_id, ticker, known_at, importance, distance, by_run_id, by_ticker, useful, told_at in await pool.fetchall():
        near = found.get((run_id, ticker))
        if near is None:
            near = Neighbour(run_id, ticker, known_at, importance, round(1.0 - distance, 6), ())
        if told_at is not None:
            told = Feedback(told_at, memory_id(by_run_id, by_ticker), useful)
            near = near._replace(feedback=(*near.feedback, told))
        found[run_id, ticker] = near
    return list(found.values())
