"""Real `desk serve` processes for tests: started, watched by their log and their health, ended or killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
AT = "2026-11-20T14:36:00Z"  # a minute into the first slot
SLOT = "simulated 2026-11-20T09:35"
PATIENCE_S = 90.0


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
    """One process: its log can be waited for, its end gives status and document; `held`, its analysts wait."""

    def __init__(self, nursery, folder, variables, *, once=False, slow=0.0, held=False):
        self.nursery, self.out, self.log, self.status = nursery, folder / "out", folder / "log", None
        self.held = folder / "held"
        if held:
            self.held.touch()
        job = {"variables": variables, "at": AT, "once": once, "slow": slow, "held": str(self.held)}
        self.pid = nursery.ask(start=job | {"out": str(self.out), "log": str(self.log)})["pid"]

    def let_go(self):
        """The analysts answer."""
        self.held.unlink()

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
            self.status = self.nursery.ask(wait=self.pid)["status"]


def starter(request, nursery, tmp_path, desk_home, watchlist):
    """Starts serving processes on one home, with a configuration of their own; each is killed at the test's end."""
    own = tmp_path / "config"
    own.mkdir()
    (own / "desk.yaml").write_text(f"health_port: 0\nwatchlist: {{simulated: [{', '.join(watchlist)}]}}\n")
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
