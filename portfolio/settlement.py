"""What expired contracts were settled against, read from the underlying's daily bars."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

import numpy as np

from domain.book import Position, SettlementPrice
from domain.contract import Settlement
from domain.market import Bars
from domain.sessions import NEW_YORK, expiry_instant
from domain.units import from_datetime64, to_datetime64
from portfolio.ledger import is_expired


def settlement_prices(
    positions: Iterable[Position], bars: Mapping[str, Bars], *, as_of: datetime
) -> tuple[SettlementPrice, ...]:
    """Settlement prices knowable at `as_of` of the expired contracts among `positions`, by ticker and expiry.

    PM-settled: the close of the last day. AM-settled: its opening price, which stands in for the special opening
    quotation that no feed carries, and says so. An expiry whose bar is missing is left out.
    """
    expired = {(held.ticker, held.leg.expiry, held.leg.settlement) for held in positions if is_expired(held.leg, as_of)}
    found = []
    for ticker, expiry, timing in sorted(expired):
        instant = expiry_instant(expiry, am_settled=timing is Settlement.AM)
        if ticker not in bars:
            continue
        known = bars[ticker].known_by(as_of)
        rows = np.flatnonzero(known.day == np.datetime64(instant.astimezone(NEW_YORK).date()))
        prices, source = (known.open, "opening price") if timing is Settlement.AM else (known.close, "close")
        if len(rows) == 1 and np.isfinite(prices[rows[0]]):
            row = rows[0]
            known_at = max(known.known_at[row], to_datetime64(instant))
            found.append(
                SettlementPrice(
                    ticker=ticker,
                    expiry=expiry,
                    timing=timing,
                    price=Decimal(repr(float(prices[row]))),
                    known_at=from_datetime64(known_at),
                    source=f"{source} of {known.day[row]}",
                )
            )
    return tuple(found)
