"""Canonical data as Parquet and back. Reading returns exactly what was written."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from domain.errors import DataError
from domain.market import BARS_COLUMNS, CHAIN_COLUMNS, Bars, CalendarEvent, Chain, Post, Series
from domain.units import Floats, to_datetime64
from feeds.importers.imported import StoredBars, StoredSeries

if TYPE_CHECKING:
    import pyarrow as pa

_TEXT_COLUMNS = ("symbol", "root")
HOURLY = "an hour"  # end of the unit of a series by the hour, whose `day` holds the hour's beginning
_REMEDY = "Remove its folder and import the source file again."


def write_chain(path: Path, chain: Chain) -> None:
    """One chain, one file; what is not a column goes into the file's metadata."""
    import pyarrow as pa

    head = {
        "ticker": chain.ticker,
        "as_of": chain.as_of.isoformat(),
        "spot": repr(chain.spot),
        "spot_source": chain.spot_source,
    }
    arrays = {name: getattr(chain, name) for name in CHAIN_COLUMNS}
    table = pa.table(
        {name: pa.array(array.tolist() if name in _TEXT_COLUMNS else array) for name, array in arrays.items()}
    )
    _write(path, table.replace_schema_metadata({"chain": json.dumps(head)}), repetitive=["root"])


def read_chain(path: Path) -> Chain:
    """Raises `DataError` naming the file when it is damaged."""
    table = _read(path)
    try:
        head = json.loads((table.schema.metadata or {})[b"chain"])
        columns = {name: _array(table, name) for name in CHAIN_COLUMNS}
    except (KeyError, ValueError) as error:
        raise _damaged(path, error) from error
    source: Literal["quoted", "parity"] = "parity" if head["spot_source"] == "parity" else "quoted"
    return Chain(
        ticker=head["ticker"],
        as_of=datetime.fromisoformat(head["as_of"]),
        spot=float(head["spot"]),
        spot_source=source,
        **columns,
    )


def write_bars(path: Path, bars: Sequence[StoredBars]) -> None:
    """All bars of one source."""
    import pyarrow as pa

    columns: dict[str, Any] = {
        name: np.concatenate([getattr(item.bars, name) for item in bars]) for name in BARS_COLUMNS
    }
    lengths = [len(item.bars) for item in bars]
    columns["ticker"] = np.repeat([item.bars.ticker for item in bars], lengths).tolist()
    columns["split"] = np.concatenate([item.split for item in bars])
    bases = [item.bars.adjusted_as_of for item in bars for _ in range(len(item.bars))]
    columns["adjusted_as_of"] = pa.array(bases, type=pa.date32())
    _write(path, pa.table(columns))


def read_bars(path: Path, tickers: Sequence[str]) -> tuple[StoredBars, ...]:
    """Bars of `tickers`, ascending by ticker."""
    table = _read(path, "ticker", tickers)
    found: list[StoredBars] = []
    for ticker in sorted(set(table["ticker"].to_pylist())):
        rows = _where(table, "ticker", ticker)
        basis: date | None = rows["adjusted_as_of"][0].as_py()
        columns = {name: _array(rows, name) for name in BARS_COLUMNS}
        found.append(StoredBars(Bars(ticker=ticker, adjusted_as_of=basis, **columns), _array(rows, "split")))
    return tuple(found)


def write_series(path: Path, series: Sequence[StoredSeries]) -> None:
    """All histories of one source."""
    import pyarrow as pa

    lengths = [len(item.series) for item in series]
    columns: dict[str, Any] = {
        "name": np.repeat([item.series.name for item in series], lengths).tolist(),
        "unit": np.repeat([item.series.unit for item in series], lengths).tolist(),
        "basis": np.repeat([item.basis for item in series], lengths).tolist(),
    }
    for name in ("day", "known_at", "value"):
        columns[name] = np.concatenate([getattr(item.series, name) for item in series])
    _write(path, pa.table(columns))


def read_series(path: Path, names: Sequence[str]) -> tuple[StoredSeries, ...]:
    """Histories called `names`, ascending by name."""
    table = _read(path, "name", names)
    found: list[StoredSeries] = []
    for name in sorted(set(table["name"].to_pylist())):
        rows = _where(table, "name", name)
        value: Floats = _array(rows, "value")
        unit = rows["unit"][0].as_py()
        day = rows["day"].to_numpy().astype("datetime64[s]") if unit.endswith(HOURLY) else _array(rows, "day")
        series = Series(name, unit, day, _array(rows, "known_at"), value)
        found.append(StoredSeries(series, rows["basis"][0].as_py()))
    return tuple(found)


def write_records(path: Path, records: Sequence[Post] | Sequence[CalendarEvent]) -> None:
    """Posts or events: knowledge time beside the record itself as JSON."""
    import pyarrow as pa

    known = np.array([to_datetime64(record.known_at) for record in records])
    _write(path, pa.table({"known_at": known, "record": [record.model_dump_json() for record in records]}))


def read_posts(path: Path, since: datetime, until: datetime) -> tuple[Post, ...]:
    """Posts with `since` < known_at ≤ `until`."""
    return tuple(Post.model_validate_json(text) for text in _records(path, since, until))


def read_events(path: Path, until: datetime) -> tuple[CalendarEvent, ...]:
    """Events known by `until`."""
    first = datetime(1900, 1, 1, tzinfo=UTC)
    return tuple(CalendarEvent.model_validate_json(text) for text in _records(path, first, until))


def _records(path: Path, since: datetime, until: datetime) -> list[str]:
    table = _read(path)
    known = _array(table, "known_at")
    rows = np.flatnonzero((known > to_datetime64(since)) & (known <= to_datetime64(until)))
    return [str(text) for text in table["record"].take(rows).to_pylist()]


def _write(path: Path, table: "pa.Table", repetitive: bool | list[str] = True) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, path, compression="zstd", use_dictionary=repetitive)


def _read(path: Path, column: str | None = None, among: Sequence[str] = ()) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        filters = [(column, "in", list(among))] if column else None
        return pq.read_table(path, filters=filters, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _where(table: "pa.Table", column: str, value: str) -> "pa.Table":
    import pyarrow.compute as pc

    return table.filter(pc.equal(table[column], value))


def _array(table: "pa.Table", name: str) -> Any:
    array = table[name].to_numpy()
    if name in _TEXT_COLUMNS:
        return array.astype(str)
    if array.dtype.kind == "M":
        return array.astype("datetime64[D]" if name in ("day", "expiry") else "datetime64[s]")
    return array


def _damaged(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{path.name} in the library folder {path.parent.name} is damaged ({reason}).", remedy=_REMEDY)
