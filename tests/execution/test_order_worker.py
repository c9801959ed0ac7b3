"""The order worker on a real database: each approved order reaches the broker once, whatever dies in between."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from domain.errors import FeedDown, MachineError
from domain.order import OrderState
from domain.risk import TradingState
from execution.outbox import drain, withdraw
from execution.paper import PaperBroker
from execution.settings import PaperSettings
from memory.orders import PostgresOrderStore
from memory.outbox import PostgresOutbox
from memory.switches import Switches
from tests.support.orders import GOOD_QUOTES, HOUR, NOON, chain, fill, order

S = OrderState
LATER = NOON + HOUR


class FixedClock:
    def __init__(self, at=LATER):
        self.at = at

    def now(self):
        return self.at


class FixedFeed:
    """Quotes of every ticker as of the instant asked for; counts who asked."""

    name = "fixed"

    def __init__(self, quotes=GOOD_QUOTES, *, size=100.0, age=0 * HOUR, down=False, empty=False):
        self.quotes_of, self.size, self.age, self.down, self.empty = quotes, size, age, down, empty

    async def quotes(self, as_of, tickers):
        if self.down:
            raise FeedDown("The source is silent.")
        if self.empty:
            return {}
        return {t: chain(self.quotes_of, ticker=t, at=as_of - self.age, size=self.size) for t in tickers}


class Counting(PaperBroker):
    """The paper broker, counting how often it is asked; may die instead of answering."""

    def __init__(self, *, dies=False):
        super().__init__(PaperSettings())
        self.asked, self.dies = 0, dies

    async def submit(self, order, *, key, at, quotes):
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.dies:
            raise MachineError("The broker is gone.")
        return await super().submit(order, key=key, at=at, quotes=quotes)


@pytest.fixture
def store(engine):
    return PostgresOrderStore(engine, account="simulated")


@pytest.fixture
def outbox(engine):
    return PostgresOutbox(engine, account="simulated")


async def approved(store, *order_ids, **changes):
    for number, order_id in enumerate(order_ids):
        await store.stage(order(order_id, ticker=f"T{number}", **changes))
        await store.approve(order_id, at=LATER, reviewer="ann")


async def states(store, order_id="a"):
    return [event.to_state for event in await store.history(order_id)]


async def test_an_approved_order_is_filled_and_booked_once(store, outbox):
    await approved(store, "a", "b")
    broker = Counting()
    sent = await drain(outbox, broker, FixedFeed(), FixedClock())
    assert [(one.order_id, one.state, one.units) for one in sent] == [("a", S.FILLED, 2), ("b", S.FILLED, 2)]
    assert await states(store) == [S.STAGED, S.APPROVED, S.SUBMITTED, S.FILLED]
    assert len(await store.fills("a")) == 1
    assert await drain(outbox, broker, FixedFeed(), FixedClock()) == ()
    assert broker.asked == 2


async def test_several_workers_at_once_send_each_order_once(store, outbox):
    await approved(store, "a", "b", "c", "d")
    broker = Counting()
    told = await asyncio.gather(*(drain(outbox, broker, FixedFeed(), FixedClock()) for _ in range(4)))
    assert sorted(one.order_id for sent in told for one in sent) == ["a", "b", "c", "d"]
    assert broker.asked == 4


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCING])
async def test_a_halt_between_approval_and_sending_sends_nothing(store, outbox, engine, state):
    await approved(store, "a")
    await Switches(engine).set_trading(state, at=LATER, actor="ann", reason="stop")
    broker = Counting()
    (sent,) = await drain(outbox, broker, FixedFeed(), FixedClock())
    assert (sent.state, broker.asked) == (S.CANCELLED, 0)
    assert await store.fills("a") == ()
    assert "not sent" in (await store.get("a")).reason


async def test_an_order_whose_time_ran_out_while_no_worker_was_there_is_not_sent(store, outbox):
    await approved(store, "a")
    broker = Counting()
    (sent,) = await drain(outbox, broker, FixedFeed(), FixedClock(NOON + 5 * HOUR))
    assert (sent.state, broker.asked) == (S.CANCELLED, 0)


@pytest.mark.parametrize("feed", [FixedFeed(down=True), FixedFeed(empty=True)])
async def test_without_quotes_an_order_waits_for_the_next_call(store, outbox, feed):
    await approved(store, "a")
    (sent,) = await drain(outbox, Counting(), feed, FixedClock())
    assert (sent.state, sent.reason.startswith("no quotes")) == (S.APPROVED, True)
    (sent,) = await drain(outbox, Counting(), FixedFeed(), FixedClock())
    assert sent.state is S.FILLED


async def test_a_market_beyond_the_limit_cancels_and_says_so(store, outbox):
    await approved(store, "a", worst="1.48")
    (sent,) = await drain(outbox, Counting(), FixedFeed(), FixedClock())
    assert await states(store) == [S.STAGED, S.APPROVED, S.SUBMITTED, S.CANCELLED]
    assert "no fill within the limit" in sent.reason


async def test_what_the_quoted_size_cannot_serve_is_cancelled(store, outbox):
    await approved(store, "a")
    (sent,) = await drain(outbox, Counting(), FixedFeed(size=1.0), FixedClock())
    assert (await states(store))[-2:] == [S.PARTIALLY_FILLED, S.CANCELLED]
    assert (sent.units, (await store.fills("a"))[0].units) == (1, 1)


async def test_quotes_that_cannot_be_trusted_fail_the_order_with_the_reason(store, outbox):
    await approved(store, "a")
    (sent,) = await drain(outbox, Counting(), FixedFeed(age=HOUR), FixedClock())
    assert sent.state is S.FAILED
    assert (await store.get("a")).reason.startswith("stale_quotes")


async def test_a_clock_behind_the_approval_does_not_send_into_the_past(store, outbox):
    await approved(store, "a")
    (sent,) = await drain(outbox, Counting(), FixedFeed(), FixedClock(NOON))
    assert (sent.state, sent.at) == (S.FILLED, LATER)


async def test_a_broker_that_does_not_answer_is_asked_again_under_the_same_key(store, outbox):
    await approved(store, "a")
    (sent,) = await drain(outbox, Counting(dies=True), FixedFeed(), FixedClock())
    assert (sent.state, sent.key) == (S.SUBMITTED, "a/v1")
    (sent,) = await drain(outbox, Counting(), FixedFeed(), FixedClock())
    assert (sent.state, sent.key) == (S.FILLED, "a/v1")
    assert await states(store) == [S.STAGED, S.APPROVED, S.SUBMITTED, S.FILLED]


@pytest.mark.parametrize("by", ["the worker", "the halt"])
async def test_what_a_broker_may_have_heard_of_is_withdrawn_there_once_trading_is_halted(store, outbox, engine, by):
    await approved(store, "a")
    await drain(outbox, Counting(dies=True), FixedFeed(), FixedClock())
    await Switches(engine).set_trading(TradingState.HALTED, at=LATER, actor="ann", reason="stop")
    broker = Counting()
    if by == "the worker":
        (sent,) = await drain(outbox, broker, FixedFeed(), FixedClock())
    else:
        (sent,) = await withdraw(outbox, broker, FixedClock(), which=lambda _: True, reason="halted")
    assert (sent.state, sent.units, broker.asked) == (S.CANCELLED, 0, 0)
    assert await states(store) == [S.STAGED, S.APPROVED, S.SUBMITTED, S.CANCELLED]
    assert await drain(outbox, broker, FixedFeed(), FixedClock()) == ()


@pytest.mark.parametrize(
    ("units", "steps"), [(1, [S.PARTIALLY_FILLED, S.CANCELLED]), (2, [S.FILLED])], ids=["in part", "whole"]
)
async def test_what_was_filled_before_the_withdrawal_is_booked(store, outbox, units, steps):
    await approved(store, "a")

    class Filled(Counting):
        """Filled the order, and its answer was lost."""

        async def withdraw(self, order, *, key, at):
            return (fill(order, 4.05, 2.55, at=at, units=units),)

    await drain(outbox, Counting(dies=True), FixedFeed(), FixedClock())
    (sent,) = await withdraw(outbox, Filled(), FixedClock(), which=lambda _: True, reason="trading is halted")
    assert (sent.state, sent.units) == (steps[-1], units)
    assert sent.reason == f"filled {units} of 2 before it was withdrawn: trading is halted"
    assert await states(store) == [S.STAGED, S.APPROVED, S.SUBMITTED, *steps]
    assert [each.units for each in await store.fills("a")] == [units]


async def test_an_order_is_withdrawn_only_when_named_and_when_the_broker_can_be_reached(store, outbox):
    await approved(store, "a", "b")

    class Gone(Counting):
        async def withdraw(self, order, *, key, at):
            raise MachineError("The broker is gone.")

    await drain(outbox, Counting(dies=True), FixedFeed(), FixedClock())
    (sent,) = await withdraw(outbox, Gone(), FixedClock(), which=lambda order: order.ticker == "T1", reason="halted")
    assert (sent.order_id, sent.state) == ("b", S.SUBMITTED)
    assert "does not answer" in sent.reason
    assert [view.state for view in await store.list()] == [S.SUBMITTED, S.SUBMITTED]


async def test_a_halt_waits_for_the_brokers_answer_and_sees_nothing_sent_after_it_returned(store, outbox, engine):
    await approved(store, "a", "b")
    switches, log, asked = Switches(engine), [], asyncio.Event()

    class Slow(Counting):
        async def submit(self, order, *, key, at, quotes):
            asked.set()
            await asyncio.sleep(0.3)
            log.append(f"answered {key}")
            return await super().submit(order, key=key, at=at, quotes=quotes)

    async def halt():
        await asked.wait()
        assert (await switches.read("simulated")).trading_state is TradingState.ACTIVE
        await switches.set_trading(TradingState.HALTED, at=LATER, actor="ann", reason="stop")
        log.append("halted")

    broker = Slow()
    sent, _ = await asyncio.gather(drain(outbox, broker, FixedFeed(), FixedClock()), halt())
    assert log == ["answered a/v1", "halted"]
    assert [(one.order_id, one.state) for one in sent] == [("a", S.FILLED), ("b", S.CANCELLED)]
    assert broker.asked == 1


async def test_a_cancellation_that_comes_first_stands(store, outbox):
    await approved(store, "a")

    class Cancelling(FixedFeed):
        async def quotes(self, as_of, tickers):
            await store.cancel_approved(at=LATER, reviewer="ann", reason="changed my mind")
            return await super().quotes(as_of, tickers)

    broker = Counting()
    (sent,) = await drain(outbox, broker, Cancelling(), FixedClock())
    assert broker.asked == 0
    assert "cancelled" in sent.reason
    assert (await store.get("a")).reason == "changed my mind"


WORKER = """
import asyncio, os, signal, sys
from execution.outbox import drain
from memory.engine import connected
from memory.outbox import PostgresDispatch, PostgresOutbox
from tests.execution.test_order_worker import Counting, FixedClock, FixedFeed

