"""Orders on their way from staged to gone: legal steps only, one winner a race, nothing lost or doubled."""

import asyncio
from decimal import Decimal

import pytest

from domain.errors import Refused, TamperError, TransitionError, UsageError
from domain.order import TRANSITIONS, OrderState
from domain.risk import TradingState
from memory.account import orders_at
from memory.orders import PostgresOrderStore
from memory.outbox import PostgresOutbox
from memory.switches import Switches
from tests.support.orders import DAY, HOUR, NOON, fill, order, sized

LATER = NOON + HOUR
S = OrderState
PATHS = {
    S.STAGED: (),
    S.APPROVED: (S.APPROVED,),
    S.REJECTED: (S.REJECTED,),
    S.EXPIRED: (S.EXPIRED,),
    S.SUPERSEDED: (S.SUPERSEDED,),
    S.SUBMITTED: (S.APPROVED, S.SUBMITTED),
    S.PARTIALLY_FILLED: (S.APPROVED, S.SUBMITTED, S.PARTIALLY_FILLED),
    S.FILLED: (S.APPROVED, S.SUBMITTED, S.FILLED),
    S.CANCELLED: (S.APPROVED, S.CANCELLED),
    S.FAILED: (S.APPROVED, S.FAILED),
}


@pytest.fixture
def store(engine):
    return PostgresOrderStore(engine, account="simulated")


async def walk(store, order_id, steps, at=LATER):
    state = S.STAGED
    for step in steps:
        await store.transition(order_id, step, expect=state, at=at, reviewer="ann", reason="test")
        state = step


async def hold_position(store, order_id="open", units=2):
    opening = order(order_id, units=units)
    await store.stage(opening)
    await walk(store, order_id, PATHS[S.FILLED])
    await store.record_fill(fill(opening, 4, 2.5, at=LATER))
    return opening


def refused(code):
    return pytest.raises(Refused, check=lambda error: error.code == code)


async def test_staging_twice_stages_once_and_reads_back_the_same(store):
    assert await store.stage(order()) is True
    assert await store.stage(order()) is False
    view = await store.get("o-1")
    assert (view.order, view.state, view.changed_at) == (order(), S.STAGED, NOON)
    assert [event.to_state for event in await store.history("o-1")] == [S.STAGED]


async def test_many_staging_the_same_order_at_once_stage_it_once(store):
    assert sorted(await asyncio.gather(*(store.stage(order()) for _ in range(6)))) == [False] * 5 + [True]


async def test_a_unique_beginning_of_the_id_is_enough_and_an_ambiguous_one_is_not(store):
    for order_id, ticker in (("O-AB1", "SPY"), ("O-AC2", "QQQ"), ("O-A", "IWM")):
        await store.stage(order(order_id, ticker=ticker))
    assert (await store.get("O-AB")).order.order_id == "O-AB1"
    assert (await store.get("O-A")).order.order_id == "O-A"  # exact wins
    for wrong, says in (("O-", "fits 3 orders"), ("", "fits 3 orders"), ("X", "no order"), ("O_A", "no order")):
        with pytest.raises(UsageError, match=says):
            await store.get(wrong)


async def test_accounts_never_mix(store, engine):
    await store.stage(order())
    other = PostgresOrderStore(engine, account="recorded")
    assert await other.list() == ()
    with pytest.raises(UsageError, match="belongs to account 'simulated'"):
        await other.get("o-1")
    with pytest.raises(UsageError, match="belongs to account"):
        await other.stage(order())


async def test_lists_are_oldest_first_and_by_state(store):
    await store.stage(order("b", at=LATER, ticker="QQQ"))
    await store.stage(order("a", at=LATER))
    await store.stage(order("c", ticker="IWM"))
    await store.reject("c", at=LATER, reviewer="ann", reason="no")
    assert [view.order.order_id for view in await store.list()] == ["c", "b", "a"]  # at one instant: as staged
    assert [view.order.order_id for view in await store.list([S.STAGED])] == ["b", "a"]


@pytest.mark.parametrize("state", list(S))
async def test_every_step_outside_the_table_raises_and_changes_nothing(store, state):
    await store.stage(order())
    await walk(store, "o-1", PATHS[state])
    for new in set(S) - TRANSITIONS[state]:
        with pytest.raises(TransitionError):
            await store.transition("o-1", new, expect=state, at=LATER, reviewer="ann", reason=None)
    assert (await store.get("o-1")).state is state
    steps = [(event.from_state, event.to_state) for event in await store.history("o-1")]
    assert all(old is None or new in TRANSITIONS[old] for old, new in steps)


