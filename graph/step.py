"""The one wrapper around every node: timeout, retry, log line, timing, audit entries."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import structlog
from langgraph.runtime import Runtime

from domain.audit import AuditEntry, Author
from domain.errors import DatabaseDown, DeskError, FeedDown
from domain.run import RunRequest
from graph.deps import Deps

log = structlog.get_logger("desk.graph")

WHOLE_RUN = "*"
RETRIED = (FeedDown, DatabaseDown)
ATTEMPTS = 3
BACKOFF_S = 0.5
T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """What a step wants logged about one ticker (or the whole run)."""

    ticker: str
    kind: str
    output: Any
    inputs: Mapping[str, str] = field(default_factory=dict)
    author: Author = "rule"


@dataclass(frozen=True)
class Done:
    """A node's result: its update of the state, its log entries and one line for people."""

    update: dict[str, Any]
    entries: tuple[Entry, ...]
    summary: str
    seals: bool = False  # close the run in the audit chain once the entries are stored


Step = Callable[[Any, Deps], Awaitable[Done]]
OnFailure = Callable[[Exception], Done]


class Node(Protocol):
    """What LangGraph runs."""

    async def __call__(self, state: Any, *, runtime: Runtime[Deps]) -> dict[str, Any]:
        """Update of the state."""
        ...


def node(name: str, step: Step, *, timeout_s: Callable[[Deps], float], on_failure: OnFailure | None = None) -> Node:
    """Wrap `step` as a LangGraph node.

    A source or database that is down for a moment is tried again; a step with `on_failure` turns any other
    failure or a timeout into a recorded result; all else ends the run, which can be resumed at this node.
    """

    async def run(state: Any, *, runtime: Runtime[Deps]) -> dict[str, Any]:
        deps, request = runtime.context, state["run"]
        ticker = state.get("ticker", WHOLE_RUN)
        deps.observer.started(request.run_id, name, ticker)
        begun = time.perf_counter()
        try:
            done = await _attempts(step, state, deps, _patience(name, deps, timeout_s))
        except Exception as error:
            if on_failure is None:
                say = (
                    log.info if isinstance(error, DeskError) else log.error
                )  # the desk's own errors are told to people
                say("node failed", run_id=request.run_id, node=name, ticker=ticker, error=str(error))
                raise
            done = on_failure(error)
        await _retried(lambda: _log(done, request, name, deps))
        milliseconds = (time.perf_counter() - begun) * 1e3
        log.info(
            "node", run_id=request.run_id, node=name, ticker=ticker, ms=round(milliseconds, 1), summary=done.summary
        )
        deps.observer.finished(request.run_id, name, ticker, milliseconds, done.summary)
        return done.update

    run.__name__ = name
    return run


def _patience(name: str, deps: Deps, timeout_s: Callable[[Deps], float]) -> float | None:
    """Seconds a node may take. A machine's speed is no input: a replay waits, and is late where the run was."""
    if deps.late is None:
        return timeout_s(deps)
    return 0.0 if name in deps.late else None


async def _attempts(step: Step, state: Any, deps: Deps, timeout_s: float | None) -> Done:
    async def attempt() -> Done:
        async with asyncio.timeout(timeout_s):
            return await step(state, deps)

    return await _retried(attempt)


async def _log(done: Done, request: RunRequest, name: str, deps: Deps) -> None:
    await deps.audit.append([_entry(request, name, entry, deps) for entry in done.entries])
    if done.seals:
        await deps.audit.seal(request.run_id)


async def _retried(attempt: Callable[[], Awaitable[T]]) -> T:
    """Try again what was down for a moment; all that is tried here may safely happen twice."""
    for number in range(1, ATTEMPTS):
        try:
            return await attempt()
        except RETRIED:
            await asyncio.sleep(BACKOFF_S * number)
    return await attempt()


def _entry(request: RunRequest, name: str, entry: Entry, deps: Deps) -> AuditEntry:
    return AuditEntry(
        run_id=request.run_id,
        node=name,
        ticker=entry.ticker,
        kind=entry.kind,
        author=entry.author,
        inputs=dict(entry.inputs),
        output=entry.output,
        versions=dict(deps.versions),
    )
