"""Cboe DataShop end-of-day options summary: two pictures of each contract a day, fifteen minutes before the close and
at it.

Known from: 15 minutes before the session's close (the `_1545` columns) and the close itself (16:15 New York for
index options). The day's volume and last price belong to the later picture only: at 15:45 nobody knew them.
"""

from dataclasses import fields

import numpy as np

from domain.sessions import close_known_at
from domain.units import Floats, Instants
from feeds.importers.chain_rows import ChainRows, assemble, missing, rights, session_closes
from feeds.importers.imported import Imported
from feeds.importers.roots import INDEX_ROOTS, STANDARD_MULTIPLIER
from feeds.importers.table import RawTable

_BEFORE_CLOSE = np.timedelta64(15 * 60, "s")


def read(table: RawTable) -> Imported:
    """Both pictures of every day. A non-empty `delivery_code` marks a changed deliverable."""
    days = table.days("quote_date")
    closes, _ = session_closes(table, days)
    roots = table.words("root").str.strip().str.upper().to_numpy(dtype=object)
    index = np.array([root in INDEX_ROOTS for root in roots.tolist()], dtype=bool)
    unique, where = np.unique(days, return_inverse=True)
    ends = np.where(index, close_known_at(unique, index_close=True)[where], closes)
    quarter_to = _picture(table, roots, closes - _BEFORE_CLOSE, "1545", traded=False)
    at_close = _picture(table, roots, ends, "eod", traded=True)
    both = ChainRows(
        *(
            np.concatenate([getattr(quarter_to, field.name), getattr(at_close, field.name)])
            for field in fields(ChainRows)
        )
    )
    return assemble(table, both)


def _picture(table: RawTable, roots: np.ndarray, as_of: Instants, moment: str, *, traded: bool) -> ChainRows:
    n = len(roots)
    under_bid, under_ask = table.numbers(f"underlying_bid_{moment}"), table.numbers(f"underlying_ask_{moment}")
    plain = np.ones(n, dtype=bool)
    if "delivery_code" in table.columns:
        plain = np.asarray(table.words("delivery_code").str.strip().isin(["", "0"]), dtype=bool)
    nothing: Floats = missing(n)
    return ChainRows(
        ticker=table.words("underlying_symbol").str.lstrip("^").str.upper().to_numpy(dtype=object),
        as_of=as_of,
        spot=np.where((under_bid > 0) & (under_ask >= under_bid), (under_bid + under_ask) / 2, np.nan),
        root=roots,
        is_call=rights(table, "option_type"),
        strike=table.numbers("strike"),
        expiry=table.days("expiration"),
        bid=table.numbers(f"bid_{moment}"),
        ask=table.numbers(f"ask_{moment}"),
        last=table.numbers("close") if traded else nothing,
        volume=table.numbers("trade_volume") if traded else nothing,
        open_interest=table.numbers("open_interest"),
        bid_size=table.numbers(f"bid_size_{moment}"),
        ask_size=table.numbers(f"ask_size_{moment}"),
        vendor_iv=table.numbers("implied_volatility_1545") if moment == "1545" else nothing,
        multiplier=np.full(n, STANDARD_MULTIPLIER),
        standard=plain,
    )
