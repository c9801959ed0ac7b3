"""The parts of a snapshot as bytes and back: Parquet for arrays and text items, canonical JSON for the rest.

Same content, same bytes: fixed writer settings, keys ascending, no time stamps. What comes back is identical, array
types and NaN included; arrays come back read-only.
"""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from domain.market import (
    BARS_COLUMNS,
    CHAIN_COLUMNS,
    Bars,
    CalendarEvent,
    Chain,
    DataNote,
    Headline,
    MarketData,
    OddsReading,
    Post,
    Series,
)
from domain.record import Record, canonical_json
from domain.snapshot import DeskContext, MarketSnapshot

if TYPE_CHECKING:
    import pyarrow as pa

ARRAYS = {
    "chains": (Chain, CHAIN_COLUMNS),
    "bars": (Bars, BARS_COLUMNS),
    "series": (Series, ("day", "known_at", "value")),
}
INSTANTS = ("published_at", "known_at", "at")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ITEMS: Mapping[str, type[Record]] = {"posts": Post, "headlines": Headline, "events": CalendarEvent}
PARTS = ("bars", "chains", "desk", "events", "headlines", "market", "posts", "series")
R = TypeVar("R", bound=Record)


def to_parts(snapshot: MarketSnapshot) -> dict[str, bytes]:
    """Every part of `snapshot` by name. Raises `ValueError` for content without a canonical form."""
    market = snapshot.market
    parts = {"desk": canonical_json(snapshot.desk).encode()}
    shapes: dict[str, object] = {}
    for name, (_, columns) in ARRAYS.items():
        structs: Mapping[str, Any] = getattr(market, name)
        parts[name] = _arrays_to_parquet(structs, columns)
        shapes[name] = {key: _shape(struct, columns) for key, struct in structs.items()}
    for name, kind in ITEMS.items():
        parts[name] = _items_to_parquet(getattr(market, name), kind)
    parts["market"] = canonical_json(
        {
            "as_of": market.as_of,
            "feed": market.feed,
            "tickers": market.tickers,
            "events_known": market.events_known,
            "sectors": market.sectors,
            "odds": market.odds,
            "notes": market.notes,
            "provenance": market.provenance,
            "arrays": shapes,
        }
    ).encode()
    return parts


def from_parts(parts: Mapping[str, bytes]) -> MarketSnapshot:
    """The snapshot that `to_parts` took apart."""
    frame = json.loads(parts["market"])
    arrays: dict[str, Any] = {
        name: _arrays_from_parquet(parts[name], kind, columns, frame["arrays"][name])
        for name, (kind, columns) in ARRAYS.items()
    }
    items: dict[str, Any] = {name: _items_from_parquet(parts[name], kind) for name, kind in ITEMS.items()}
    market = MarketData(
        as_of=datetime.fromisoformat(frame["as_of"]),
        feed=frame["feed"],
        tickers=tuple(frame["tickers"]),
        events_known=frozenset(frame["events_known"]),
        sectors=frame["sectors"],
        odds=tuple(OddsReading.model_validate(row) for row in frame["odds"]),
        notes=tuple(DataNote.model_validate(row) for row in frame["notes"]),
        provenance=frame["provenance"],
        **arrays,
        **items,
    )
    return MarketSnapshot(market=market, desk=DeskContext.model_validate_json(parts["desk"]))


def _shape(struct: Any, columns: Sequence[str]) -> dict[str, object]:
    """What the columns alone do not say: number of rows, array types, and the struct's single values."""
    scalars = {name: _scalar(getattr(struct, name)) for name in _scalar_names(type(struct), columns)}
    dtypes = {name: getattr(struct, name).dtype.str for name in columns}
    return {"rows": len(struct), "dtypes": dtypes, "scalars": scalars}


def _scalar(value: object) -> object:
    # Floats as text: JSON has no NaN, and a chain whose spot is unknown is still a chain.
    return repr(float(value)) if isinstance(value, float) else value


