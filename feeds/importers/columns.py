"""Column mapping for layouts that no preset knows, written by the user in a small YAML file."""

from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from pydantic import Field, field_validator

from domain.errors import DataError
from domain.market import DataNote
from domain.record import Record
from domain.sessions import close_known_at
from domain.units import Floats
from feeds.importers.chain_rows import ChainRows, assemble, rights, session_closes
from feeds.importers.imported import Imported, StoredSeries
from feeds.importers.market_series import history
from feeds.importers.price_bars import bars_by_ticker
from feeds.importers.table import RawTable

_REQUIRED: dict[str, tuple[str, ...]] = {
    "chains": ("as_of", "expiry", "strike", "right", "bid", "ask"),
    "bars": ("day", "close"),
    "series": ("day", "value"),
}
_OPTIONAL: dict[str, tuple[str, ...]] = {
    "chains": (
        "ticker",
        "root",
        "spot",
        "last",
        "volume",
        "open_interest",
        "bid_size",
        "ask_size",
        "vendor_iv",
        "multiplier",
    ),
    "bars": ("ticker", "open", "high", "low", "volume"),
    "series": (),
}


class ColumnMapping(Record):
    """How the columns of a file correspond to ours.

    `columns` maps our name to the file's. For chains `as_of` is a capture time, read in `zone` where it has no
    offset, or a day when `dated` is set, which then counts from that session's close. Dates other than 2024-07-05 need
    their `date_format`, e.g. "%m/%d/%Y": it is never guessed. `multiplier` is shares per
    contract; left out, rows have none and cannot be traded. `ticker` names the underlying where no column does.
    Bars are split-adjusted as of the last day in the file, or raw prices when `raw` is set. A `series` needs a
    `name`, a `unit` and counts from 16:15 New York of its day.
    """

    kind: Literal["chains", "bars", "series"]
    columns: dict[str, str]
    ticker: str | None = None
    dated: bool = False
    zone: str = "UTC"
    date_format: str = "ISO8601"
    multiplier: float | None = Field(default=None, gt=0)
    iv_in_percent: bool = False
    raw: bool = False
    name: str | None = None
    unit: str = ""

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{zone!r} is not a time zone; write e.g. America/New_York") from error
        return zone


def read_mapped(table: RawTable, mapping: ColumnMapping) -> Imported:
    """Read `table` as `mapping` says. Raises `DataError` naming canonical columns that are missing or unknown."""
    known = (*_REQUIRED[mapping.kind], *_OPTIONAL[mapping.kind])
    unknown = sorted(set(mapping.columns) - set(known))
    if unknown:
        raise DataError(
            f"The column mapping names {', '.join(unknown)}, which {mapping.kind} do not have.",
            remedy=f"Known are {', '.join(known)}.",
        )
    theirs = {ours: "_".join(name.strip().strip("[]").lower().split()) for ours, name in mapping.columns.items()}
    lacking = [ours for ours in _REQUIRED[mapping.kind] if theirs.get(ours) not in table.columns]
    if mapping.kind != "series" and mapping.ticker is None and theirs.get("ticker") not in table.columns:
        lacking.append("ticker")
    absent = [ours for ours, name in theirs.items() if name not in table.columns and ours not in lacking]
    if lacking or absent:
        raise DataError(
            f"{table.name}: no column for {', '.join([*lacking, *absent])} among {', '.join(table.columns)}.",
            remedy="Correct the column mapping given with --columns.",
        )
    frame = table.frame[list(theirs.values())].set_axis(list(theirs), axis=1)
    renamed = RawTable(table.name, frame, table.preamble, mapping.date_format)
    match mapping.kind:
        case "chains":
            return _chains(renamed, mapping)
        case "bars":
            return _bars(renamed, mapping)
        case "series":
            return _series(renamed, mapping)


def _tickers(table: RawTable, mapping: ColumnMapping) -> np.ndarray:
    if "ticker" in table.columns:
        return table.words("ticker").str.strip().str.lstrip("^").str.upper().to_numpy(dtype=object)
    return np.full(len(table.frame), mapping.ticker, dtype=object)


def _chains(table: RawTable, mapping: ColumnMapping) -> Imported:
    n = len(table.frame)
    known = session_closes(table, table.days("as_of"))[0] if mapping.dated else table.wall_times("as_of", mapping.zone)
    iv = table.numbers("vendor_iv")
    multiplier = table.numbers("multiplier")
    if "multiplier" not in table.columns and mapping.multiplier is not None:
        multiplier = np.full(n, mapping.multiplier)
    roots = table.words("root").str.strip().str.upper() if "root" in table.columns else None
    rows = ChainRows(
        ticker=_tickers(table, mapping),
        as_of=known,
        spot=table.numbers("spot"),
        root=np.full(n, "", dtype=object) if roots is None else roots.to_numpy(dtype=object),
        is_call=rights(table, "right"),
        strike=table.numbers("strike"),
        expiry=table.days("expiry"),
        bid=table.numbers("bid"),
        ask=table.numbers("ask"),
        last=table.numbers("last"),
        volume=table.numbers("volume"),
        open_interest=table.numbers("open_interest"),
        bid_size=table.numbers("bid_size"),
        ask_size=table.numbers("ask_size"),
        vendor_iv=iv / 100 if mapping.iv_in_percent else iv,
        multiplier=multiplier,
        standard=np.ones(n, dtype=bool),
    )
    notes = []
    if not np.isfinite(multiplier).all():
        notes.append(
            DataNote(
                code="no_multiplier",
                subject=table.name,
                detail="the mapping does not say how many shares a contract is on; these rows cannot be traded",
                count=int((~np.isfinite(multiplier)).sum()),
            )
        )
    return assemble(table, rows, notes)


def _bars(table: RawTable, mapping: ColumnMapping) -> Imported:
    days = table.days("day")
    adjusted = None if mapping.raw else days.max().astype(object)
    return bars_by_ticker(table, _tickers(table, mapping), days, adjusted)


def _series(table: RawTable, mapping: ColumnMapping) -> Imported:
    if not mapping.name:
        raise DataError("The column mapping of a series needs its name.", remedy="Add e.g. 'name: VIX'.")
    days, notes = table.days("day"), list[DataNote]()
    value: Floats = table.numbers("value")
    found: StoredSeries = history(
        table,
        mapping.name,
        unit=mapping.unit,
        basis=f"own {mapping.name}",
        day=days,
        known_at=close_known_at(days, index_close=True),
        value=value,
        notes=notes,
    )
    return Imported(series=(found,), notes=tuple(notes))
