"""`desk serve`: runs each slot once, hands approved orders to the broker, and outlives what goes away under it.

A round looks at the clock, runs the slot that is due, looks at the account, and works the orders. Whatever the machine
cannot do now (database, feed, disk) ends the round; after a pause the desk is opened anew, unfinished runs are resumed,
and the next round looks at the same slots again. The database keeps slot names unique: of several processes one runs a
slot, the others note that and go on.

The simulated market has a calendar of its own: each slot of the wall clock plays its next slot.
"""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import structlog

from app.clock import WallClock
from app.progress import Timings
from app.scheduler import due_slot, next_slot, start_of_day
from app.services.collecting import collecting
from app.services.journal import Journal, Outcome, RunEntry, findings_of
from app.services.order_work import work_orders
from app.services.runs import execute, new_request
from app.services.watch import watch
from app.stop import Stop
from app.versions import fingerprint
from app.wiring import Desk
from domain.errors import DatabaseDown, DeskError, MachineError, Refused, UsageError
from domain.run import RunRequest

log = structlog.get_logger("desk.serve")

POLL_S = 5.0  # an approved order waits no longer for the worker
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
JUMP_S = 30.0  # time servers correct less than this
ELSEWHERE = frozenset({"slot_taken", "run_busy", "run_finished", "run_differs"})
RECENT_RUNS = 50

Opened = Callable[[], AbstractAsyncContextManager[Desk]]


async def serve(opened: Opened, journal: Journal, stop: Stop) -> None:
    """Rounds until `stop`. Raises `DeskError` only when the desk cannot be opened the first time."""
    while not stop.asked:
        try:
            async with opened() as desk:
                _begin(desk, journal)
                try:
                    async with collecting(desk, journal, stop):
                        await resume(desk, journal, stop)
                        while not stop.asked:
                            await work(desk, journal, stop)
                            await stop.wait(_pause(desk, journal))
                finally:
                    journal.desk = None
        except MachineError as error:
            if journal.started_at is None:
                raise
            journal.fault, journal.faults = error, journal.faults + 1
            wait = min(FIRST_PAUSE_S * 2 ** (journal.faults - 1), LONGEST_PAUSE_S)
            log.error("trouble", error=str(error), attempt=journal.faults, next_attempt_s=wait)
            await stop.wait(wait)


async def serve_once(opened: Opened, journal: Journal, stop: Stop) -> None:
    """Resume what was cut off, run the slot that is due, if any, and work the orders. Raises `MachineError`."""
    async with opened() as desk:
        _begin(desk, journal)
        await resume(desk, journal, stop)
        if not stop.asked:
            await work(desk, journal, stop)


def require_schedule(feed: str) -> None:
    """Refuse a feed without a clock of its own."""
    if feed == "recorded":
        raise UsageError(
            "A recorded market stands still, so it has no schedule.",
            remedy="Run it with 'desk run --feed recorded --at …'; serve --feed simulated or --feed cboe.",
        )


async def resume(desk: Desk, journal: Journal, stop: Stop) -> None:
    """Go on with every unfinished run of this feed that was begun under this configuration; name the others."""
    mark = fingerprint(desk.configuration.graph, desk.debate_engine)
    for row in await desk.runs.unfinished():
        request = row.request
        if request.feed != desk.account or stop.asked:
            continue
        if request.fingerprint == mark:
            log.info("resuming", run_id=request.run_id, slot=request.slot)
            await _attempt(desk, request, journal, stop)
        elif request.run_id not in {entry.run_id for entry in journal.entries if entry.outcome == "foreign"}:
            detail = "begun under another configuration or code, which alone can finish it"
            _note(desk, journal, "foreign", request, detail)


async def work(desk: Desk, journal: Journal, stop: Stop) -> None:
    """One round."""
    schedule = desk.configuration.desk.schedule
    since = journal.looked_at or start_of_day(desk.clock.now())
    now = max(desk.clock.now(), since)
    _notice_jump(desk, journal)
    due = due_slot(now, schedule.times, since=since, grace=timedelta(minutes=schedule.misfire_grace_minutes))
    journal.next = next_slot(now, schedule.times)
    if due.slot or due.skipped:
        known = {row.request.slot for row in await desk.runs.list(limit=RECENT_RUNS)}
        for slot in due.skipped:
            if _full(desk, slot.name) not in known:
                late = f"missed by {_minutes(now - slot.at)} minutes; the grace is {schedule.misfire_grace_minutes}"
                _note(desk, journal, "skipped", None, late, slot=slot.name)
            journal.looked_at = slot.at
        handled = {entry.slot for entry in journal.entries if entry.outcome in ("sealed", "failed", "elsewhere")}
        if due.slot and _full(desk, due.slot.name) not in handled:
            await _run_slot(desk, due.slot.name, journal, stop)
    if not stop.asked:
        await watch(desk, journal, now=time.monotonic())
        await work_orders(desk, journal)
    journal.looked_at = now
    journal.fault, journal.faults = None, 0


