"""Ten contracts a day and underlying: enforced where orders are staged and approved, however many come at once."""

import asyncio
import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import Refused
from domain.order import OrderState
from memory.orders import PostgresOrderStore
from tests.support.orders import DAY, HOUR, LONG, NOON, SHORT, fill, order

S = OrderState
_numbers = itertools.count(1)
ROOT = Path(__file__).parents[2]
LATER = NOON + HOUR
ANN = {"at": LATER, "reviewer": "ann"}


@pytest.fixture
def store(engine):
    return PostgresOrderStore(engine, account="simulated")


def refused(measured, limit=10):
    def same(error):
        return (error.code, error.measured, error.limit) == ("contracts_per_order", measured, limit)

    return pytest.raises(Refused, check=same)


async def end(store, order_id, *steps):
    state = S.STAGED
    for step in steps:
        await store.transition(order_id, step, expect=state, at=LATER, reviewer="ann", reason="test")
        state = step


@pytest.mark.parametrize("units", [10, 11])
async def test_ten_contracts_are_staged_and_eleven_are_not(store, units):
    if units == 10:
        assert await store.stage(order(units=units)) is True
    else:
        with refused(11):
            await store.stage(order(units=units))
        assert await store.list() == ()


async def test_contracts_are_units_times_the_largest_leg(store):
    ratio = (SHORT, LONG.model_copy(update={"quantity": 3}))
    assert await store.stage(order("a", units=3, legs=ratio)) is True
    with refused(11):
        await store.stage(order("b", units=2))


async def test_an_intent_cannot_be_split_nor_turned_round_to_pass(store):
    await store.stage(order("a", units=4))
    await store.stage(order("b", units=4, strategy="bear_call_spread", family="credit_vertical"))
    with refused(11) as error:
        await store.stage(order("c", units=3))
    assert "Only a hedge can be larger" in str(error.value)
    assert await store.stage(order("d", units=10, ticker="QQQ")) is True  # another underlying
    assert await PostgresOrderStore(store._engine, account="cboe").stage(order("e", units=10)) is True


async def test_what_ended_counts_for_what_was_filled(store):
    await store.stage(order("gone", units=10))
    await store.reject("gone", at=LATER, reviewer="ann", reason="no")
    part = order("part", units=6)
    await store.stage(part)
    await store.record_fill(fill(part, 4, 2.5, units=2))
    await end(store, "part", S.APPROVED, S.SUBMITTED, S.PARTIALLY_FILLED)
    with refused(11):  # works whole
        await store.stage(order("a", units=5))
    await store.transition(
        "part", S.CANCELLED, expect=S.PARTIALLY_FILLED, at=LATER, reviewer="ann", reason="rest withdrawn"
    )
    with refused(11):
        await store.stage(order("a", units=9))
    assert await store.stage(order("a", units=8)) is True


async def test_a_later_run_takes_the_place_of_what_is_only_staged(store):
    await store.stage(order("old", units=8))
    assert await store.stage(order("new", units=8, run_id="run-2", at=LATER)) is True
    assert (await store.get("old")).state is S.SUPERSEDED
    with refused(11):
        await store.stage(order("third", units=11, run_id="run-3", at=LATER))
    assert (await store.get("new")).state is S.STAGED  # a refused order supersedes nothing


@pytest.mark.parametrize(
    ("at", "counts"),
    [
        (NOON + DAY, False),
        (NOON.replace(hour=5, minute=0), True),  # Monday begins in New York
        (NOON.replace(hour=4, minute=59), False),
        ((NOON + DAY).replace(hour=4, minute=59), True),
        ((NOON + DAY).replace(hour=5, minute=0), False),
    ],
)
async def test_the_day_is_new_yorks(store, at, counts):
    opening = order("first", units=6, at=at)
    await store.stage(opening)
    await store.record_fill(fill(opening, 4, 2.5, at=at))
    state = S.STAGED
    for step in (S.APPROVED, S.SUBMITTED, S.FILLED):
        await store.transition("first", step, expect=state, at=at, reviewer="ann", reason=None)
        state = step
    if counts:
        with refused(11):
            await store.stage(order("second", units=5))
    else:
        assert await store.stage(order("second", units=5)) is True


async def test_what_still_works_at_the_broker_counts_whichever_day_it_is_from(store):
    await store.stage(order("old", units=6, at=NOON - DAY))
    await store.transition("old", S.APPROVED, expect=S.STAGED, at=NOON - DAY, reviewer="ann", reason=None)
    with refused(11):
        await store.stage(order("new", units=5))
    assert [view.order.order_id for view in await store.list()] == ["old"]


