"""Cboe "quote table" download: two lines about the underlying, a header, one row a strike with call and put.

Layout: https://www.cboe.com/delayed_quotes/. Known from: the stated capture time.
"""

import re

import numpy as np

from domain.units import Floats
from feeds.importers.chain_rows import ChainRows, assemble, missing
from feeds.importers.imported import Imported
from feeds.importers.roots import STANDARD_MULTIPLIER, rule_of
from feeds.importers.table import RawTable

_STAMP = re.compile(r"Date: (?P<when>\w+ \d+, \d+ at \d+:\d+ [AP]M) (?P<zone>E[SD]T)")
_LAST = re.compile(r"Last: (?P<last>[\d.]+)")
_FIELDS = {"last": "last_sale", "bid": "bid", "ask": "ask", "volume": "volume", "iv": "iv", "oi": "open_interest"}


def read(table: RawTable) -> Imported:
    """Chains of one underlying at one minute. Raises `DataError` without a readable time and last price."""
    above = " ".join(table.preamble)
    stamp, last = _STAMP.search(above), _LAST.search(above)
    if not stamp or not last:
        raise table.bad("the lines above the header do not give the capture time and the last price")
    import pandas as pd

    local = pd.to_datetime(stamp["when"], format="%B %d, %Y at %I:%M %p")
    hours = 4 if stamp["zone"] == "EDT" else 5
    as_of = np.datetime64((local + pd.Timedelta(hours=hours)).to_pydatetime(), "s")
    n = len(table.frame)

    def both(field: str) -> Floats:
        column = _FIELDS[field]
        return np.concatenate([table.numbers(column), table.numbers(f"{column}.1")])

    contracts = np.concatenate(
        [table.words("calls").to_numpy(dtype=object), table.words("puts").to_numpy(dtype=object)]
    )
    roots = np.array([contract.strip()[:-15] for contract in contracts.tolist()], dtype=object)
    underlyings = {rule_of(root).underlying for root in roots.tolist()}
    if len(underlyings) != 1 or "" in underlyings:
        raise table.bad("the contract symbols do not belong to one underlying")
    expiry = RawTable(table.name, table.frame, date_format="%a %b %d %Y").days("expiration_date")
    rows = ChainRows(
        ticker=np.full(2 * n, underlyings.pop(), dtype=object),
        as_of=np.full(2 * n, as_of),
        spot=np.full(2 * n, float(last["last"])),
        root=roots,
        is_call=np.repeat([True, False], n),
        strike=np.tile(table.numbers("strike"), 2),
        expiry=np.tile(expiry, 2),
        bid=both("bid"),
        ask=both("ask"),
        last=both("last"),
        volume=both("volume"),
        open_interest=both("oi"),
        bid_size=missing(2 * n),
        ask_size=missing(2 * n),
        vendor_iv=both("iv"),
        multiplier=np.full(2 * n, STANDARD_MULTIPLIER),
        standard=np.ones(2 * n, dtype=bool),
    )
    return assemble(table, rows)
