"""`desk serve` in real processes: one run a slot, a clean end, and a database that dies under a run."""

import os
import signal
import time

import httpx
import psycopg
import pytest

from memory.engine import conninfo
from memory.postgres import OWNER, EmbeddedPostgres
from tests.support.processes import PATIENCE_S, SLOT, Nursery, starter

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nursery():
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def start(request, nursery, tmp_path, desk_home):
    return starter(request, nursery, tmp_path, desk_home, ("JPM", "XOM"))


def runs(url):
    with psycopg.connect(conninfo(url)) as link:
        return link.execute("SELECT slot, state FROM runs ORDER BY run_id").fetchall()


def test_three_processes_at_one_slot_make_one_run_and_all_exit_0(start, database):
    ends = [serving.ended() for serving in [start(database, once=True) for _ in range(3)]]
    outcomes = sorted(entry["outcome"] for document in ends for entry in document["entries"])
    assert outcomes == ["elsewhere", "elsewhere", "sealed"]
    assert {entry["slot"] for document in ends for entry in document["entries"]} == {SLOT}
    assert runs(database.pipeline_url) == [(SLOT, "sealed")]


def test_sigterm_mid_run_ends_after_the_step_at_work_and_the_next_start_finishes_the_run(start, database):
    serving = start(database, slow=1.0)
    assert serving.running().status_code == 200
    os.kill(serving.pid, signal.SIGTERM)
    assert [(entry["outcome"], entry["slot"]) for entry in serving.ended()["entries"]] == [("stopped", SLOT)]
    assert runs(database.pipeline_url) == [(SLOT, "running")]
    document = start(database, once=True).ended()
    assert document["entries"][0]["outcome"] == "sealed"
    assert runs(database.pipeline_url) == [(SLOT, "sealed")]


def test_a_database_killed_under_a_run_is_logged_answered_with_503_restarted_and_the_run_sealed(start, desk_home):
    serving = start(slow=2.0)
    address = str(serving.running().url)
    server = EmbeddedPostgres(desk_home / "postgres")
    os.kill(int((server.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    while (status := httpx.get(address, timeout=20).status_code) == 200:
        time.sleep(0.02)
    assert status == 503
    assert "PostgreSQL" in serving.said("trouble")["error"]
    serving.said("sealed", slot=SLOT)
    deadline = time.monotonic() + PATIENCE_S
    while httpx.get(address, timeout=20).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert runs(server.url(OWNER)) == [(SLOT, "sealed")]
    os.kill(serving.pid, signal.SIGTERM)
    document = serving.ended()
    assert (document["outcomes"], document["trouble"]) == ({"sealed": 1}, None)
