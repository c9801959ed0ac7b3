"""The graph's checkpoints: LangGraph's PostgreSQL saver in a schema of its own, with a strict reader.

LangGraph reads an unlisted type back as a bare dict, and a record that no longer validates as one built without
validation. Both are illegal states that would go on through the graph, so here both raise: a checkpoint may hold the
desk's records and enums, LangGraph's own types and plain values, and nothing else.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from types import ModuleType
from typing import TYPE_CHECKING, Any

from domain import audit, book, contract, debate, market, order, regime, risk, run, signals, snapshot
from domain.errors import TamperError
from domain.record import Record
from memory.engine import conninfo, translated, with_options

if TYPE_CHECKING:
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

WORDS: tuple[ModuleType, ...] = (audit, book, contract, debate, market, order, regime, risk, run, signals, snapshot)


def kinds() -> dict[tuple[str, str], type[Record] | type[Enum]]:
    """Every record and enum that the domain defines, by module and name."""
    found = [(module, item) for module in WORDS for item in vars(module).values() if isinstance(item, type)]
    return {
        (item.__module__, item.__name__): item
        for module, item in found
        if issubclass(item, Record | Enum) and item.__module__ == module.__name__
    }


@asynccontextmanager
async def checkpointer(url: str, *, pool_size: int = 4) -> "AsyncIterator[AsyncPostgresSaver]":
    """A saver for `graph.compile(checkpointer=…)`. The tables are made by `memory.migrate`.

    Raises `DatabaseDown` if the server cannot be reached.
    """
    import psycopg
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from psycopg.rows import DictRow, dict_row
    from psycopg_pool import AsyncConnectionPool

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
        check=AsyncConnectionPool.check_connection,
        open=False,
    ) as pool:
        yield AsyncPostgresSaver(pool, serde=serializer())


def serializer() -> "JsonPlusSerializer":
    """Reads back exactly what `kinds` lists; raises `TamperError` for any other type or an invalid record."""
    import ormsgpack
    from langgraph.checkpoint.serde._msgpack import SAFE_MSGPACK_TYPES
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer, _create_msgpack_ext_hook
    from pydantic import ValidationError

    listed = kinds()
    plain = _create_msgpack_ext_hook(None)

    def read(code: int, data: bytes) -> Any:
        parts = ormsgpack.unpackb(data, ext_hook=read, option=ormsgpack.OPT_NON_STR_KEYS)
        name = (parts[0], parts[1]) if isinstance(parts, list | tuple) and len(parts) > 2 else None
        if name is None or name in SAFE_MSGPACK_TYPES:
            return plain(code, data)
        kind = listed.get(name)
        if kind is None:
            raise TamperError(f"A checkpoint holds {'.'.join(map(str, name))}, which is none of the desk's words.")
        try:
            return kind.model_validate(parts[2]) if issubclass(kind, Record) else kind(parts[2])
        except (ValidationError, ValueError) as error:
            raise TamperError(f"A checkpoint holds a {name[1]} that is not valid: {error}") from error

    return JsonPlusSerializer(allowed_msgpack_modules=list(listed), __unpack_ext_hook__=read)
