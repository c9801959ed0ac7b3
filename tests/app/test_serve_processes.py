"""`desk serve` in real processes: one run a slot, a clean end, and a database that dies under a run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from memory.engine import conninfo
from memory.postgres import OWNER, EmbeddedPostgres

ROOT = Path(__file__).parents[2]
AT = "2026-11-20T14:36:00Z"  # a minute into the first slot
SLOT = "simulated 2026-11-20T09:35"
PATIENCE_S = 90.0
pytestmark = pytest.mark.slow


class Nursery:
    """The parent of the serving processes; see `tests.support.serve_driver`."""

    def __init__(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DESK_", "OPENAI_"))}
        command = [sys.executable, "-m", "tests.support.serve_driver"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=kept, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **job):
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE_S)
        self.process.stdout.close()


class Serving:
    """One process: its log can be waited for, its end gives status and document."""

    def __init__(self, nursery, folder, variables, *, once=False, slow=0.0):
        self.nursery, self.out, self.log, self.status = nursery, folder / "out", folder / "log", None
        job = {"variables": variables, "at": AT, "once": once, "slow": slow, "out": str(self.out), "log": str(self.log)}
        self.pid = nursery.ask(start=job)["pid"]

    def said(self, event, **fields):
        """The first log line of `event` with these fields; waits for it."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for line in self.log.read_text().splitlines() if self.log.exists() else ():
                record = json.loads(line)  # every line of the log is JSON
                if record["event"] == event and fields.items() <= record.items():
                    return record
            time.sleep(0.05)
        raise AssertionError(f"no {event}:\n{self.log.read_text()}")

    def running(self):
        """The health of the process once a run is at work."""
        address = self.said("serving")["health"]
        while True:
            answer = httpx.get(address, timeout=20)
            if answer.json()["components"]["scheduler"]["numbers"]["running"]:
                return answer
            time.sleep(0.05)

    def ended(self):
        self.status = self.nursery.ask(wait=self.pid)["status"]
        assert self.status == 0, self.log.read_text()
        return json.loads(self.out.read_text())

    def kill(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.nursery.ask(wait=self.pid)


@pytest.fixture(scope="module")
def nursery():
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def start(request, nursery, tmp_path, desk_home):
    own = tmp_path / "config"
    own.mkdir()
    (own / "desk.yaml").write_text("health_port: 0\nwatchlist: {simulated: [JPM, XOM]}\n")
    numbers = iter(range(10))

    def started(database=None, **job):
        folder = tmp_path / f"process-{next(numbers)}"
        folder.mkdir()
        variables = {"DESK_HOME": str(desk_home), "DESK_CONFIG": str(own)}
        if database is not None:
            variables |= {"DESK_DATABASE_URL": database.pipeline_url, "DESK_DATABASE_ADMIN_URL": database.admin_url}
        serving = Serving(nursery, folder, variables, **job)
        request.addfinalizer(serving.kill)
        return serving

    return started


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
