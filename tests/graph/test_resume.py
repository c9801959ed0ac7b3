"""A run's whole state through the real checkpointer, and resuming by thread."""

import pytest

from domain.errors import DataError
from graph.build import build, mermaid
from graph.run import run_graph
from memory.checkpoints import checkpointer
from memory.serializer import RecordSerializer
from tests.support.fakes import MemoryAudit, World
from tests.support.scripted import BULL


def typed(value):
    """A value with every class named: a record and a dict of the same content are not the same."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [typed(item) for item in value]
    return type(value).__name__, repr(value)


async def test_the_state_of_a_finished_run_survives_its_checkpoint_word_for_word(world):
    state = await world({"*": BULL}).run()
    form = RecordSerializer()
    back = form.loads_typed(form.dumps_typed(dict(state)))
    assert back == state
    assert typed(back) == typed(state)


async def test_a_finished_run_is_told_again_from_its_checkpoint_and_not_run_again(world, database):
    desk = world({"*": BULL})
    async with checkpointer(database.pipeline_url) as saver:
        first = await run_graph(build(saver), desk.request(), desk.deps())
    begun = len(desk.watcher.begun)
    async with checkpointer(database.pipeline_url) as saver:
        again = await run_graph(build(saver), desk.request(), desk.deps())
    assert again == first
    assert len(desk.watcher.begun) == begun


async def test_a_run_that_stopped_goes_on_at_the_node_where_it_stopped(world, database):
    desk: World = world({"*": BULL})

    class Breaking(MemoryAudit):
        async def append(self, entries):
            if entries[0].node == "debate":
                raise DataError("out of order")
            await super().append(entries)

    whole = desk.audit
    desk.audit = Breaking()
    desk.audit.rows = whole.rows
    async with checkpointer(database.pipeline_url) as saver:
        with pytest.raises(DataError):
            await run_graph(build(saver), desk.request(), desk.deps())
    before = list(desk.watcher.begun)
    desk.audit = whole
    async with checkpointer(database.pipeline_url) as saver:
        state = await run_graph(build(saver), desk.request(), desk.deps())
    assert {node for node, _ in desk.watcher.begun[len(before) :]} == {
        "debate", "risk_gate", "strategy_selector", "allocator", "stage", "record",
    }  # fmt: skip
    undisturbed = world({"*": BULL})
    assert state == await undisturbed.run()
    assert whole.digests() == undisturbed.audit.digests()


def test_the_picture_shows_every_node():
    drawn = mermaid()
    assert all(name in drawn for name in ("collect", "debate", "risk_gate", "stage", "record"))
