"""The account as people look at it: positions on quotes, cash, NLV, Greeks and worst case."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from app.documents import book_document, plain
from app.services.instants import account_instant
from app.wiring import Desk
from domain.book import Position
from domain.market import MarketData
from domain.risk import DollarGreeks
from domain.snapshot import DeskContext
from options.tagging import tag_positions
from portfolio.exposure import OPEN
from portfolio.valuation import unrealised, worth_of


async def account_book(desk: Desk, at: datetime | None = None) -> dict[str, Any]:
    """The book at `at` (default: the account's latest instant), marked on that instant's quotes.

    Amounts are USD. NLV, values and Greeks are null where a position has no usable quote.
    """
    instant = await account_instant(desk, at)
    market = await _market(desk, instant)
    context = await desk.state.context(instant, market)
    return {
        "account": desk.account,
        **book_document(context.book),
        "positions": [_position(position) for position in context.book.positions],
        "structures": [plain(item) for item in context.exposures],
        "held_as": [plain(item) for item in tag_positions(context.book.positions)],
        "unrealised": _unrealised(context),
        "worst_case": plain(sum((item.worst_case for item in context.exposures), Decimal(0))),
        "margin": plain(sum((item.margin for item in context.exposures), Decimal(0))),
        "greeks": plain(_greeks(context)),
        "baseline": plain(context.baseline),
        "trading_state": context.trading_state.value,
    }


async def _market(desk: Desk, at: datetime) -> MarketData:
    """Quotes of what is held, staged or working; an account that holds nothing needs none, at any hour."""
    exposed = await desk.state.exposed_tickers(at)
    if not await desk.state.held_tickers(at):
        return MarketData(as_of=at, feed=desk.account, tickers=(), chains={}, bars={}, series={})
    return await desk.feed.gather(at, exposed)


def _position(position: Position) -> dict[str, Any]:
    return {**plain(position), "value": plain(worth_of(position)), "unrealised": plain(unrealised(position))}


def _unrealised(context: DeskContext) -> float | None:
    gains = [unrealised(position) for position in context.book.positions]
    known = [gain for gain in gains if gain is not None]
    return float(sum(known, Decimal(0))) if len(known) == len(gains) else None


def _greeks(context: DeskContext) -> DollarGreeks | None:
    """Of what is held; None if those of any structure are not known."""
    total = DollarGreeks()
    for exposure in context.exposures:
        if exposure.state == OPEN:
            if exposure.greeks is None:
                return None
            total += exposure.greeks
    return total
