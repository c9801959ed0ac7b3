"""What a checkpoint may hold, and the strict reader of it.

LangGraph reads an unlisted type back as a bare dict, and a record that no longer validates as one built without
validation. Both are illegal states that would go on through the graph, so here both raise: a checkpoint may hold the
desk's records and enums, LangGraph's own types and plain values, and nothing else.
"""

from enum import Enum
from types import ModuleType
from typing import Any

import ormsgpack
from langgraph.checkpoint.serde._msgpack import SAFE_MSGPACK_TYPES
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer, _create_msgpack_ext_hook, _send_from_args
from typing_extensions import override

from domain import (
    audit,
    book,
    contract,
    debate,
    excursion,
    experience,
    market,
    order,
    regime,
    risk,
    run,
    sentiment,
    signals,
    snapshot,
    social,
)
from domain.errors import TamperError
from domain.record import Record

WORDS: tuple[ModuleType, ...] = (
    audit, book, contract, debate, excursion, experience, market, order, regime, risk, run, sentiment, signals,
    snapshot, social,
)  # fmt: skip

SEND = ("langgraph.types", "Send")  # a branch that waits to be run, with all that it was handed

_plain = _create_msgpack_ext_hook(None)


def kinds() -> dict[tuple[str, str], type[Record] | type[Enum]]:
    """Every record and enum that the domain defines, by module and name."""
    found = [(module, item) for module in WORDS for item in vars(module).values() if isinstance(item, type)]
    return {
        (item.__module__, item.__name__): item
        for module, item in found
        if issubclass(item, Record | Enum) and item.__module__ == module.__name__
    }


class RecordSerializer(JsonPlusSerializer):
    """Writes as LangGraph does; reads back exactly what `kinds` lists, validated. Raises `TamperError` otherwise."""

    def __init__(self) -> None:
        self._kinds = kinds()
        super().__init__(allowed_msgpack_modules=list(self._kinds))

    @override
    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        form, content = data
        if form != "msgpack":
            return super().loads_typed(data)
        refusals: list[TamperError] = []  # ormsgpack swallows what a hook raises

        def read(code: int, inner: bytes) -> Any:
            try:
                parts = ormsgpack.unpackb(inner, ext_hook=read, option=ormsgpack.OPT_NON_STR_KEYS)
                return self._rebuilt(code, inner, parts)
            except TamperError as refusal:
                refusals.append(refusal)
                raise

        try:
            return ormsgpack.unpackb(content, ext_hook=read, option=ormsgpack.OPT_NON_STR_KEYS)
        except ValueError as error:
            raise (refusals[0] if refusals else TamperError(f"A checkpoint cannot be read: {error}.")) from error

    def _rebuilt(self, code: int, inner: bytes, parts: Any) -> Any:
        name = (parts[0], parts[1]) if isinstance(parts, list | tuple) and len(parts) > 2 else None
        if name == SEND:
            return _send_from_args(parts[2])  # LangGraph's own hook would read the records inside it as strangers
        if name is None or name in SAFE_MSGPACK_TYPES:
            return _plain(code, inner)
        kind = self._kinds.get(name)
        if kind is None:
            raise TamperError(f"A checkpoint holds {'.'.join(map(str, name))}, which is none of the desk's words.")
        try:
            return kind.model_validate(parts[2]) if issubclass(kind, Record) else kind(parts[2])
        except ValueError as error:
            raise TamperError(f"A checkpoint holds a {name[1]} that is not valid: {error}") from error
