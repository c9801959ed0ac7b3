"""The wrapper around every node: retry, timeout, failure as a result, audit rows, observer."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.runtime import Runtime

import graph.step
from domain.errors import DatabaseDown, DataError, FeedDown
from graph.state import merge_by_key
from graph.step import Done, Entry, node
from tests.support.fakes import FakeFeed, MemoryAudit, World
from tests.support.scripted import ScriptedDebate


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(graph.step, "BACKOFF_S", 0.0)


@pytest.fixture
def desk(market, settings):
    return World(market=market, settings=settings, debate=ScriptedDebate({}))


class Flaky:
    """A step that raises what it was given, one error a call, and then succeeds."""

    def __init__(self, *errors, seals=False):
        self.errors = list(errors)
        self.calls = 0
        self.seals = seals

    async def __call__(self, state, deps):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return Done(update={"done": True}, entries=(Entry("SPY", "fact", {"n": 1}),), summary="well", seals=self.seals)


async def through(step, desk, *, timeout_s=5.0, on_failure=None, deps=None):
    wrapped = node("probe", step, timeout_s=lambda _: timeout_s, on_failure=on_failure)
    return await wrapped({"run": desk.request()}, runtime=Runtime(context=deps or desk.deps()))


@pytest.mark.parametrize("error", [FeedDown("the source is silent"), DatabaseDown("no answer")])
async def test_what_is_down_for_a_moment_is_tried_three_times(desk, error):
    step = Flaky(error, error)
    assert await through(step, desk) == {"done": True}
    assert step.calls == 3
    hopeless = Flaky(error, error, error, error)
    with pytest.raises(type(error)):
        await through(hopeless, desk)
    assert hopeless.calls == 3


async def test_what_will_not_get_better_is_not_tried_again(desk):
    step = Flaky(DataError("a chain of nonsense"))
    with pytest.raises(DataError):
        await through(step, desk)
    assert step.calls == 1
    assert desk.watcher.begun == [("probe", "*")]
    assert desk.watcher.ended == {}, "a node that failed has not finished"
    assert desk.audit.rows == {}


async def test_a_step_that_takes_too_long_ends_the_run_unless_it_may_fail(desk):
    async def slow(state, deps):
        await asyncio.sleep(5)

    with pytest.raises(TimeoutError):
        await through(slow, desk, timeout_s=0.01)
    late = Done(update={"late": True}, entries=(Entry("*", "late", None),), summary="late")
    assert await through(slow, desk, timeout_s=0.01, on_failure=lambda error: late) == {"late": True}
    assert desk.audit.of("probe") == {("*", "late"): None}


async def test_a_replay_is_late_where_the_run_was_and_nowhere_else(desk):
    async def steady(state, deps):
        await asyncio.sleep(0.05)
        return Done(update={}, entries=(), summary="")

    await through(steady, desk, timeout_s=0.01, deps=replace(desk.deps(), late=frozenset()))
    with pytest.raises(TimeoutError):
        await through(steady, desk, timeout_s=5.0, deps=replace(desk.deps(), late=frozenset({"probe"})))


async def test_rows_are_stored_before_anybody_hears_that_the_node_finished(desk):
    await through(Flaky(), desk)
    (row,) = desk.audit.rows.values()
    assert (row.node, row.ticker, row.kind, row.output, row.author) == ("probe", "SPY", "fact", {"n": 1}, "rule")
    assert row.versions == {"code": "test"}
    assert desk.watcher.ended == {("probe", "*"): "well"}
    assert desk.audit.sealed == {}
    broken = replace(desk, audit=MemoryAudit([DataError("no")]), watcher=type(desk.watcher)())
    with pytest.raises(DataError):
        await through(Flaky(), broken)
    assert broken.watcher.ended == {}


async def test_a_log_that_is_down_for_a_moment_does_not_cost_the_step(desk):
    step = Flaky(seals=True)
    patchy = replace(desk, audit=MemoryAudit([DatabaseDown("no answer")]))
    assert await through(step, patchy) == {"done": True}
    assert step.calls == 1
    assert len(patchy.audit.rows) == 1
    assert patchy.audit.sealed


async def test_a_feed_that_comes_back_is_gathered_once_more_and_the_run_goes_on(world, market):
    down = FeedDown("Nobody answers.")
    desk = world(feed=FakeFeed(market, [down, down]))
    await desk.run()
    assert desk.feed.gathered == 3
    gone = world(feed=FakeFeed(market, [down, down, down]))
    with pytest.raises(FeedDown):
        await gone.run()
    assert gone.audit.rows == {}
    assert gone.runs.snapshots == {}


@given(st.dictionaries(st.text(), st.integers()), st.randoms())
def test_merged_results_do_not_depend_on_the_order_of_arrival(results, dice):
    arrivals = list(results.items())
    dice.shuffle(arrivals)
    merged = {}
    for key, value in arrivals:
        merged = merge_by_key(merged, {key: value})
    assert list(merged.items()) == sorted(results.items())


def test_a_repeated_key_takes_the_newer_value():
    assert merge_by_key({"a": 1, "b": 2}, {"b": 3}) == {"a": 1, "b": 3}