def dying(function, when):
    async def wrapped(*args, **kwargs):
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = await function(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
    return wrapped

async def main(url, victim, when):
    owner = Counting if victim == "submit" else PostgresDispatch
    setattr(owner, victim, dying(getattr(owner, victim), when))
    async with connected(url) as engine:
        await drain(PostgresOutbox(engine, account="simulated"), Counting(), FixedFeed(), FixedClock())

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("victim", "when", "left"),
    [
        ("submitted", "before", S.APPROVED),
        ("submitted", "after", S.SUBMITTED),
        ("submit", "after", S.SUBMITTED),
        ("settle", "after", S.SUBMITTED),
    ],
)
async def test_a_worker_killed_at_any_step_neither_loses_nor_doubles_a_fill(
    store, outbox, database, victim, when, left
):
    await approved(store, "a")
    died = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", WORKER, database.pipeline_url, victim, when],
        cwd=Path(__file__).parents[2],
        capture_output=True,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert (await store.get("a")).state is left
    assert await store.fills("a") == ()
    (sent,) = await drain(outbox, Counting(), FixedFeed(), FixedClock())
    assert (sent.state, sent.units) == (S.FILLED, 2)
    assert len(await store.fills("a")) == 1
    assert (await states(store)).count(S.SUBMITTED) == 1
