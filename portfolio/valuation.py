"""What the book is worth: every position at the mid of a usable quote, or not at all."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from domain.book import Book, Position, SharePosition
from domain.errors import DataError
from domain.market import Chain
from domain.units import dollars
from options.priced import PricedChain
from portfolio.ledger import intrinsic, is_expired

SETTLING = timedelta(hours=1)


def value(book: Book, chains: Mapping[str, Chain | PricedChain]) -> Book:
    """Mark `book` at the mids of `chains` (by underlying); never at last prices.

    A usable quote is two-sided and not crossed: 0 ≤ bid ≤ ask, ask > 0. Shares are marked at the chain's spot. A
    position without a mark leaves the book without NLV: unknown value is not zero value. Within an hour after expiry,
    while the settlement price is not out, intrinsic value at the chain's spot stands in. `nlv_as_of` is the instant of
    the oldest chain used, the book's own for cash alone. Raises `DataError` if a chain is later than the book.
    """
    quotes = {ticker: _plain(chain) for ticker, chain in chains.items()}
    tickers = {position.ticker for position in book.positions} | {position.ticker for position in book.shares}
    held = sorted(tickers & quotes.keys())
    for ticker in held:
        if quotes[ticker].as_of > book.as_of:
            raise DataError(f"The chain of {ticker} is later ({quotes[ticker].as_of}) than the book ({book.as_of}).")
    rows = {ticker: {str(symbol): row for row, symbol in enumerate(quotes[ticker].symbol)} for ticker in held}
    marked = tuple(
        _marked(position, quotes.get(position.ticker), rows.get(position.ticker, {}), book.as_of)
        for position in book.positions
    )
    shares = tuple(_marked_shares(position, quotes.get(position.ticker)) for position in book.shares)
    worth = [*map(worth_of, marked), *map(worth_of, shares)]
    known = [amount for amount in worth if amount is not None]
    complete = len(known) == len(worth)
    return book.model_copy(
        update={
            "positions": marked,
            "shares": shares,
            "nlv": dollars(book.cash + sum(known, Decimal(0))) if complete else None,
            "nlv_as_of": min((quotes[ticker].as_of for ticker in held), default=book.as_of) if complete else None,
        }
    )


def worth_of(position: Position | SharePosition) -> Decimal | None:
    """Signed USD value at its mark; None without one."""
    return None if position.mark is None else Decimal(repr(position.mark)) * _units(position)


def unrealised(position: Position | SharePosition) -> Decimal | None:
    """USD gained since the position was taken, before fees; None without a mark."""
    worth = worth_of(position)
    return None if worth is None else worth - position.average_price * _units(position)


def usable_mid(bid: float, ask: float) -> float | None:
    """Mid of a two-sided quote that is not crossed; None otherwise. USD per share."""
    if not (np.isfinite(bid) and np.isfinite(ask) and 0 <= bid <= ask and ask > 0):
        return None
    return (float(bid) + float(ask)) / 2


def _units(position: Position | SharePosition) -> int:
    """Signed shares, or index units, that its price is multiplied by."""
    return position.quantity * (position.leg.multiplier if isinstance(position, Position) else 1)


def _plain(chain: Chain | PricedChain) -> Chain:
    return chain.chain if isinstance(chain, PricedChain) else chain


def _marked(position: Position, chain: Chain | None, rows: Mapping[str, int], as_of: datetime) -> Position:
    mark, source = _mark(position, chain, rows, as_of)
    return position.model_copy(update={"mark": mark, "mark_source": source})


def _marked_shares(position: SharePosition, chain: Chain | None) -> SharePosition:
    if chain is None:
        mark, source = None, f"no chain of {position.ticker}"
    elif not (np.isfinite(chain.spot) and chain.spot > 0):
        mark, source = None, f"no usable price of {position.ticker}"
    else:
        mark, source = float(chain.spot), f"spot ({chain.spot_source})"
    return position.model_copy(update={"mark": mark, "mark_source": source})


def _mark(
    position: Position, chain: Chain | None, rows: Mapping[str, int], as_of: datetime
) -> tuple[float | None, str]:
    leg = position.leg
    if is_expired(leg, as_of):
        if chain is None or not is_expired(leg, chain.as_of) or is_expired(leg, chain.as_of - SETTLING):
            return None, position.mark_source
        if not np.isfinite(chain.spot):
            return None, position.mark_source
        return float(intrinsic(leg, Decimal(repr(float(chain.spot))))), "intrinsic at spot; settlement price not known"
    if chain is None:
        return None, f"no chain of {position.ticker}"
    row = rows.get(leg.symbol)
    if row is None:
        return None, "not in the chain"
    mid = usable_mid(chain.bid[row], chain.ask[row])
    if mid is None:
        return None, f"no usable quote (bid {chain.bid[row]:g}, ask {chain.ask[row]:g})"
    return mid, "mid"


def structure_profit(book: Book, order_id: str) -> Decimal | None:
    """Unrealised profit, before fees, of the contracts a structure still holds, USD; None if any has no mark."""
    gains = [unrealised(position) for position in book.positions if position.order_id == order_id]
    known = [gain for gain in gains if gain is not None]
    return sum(known, Decimal(0)) if len(known) == len(gains) else None