def _scalar_names(kind: type[Any], columns: Sequence[str]) -> list[str]:
    assert is_dataclass(kind)  # noqa: S101 - tells the type checker
    return [field.name for field in fields(kind) if field.name not in columns]


def _restored(name: str, value: Any) -> Any:
    match name:
        case "as_of":
            return datetime.fromisoformat(value)
        case "spot":
            return float(value)
        case "adjusted_as_of":
            return None if value is None else date.fromisoformat(value)
    return value


def _arrays_to_parquet(structs: Mapping[str, Any], columns: Sequence[str]) -> bytes:
    """The rows of every struct, keys ascending, in one row group: hundreds of small ones would take thrice as long."""
    import pyarrow as pa

    filled = [struct for _, struct in sorted(structs.items()) if len(struct)]
    if not filled:
        return b""
    joined = {name: np.concatenate([getattr(struct, name) for struct in filled]) for name in columns}
    return _parquet(pa.table({name: pa.array(column) for name, column in joined.items()}))


def _arrays_from_parquet(
    content: bytes, kind: Any, columns: Sequence[str], shapes: Mapping[str, Any]
) -> dict[str, Any]:
    table = _table(content) if content else None
    arrays = {name: None if table is None else table[name].to_numpy() for name in columns}
    found, start = {}, 0
    for key, shape in sorted(shapes.items()):
        stop = start + shape["rows"]
        cut = {name: _frozen(arrays[name], start, stop, shape["dtypes"][name]) for name in columns}
        found[key] = kind(**{name: _restored(name, value) for name, value in shape["scalars"].items()}, **cut)
        start = stop
    return found


def _frozen(column: NDArray[Any] | None, start: int, stop: int, dtype: str) -> NDArray[Any]:
    array = np.empty(0, dtype=dtype) if column is None else column[start:stop].astype(dtype)
    array.flags.writeable = False
    return array


def _items_to_parquet(items: Iterable[Record], kind: type[Record]) -> bytes:
    import pyarrow as pa

    return _parquet(pa.Table.from_pylist([item.model_dump() for item in items], schema=_schema(kind)))


def _items_from_parquet(content: bytes, kind: type[R]) -> tuple[R, ...]:
    table = _table(content)
    names = table.column_names
    columns = [_instants(table[name]) if name in INSTANTS else table[name].to_pylist() for name in names]
    return tuple(kind.model_validate(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True))


def _instants(column: "pa.ChunkedArray") -> list[datetime]:
    """From the microseconds: pyarrow's own conversion takes six times as long."""
    import pyarrow as pa

    return [EPOCH + timedelta(microseconds=count) for count in column.cast(pa.int64()).to_pylist()]


def _parquet(table: "pa.Table") -> bytes:
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=max(1, len(table)), **_writer_options(table.schema))
    return sink.getvalue()


def _table(content: bytes) -> "pa.Table":
    import pyarrow.parquet as pq

    return pq.ParquetFile(io.BytesIO(content)).read()  # read_table would import the datasets of pyarrow as well


def _schema(kind: type[Record]) -> "pa.Schema":
    import pyarrow as pa

    instant = pa.timestamp("us", tz="UTC")
    types = {
        **dict.fromkeys(INSTANTS, instant),
        "tickers": pa.list_(pa.string()),
        "score": pa.int64(),
        "comments": pa.int64(),
        "sentiment": pa.float64(),
        "amount": pa.float64(),
        "author_age_days": pa.float64(),
    }
    return pa.schema([(name, types.get(name, pa.string())) for name in kind.model_fields])


def _writer_options(schema: "pa.Schema") -> dict[str, Any]:
    import pyarrow as pa

    repeated = [field.name for field in schema if pa.types.is_string(field.type) and field.name != "symbol"]
    return {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": repeated,
        "write_statistics": False,
        "version": "2.6",
        "data_page_version": "1.0",
        "store_schema": True,
    }