def _begin(desk: Desk, journal: Journal) -> None:
    journal.desk = desk
    if journal.started_at is None:
        journal.started_at = desk.clock.now()
    journal.jump_s = 0.0  # a new desk brings a new clock


async def _run_slot(desk: Desk, slot: str, journal: Journal, stop: Stop) -> None:
    try:
        request = await new_request(desk, at=None, watchlist=(), slot=slot)
    except MachineError:
        raise
    except DeskError as error:
        _note(desk, journal, "failed", None, str(error), slot=slot)
        return
    await _attempt(desk, request, journal, stop)


async def _attempt(desk: Desk, request: RunRequest, journal: Journal, stop: Stop) -> None:
    """Run or resume, and note what came of it. A fault of the machine is raised, to be tried again; a run that fails
    for another reason, or for longer than the grace, is marked failed: it must not keep later slots waiting.
    """
    from langgraph.errors import GraphDrained

    journal.running = request.run_id
    with structlog.contextvars.bound_contextvars(run_id=request.run_id):
        try:
            finished = await execute(desk, request, Timings(), stop.control())
        except GraphDrained:
            _note(desk, journal, "stopped", request, "stopped between two steps; the next start goes on with it")
        except Exception as error:
            if isinstance(error, Refused) and error.code in ELSEWHERE:
                _note(desk, journal, "elsewhere", request, str(error))
                return
            fault = machine_fault(error)
            if fault is not None and not _gives_up(desk, request, journal, fault):
                raise fault from error
            detail = str(error) if isinstance(error, DeskError) else f"{type(error).__name__}: {error}"
            await _mark_failed(desk, request, detail)
            _note(desk, journal, "failed", request, detail)
        else:
            journal.findings = findings_of(finished.document)
            _note(desk, journal, "sealed", request, f"{journal.findings.staged} orders staged")
        finally:
            journal.running = None


def machine_fault(error: BaseException) -> MachineError | None:
    """The fault of the machine behind `error`: the checkpointer and the graph raise others' exceptions."""
    from memory.engine import translated

    if isinstance(error, MachineError):
        return error
    if isinstance(error, TimeoutError):
        return MachineError("A step did not finish in time.")
    meaning = translated(error, "the configured address") if isinstance(error, Exception) else None
    if isinstance(meaning, MachineError):
        return meaning
    causes = error.exceptions if isinstance(error, BaseExceptionGroup) else [error.__cause__]
    return next((found for cause in causes if cause and (found := machine_fault(cause))), None)


def _gives_up(desk: Desk, request: RunRequest, journal: Journal, fault: MachineError) -> bool:
    """Whether the run has been failing for longer than the grace. Without a database nothing can be marked."""
    if isinstance(fault, DatabaseDown):
        return False
    first = journal.failing.setdefault(request.run_id, time.monotonic())
    return time.monotonic() - first >= 60 * desk.configuration.desk.schedule.misfire_grace_minutes


async def _mark_failed(desk: Desk, request: RunRequest, detail: str) -> None:
    try:
        await desk.runs.finish(request.run_id, state="failed", head_hash=None, detail=detail)
    except (Refused, UsageError) as error:  # it ended elsewhere meanwhile, or was never begun
        log.warning("not marked failed", error=str(error))


def _notice_jump(desk: Desk, journal: Journal) -> None:
    """Slots are reckoned from the clock in every round, and never twice: a jump needs no more than a word."""
    if not isinstance(desk.clock, WallClock):
        return
    jumped = desk.clock.jump_seconds()
    if abs(jumped - journal.jump_s) >= JUMP_S:
        journal.jumps += 1
        moved = jumped - journal.jump_s
        meaning = "slots that passed meanwhile are late" if moved > 0 else "the schedule waits until it has caught up"
        log.warning("clock jumped", seconds=round(moved), detail=meaning)
        journal.jump_s = jumped


def _pause(desk: Desk, journal: Journal) -> float:
    ahead = (journal.next.at - desk.clock.now()).total_seconds() if journal.next else POLL_S
    return min(POLL_S, max(ahead, 0.0))


def _note(
    desk: Desk, journal: Journal, outcome: Outcome, request: RunRequest | None, detail: str, *, slot: str | None = None
) -> None:
    entry = RunEntry(
        at=desk.clock.now(),
        outcome=outcome,
        slot=request.slot if request else _full(desk, slot) if slot else None,
        run_id=request.run_id if request else None,
        detail=detail,
    )
    journal.note(entry)
    say = log.error if outcome == "failed" else log.warning if outcome in ("skipped", "foreign") else log.info
    say(outcome, slot=entry.slot, run_id=entry.run_id, detail=detail)


def _full(desk: Desk, slot: str) -> str:
    """The slot's name in the database, as `new_request` makes it."""
    return f"{desk.account} {slot}"


def _minutes(late: timedelta) -> int:
    return int(late.total_seconds() // 60)
