"""Is the desk able to do its work now? Every component with a word and its numbers."""

import asyncio
import shutil
from datetime import datetime
from pathlib import Path
from typing import Literal

from agents.registry import ANALYSTS
from app.documents import plain
from app.services.journal import Journal
from app.services.verdicts import alarm_of, drifts, summary_of
from app.wiring import Configuration, Desk
from domain.errors import DeskError, FeedDown, MachineError, StorageFull
from domain.record import Instant, Record
from domain.risk import TradingState
from domain.signals import MetaValue
from feeds.news.join import notes_of
from memory.switches import SwitchBoard

PATIENCE_S = 3.0
DISK_WARN_BYTES, DISK_FAIL_BYTES = 2 * 1024**3, 256 * 1024**2

Standing = Literal["ok", "warn", "fail"]


class Component(Record):
    """One part of the desk. warn: the desk works, and someone should look; fail: it cannot work."""

    status: Standing
    detail: str
    numbers: dict[str, MetaValue] = {}


class Health(Record):
    """The desk is as well as its worst component."""

    status: Standing
    at: Instant | None
    account: str
    components: dict[str, Component]


async def health(config: Configuration, journal: Journal, account: str) -> Health:
    """Look at everything, within seconds; what cannot be asked without the database is left out when it is down."""
    desk = journal.desk
    components = {"scheduler": scheduler(journal), "clock": clock(journal), "disk": disk(config.home)}
    try:
        async with asyncio.timeout(PATIENCE_S):
            if desk is None:
                components |= _out_of_reach(journal.fault)
            else:
                components |= await _stored(desk, journal)
    except TimeoutError:
        components["database"] = Component(status="fail", detail=f"no answer within {PATIENCE_S:.0f} s")
    except DeskError as error:
        components["database"] = Component(status="fail", detail=str(error))
    worst = max((each.status for each in components.values()), key=("ok", "warn", "fail").index)
    at = desk.clock.now() if desk else None
    return Health(status=worst, at=at, account=account, components=dict(sorted(components.items())))


def scheduler(journal: Journal) -> Component:
    """Last and next run."""
    last, following = journal.last_run, journal.next
    numbers: dict[str, MetaValue] = {
        "last_run": last.run_id if last else None,
        "last_outcome": last.outcome if last else None,
        "last_at": _text(last.at if last else None),
        "running": journal.running,
        "next_slot": following.name if following else None,
        "next_at": _text(following.at if following else None),
        "slots_skipped": journal.outcomes["skipped"],
    }
    if journal.fault:
        return Component(status="fail", detail=f"trying again: {journal.fault}", numbers=numbers)
    if last and last.outcome == "failed":
        return Component(status="warn", detail=f"the last run failed: {last.detail}", numbers=numbers)
    doing = f"run {journal.running} is at work" if journal.running else "waiting for the next slot"
    return Component(status="ok", detail=doing, numbers=numbers)


def clock(journal: Journal) -> Component:
    """Whether the wall clock moved against the machine's own since the desk was opened."""
    numbers: dict[str, MetaValue] = {"jumps": journal.jumps, "off_seconds": round(journal.jump_s, 1)}
    if journal.jump_s:
        return Component(status="warn", detail=f"the wall clock moved by {journal.jump_s:+.0f} s", numbers=numbers)
    return Component(status="ok", detail="steady", numbers=numbers)


def disk(home: Path) -> Component:
    """Room for snapshots and log under DESK_HOME."""
    free = shutil.disk_usage(home).free
    status: Standing = "fail" if free < DISK_FAIL_BYTES else "warn" if free < DISK_WARN_BYTES else "ok"
    detail = f"{free / 1024**3:.1f} GiB free" + ("" if status == "ok" else "; a run's snapshot may not find room")
    return Component(status=status, detail=detail, numbers={"free_bytes": free})


def trading(board: SwitchBoard) -> Component:
    """What the switches allow now, since when, by whom and why."""
    use = max(board.uses, key=lambda use: use.seq, default=None)
    who = f", by {use.actor} since {_text(use.at)}" if use else ""
    return Component(
        status="ok" if board.trading_state is TradingState.ACTIVE else "warn",
        detail=f"{board.trading_state.value}{who}: {board.reason}",
        numbers={
            "state": board.trading_state.value,
            "since": _text(use.at) if use else None,
            "by": use.actor if use else None,
            "halted_agents": ", ".join(board.halted_agents),
        },
    )


