"""From the ledger to memory: a structure that closes gives its situation an outcome, once, with its time."""

import pytest

from domain.order import OrderState
from domain.record import digest
from domain.sessions import expiry_instant
from memory.desk import PostgresDeskState
from memory.orders import PostgresOrderStore
from memory.recall import PostgresSituationMemory
from portfolio.reflection import reflect
from tests.memory.test_desk import bars
from tests.support.experience import argued, situation
from tests.support.orders import DAY, EXPIRY, HOUR, NOON, fill, market, order

S = OrderState


@pytest.fixture
def store(engine):
    return PostgresOrderStore(engine, account="simulated")


@pytest.fixture
def desk(engine):
    return PostgresDeskState(engine, account="simulated")


@pytest.fixture
def memory(engine):
    return PostgresSituationMemory(engine, feed="simulated")


async def filled(store, made, *prices, at):
    await store.stage(made)
    state = S.STAGED
    for step in (S.APPROVED, S.SUBMITTED, S.FILLED):
        await store.transition(made.order_id, step, expect=state, at=at, reviewer="ann", reason=None)
        state = step
    await store.record_fill(fill(made, *prices, at=at, fill_id=f"{made.order_id}/1"))


async def opened(store, memory, order_id="open"):
    await filled(store, order(order_id), 4.05, 2.55, at=NOON)
    await memory.remember("run-1", situation(at=NOON), "neutral", argued(), order_id)


async def test_a_structure_bought_back_is_learned_from_once_and_recalled_afterwards(store, desk, memory):
    await opened(store, memory)
    held = await desk.context(NOON + HOUR, market(NOON + HOUR))
    assert held.closed_trades == ()
    leaving = NOON + DAY
    await filled(store, order("close", closes="open", at=leaving), 0.5, 0.2, at=leaving)
    later = leaving + HOUR
    context = await desk.context(later, market(later))
    (trade,) = context.closed_trades
    assert (trade.opening.order_id, trade.known_at, trade.profit > 0) == ("open", leaving, True)
    again = await desk.context(
        later + DAY, market(later + DAY)
    )  # cut off before it learned: the next run sees the same
    assert digest(again.closed_trades) == digest(context.closed_trades)
    assert (await desk.context(NOON + HOUR, market(NOON + HOUR))).closed_trades == ()
    assert await memory.recall(situation(), "neutral", as_of=later, k=3) == ()
    for _ in range(2):
        await memory.learn([reflect(trade)])
    (found,) = await memory.recall(situation(), "neutral", as_of=later, k=3)
    assert found.outcome == pytest.approx(float(trade.profit) / (2 * 862.60))
    assert reflect(trade).text in found.text
    assert await memory.recall(situation(), "neutral", as_of=leaving, k=3) == ()
    assert (await desk.context(later + DAY, market(later + DAY))).closed_trades == ()


async def test_a_structure_held_to_expiry_is_learned_from_in_the_run_that_settles_it(store, desk, memory):
    await opened(store, memory)
    known = expiry_instant(EXPIRY, am_settled=False) + HOUR / 4
    history = {"SPY": bars(585.0, known)}
    (trade,) = (await desk.context(known, market(known, bars=history, chains={}))).closed_trades
    assert [price.price for price in trade.settlements] == [585]
    (later,) = (await desk.context(known + DAY, market(known + DAY, chains={}))).closed_trades
    assert later == trade
    assert reflect(later).finding == "wrong"


async def test_a_trade_that_no_debate_led_to_teaches_nothing(store, desk, memory):
    await filled(store, order("open"), 4.05, 2.55, at=NOON)
    await filled(store, order("close", closes="open", at=NOON + DAY), 0.5, 0.2, at=NOON + DAY)
    assert (await desk.context(NOON + 2 * DAY, market(NOON + 2 * DAY))).closed_trades == ()