async def test_of_two_who_decide_at_once_exactly_one_wins(store):
    for number in range(8):
        await store.stage(order(f"o-{number}", ticker=f"T{number}"))
        told = await asyncio.gather(
            store.approve(f"o-{number}", at=LATER, reviewer="ann"),
            store.approve(f"o-{number}", at=LATER, reviewer="bob"),
            store.reject(f"o-{number}", at=LATER, reviewer="cid", reason="no"),
            return_exceptions=True,
        )
        lost = [one for one in told if isinstance(one, Refused)]
        assert [one.code for one in lost] == ["lost_race"] * 2
        (won,) = [one for one in told if not isinstance(one, Refused)]
        assert (await store.get(f"o-{number}")).reviewer == won.reviewer
        assert len(await store.history(f"o-{number}")) == 2


async def test_a_step_before_the_last_one_is_refused(store):
    await store.stage(order(at=LATER))
    with pytest.raises(UsageError, match="before that"):
        await store.approve("o-1", at=NOON, reviewer="ann")


async def test_an_order_whose_time_is_up_is_neither_approved_nor_kept(store):
    await store.stage(order())
    with refused("expired"):
        await store.approve("o-1", at=NOON + 4 * HOUR, reviewer="ann")
    assert await store.expire_due(NOON + 4 * HOUR - HOUR / 60) == ()
    assert await store.expire_due(NOON + 4 * HOUR) == ("o-1",)
    assert (await store.get("o-1")).state is S.EXPIRED


async def test_a_later_run_supersedes_what_is_still_staged_on_the_same_ticker(store):
    await store.stage(order("old"))
    await store.stage(order("other", ticker="QQQ"))
    await store.stage(order("twin"))  # the same run may stage two
    assert (await store.get("old")).state is S.STAGED
    await store.stage(order("new", run_id="run-2", at=LATER))
    assert [(v.order.order_id, v.state) for v in await store.list()] == [
        ("old", S.SUPERSEDED),
        ("other", S.STAGED),
        ("twin", S.SUPERSEDED),
        ("new", S.STAGED),
    ]
    assert (await store.get("old")).reason == "superseded by new"


def mending(order_id, *, run_id="run-1", at=NOON, **changes):
    made = order(order_id, run_id=run_id, at=at, **changes)
    candidate = made.sized.candidate.model_copy(update={"purpose": "repair"})
    return made.model_copy(update={"sized": made.sized.model_copy(update={"candidate": candidate})})


async def test_what_was_staged_against_broken_limits_gives_way_to_a_run_that_looked_anew(store):
    for staged in (mending("old"), mending("own", ticker="QQQ", run_id="run-2"), order("trade", ticker="IWM")):
        await store.stage(staged)
    await store.stage(mending("later", ticker="DIA", at=NOON + DAY))
    assert await store.withdraw_repairs("run-2", at=LATER) == ("old",)
    assert [(await store.get(name)).state for name in ("own", "trade", "later")] == [S.STAGED] * 3
    old = await store.get("old")
    assert (old.state, old.reviewer, old.reason) == (S.SUPERSEDED, "desk", "run run-2 looked at the book anew")


async def test_of_one_structure_only_the_latest_closing_waits_whatever_its_reason(store):
    opening = await hold_position(store)
    await store.stage(order("stop", intent="close", closes=opening.order_id, at=LATER))
    await store.stage(mending("flat", intent="close", closes=opening.order_id, run_id="run-2", at=LATER + HOUR))
    assert (await store.get("stop")).reason == "superseded by flat"


async def test_a_run_of_the_past_supersedes_nothing_of_the_future(store):
    await store.stage(order("today", at=NOON + DAY))
    await store.stage(order("replayed", at=NOON, run_id="run-2"))
    assert (await store.get("today")).state is S.STAGED


async def test_edits_are_versions_that_only_shrink(store):
    await store.stage(order(units=3))
    smaller = order(units=2, version=2, limit="1.45")
    view = await store.revise(smaller, at=LATER, reviewer="ann", reason="too big")
    assert (view.order.units, view.order.version, view.order.limit_per_share) == (2, 2, Decimal("1.45"))
    assert [event.version for event in await store.history("o-1")] == [1, 2]
    with refused("size_grew"):
        await store.revise(order(units=3, version=3), at=LATER, reviewer="ann", reason="x")
    with refused("beyond_worst_price"):
        await store.revise(order(units=2, version=3, limit="1.39"), at=LATER, reviewer="ann", reason="x")
    with refused("lost_race"):
        await store.revise(smaller, at=LATER, reviewer="bob", reason="the same version again")
    changed = order(units=2, version=3).model_copy(update={"sized": sized(2, reason="another")})
    with pytest.raises(UsageError, match="only its size"):
        await store.revise(changed, at=LATER, reviewer="ann", reason="x")
    await store.reject("o-1", at=LATER, reviewer="ann", reason="no")
    with refused("lost_race"):
        await store.revise(order(units=1, version=3), at=LATER, reviewer="ann", reason="x")


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
async def test_while_not_active_nothing_opens_but_closings_may_be_staged(store, engine, state):
    opening = await hold_position(store)
    await store.stage(order("waiting", ticker="QQQ"))
    await Switches(engine).set_trading(state, at=NOON, actor="ann", reason="test")
    with refused(state.value):
        await store.stage(order("new", ticker="IWM", at=LATER))
    with pytest.raises(UsageError, match="no order 'new'"):
        await store.get("new")
    with refused(state.value):
        await store.approve("waiting", at=LATER, reviewer="ann")
    assert (await store.get("waiting")).state is S.STAGED
    assert await store.stage(order("close", closes=opening.order_id, at=LATER)) is True
    assert await store.stage(order("waiting", ticker="QQQ")) is False  # a repeated staging is no new opening
    if state is TradingState.REDUCING:
        assert (await store.approve("close", at=LATER, reviewer="ann")).state is S.APPROVED
    else:
        with refused("halted"):
            await store.approve("close", at=LATER, reviewer="ann")


