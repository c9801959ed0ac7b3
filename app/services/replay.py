"""A run executed again from its snapshot, settings and recorded model calls: every output must come out alike."""

import time
from typing import TYPE_CHECKING, Any, cast

from app.debaters import replayed_engine
from app.services.comparison import ABSENT, Difference, Verdict, differences, verdict
from app.services.recording import (
    Collected,
    RecordedDesk,
    RecordedMemories,
    RecordedOrders,
    RecordedReplies,
    RecordedRuns,
    Recording,
    Unasked,
    recording_of,
)
from app.versions import versions
from app.wiring import Desk
from domain.errors import MachineError, TamperError, UsageError
from domain.record import Record
from graph.deps import Deps, PricedSnapshots

if TYPE_CHECKING:
    from domain.run import RunRow

FAILED = "failed"
MOST_SHOWN = 20


class ReplayReport(Record):
    """What came of a replay. `differences` holds the first ones in the order of the graph; `steps` counts what was
    compared; `notes` say what changed without mattering (code, prompts, new settings).
    """

    run_id: str
    verdict: Verdict
    steps: int
    differing: int
    differences: tuple[Difference, ...]
    largest_relative: float  # of two numbers in the outputs; 0 if all are equal
    altered: tuple[str, ...]  # rows that no longer hash to what was logged
    missing_calls: tuple[str, ...]  # model calls that the record does not hold
    notes: tuple[str, ...]
    seconds: float

    @property
    def reproduced(self) -> bool:
        """Whether the run can be trusted to be what its log says."""
        return self.verdict != "differs" and not self.altered

    @property
    def first(self) -> Difference | None:
        """The first difference beyond tolerance; else the first of all."""
        return next((d for d in self.differences if not d.tolerable), next(iter(self.differences), None))


async def replay(desk: Desk, row: "RunRow") -> ReplayReport:
    """Execute a sealed run again. Raises `UsageError` for one that did not end, `TamperError` for a damaged snapshot
    or log, `Refused` for a log of other code. Nothing is written.
    """
    request = row.request
    if row.state != "sealed":
        raise UsageError(
            f"Run {request.run_id} is {row.state}: only a run that went to its end can be replayed.",
            remedy=f"'desk run --resume {request.run_id}' goes on with it." if row.state == "running" else "",
        )
    recording = recording_of(request.run_id, await desk.audit.rows(request.run_id))
    await desk.snapshots.get(recording.snapshot_id)  # a damaged picture is named before anything is computed on it
    begun = time.perf_counter()
    replies = RecordedReplies(desk.models)
    collected, failure, nodes = await _execute(desk, recording, replies)
    found = differences([row.entry for row in recording.rows], collected.entries, nodes)
    new_settings = [d for d in found if d.kind == "settings" and d.recorded == ABSENT]
    found = tuple(d for d in found if d not in new_settings)
    if failure is not None:
        found = (
            failure,
            *(d for d in found if d.replayed != ABSENT or nodes.index(d.node) < nodes.index(failure.node)),
        )
    beyond = [d for d in found if not d.tolerable]
    return ReplayReport(
        run_id=request.run_id,
        verdict=verdict(found),
        steps=sum(row.entry.node in nodes for row in recording.rows),
        differing=len(found),
        differences=tuple(beyond or found)[:MOST_SHOWN],
        largest_relative=max((d.relative for d in found if d.relative is not None), default=0.0),
        altered=recording.altered,
        missing_calls=tuple(sorted(replies.missing)),
        notes=(
            *_changed(recording, collected),
            *(f"new setting {d.path.removeprefix('output.')}" for d in new_settings),
        ),
        seconds=round(time.perf_counter() - begun, 3),
    )


async def _execute(
    desk: Desk, recording: Recording, replies: RecordedReplies
) -> tuple[Collected, Difference | None, list[str]]:
    """Run the graph over the record; what it logged, the node that failed if one did, and the graph's nodes."""
    from graph.build import build
    from graph.run import run_graph

    graph = build()
    settings, collected, steps = recording.settings, Collected(), Unfinished()
    # The stand-ins answer what the nodes ask; anything else a port could be asked fails loudly.
    unasked: Any = Unasked
    deps = Deps(
        feed=unasked("feed"),
        snapshots=desk.snapshots,
        desk=cast("Any", RecordedDesk(recording.halted)),
        runs=cast("Any", RecordedRuns(recording.snapshot_id)),
        audit=cast("Any", collected),
        orders=cast("Any", RecordedOrders(recording.refusals)),
        memory=RecordedMemories(recording.memories),
        debate=replayed_engine(settings, recording.request.debate, cast("Any", replies)),
        settings=settings,
        priced=PricedSnapshots(settings.chain),
        observer=steps,
        versions=versions(settings),
        late=recording.late,
    )
    nodes = [name for name in graph.nodes if not name.startswith("__")]
    try:
        await run_graph(graph, recording.request, deps)
    except (MachineError, TamperError):
        raise
    except Exception as error:
        if not steps.open:  # no node was at work: a fault of the machinery, not a finding
            raise
        node, ticker = min(steps.open, key=lambda step: (nodes.index(step[0]), step[1]))
        return collected, _failed(node, ticker, error), nodes
    return collected, None, nodes


class Unfinished:
    """`Observer` that knows which nodes began and did not end."""

    def __init__(self) -> None:
        self.open: set[tuple[str, str]] = set()

    def started(self, _run_id: str, node: str, ticker: str) -> None:
        """Begun."""
        self.open.add((node, ticker))

    def finished(self, _run_id: str, node: str, ticker: str, _milliseconds: float, _summary: str) -> None:
        """Ended."""
        self.open.discard((node, ticker))


def _failed(node: str, ticker: str, error: Exception) -> Difference:
    return Difference(
        node=node, ticker=ticker, kind=FAILED, path="", recorded="ended", replayed=f"{type(error).__name__}: {error}"
    )


def _changed(recording: Recording, collected: Collected) -> list[str]:
    """Versions and authors that are no longer the same."""
    now = {(entry.node, entry.ticker, entry.kind): entry for entry in collected.entries}
    said: dict[str, None] = {}
    for row in recording.rows:
        entry = now.get((row.entry.node, row.entry.ticker, row.entry.kind))
        if entry is None:
            continue
        for name in sorted(row.entry.versions.keys() | entry.versions.keys()):
            was, is_ = row.entry.versions.get(name, "none"), entry.versions.get(name, "none")
            if was != is_:
                said[f"{name} changed: {was} then, {is_} now"] = None
        if entry.author != row.entry.author:
            said[f"{entry.node} {entry.ticker}: author {row.entry.author} then, {entry.author} now"] = None
    return list(said)
