"""Starting, resuming and describing runs."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from app.documents import run_document
from app.progress import Timings
from app.services.review_log import expire_lapsed
from app.versions import fingerprint
from app.wiring import Desk, durable_graph
from domain.errors import UsageError
from domain.order import StagedOrder
from domain.record import digest
from domain.run import RunRequest, RunRow
from graph.run import run_graph

if TYPE_CHECKING:
    from langgraph.runtime import RunControl


@dataclass(frozen=True)
class Finished:
    """A run that went to its end, as documents."""

    document: dict[str, Any]
    request: RunRequest


async def new_request(
    desk: Desk, *, at: datetime | None, watchlist: Sequence[str], slot: str | None = None
) -> RunRequest:
    """What a run is asked to do: which instant, which names, under which fingerprint.

    An ad-hoc run that takes its feed's next instant is begun in the same turn, so that two never take the same one.
    """
    if at is None and slot is None:
        async with desk.runs.in_turn(f"next instant of {desk.feed.name}"):
            request = await _request(desk, await next_instant(desk), watchlist, slot)
            await desk.runs.begin(request)
            return request
    return await _request(desk, at or await next_instant(desk), watchlist, slot)


async def _request(desk: Desk, as_of: datetime, watchlist: Sequence[str], slot: str | None) -> RunRequest:
    settings, feed = desk.configuration.graph, desk.feed.name
    names = tuple(watchlist) or desk.configuration.desk.watchlist.get(feed, ()) or await desk.feed.universe(as_of)
    mark = fingerprint(settings, desk.debate_engine)
    # of a slot: the same in every process, and another one where the simulated market plays an instant again
    unique = digest([mark, slot])[:8] if slot else secrets.token_hex(2)
    return RunRequest(
        run_id=f"{feed}-{as_of:%Y%m%dT%H%M}-{unique}",
        slot=None if slot is None else f"{feed} {slot}",
        as_of=as_of,
        feed=feed,
        watchlist=names,
        debate=desk.debate_engine,
        fingerprint=mark,
    )


async def next_instant(desk: Desk) -> datetime:
    """The feed's own idea of now: the simulated calendar's next slot, the wall clock for a live feed."""
    from feeds.simulated.feed import SimulatedFeed

    if isinstance(desk.feed, SimulatedFeed):
        from feeds.simulated.timeline import first_instant, next_slot

        last = await desk.runs.latest_as_of("simulated")
        times = desk.configuration.desk.schedule.times
        return first_instant(desk.feed.settings) if last is None else next_slot(last, times)
    if desk.feed.name == "recorded":
        raise UsageError(
            "A recorded run needs an instant.",
            remedy="Add --at, e.g. --at 2026-02-12T15:10:00Z; 'desk data list' shows what is known.",
        )
    return desk.clock.now()


async def execute(desk: Desk, request: RunRequest, timings: Timings, control: "RunControl | None" = None) -> Finished:
    """Run or resume; one process at a time works on a run. `control` can stop it between two steps (`GraphDrained`).

    A run that a fault of the machine has stopped can be resumed; one that asked for the impossible has failed.
    """
    async with desk.runs.run_lock(request.run_id), durable_graph(desk.database) as graph:
        await desk.runs.begin(request)
        await expire_lapsed(desk, request.as_of)
        deps = desk.deps(timings, told=timings.spoke)
        try:
            state = await run_graph(graph, request, deps, control)
        except UsageError as error:  # asked for what cannot be had: going on with it would end the same way
            await desk.runs.finish(request.run_id, state="failed", head_hash=None, detail=str(error))
            raise
        seal = await desk.audit.seal(request.run_id)
        await desk.runs.finish(request.run_id, state="sealed", head_hash=seal.head_hash, detail="")
    snapshot = await desk.snapshots.get(state["snapshot_id"])
    orders = await staged_orders(desk, state["staged"].values())
    document = run_document(state, snapshot, orders, durations_ms=timings.durations_ms, seal=seal)
    return Finished(document=document, request=request)


async def staged_orders(desk: Desk, ids: Any) -> list[StagedOrder]:
    """The orders a run staged, in its order."""
    return [(await desk.orders.get(order_id)).order for order_id in ids if not order_id.startswith("refused")]


async def unfinished(desk: Desk, run_id: str) -> RunRow:
    """The run to go on with; 'last' is the latest unfinished one of this feed."""
    rows = [row for row in await desk.runs.unfinished() if row.request.feed == desk.feed.name]
    if run_id != "last":
        rows = [row for row in rows if row.request.run_id.startswith(run_id)]
    if not rows:
        raise UsageError(f"There is no such unfinished run: {run_id!r}.", remedy="'desk audit list' shows all runs.")
    row = rows[-1]
    mark = fingerprint(desk.configuration.graph, row.request.debate)
    if mark != row.request.fingerprint:
        raise UsageError(
            f"Run {row.request.run_id} was started under another configuration or code.",
            remedy="Go back to that version to finish it, or start a new run.",
        )
    return row