async def test_closing_is_never_counted_and_never_refused(store):
    opening = order("open", units=10)
    await store.stage(opening)
    await end(store, "open", S.APPROVED, S.SUBMITTED, S.FILLED)
    await store.record_fill(fill(opening, 4, 2.5))
    assert await store.stage(order("close", closes="open", units=10, at=LATER)) is True
    assert (await store.approve("close", **ANN)).state is S.APPROVED
    with refused(11):
        await store.stage(order("more", units=1, at=LATER, run_id="run-2"))


async def test_a_hedge_may_be_staged_larger_and_needs_a_persons_word_with_a_reason(store):
    hedge = order("h", units=12, purpose="hedge")
    assert await store.stage(hedge) is True
    assert await store.contracts_opened(hedge, at=LATER) == 12
    with refused(12) as error:
        await store.approve("h", **ANN)
    assert "--large --reason" in str(error.value)
    for reason in (None, " "):
        with refused(12):
            await store.approve("h", large=True, reason=reason, **ANN)
    assert (await store.get("h")).state is S.STAGED
    assert (await store.approve("h", large=True, reason="tail risk", **ANN)).state is S.APPROVED
    (step,) = [event for event in await store.history("h") if event.to_state is S.APPROVED]
    assert (step.reviewer, step.reason) == ("ann", "tail risk")
    with refused(13):  # a hedge is an opening like any other to the trades after it
        await store.stage(order("t", units=1, at=LATER))


async def test_a_trade_is_never_larger_whoever_says_so(engine, store):
    await store.stage(order("a", units=10))
    strict = PostgresOrderStore(engine, account="simulated", contracts=9)
    with refused(10, 9):
        await strict.approve("a", large=True, reason="I want to", **ANN)
    assert (await store.approve("a", **ANN)).state is S.APPROVED


async def test_small_hedges_do_not_add_up_unseen(store):
    await store.stage(order("a", units=6, purpose="hedge"))
    await store.stage(order("b", units=6, purpose="hedge"))
    await store.approve("a", **ANN)
    with refused(12):
        await store.approve("b", **ANN)
    assert (await store.get("b")).state is S.STAGED


async def test_a_hedge_and_a_trade_do_not_supersede_each_other(store):
    await store.stage(order("t", units=1))
    await store.stage(order("h", units=1, purpose="hedge", run_id="run-2", at=LATER))
    await store.stage(order("h2", units=1, purpose="hedge", run_id="run-3", at=LATER))
    assert [(v.order.order_id, v.state) for v in await store.list()] == [
        ("t", S.STAGED), ("h", S.SUPERSEDED), ("h2", S.STAGED),
    ]  # fmt: skip


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 7), min_size=2, max_size=7))
async def test_whatever_is_staged_at_once_never_comes_to_more_than_ten(store, sizes):
    ticker = f"T{next(_numbers)}"

    async def stage(number, units):
        try:
            return units if await store.stage(order(f"{ticker}-{number}", units=units, ticker=ticker)) else 0
        except Refused:
            return 0

    staged = await asyncio.gather(*(stage(number, units) for number, units in enumerate(sizes)))
    assert sum(staged) <= 10
    refused_sizes = [units for units, done in zip(sizes, staged, strict=True) if not done]
    assert all(sum(staged) + units > 10 for units in refused_sizes)  # refused for want of room alone


RIVAL = """
import asyncio, sys
from domain.errors import Refused
from memory.engine import connected
from memory.orders import PostgresOrderStore
from tests.support.orders import HOUR, NOON, order

async def main(url, who, do):
    async with connected(url) as engine:
        store, done = PostgresOrderStore(engine, account="simulated"), 0
        await store.list()
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(6):
            name = f"{who}-{number}"
            try:
                if do == "stage":
                    done += 3 if await store.stage(order(name, units=3)) else 0
                else:
                    await store.approve(name, at=NOON + HOUR, reviewer=who)
                    done += 3
            except Refused as refusal:
                assert refusal.code == "contracts_per_order", refusal
        print(done)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("do", ["stage", "approve"])
def test_two_processes_at_once_cannot_pass_ten_together(database, do):
    if do == "approve":  # only hedges can wait in such numbers
        asyncio.run(_stage_hedges(database.pipeline_url))
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", RIVAL, database.pipeline_url, who, do],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for who in ("ann", "bob")
    ]  # fmt: skip
    assert [rival.stdout.readline() for rival in rivals] == ["ready\n", "ready\n"]
    for rival in rivals:
        rival.stdin.write("go\n")
        rival.stdin.flush()
    done = [int(rival.communicate(timeout=60)[0]) for rival in rivals]
    assert sum(done) == 9


async def _stage_hedges(url):
    from memory.engine import connected

    async with connected(url) as engine:
        store = PostgresOrderStore(engine, account="simulated")
        for who in ("ann", "bob"):
            for number in range(6):
                await store.stage(order(f"{who}-{number}", units=3, purpose="hedge"))
