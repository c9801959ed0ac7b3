"""A halt from another process: a run at work stages nothing, nothing is sent once it returned, it outlives kill -9."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from app.services.halt import halt, set_agent
from memory.engine import connected, conninfo
from memory.orders import PostgresOrderStore
from tests.support.orders import NOON, order
from tests.support.processes import PATIENCE_S, ROOT, Nursery, starter
from tests.support.staging import desk_at

DESK = Path(sys.executable).with_name("desk")
STAGING = "SELECT entry FROM decision_log WHERE node = 'stage' AND kind = 'order'"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nursery():
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def start(request, nursery, tmp_path, desk_home):
    return starter(request, nursery, tmp_path, desk_home, ("JPM", "KO"))


@pytest.fixture
def desk(desk_home, database):
    """The command in a process of its own; its JSON document."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DESK_", "OPENAI_"))}
    own = {
        "DESK_HOME": str(desk_home), "DESK_DATABASE_URL": database.pipeline_url,
        "DESK_DATABASE_ADMIN_URL": database.admin_url,
    }  # fmt: skip

    def run(*words):
        ran = subprocess.run(
            [DESK, *words, "--json"], env=kept | own, capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return run


def asked(database, query):
    with psycopg.connect(conninfo(database.pipeline_url)) as link:
        return link.execute(query).fetchall()


def at_once(database, desk_home, use):
    """Use a switch from this process, which is another one than those that serve."""

    async def used():
        async with connected(database.pipeline_url) as engine:
            await use(desk_at(desk_home, database, engine))

    asyncio.run(used())


@pytest.mark.parametrize("halted", [False, True])
def test_a_run_between_two_steps_stages_nothing_once_another_process_has_halted(
    start, database, desk, desk_home, halted
):
    serving = start(database, held=True)
    serving.said("node", node="collect")  # the run's picture says: active
    if halted:
        at_once(database, desk_home, lambda there: halt(there, by="ann", reason="stop"))
    serving.let_go()
    serving.said("sealed")
    staged = asked(database, "SELECT order_id FROM orders")
    assert bool(staged) is not halted
    if not halted:
        return
    said = [json.loads(entry)["output"] for (entry,) in asked(database, STAGING)]
    assert said
    assert all(output["outcome"].startswith("refused: Trading is halted (stop)") for output in said)
    serving.kill()
    again = start(database)
    numbers = httpx.get(again.said("serving")["health"], timeout=20).json()["components"]["trading"]["numbers"]
    assert (numbers["state"], numbers["by"]) == ("halted", "ann")
    told = desk("halt", "--by", "bob")
    assert (told["changed"], told["by"], told["since"]) == (False, "ann", numbers["since"])
    assert desk("audit", "replay", "last")["verdict"] == "identical"


def test_an_agent_halted_after_the_picture_was_taken_is_silent_and_the_replay_knows(start, database, desk, desk_home):
    serving = start(database, held=True)
    serving.said("node", node="collect")
    at_once(database, desk_home, lambda there: set_agent(there, "technical", halted=True, by="ann", reason="a drill"))
    serving.let_go()
    serving.said("sealed")
    ((entry,),) = asked(database, "SELECT entry FROM decision_log WHERE node = 'technical'")
    assert [item["code"] for item in json.loads(entry)["output"]["abstentions"]] == ["halted"]
    assert desk("audit", "replay", "last")["verdict"] == "identical"


SENDING = """
import asyncio, sys, time
from execution.outbox import drain
from memory.engine import connected
from memory.outbox import PostgresOutbox
from tests.execution.test_order_worker import Counting, FixedClock, FixedFeed

class Slow(Counting):
    async def submit(self, order, *, key, at, quotes):
        print("asked", time.monotonic(), flush=True)
        await asyncio.sleep(0.4)
        print("answered", time.monotonic(), flush=True)
        return await super().submit(order, key=key, at=at, quotes=quotes)

async def main(url):
    async with connected(url) as engine:
        await drain(PostgresOutbox(engine, account="simulated"), Slow(), FixedFeed(), FixedClock())

asyncio.run(main(sys.argv[1]))
"""


def test_while_orders_are_being_sent_nothing_is_sent_after_the_halt_returned(database, desk_home):
    desk_home.mkdir()
    asyncio.run(approved(database.pipeline_url))
    with subprocess.Popen(
        [sys.executable, "-c", SENDING, database.pipeline_url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as worker:
        said = [worker.stdout.readline().split()]  # the first order is at the broker
        at_once(database, desk_home, lambda there: halt(there, by="ann", reason="stop"))
        returned = time.monotonic()
        said += [line.split() for line in worker.stdout]
    assert [word for word, _ in said] == ["asked", "answered"]
    assert float(said[1][1]) < returned
    states = asked(database, "SELECT state FROM orders ORDER BY order_id")
    assert states == [("filled",), ("cancelled",), ("cancelled",)]


async def approved(url):
    async with connected(url) as engine:
        store = PostgresOrderStore(engine, account="simulated")
        for number in range(3):
            await store.stage(order(f"o-{number}", ticker=f"T{number}"))
            await store.approve(f"o-{number}", at=NOON, reviewer="ann")
