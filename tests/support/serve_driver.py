"""Real `desk serve` processes at an instant of the test's choosing, on a small simulated market.

Imports once, warms the simulated feed up once, then forks one process a job. A job is one line of JSON on stdin:
{"start": {"variables", "at", "once", "slow", "held", "out", "log"}} is answered by {"pid"}, {"wait": pid} by
{"status"}.
A process writes the command's JSON document to `out` and its log to `log`; its clock moves on from `at` as real time
does; `slow` is how many seconds it takes to gather its picture; its analysts think for as long as the file `held` is
there.
"""

import asyncio
import importlib
import json
import os
import sys
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from app.cli.outcome import emit
from app.cli.serve import serving
from app.clock import WallClock
from app.logs import configure
from app.versions import code_version
from app.wiring import configuration, open_desk
from feeds.simulated.feed import SimulatedFeed
from feeds.simulated.timeline import first_instant
from graph.nodes import analysts
from tests.support.kill_driver import NAMES, QUICK

HEAVY = ("alembic.command", "graph.build", "memory.migrate", "memory.checkpoints", "app.services.serve", "app.metrics")


class ShiftedClock(WallClock):
    """The wall clock as if this process had begun at `at`."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self._shift = at - super().now()

    def now(self) -> datetime:
        return super().now() + self._shift


class SlowFeed(SimulatedFeed):
    """Takes its time to gather, so that something can happen to a run at work."""

    seconds = 0.0

    async def gather(self, as_of, tickers):
        if self.seconds:
            await asyncio.sleep(self.seconds)
        return await super().gather(as_of, tickers)


def think_while_there(held: Path) -> None:
    """Every analyst of this process answers once the file is gone."""
    prompt = analysts.analyse

    def analyse(*given):
        while held.exists():
            time.sleep(0.01)
        return prompt(*given)

    analysts.analyse = analyse


def child(job: dict[str, Any], feed: SlowFeed) -> None:
    """The forked process: serves until it is told to end."""
    os.environ.update(job["variables"])
    for path, stream in ((job["out"], 1), (job["log"], 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream)
    clock, feed.seconds = ShiftedClock(datetime.fromisoformat(job["at"])), job["slow"]
    think_while_there(Path(job["held"]))
    config = configuration()
    configure("info")

    @asynccontextmanager
    async def opened():
        async with open_desk(config, feed="simulated", debate="rules") as desk:
            yield replace(desk, feed=feed, clock=clock)

    emit(asyncio.run(serving(config, opened, "simulated", once=job["once"])))


def main() -> None:
    """Serve jobs until stdin closes."""
    code_version()
    for name in HEAVY:
        importlib.import_module(name)
    feed = SlowFeed(QUICK)
    coroutine = feed.gather(first_instant(QUICK), NAMES)
    with suppress(StopIteration):
        coroutine.send(None)  # no event loop in the process that forks
    for line in sys.stdin:
        match json.loads(line):
            case {"start": job}:
                pid = os.fork()
                if pid == 0:
                    status = 70
                    try:
                        child(job, feed)
                        status = 0
                    finally:
                        sys.stdout.flush()
                        os._exit(status)
                print(json.dumps({"pid": pid}), flush=True)
            case {"wait": pid}:
                print(json.dumps({"status": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}), flush=True)


if __name__ == "__main__":
    main()
