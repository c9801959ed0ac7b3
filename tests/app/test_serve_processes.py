"""`desk serve` in real processes: one run a slot, a clean end, and a database that dies under a run."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from memory.engine import conninfo
from memory.postgres import OWNER, EmbeddedPostgres

ROOT = Path(__file__).parents[2]
SLOT = "simulated 2026-11-20T09:35"
PATIENCE_S = 90.0
pytestmark = pytest.mark.slow


class Process:
    """A serving process whose log can be waited for."""

    def __init__(self, variables, *words, at="2026-11-20T14:36:00Z"):
        command = [sys.executable, "-m", "tests.support.serve_driver", at, *words]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DESK_", "OPENAI_"))}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env={**kept, **variables}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines = []
        self.grown = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            with self.grown:
                self.lines.append(line)
                self.grown.notify_all()

    def said(self, event, **fields):
        """The first log line of `event` with these fields; waits for it."""
        deadline = time.monotonic() + PATIENCE_S
        with self.grown:
            while True:
                for line in self.lines:
                    record = json.loads(line) if line.startswith("{") else {}
                    if record.get("event") == event and fields.items() <= record.items():
                        return record
                assert self.process.poll() is None, "".join(self.lines)
                assert self.grown.wait(max(deadline - time.monotonic(), 0)), f"no {event}:\n{''.join(self.lines)}"

    def ended(self):
        """Exit status and JSON document."""
        out = self.process.stdout.read()
        status = self.process.wait(PATIENCE_S)
        self.reader.join(PATIENCE_S)
        self.process.stdout.close()
        self.process.stderr.close()
        assert out, "".join(self.lines)
        return status, json.loads(out)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def start(request, tmp_path):
    own = tmp_path / "config"
    own.mkdir()
    (own / "desk.yaml").write_text("health_port: 0\nwatchlist: {simulated: [JPM, XOM]}\n")

    def started(home, *words, database=None, **more):
        variables = {"DESK_HOME": str(home), "DESK_CONFIG": str(own)}
        if database is not None:
            variables |= {"DESK_DATABASE_URL": database.pipeline_url, "DESK_DATABASE_ADMIN_URL": database.admin_url}
        process = Process(variables, *words, **more)
        request.addfinalizer(process.stop)
        return process

    return started


def runs(url):
    with psycopg.connect(conninfo(url)) as link:
        return link.execute("SELECT slot, state FROM runs ORDER BY run_id").fetchall()


def running(serving):
    """The health of a process once a run is at work."""
    address = serving.said("serving")["health"]
    while True:
        answer = httpx.get(address, timeout=20)
        if answer.json()["components"]["scheduler"]["numbers"]["running"]:
            return answer
        time.sleep(0.05)


def test_three_processes_at_one_slot_make_one_run_and_all_exit_0(start, database, desk_home):
    processes = [start(desk_home, "--once", database=database) for _ in range(3)]
    ends = [process.ended() for process in processes]
    assert [status for status, _ in ends] == [0, 0, 0]
    outcomes = sorted(entry["outcome"] for _, document in ends for entry in document["entries"])
    assert outcomes == ["elsewhere", "elsewhere", "sealed"]
    assert {entry["slot"] for _, document in ends for entry in document["entries"]} == {SLOT}
    assert runs(database.pipeline_url) == [(SLOT, "sealed")]


def test_sigterm_mid_run_ends_after_the_step_at_work_and_the_next_start_finishes_the_run(start, database, desk_home):
    serving = start(desk_home, "--slow", "1", database=database)
    assert running(serving).status_code == 200
    serving.process.terminate()
    status, document = serving.ended()
    assert status == 0
    assert [(entry["outcome"], entry["slot"]) for entry in document["entries"]] == [("stopped", SLOT)]
    assert runs(database.pipeline_url) == [(SLOT, "running")]
    status, document = start(desk_home, "--once", database=database).ended()
    assert (status, document["entries"][0]["outcome"]) == (0, "sealed")
    assert runs(database.pipeline_url) == [(SLOT, "sealed")]


def test_a_database_killed_under_a_run_is_logged_answered_with_503_restarted_and_the_run_sealed(start, desk_home):
    serving = start(desk_home, "--slow", "2")
    address = str(running(serving).url)
    server = EmbeddedPostgres(desk_home / "postgres")
    pid = int((desk_home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    statuses = []
    while not statuses or statuses[-1] == 200:
        statuses.append(httpx.get(address, timeout=20).status_code)
    assert statuses[-1] == 503
    assert "PostgreSQL" in serving.said("trouble")["error"]
    serving.said("sealed", slot=SLOT)
    deadline = time.monotonic() + PATIENCE_S
    while httpx.get(address, timeout=20).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert runs(server.url(OWNER)) == [(SLOT, "sealed")]
    serving.process.terminate()
    status, document = serving.ended()
    assert (status, document["outcomes"]) == (0, {"sealed": 1})
    assert document["trouble"] is None
