"""The graph's checkpoints: LangGraph's PostgreSQL saver, in the schema `langgraph` that `memory.migrate` makes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from memory.engine import conninfo, translated, with_options

if TYPE_CHECKING:
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

PATIENCE_S = 10.0  # for a connection: a database that has gone is noticed no later


@asynccontextmanager
async def checkpointer(url: str, *, pool_size: int = 4) -> "AsyncIterator[AsyncPostgresSaver]":
    """A saver for `graph.compile(checkpointer=…)`, for the event loop it is opened in.

    It reads records back strictly (`memory.serializer`). Raises `DatabaseDown` if the server cannot be reached.
    """
    import psycopg
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from psycopg.rows import DictRow, dict_row
    from psycopg_pool import AsyncConnectionPool

    from memory.serializer import RecordSerializer

    address = conninfo(with_options(url, role=None, search_path="langgraph"))
    try:
        await (await psycopg.AsyncConnection.connect(address)).close()  # a pool would wait, and not say why
    except psycopg.Error as error:
        raise translated(error, "the configured address") or error from error
    async with AsyncConnectionPool[psycopg.AsyncConnection[DictRow]](
        address,
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
        min_size=1,
        max_size=pool_size,
        timeout=PATIENCE_S,
        check=AsyncConnectionPool.check_connection,
        open=False,
    ) as pool:
        yield AsyncPostgresSaver(pool, serde=RecordSerializer())
