"""What a machine in trouble gets: database down or gone, disk full, two runs of one slot, a clock that jumps."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

import app.clock
import app.progress
import graph.step
import memory.checkpoints
from app.clock import WallClock
from app.services.runs import execute, new_request
from app.settings import Environment
from app.wiring import configuration, open_desk
from domain.errors import Refused
from memory.engine import conninfo
from tests.e2e.conftest import rows_in, runs_in

ROOT = Path(__file__).parents[2]


def test_a_database_that_is_down_at_start_is_named_with_the_remedy(desk, home, monkeypatch):
    monkeypatch.setenv("DESK_DATABASE_URL", "postgresql://nobody:hush@127.0.0.1:1/desk")
    for command in (["run"], ["run", "--json"], ["book"]):
        ended = desk(*command)
        assert ended.code == 3
        assert "127.0.0.1" in ended.sentence
        assert "desk db start" in ended.sentence
        assert "hush" not in ended.out + ended.err
    monkeypatch.setenv("DESK_DATABASE_URL", "mysql://localhost/desk")
    ended = desk("run")
    assert (ended.code, "needs PostgreSQL" in ended.sentence) == (2, True)


def test_a_traceback_is_shown_to_whoever_asks_for_it(home, monkeypatch, desk):
    monkeypatch.setenv("DESK_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/desk")
    with pytest.raises(Exception, match="cannot be reached"):
        desk("run", "--debug")


def test_a_database_that_goes_away_mid_run_stops_it_and_the_run_is_resumed(
    desk, on_database, superuser_url, monkeypatch
):
    monkeypatch.setattr(graph.step, "BACKOFF_S", 0.01)
    monkeypatch.setattr(memory.checkpoints, "PATIENCE_S", 0.5)
    name = on_database.pipeline_url.split("?")[0].rsplit("/", 1)[1]
    server = conninfo(superuser_url.replace(f"/{name}?", "/postgres?"))

    def allow(whether: bool) -> None:
        with psycopg.connect(server, autocommit=True) as link:
            link.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {whether}')
            if not whether:
                link.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

    def cut_at(node: str):
        def started(self, run_id: str, at: str, ticker: str) -> None:
            if at == node:
                allow(False)

        return started

    with monkeypatch.context() as patch:
        patch.setattr(app.progress.Timings, "started", cut_at("aggregate"))
        ended = desk("run", "--watchlist", "JPM,XOM", "--json")
    allow(True)
    assert ended.code == 3
    assert ended.document["error"]["kind"] == "DatabaseDown"
    assert ended.sentence
    ((run_id, state),) = runs_in(on_database)
    assert state == "running"
    assert rows_in(on_database, "orders") == 0
    resumed = desk("run", "--resume", "last", "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.document["run_id"] == run_id
    assert len(resumed.document["orders"]) == rows_in(on_database, "orders") == 2
    assert runs_in(on_database) == [(run_id, "sealed")]


TIGHT_THEN_ROOMY = """
import resource, sys
from app.cli.outcome import guarded
from app.cli.root import app
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, unlimited[1]))  # no file may grow beyond it, as on a full disk
tight = guarded(app, ["run", "--watchlist", "XOM", "--json"])
sys.stdout.write("\\0")
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
sys.exit(10 * tight + guarded(app, ["run", "--resume", "last", "--json"]))
"""


def test_a_full_disk_leaves_no_snapshot_and_the_run_goes_on_when_there_is_room(on_database, home):
    ended = subprocess.run(
        [sys.executable, "-c", TIGHT_THEN_ROOMY], cwd=ROOT, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 30, ended.stderr
    refused, resumed = (json.loads(told) for told in ended.stdout.split("\0"))
    assert refused["error"]["kind"] == "StorageFull"
    assert "nothing half-written" in refused["error"]["message"]
    assert "Traceback" not in ended.stderr
    assert not list((home / "snapshots").rglob(".writing-*"))
    (manifest,) = (home / "snapshots" / "manifests").iterdir()
    assert manifest.stem == resumed["snapshot_id"]
    assert rows_in(on_database, "snapshots") == 1
    assert [state for _, state in runs_in(on_database)] == ["sealed"]


def test_of_two_runs_of_one_slot_at_once_exactly_one_happens(on_database, home):
    config = configuration(Environment())

    async def one(at: datetime) -> str:
        async with open_desk(config, feed="simulated", debate="rules") as desk:
            request = await new_request(desk, at=at, watchlist=("XOM",), slot="2025-01-02T09:35")
            try:
                return (await execute(desk, request, app.progress.Timings())).document["run_id"]
            except Refused as refusal:
                return refusal.code

    async def both() -> list[str]:
        first = datetime(2025, 1, 2, 14, 35, tzinfo=UTC)
        return sorted(await asyncio.gather(one(first), one(first), one(first + timedelta(minutes=1))))

    told = asyncio.run(both())
    ((run_id, state),) = runs_in(on_database)
    assert state == "sealed"
    assert [code for code in told if code != run_id] == [code for code in told if code in ("slot_taken", "run_busy")]
    assert told.count(run_id) == 1


def test_a_clock_that_jumps_back_stands_still_and_the_jump_is_measured(monkeypatch):
    class Wall:
        stands = datetime(2026, 11, 20, 14, 35, tzinfo=UTC)

        @classmethod
        def now(cls, zone):
            return cls.stands

    monkeypatch.setattr(app.clock, "datetime", Wall)
    clock = WallClock()
    before = clock.now()
    Wall.stands -= timedelta(hours=2)
    assert clock.now() == before, "an instant never lies before one already handed out"
    assert clock.jump_seconds() == pytest.approx(-7200, abs=1)
    Wall.stands += timedelta(hours=5)
    assert clock.now() == before + timedelta(hours=3)
    assert clock.jump_seconds() == pytest.approx(10_800, abs=1)
