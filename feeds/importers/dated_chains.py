"""Chains dated by day without a time: SPX history, OptionSuite (iVolatility), AlgoSeek and liquid-subset layouts.

Known from: that session's close, half-days included.
"""

from dataclasses import replace

import numpy as np

from domain.market import DataNote
from domain.units import Bools
from feeds.importers.chain_rows import ChainRows, assemble, rights, session_closes
from feeds.importers.imported import Imported
from feeds.importers.roots import STANDARD_MULTIPLIER, rule_of
from feeds.importers.table import RawTable


def read_index_history(table: RawTable) -> Imported:
    """`quote_date, root, type, expiration, ...`: the underlying follows from the root."""
    roots = table.words("root").to_numpy(dtype=object)
    underlying = {root: rule_of(root).underlying for root in set(roots.tolist())}
    return _assemble(table, np.array([underlying[root] for root in roots.tolist()], dtype=object), roots)


def read_subset(table: RawTable) -> Imported:
    """`quote_date, underlying, contract, type, ..., underlying_price`: a few liquid contracts a day."""
    tickers = table.words("underlying").to_numpy(dtype=object)
    roots = table.words("contract").str[:-15].str.strip().to_numpy(dtype=object)
    return _assemble(table, tickers, roots)


def read_algoseek(table: RawTable) -> Imported:
    """`underlying, quote_date, ..., bid_size, ask_size` without a spot: it is implied from parity.

    Contracts without any quote at strikes outside everything quoted that day are listed in share units from before
    a split; they keep their open interest but are marked as non-standard.
    """
    tickers = table.words("underlying").to_numpy(dtype=object)
    rows = _rows(table, tickers, np.full(len(tickers), "", dtype=object))
    old = _old_units(rows)
    note = DataNote(
        code="old_share_units",
        subject=table.name,
        detail="unquoted contracts at strikes from before a split: kept for open interest, never proposed",
        count=int(old.sum()),
    )
    return assemble(table, replace(rows, standard=rows.standard & ~old), [note] if old.any() else [])


def _old_units(rows: ChainRows) -> Bools:
    old = np.zeros(len(rows.strike), dtype=bool)
    quoted = np.isfinite(rows.bid) | np.isfinite(rows.ask)
    for instant in np.unique(rows.as_of):
        today = rows.as_of == instant
        strikes = rows.strike[today & quoted]
        if len(strikes):
            old |= today & ~quoted & ((rows.strike > strikes.max()) | (rows.strike < strikes.min()))
    return old


def _assemble(table: RawTable, tickers: np.ndarray, roots: np.ndarray) -> Imported:
    return assemble(table, _rows(table, tickers, roots))


def _rows(table: RawTable, tickers: np.ndarray, roots: np.ndarray) -> ChainRows:
    as_of, _ = session_closes(table, table.days("quote_date"))
    return chain_rows(table, tickers, roots, as_of)


def chain_rows(table: RawTable, tickers: np.ndarray, roots: np.ndarray, as_of: np.ndarray) -> ChainRows:
    """Rows of a table whose columns carry the common names `type, strike, expiration, bid, ask, last, volume,
    open_interest, implied_vol, underlying_price`; absent ones are NaN. Contracts are US listed: multiplier 100.
    """
    n = len(tickers)
    return ChainRows(
        ticker=tickers,
        as_of=as_of,
        spot=table.numbers("underlying_price"),
        root=roots,
        is_call=rights(table, "type"),
        strike=table.numbers("strike"),
        expiry=table.days("expiration"),
        bid=table.numbers("bid"),
        ask=table.numbers("ask"),
        last=table.numbers("last"),
        volume=table.numbers("volume"),
        open_interest=table.numbers("open_interest"),
        bid_size=table.numbers("bid_size"),
        ask_size=table.numbers("ask_size"),
        vendor_iv=table.numbers("implied_vol"),
        multiplier=np.full(n, STANDARD_MULTIPLIER),
        standard=np.ones(n, dtype=bool),
    )
