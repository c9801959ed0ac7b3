"""OptionsDX wide chains: bracketed headers, one row a strike with call and put, ticker in the file name
("spx_eod_202201.txt").

Known from: the quote's own time, `QUOTE_UNIXTIME`. Sizes come as "bid x ask"; there is no open interest.
"""

import numpy as np

from domain.errors import DataError
from domain.units import Floats
from feeds.importers.chain_rows import ChainRows, assemble, missing
from feeds.importers.imported import Imported
from feeds.importers.roots import STANDARD_MULTIPLIER
from feeds.importers.table import RawTable


def read(table: RawTable) -> Imported:
    """Chains of the ticker that the file is named after."""
    n = len(table.frame)
    seconds = table.numbers("quote_unixtime")
    if not (np.isfinite(seconds) & (seconds > 0)).all():
        raise table.bad("column 'quote_unixtime' has a missing quote time")
    as_of = np.rint(seconds).astype(np.int64).astype("datetime64[s]")

    def both(field: str) -> Floats:
        return np.concatenate([table.numbers(f"c_{field}"), table.numbers(f"p_{field}")])

    sizes = [_sizes(table, f"{side}_size") for side in ("c", "p")]
    rows = ChainRows(
        ticker=np.full(2 * n, table.first_word, dtype=object),
        as_of=np.tile(as_of, 2),
        spot=np.tile(table.numbers("underlying_last"), 2),
        root=np.full(2 * n, "", dtype=object),
        is_call=np.repeat([True, False], n),
        strike=np.tile(table.numbers("strike"), 2),
        expiry=np.tile(table.days("expire_date"), 2),
        bid=both("bid"),
        ask=both("ask"),
        last=both("last"),
        volume=both("volume"),
        open_interest=missing(2 * n),
        bid_size=np.concatenate([bid for bid, _ in sizes]),
        ask_size=np.concatenate([ask for _, ask in sizes]),
        vendor_iv=both("iv"),
        multiplier=np.full(2 * n, STANDARD_MULTIPLIER),
        standard=np.ones(2 * n, dtype=bool),
    )
    return assemble(table, rows)


def _sizes(table: RawTable, column: str) -> tuple[Floats, Floats]:
    """Bid and ask size of "10 x 12" cells, NaN where empty."""
    n = len(table.frame)
    if column not in table.columns:
        return missing(n), missing(n)
    words = table.words(column)
    parts = words.str.extract(r"^\s*(\d+)\s*x\s*(\d+)\s*$")
    if (parts[0].isna() & (words.str.strip() != "")).any():
        unreadable: DataError = table.bad(f"column {column!r} holds something other than sizes such as '10 x 12'")
        raise unreadable
    return parts[0].to_numpy(dtype=np.float64, na_value=np.nan), parts[1].to_numpy(dtype=np.float64, na_value=np.nan)
