"""The account as people look at it: positions on quotes, cash, NLV, Greeks and worst case."""

import asyncio
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.documents import book_document, plain
from app.services.book_risk import book_risk
from app.services.instants import account_instant
from app.services.risk_picture import risk_picture
from app.wiring import Desk
from domain.book import Position
from domain.market import MarketData
from domain.risk import DollarGreeks
from domain.snapshot import DeskContext, MarketSnapshot
from options.tagging import tag_positions
from portfolio.exposure import OPEN
from portfolio.valuation import unrealised, worth_of
from risk.manager.context import PositionFacts
from risk.manager.facts import contexts


async def account_book(desk: Desk, at: datetime | None = None) -> dict[str, Any]:
    """The book at `at` (default: the account's latest instant), marked on that instant's quotes.

    Amounts are USD. NLV, values and Greeks are null where a position has no usable quote; `risk` is null where nothing
    is held.
    """
    instant = await account_instant(desk, at)
    picture = await risk_picture(desk, instant) if await desk.state.held_tickers(instant) else None
    market = _nothing(desk, instant) if picture is None else picture.market
    context = await desk.state.context(instant, market) if picture is None else picture.context
    risk = desk.configuration.graph.risk
    return {
        "account": desk.account,
        **book_document(context.book),
        "positions": [_position(position) for position in context.book.positions],
        "structures": [plain(item) for item in context.exposures],
        "since_entry": [_since_entry(item.position) for item in contexts(MarketSnapshot(market, context), None)],
        "held_as": [plain(item) for item in tag_positions(context.book.positions)],
        "unrealised": _unrealised(context),
        "worst_case": plain(sum((item.worst_case for item in context.exposures), Decimal(0))),
        "margin": plain(sum((item.margin for item in context.exposures), Decimal(0))),
        "greeks": plain(_greeks(context)),
        "baseline": plain(context.baseline),
        "trading_state": context.trading_state.value,
        "risk": None if picture is None else await asyncio.to_thread(book_risk, picture, risk),
    }


def _nothing(desk: Desk, at: datetime) -> MarketData:
    """An account that holds nothing needs no quotes, at any hour."""
    return MarketData(as_of=at, feed=desk.account, tickers=(), chains={}, bars={}, series={})


def _position(position: Position) -> dict[str, Any]:
    return {**plain(position), "value": plain(worth_of(position)), "unrealised": plain(unrealised(position))}


def _since_entry(position: PositionFacts) -> dict[str, Any]:
    """How one structure has fared: amounts are USD per unit before fees, `r` multiples of its maximum loss."""
    return {
        "order_id": position.key,
        "units": position.quantity,
        "opened_units": position.opened_quantity,
        "opened_at": plain(position.entry_time),
        "days_held": position.days_held,
        "sessions_held": position.bars_held,
        "days_to_expiry": position.dte,
        "profit": position.unit_profit,
        "profit_r": position.r,
        "profit_of_max": position.profit_of_max,
        "best": position.mfe,
        "best_r": position.mfe_r,
        "best_of_premium": position.mfe_of_premium,
        "worst": position.mae,
        "worst_r": position.mae_r,
        "worst_of_premium": position.mae_of_premium,
        "stop": position.stop,
        "stop_rule": position.stop_rule or None,
        "target": position.target,
        "target_rule": position.target_rule or None,
    }


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
