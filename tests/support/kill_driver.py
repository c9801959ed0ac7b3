"""Runs the real desk in child processes that kill themselves at a given point; see tests/e2e/test_kill.py.

Imports once, warms the simulated feed up once, then forks one process a job: a job is one line of JSON on stdin, its
end (a wait status, and what the child printed) one line of JSON on stdout. Jobs: {"url", "admin_url", "home", "do",
"node", "when"}. `do` is "run" (begin), "resume" (what was cut off) or "work" (approve everything staged and send it).
`when` is "before" or "after" a node, or names a method "module:Class.method" with "<" before, or ">" after it.
"""

import asyncio
import contextlib
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import app.wiring
from app.clock import FixedClock
from app.logs import configure
from app.progress import Timings
from app.services.runs import execute, unfinished
from app.settings import Environment
from app.versions import code_version, fingerprint
from app.wiring import Configuration, Desk, configuration, open_desk
from domain.errors import DeskError
from domain.order import OrderState
from domain.run import RunRequest
from feeds.simulated.feed import SimulatedFeed
from feeds.simulated.settings import SimulatedSettings
from feeds.simulated.timeline import first_instant

RUN = "simulated-killed"
NAMES = ("JPM", "KO")
QUICK = SimulatedSettings(sessions=10, history_sessions=300)


def die() -> None:
    """As if the power went."""
    os.kill(os.getpid(), signal.SIGKILL)


class Killer(Timings):
    """Ends its own process when the given node starts, or once its audit rows are stored."""

    def __init__(self, node: str | None, when: str | None) -> None:
        super().__init__()
        self.node, self.when = node, when

    def started(self, run_id: str, node: str, ticker: str) -> None:
        if (node, "before") == (self.node, self.when):
            die()

    def finished(self, run_id: str, node: str, ticker: str, milliseconds: float, summary: str) -> None:
        super().finished(run_id, node, ticker, milliseconds, summary)
        if (node, "after") == (self.node, self.when):
            die()


def rig(when: str) -> None:
    """Make one method deadly: "<module:Class.method" before it acts, ">module:Class.method" after its first call."""
    place, name = when[1:].rsplit(".", 1)
    module, owner = place.split(":")
    kind = getattr(importlib.import_module(module), owner)
    whole: Callable[..., Any] = getattr(kind, name)

    async def deadly(*args: Any, **kwargs: Any) -> None:
        if when[0] == ">":
            await whole(*args, **kwargs)
        die()

    setattr(kind, name, deadly)


async def job(todo: dict[str, str], config: Configuration) -> dict[str, Any]:
    """One command of the desk, from an empty process to the end."""
    environment = Environment(
        desk_home=Path(todo["home"]),
        desk_database_url=todo["url"],
        desk_database_admin_url=todo["admin_url"],
        desk_config=None,
    )
    config = replace(config, environment=environment)
    when = todo.get("when")
    if when and when[0] in "<>":
        rig(when)
    async with open_desk(config, feed="simulated", debate="rules") as desk:
        if todo["do"] == "work":
            return {"sent": await work(desk)}
        if todo["do"] == "resume":
            request = (await unfinished(desk, "last")).request
        else:
            request = RunRequest(
                run_id=RUN, slot=None, as_of=first_instant(QUICK), feed="simulated", watchlist=NAMES,
                debate="rules", fingerprint=fingerprint(desk.configuration.graph, "rules"),
            )  # fmt: skip
        document = (await execute(desk, request, Killer(todo.get("node"), when))).document
        return {"orders": document["orders"], "outcomes": document["outcomes"], "seal": document["seal"]}


async def work(desk: Desk) -> list[dict[str, Any]]:
    """A person approves all that is staged; then the order worker sends it."""
    from execution.outbox import drain

    at = first_instant(QUICK) + timedelta(minutes=1)
    for view in await desk.orders.list([OrderState.STAGED]):
        await desk.orders.approve(view.order.order_id, at=at, reviewer="tester")
    sent = await drain(desk.outbox, desk.broker, desk.feed, FixedClock(at))
    return [item.model_dump(mode="json") for item in sent]


def child(todo: dict[str, str], config: Configuration, answer: int) -> None:
    """The forked process: does its job, tells what came of it, and is gone."""
    status = 1
    try:
        told = asyncio.run(job(todo, config))
        os.write(answer, json.dumps(told).encode())
        status = 0
    except DeskError as error:
        os.write(answer, json.dumps({"error": str(error)}).encode())
    finally:
        os._exit(status)


def main() -> None:
    """Serve jobs until stdin closes."""
    configure("critical")
    code_version()
    config = configuration()
    for name in ("alembic.command", "graph.build", "memory.migrate", "memory.checkpoints", "execution.outbox"):
        importlib.import_module(name)
    feed = SimulatedFeed(QUICK)
    coroutine = feed.gather(first_instant(QUICK), NAMES)
    with contextlib.suppress(StopIteration):
        coroutine.send(None)  # no event loop in the process that forks
    app.wiring.market_feed = lambda *_: feed
    for line in sys.stdin:
        todo = json.loads(line)
        told, answer = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(told)
            child(todo, config, answer)
        os.close(answer)
        with os.fdopen(told) as words:
            said = words.read()
        _, status = os.waitpid(process, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status), "said": json.loads(said or "null")}), flush=True)


if __name__ == "__main__":
    main()
