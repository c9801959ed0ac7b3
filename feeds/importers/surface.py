"""Last-price option surface (one row a strike, no bid or ask) and its daily totals.

Known from: the session's close. Without quotes nothing here can be traded: the rows keep their open interest, volume
and the vendor's volatility, and bid and ask stay NaN.
"""

import numpy as np

from domain.market import DataNote, option_volume
from domain.units import Floats
from feeds.importers.chain_rows import ChainRows, assemble, missing, session_closes
from feeds.importers.imported import Imported, StoredSeries
from feeds.importers.market_series import history
from feeds.importers.roots import STANDARD_MULTIPLIER
from feeds.importers.table import RawTable

_BASIS = "option totals"


def read(table: RawTable) -> Imported:
    """`quote_date, ticker, expiration, strike, call_price, ..., put_oi, underlying_price`; IV in percent."""
    n = len(table.frame)
    as_of, _ = session_closes(table, table.days("quote_date"))

    def both(field: str) -> Floats:
        return np.concatenate([table.numbers(f"call_{field}"), table.numbers(f"put_{field}")])

    rows = ChainRows(
        ticker=np.tile(table.words("ticker").to_numpy(dtype=object), 2),
        as_of=np.tile(as_of, 2),
        spot=np.tile(table.numbers("underlying_price"), 2),
        root=np.full(2 * n, "", dtype=object),
        is_call=np.repeat([True, False], n),
        strike=np.tile(table.numbers("strike"), 2),
        expiry=np.tile(table.days("expiration"), 2),
        bid=missing(2 * n),
        ask=missing(2 * n),
        last=both("price"),
        volume=both("volume"),
        open_interest=both("oi"),
        bid_size=missing(2 * n),
        ask_size=missing(2 * n),
        vendor_iv=both("iv") / 100,
        multiplier=np.full(2 * n, STANDARD_MULTIPLIER),
        standard=np.ones(2 * n, dtype=bool),
    )
    note = DataNote(
        code="last_prices_only",
        subject=table.name,
        detail="no bid and ask: open interest and volume are kept, nothing in it can be traded",
        count=2 * n,
    )
    return assemble(table, rows, [note])


def read_totals(table: RawTable) -> Imported:
    """`quote_date, ticker, call_volume, put_volume, ...`: option volume histories of each ticker."""
    days = table.days("quote_date")
    known, traded = session_closes(table, days)
    tickers = table.words("ticker").to_numpy(dtype=object)
    found: list[StoredSeries] = []
    notes: list[DataNote] = []
    for ticker in sorted(set(tickers.tolist())):
        for right in ("call", "put"):
            rows = (tickers == ticker) & traded
            found.append(
                history(
                    table,
                    option_volume(ticker, "call" if right == "call" else "put"),
                    unit="contracts",
                    basis=_BASIS,
                    day=days[rows],
                    known_at=known[rows],
                    value=table.numbers(f"{right}_volume")[rows],
                    notes=notes,
                )
            )
    notes.append(
        DataNote(
            code="friday_totals",
            subject=table.name,
            detail="the source leaves out contracts expiring that day on most Fridays: volume looks 60-75 % lower then",
        )
    )
    return Imported(series=tuple(item for item in found if len(item.series)), notes=tuple(notes))
