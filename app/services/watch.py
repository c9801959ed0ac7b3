"""Between runs a live account is looked at once a minute: a bad day, stale quotes or a ledger that contradicts itself
restrain it without waiting for the next slot. Each look also marks NLV, the last of a session for tomorrow's baseline.
"""

import structlog

from app.services.journal import Journal
from app.wiring import Desk
from domain.errors import DataError, FeedDown
from domain.market import MarketData
from domain.risk import TradingState
from domain.sessions import session_of
from domain.snapshot import DeskContext
from risk.rules.nlv_known import NlvKnownRule
from risk.state import restraints

log = structlog.get_logger("desk.watch")

EVERY_S = 60.0
LIVE = "cboe"  # the other feeds stand still between runs


async def watch(desk: Desk, journal: Journal, *, now: float) -> None:
    """Look at a live account in session hours, at most every `EVERY_S` seconds; `now` is a monotonic second."""
    if desk.feed.name != LIVE or session_of(desk.clock.now()) is None:
        return
    if journal.watched is not None and now - journal.watched < EVERY_S:
        return
    journal.watched = now
    context = await look(desk)
    if context is not None and context.trading_state is not TradingState.ACTIVE:
        reason = context.trading_state_reason
        if reason != journal.restrained:
            log.warning("trading restrained", state=context.trading_state.value, reason=reason)
        journal.restrained = reason
    else:
        journal.restrained = None


async def look(desk: Desk) -> DeskContext | None:
    """The account now, restrained by what was found in it; None if it holds nothing. A feed that does not answer
    leaves everything held without a value.
    """
    at = desk.clock.now()
    held = await desk.state.held_tickers(at)
    if not held:
        return None
    try:
        market = await desk.feed.gather(at, held)
    except (FeedDown, DataError) as error:
        log.warning("no quotes", error=str(error))
        market = MarketData(as_of=at, feed=desk.account, tickers=(), chains={}, bars={}, series={})
    context = await desk.state.context(at, market)
    hard = desk.configuration.graph.risk.hard
    found = restraints(context, as_of=at, hard=hard, max_nlv_age_s=NlvKnownRule().max_age_seconds)
    return await desk.state.restrain(context, found)
