"""Kill -9 at every node in turn, before it starts and after its rows are stored: the run completes when it is resumed,
nothing is staged twice, and the audit chain verifies. Real processes, real PostgreSQL.

A run dies at one point after another, each time in a new process that found it cut off, until it gets through.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.clock import WallClock
from domain.signals import SOURCES
from memory.audit import PostgresAuditLog
from memory.engine import Database, connected
from memory.orders import PostgresOrderStore
from memory.postgres import EmbeddedPostgres
from memory.runs import PostgresRunStore
from tests.fixtures_database import fresh_database
from tests.support.kill_driver import NAMES, RUN

ROOT = Path(__file__).parents[2]
NODES = (
    "collect", "manage", *SOURCES, "aggregate", "recall", "debate", "risk_gate",
    "strategy_selector", "allocator", "stage", "record",
)  # fmt: skip
WITHIN = (
    "<memory.runs:PostgresRunStore.remember_snapshot",  # the snapshot is stored, the run not yet bound to it
    ">memory.runs:PostgresRunStore.remember_snapshot",  # the run is bound, the node has not answered
    ">memory.orders:PostgresOrderStore.stage",  # one of two orders is staged
    ">memory.runs:PostgresRunStore.publish_signals",  # signals are published, situations are not
    "<memory.audit:PostgresAuditLog.seal",  # all is logged, nothing sealed
    "<memory.runs:PostgresRunStore.finish",  # all is sealed, the run not marked so
)


class Driver:
    """The process that forks one child a job."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.kill_driver"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __call__(self, desk: SimpleNamespace, do: str, **how: str) -> SimpleNamespace:
        where = {"url": desk.database.pipeline_url, "admin_url": desk.database.admin_url, "home": str(desk.home)}
        self._process.stdin.write(json.dumps({**where, "do": do, **how}) + "\n")
        self._process.stdin.flush()
        return SimpleNamespace(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.stdin.close()
        assert self._process.wait(timeout=120) == 0
        self._process.stdout.close()


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    made = Driver()
    yield made
    made.close()


@pytest.fixture
def desk(database: Database, desk_home: Path) -> SimpleNamespace:
    """An empty desk: a database and a home of its own."""
    return SimpleNamespace(database=database, home=desk_home)


@pytest.fixture(scope="module")
async def twin(driver: Driver, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What the undisturbed run leaves."""
    with fresh_database(postgres) as database:
        desk = SimpleNamespace(database=database, home=tmp_path_factory.mktemp("twin"))
        done = driver(desk, "run")
        assert done.status == 0, done.said
        return await left_behind(desk)


async def left_behind(desk: SimpleNamespace) -> dict:
    """Everything that must not depend on where a run was interrupted."""
    async with connected(desk.database.pipeline_url) as engine:
        audit = PostgresAuditLog(engine, WallClock(), "test", desk.home / "audit" / "seals.jsonl")
        report = await audit.verify()
        assert report.sound, report.first_fault
        assert report.seals == 1
        (row,) = await PostgresRunStore(engine, WallClock()).list()
        rows = [(r.entry.node, r.entry.ticker, r.entry.kind, r.payload_hash) for r in await audit.rows(RUN)]
        assert len({item[:3] for item in rows}) == len(rows)
        views = await PostgresOrderStore(engine, account="simulated").list()
        return {
            "state": row.state,
            "snapshot": row.snapshot_id,
            "rows": sorted(rows),
            "orders": {view.order.order_id: (view.state, view.order) for view in views},
        }


async def test_the_undisturbed_twin_stages_an_order_a_name_and_seals(twin):
    assert twin["state"] == "sealed"
    assert len(twin["orders"]) == len(NAMES), "a kill between two orders needs two orders"
    assert {state for state, _ in twin["orders"].values()} == {"staged"}
    assert {item[0] for item in twin["rows"]} == set(NODES)


async def left_after(driver: Driver, desk: SimpleNamespace, *deaths: dict[str, str]) -> dict:
    """Begin, die of each of `deaths` in turn, every time in a new process, and then go through to the end."""
    for number, death in enumerate(deaths):
        killed = driver(desk, "resume" if number else "run", **death)
        assert killed.status == -9, f"{death}: {killed.said}"
    done = driver(desk, "resume")
    assert done.status == 0, done.said
    return await left_behind(desk)


async def test_killed_before_every_node_in_turn_the_run_completes_as_if_nothing_had_happened(driver, desk, twin):
    deaths = [{"node": node, "when": "before"} for node in NODES]
    assert await left_after(driver, desk, *deaths) == twin


async def test_killed_after_every_node_in_turn_before_its_checkpoint_no_effect_is_doubled(driver, desk, twin):
    deaths = [{"node": node, "when": "after"} for node in NODES if node not in SOURCES]
    assert await left_after(driver, desk, *deaths) == twin


@pytest.mark.parametrize("analyst", SOURCES)
async def test_killed_among_parallel_analysts_the_finished_ones_stand(driver, desk, twin, analyst):
    assert await left_after(driver, desk, {"node": analyst, "when": "after"}) == twin


async def test_killed_between_two_effects_of_one_node_neither_happens_twice(driver, desk, twin):
    assert await left_after(driver, desk, *({"when": when} for when in WITHIN)) == twin


async def test_a_worker_killed_after_the_broker_answered_fills_the_order_once(driver, desk):
    assert driver(desk, "run").status == 0
    killed = driver(desk, "work", when="<memory.outbox:PostgresDispatch.settle")
    assert killed.status == -9, killed.said
    async with connected(desk.database.pipeline_url) as engine:
        orders = PostgresOrderStore(engine, account="simulated")
        states = sorted(view.state for view in await orders.list())
        assert states == ["approved", "submitted"], "one was on its way, the other had not been touched"
        again = driver(desk, "work")
        assert again.status == 0, again.said
        for view in await orders.list():
            fills = await orders.fills(view.order.order_id)
            assert [fill.units for fill in fills] == ([view.order.units] if view.state == "filled" else [])
            steps = [event.to_state for event in await orders.history(view.order.order_id)]
            assert steps.count("submitted") == 1
        assert {item["state"] for item in again.said["sent"]} <= {"filled", "cancelled"}
        assert "filled" in {item["state"] for item in again.said["sent"]}
