"""Yahoo-like chains (`ticker, contract, type, ..., last_trade_utc`) with a capture time or only a session date.

Known from: the stated capture time (to the minute), or the session's close; where last-trade stamps are later than
that, the latest such stamp. A dated file's `underlying_price` is that day's close while its quotes come from another
moment, so there the spot is implied from parity.
"""

from dataclasses import replace

import numpy as np

from domain.market import DataNote
from domain.units import Instants, from_datetime64
from feeds.importers.chain_rows import assemble, missing, session_closes
from feeds.importers.dated_chains import chain_rows
from feeds.importers.imported import Imported
from feeds.importers.table import RawTable

_STATED_TO = np.timedelta64(60, "s")


def read_captured(table: RawTable) -> Imported:
    """Layout with `snapshot_utc`."""
    stated = table.instants("snapshot_utc")
    return _read(table, stated, stated + _STATED_TO, own_spot=True)


def read_dated(table: RawTable) -> Imported:
    """Layout with `snapshot_date` or `session_date`."""
    column = "snapshot_date" if "snapshot_date" in table.columns else "session_date"
    closes, traded = session_closes(table, table.days(column))
    # A repeat dated on a holiday must not be moved onto a session by its stamps: it keeps its own day and is dropped.
    return _read(table, closes, np.where(traded, closes, np.datetime64("2100-01-01", "s")), own_spot=False)


def _read(table: RawTable, stated: Instants, believed_to: Instants, *, own_spot: bool) -> Imported:
    tickers = table.words("ticker").to_numpy(dtype=object)
    roots = table.words("contract").str[:-15].str.strip().to_numpy(dtype=object)
    known, moved = _known_from(tickers, stated, believed_to, table.instants("last_trade_utc"))
    rows = chain_rows(table, tickers, roots, known)
    if not own_spot:
        rows = replace(rows, spot=missing(len(known)))
    notes = [
        DataNote(
            code="captured_later",
            subject=f"{ticker} {from_datetime64(said):%Y-%m-%d}",
            detail=f"trades up to {from_datetime64(latest):%Y-%m-%d %H:%M:%S}Z: usable from then, not before",
        )
        for ticker, said, latest in moved
    ]
    return assemble(table, rows, notes)


def _known_from(
    tickers: np.ndarray, stated: Instants, believed_to: Instants, traded: Instants
) -> tuple[Instants, list[tuple[str, np.datetime64, np.datetime64]]]:
    """Stated instants, moved to the latest trade of the same ticker and capture where that is later than believable."""
    known = stated.copy()
    moved: list[tuple[str, np.datetime64, np.datetime64]] = []
    names, name_at = np.unique(tickers.astype(str), return_inverse=True)
    captures, capture_at = np.unique(stated, return_inverse=True)
    groups = name_at * len(captures) + capture_at
    for group in np.unique(groups):
        rows = groups == group
        stamps = traded[rows]
        stamps = stamps[~np.isnat(stamps)]
        if len(stamps) and stamps.max() > believed_to[rows][0]:
            known[rows] = stamps.max()
            moved.append((str(names[group // len(captures)]), captures[group % len(captures)], stamps.max()))
    return known, moved