async def test_once_a_halt_is_set_no_staging_that_saw_the_old_state_can_follow(store, engine):
    switches = Switches(engine)

    async def halt():
        await asyncio.sleep(0.02)
        await switches.set_trading(TradingState.HALTED, at=NOON, actor="ann", reason="stop")
        return {view.order.order_id for view in await store.list()}

    async def stage(number):
        await asyncio.sleep(0.004 * number)
        try:
            return await store.stage(order(f"o-{number}", ticker=f"T{number}"))
        except Refused:
            return False

    seen, *_ = await asyncio.gather(halt(), *(stage(number) for number in range(15)))
    assert {view.order.order_id for view in await store.list()} == seen


async def test_a_closing_order_needs_something_to_close(store):
    with refused("closes_nothing"):
        await store.stage(order("c", closes="nowhere"))
    with refused("closes_nothing"):
        await store.stage(order("c", intent="close"))
    await hold_position(store, units=2)
    with refused("closes_too_much"):
        await store.stage(order("c", closes="open", units=3, at=LATER))
    await store.stage(order("c", closes="open", units=1, at=LATER))
    await store.approve("c", at=LATER, reviewer="ann")
    with refused("already_closing"):
        await store.stage(order("d", closes="open", units=1, at=LATER, run_id="run-2"))
    assert {view.order.order_id: view.state for view in await store.list()} == {"open": S.FILLED, "c": S.APPROVED}


async def test_a_closing_counts_what_was_closed_before(store):
    await hold_position(store, units=2)
    first = order("c", closes="open", units=1, at=LATER)
    await store.stage(first)
    await walk(store, "c", PATHS[S.FILLED])
    await store.record_fill(fill(first, 3, 2, at=LATER))
    with refused("closes_too_much"):
        await store.stage(order("d", closes="open", units=2, at=LATER))
    assert await store.stage(order("e", closes="open", units=1, at=LATER)) is True


async def test_a_fill_is_recorded_once_and_never_with_other_content(store):
    await store.stage(order())
    done = fill(order(), 4, 2.5)
    assert await store.record_fill(done) is True
    assert await store.record_fill(done) is False
    assert await store.fills("o-1") == (done,)
    with pytest.raises(TamperError, match="other content"):
        await store.record_fill(fill(order(), 4, 2.4))
    with pytest.raises(UsageError, match="no order"):
        await store.record_fill(fill(order("x"), 4, 2.5))


async def test_cancelling_what_is_approved_empties_the_outbox(store, engine):
    for order_id, ticker in (("a", "SPY"), ("b", "QQQ"), ("c", "IWM")):
        await store.stage(order(order_id, ticker=ticker))
    await walk(store, "a", PATHS[S.SUBMITTED])
    await walk(store, "b", PATHS[S.APPROVED])
    assert await store.cancel_approved(at=LATER, reviewer="ann", reason="halt") == ("b",)
    async with PostgresOutbox(engine, account="simulated").claim(leaving=[]) as claimed:
        assert claimed is not None
        assert claimed.order.order_id == "a"
    async with PostgresOutbox(engine, account="simulated").claim(leaving=["a/v1"]) as claimed:
        assert claimed is None


async def test_the_past_is_seen_as_it_was(store, engine):
    await store.stage(order(units=3))
    await store.revise(order(units=2, version=2), at=LATER, reviewer="ann", reason="smaller")
    await store.approve("o-1", at=NOON + 2 * HOUR, reviewer="ann")
    async with engine.connect() as link:
        seen = [await orders_at(link, "simulated", NOON + hours * HOUR) for hours in (-1, 0, 1, 2)]
    assert [[(view.order.units, view.state) for view in views] for views in seen] == [
        [],
        [(3, S.STAGED)],
        [(2, S.STAGED)],
        [(2, S.APPROVED)],
    ]