async def _stored(desk: Desk, journal: Journal) -> dict[str, Component]:
    board = await desk.switches.read(desk.account)
    seal = await desk.audit.latest_seal()
    return {
        "database": Component(status="ok", detail="answers"),
        "feed": _feed(desk, journal),
        "broker": _broker(desk, journal),
        "debate": _debate(desk, journal),
        **collected(journal),
        "verdicts": await _verdicts(desk),
        "trading": trading(board),
        "audit": Component(
            status="ok",
            detail=f"last seal: run {seal.run_id}" if seal else "nothing sealed yet",
            numbers={"rows": seal.rows, "sealed_at": _text(seal.sealed_at), "head": seal.head_hash} if seal else {},
        ),
        **{f"analyst_{each.name}": _analyst(each.name, board, journal) for each in ANALYSTS},
    }


def _out_of_reach(fault: MachineError | None) -> dict[str, Component]:
    """Between two attempts to open the desk: the component that was at fault."""
    name = "feed" if isinstance(fault, FeedDown) else "disk" if isinstance(fault, StorageFull) else "database"
    return {name: Component(status="fail", detail=str(fault or "not open yet"))}


def _analyst(name: str, board: SwitchBoard, journal: Journal) -> Component:
    if name in board.halted_agents:
        use = board.agents[board.halted_agents.index(name)]
        return Component(status="warn", detail=f"halted by {use.actor} since {_text(use.at)}: {use.reason}")
    found = journal.findings
    if found is None:
        return Component(status="ok", detail="no run here yet")
    numbers: dict[str, MetaValue] = {
        "signals": found.signals.get(name, 0),
        "milliseconds": found.durations_ms.get(name),
    }
    if name in found.failures:
        return Component(status="warn", detail=f"{found.failures[name]} in run {found.run_id}", numbers=numbers)
    return Component(status="ok", detail=f"spoke in run {found.run_id}", numbers=numbers)


def _feed(desk: Desk, journal: Journal) -> Component:
    """By the last contact: a health check makes no requests of its own."""
    if journal.findings is None:
        return Component(status="ok", detail=f"{desk.feed.name}, not asked yet")
    return Component(status="ok", detail=f"{desk.feed.name}, answered in run {journal.findings.run_id}")


def _broker(desk: Desk, journal: Journal) -> Component:
    numbers: dict[str, MetaValue] = dict(sorted(journal.orders.items()))
    if journal.order_trouble:
        return Component(status="warn", detail=f"{desk.broker.name}: {journal.order_trouble}", numbers=numbers)
    return Component(status="ok", detail=f"{desk.broker.name}, no order waits", numbers=numbers)


def _debate(desk: Desk, journal: Journal) -> Component:
    found = journal.findings
    if found is None or not found.fallbacks:
        return Component(status="ok", detail=desk.debate_engine)
    reasons = ", ".join(f"{why} ({count})" for why, count in found.fallbacks.items())
    return Component(
        status="warn",
        detail=f"{desk.debate_engine} gave way to the rules in run {found.run_id}: {reasons}",
        numbers={"fell_back": sum(found.fallbacks.values()), "debates": found.debates},
    )


def collected(journal: Journal) -> dict[str, Component]:
    """The last round over the crowd's sources and over the news services; nothing for what is not collected."""
    found = {}
    if (visit := journal.visit) is not None:
        numbers: dict[str, MetaValue] = {f"{each.source}_items": each.items for each in visit.harvests}
        said = "; ".join(f"{note.subject}: {note.detail}" for note in visit.troubles)
        names = ", ".join(each.source for each in visit.harvests)
        found["social"] = _round(f"visited {names}", said, numbers | {"visited_at": _text(visit.at)})
    if (delivery := journal.delivery) is not None:
        numbers = {f"{each.provider}_{word}": value for each in delivery.reports
                   for word, value in (("state", each.state), ("new", each.new))}  # fmt: skip
        said = "; ".join(f"{note.subject}: {note.detail}" for each in delivery.reports for note in notes_of(each))
        names = ", ".join(each.provider for each in delivery.reports)
        found["news"] = _round(f"asked {names}", said, numbers | {"asked_at": _text(delivery.at)})
    for name, why in journal.collecting_trouble.items():
        found[name] = _round("", f"the last round failed: {why}", found[name].numbers if name in found else {})
    return found


def _round(done: str, trouble: str, numbers: dict[str, MetaValue]) -> Component:
    return Component(status="warn" if trouble else "ok", detail=trouble or done, numbers=numbers)


async def _verdicts(desk: Desk) -> Component:
    """Whether the debate still comes to what it used to."""
    found = await drifts(desk.engine, desk.account, desk.configuration.debate.alarm)
    alarm = alarm_of(found)
    numbers: dict[str, MetaValue] = {
        f"{name}_{shift.verdict}": round(shift.recent, 3) for name, drift in found.items() for shift in drift.shifts
    }
    return Component(status="warn" if alarm else "ok", detail=alarm or summary_of(found), numbers=numbers)


def _text(at: datetime | None) -> str | None:
    return None if at is None else str(plain(at))
