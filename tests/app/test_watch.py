"""A live account is looked at between runs: what is found restrains it at once, and is lifted when it is gone."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest

from app.clock import FixedClock
from app.services import watch as module
from app.services.journal import Journal
from app.services.review import approve
from app.services.watch import EVERY_S, look, watch
from domain.errors import FeedDown
from domain.market import MarketData
from domain.risk import TradingState
from memory.tables.book import NlvTable
from tests.support.orders import DAY, HOUR
from tests.support.staging import OPENING

LATER = OPENING + HOUR


class Live:
    """The simulated market in the clothes of a live one; may fall silent."""

    name = "simulated"

    def __init__(self, feed):
        self.feed, self.silent, self.asked = feed, False, 0

    async def gather(self, as_of, tickers) -> MarketData:
        self.asked += 1
        if self.silent:
            raise FeedDown("The source is silent.")
        return await self.feed.gather(as_of, tickers)


@pytest.fixture
async def holding(desk, staged):
    """A desk that holds a structure, an hour later, on a feed that can be told to fall silent."""
    await approve(desk, staged.order_id, at=None, reviewer="ann")
    return replace(desk, feed=Live(desk.feed), clock=FixedClock(LATER))


async def state(desk):
    board = await desk.switches.read("simulated")
    return board.trading_state, board.reason


async def marked(engine, nlv, at):
    from sqlalchemy import insert

    async with engine.begin() as link:
        await link.execute(insert(NlvTable).values(account="simulated", at=at, nlv=Decimal(nlv)))


async def test_an_account_that_holds_nothing_is_not_looked_at(desk):
    assert await look(desk) is None


async def test_a_silent_feed_restrains_what_is_held_until_it_speaks_again(holding):
    assert (await look(holding)).trading_state is TradingState.ACTIVE
    holding.feed.silent = True
    assert (await look(holding)).trading_state is TradingState.REDUCING
    assert (await state(holding))[1] == "stale data: NLV is unknown, no usable quote in JPM"
    holding.feed.silent = False
    assert (await look(holding)).trading_state is TradingState.ACTIVE


async def test_a_day_beyond_its_loss_restrains_although_no_run_was_due_and_survives_a_restart(holding, engine):
    await marked(engine, 200_000, OPENING - DAY)
    assert (await look(holding)).trading_state is TradingState.REDUCING
    told, reason = await state(replace(holding))
    assert told is TradingState.REDUCING
    lost = re.match(r"daily loss: ([\d.]+)% of the baseline \(200,000\.00 USD\) is lost", reason)
    assert lost
    assert float(lost[1]) == pytest.approx(50, abs=0.1)  # NLV is about what the account began with


async def test_only_a_live_account_is_watched_in_session_hours_once_a_minute_and_told_once(
    holding, monkeypatch, caplog
):
    journal, seen = Journal(), []
    monkeypatch.setattr(module.log, "warning", lambda event, **said: seen.append((event, said.get("state"))))
    await watch(holding, journal, now=0.0)  # simulated: stands still between runs
    monkeypatch.setattr(module, "LIVE", "simulated")
    await watch(replace(holding, clock=FixedClock(OPENING - HOUR)), journal, now=0.0)  # before the opening
    assert (holding.feed.asked, journal.watched) == (0, None)
    await watch(holding, journal, now=5.0)
    await watch(holding, journal, now=5.0 + EVERY_S - 0.01)
    assert (holding.feed.asked, journal.restrained) == (1, None)
    holding.feed.silent = True
    for minute in (1, 2):
        await watch(holding, journal, now=5.0 + minute * EVERY_S)
    assert holding.feed.asked == 3
    assert [state for event, state in seen if event == "trading restrained"] == ["reducing"]
    assert journal.restrained.startswith("stale data")
    holding.feed.silent = False
    await watch(holding, journal, now=5.0 + 3 * EVERY_S)
    assert journal.restrained is None
