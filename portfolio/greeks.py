"""Greeks of the book: each position's, and their sums by structure, underlying and in all."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from domain.book import Book, Position
from domain.order import Greeks
from domain.record import Record
from domain.risk import DollarGreeks
from domain.units import theta_per_day, vega_per_point
from options.priced import PricedChain

NAMES = tuple(Greeks.model_fields)


class PositionGreeks(Record):
    """Greeks of one position, signed and times quantity and multiplier, with the spot they hold at. None: unknown."""

    order_id: str
    ticker: str
    symbol: str
    spot: float | None  # USD per share
    greeks: Greeks | None


class BookGreeks(Record):
    """Greeks of a book in internal units. A sum is None when a position in it has none: unknown is not zero."""

    positions: tuple[PositionGreeks, ...]
    by_ticker: dict[str, Greeks | None]
    total: Greeks | None
    missing: tuple[str, ...]  # symbols without Greeks

    def by_structure(self) -> dict[str, DollarGreeks]:
        """Dollar Greeks by order id; structures with an unknown position are left out."""
        groups = _grouped(self.positions, lambda position: position.order_id)
        found = {order_id: _dollars(group) for order_id, group in groups.items()}
        return {order_id: greeks for order_id, greeks in found.items() if greeks is not None}


def book_greeks(book: Book, priced: Mapping[str, PricedChain]) -> BookGreeks:
    """Greeks of `book` on the priced chains of its underlyings, at each row's own implied volatility."""
    rows = {ticker: {str(s): row for row, s in enumerate(chain.chain.symbol)} for ticker, chain in priced.items()}
    positions = tuple(_of(position, priced.get(position.ticker), rows) for position in book.positions)
    groups = _grouped(positions, lambda position: position.ticker)
    return BookGreeks(
        positions=positions,
        by_ticker={ticker: _sum(group) for ticker, group in groups.items()},
        total=_sum(positions),
        missing=tuple(sorted({position.symbol for position in positions if position.greeks is None})),
    )


def dollar_greeks(greeks: Greeks, *, spot: float) -> DollarGreeks:
    """Position Greeks as limits speak of them, the underlying at `spot` USD per share."""
    return DollarGreeks(
        delta=greeks.delta * spot,
        gamma=greeks.gamma * spot * spot * 0.01,
        vega=vega_per_point(greeks.vega),
        theta=theta_per_day(greeks.theta),
    )


def _of(position: Position, priced: PricedChain | None, rows: Mapping[str, Mapping[str, int]]) -> PositionGreeks:
    row = rows.get(position.ticker, {}).get(position.leg.symbol)
    greeks, spot = None, None
    if priced is not None and row is not None:
        per_share = {name: float(getattr(priced, name)[row]) for name in NAMES}
        if np.isfinite(priced.spot) and all(np.isfinite(value) for value in per_share.values()):
            spot = float(priced.spot)
            greeks = Greeks(**per_share).scaled(position.quantity * position.leg.multiplier)
    return PositionGreeks(
        order_id=position.order_id, ticker=position.ticker, symbol=position.leg.symbol, spot=spot, greeks=greeks
    )


def _grouped(
    positions: Iterable[PositionGreeks], key: Callable[[PositionGreeks], str]
) -> dict[str, list[PositionGreeks]]:
    groups: dict[str, list[PositionGreeks]] = {}
    for position in sorted(positions, key=lambda position: (key(position), position.order_id, position.symbol)):
        groups.setdefault(key(position), []).append(position)
    return groups


def _sum(positions: Iterable[PositionGreeks]) -> Greeks | None:
    known = [position.greeks for position in positions]
    if any(greeks is None for greeks in known):
        return None
    return Greeks(**{name: float(sum(getattr(greeks, name) for greeks in known)) for name in NAMES})


def _dollars(positions: Iterable[PositionGreeks]) -> DollarGreeks | None:
    total = DollarGreeks()
    for position in positions:
        if position.greeks is None or position.spot is None:
            return None
        total += dollar_greeks(position.greeks, spot=position.spot)
    return total
