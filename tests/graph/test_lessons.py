"""Lessons in the graph: drawn from what the snapshot froze, written once, the same in every replay."""

from dataclasses import replace

from app.services.recording import RecordedMemories
from domain.debate import Memory
from domain.record import digest
from portfolio.reflection import reflect
from tests.portfolio.test_reflection import spread
from tests.support.fakes import MemorySituations, World, flat_desk, only
from tests.support.scripted import BULL, ScriptedDebate


def world_of(market, settings, **changes):
    one = only(market, "JPM")
    return World(market=one, settings=settings, debate=ScriptedDebate({"*": BULL}),
                 desk=flat_desk(one, closed_trades=(spread(),)), **changes)  # fmt: skip


async def test_a_closed_trade_leaves_a_lesson_in_memory_and_in_the_log(market, settings):
    world = world_of(market, settings)
    await world.run()
    lesson = reflect(spread())
    assert world.memory.lessons == {"open": lesson}
    assert world.audit.of("recall")["SPY open", "lesson"] == lesson
    assert "1 lessons learned" in world.watcher.ended["recall", "*"]


async def test_a_replay_draws_the_same_lesson_and_asks_no_memory(market, settings):
    told = Memory(id="memory/r/JPM", ticker="JPM", text="t", similarity=0.9, direction=1, outcome=0.1, figures={})
    first = world_of(market, settings, memory=MemorySituations({"JPM": [told]}))
    await first.run()
    again = world_of(market, settings)
    again.memory = RecordedMemories({"JPM": (told,)})
    await again.run()
    assert again.audit.digests() == first.audit.digests()


async def test_without_closed_trades_the_step_says_only_what_it_recalled(market, settings):
    world = replace(world_of(market, settings), desk=None)
    await world.run()
    assert world.memory.lessons == {}
    assert all(kind == "memories" for _, kind in world.audit.of("recall"))
    assert digest(world.audit.of("recall")["JPM", "memories"]) == digest([])
