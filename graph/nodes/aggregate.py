"""One composite per ticker, and the ranking that decides who is debated."""

from domain.record import digest
from graph.deps import Deps
from graph.state import RunState
from graph.step import WHOLE_RUN, Done, Entry
from signals.aggregate import aggregate_all
from signals.rank import rank


async def aggregate(state: RunState, deps: Deps) -> Done:
    """Fresh signals and earlier ones still alive, weighed and ranked."""
    snapshot = await deps.snapshots.get(state["snapshot_id"])
    reports = state.get("reports", {})
    fresh = tuple(signal for source in sorted(reports) for signal in reports[source].signals)
    composites = aggregate_all(
        snapshot.market.tickers,
        (*snapshot.desk.earlier_signals, *fresh),
        as_of=snapshot.as_of,
        settings=deps.settings.signals,
        reliability=snapshot.desk.reliability,
        expected_sources=deps.settings.signals.aggregate.expected_sources,
    )
    ranking = rank(composites, deps.settings.signals)
    inputs = {"signals": digest(fresh), "earlier": digest(snapshot.desk.earlier_signals)}
    entries = [Entry(c.ticker, "composite", c, inputs=inputs) for c in composites]
    entries.append(Entry(WHOLE_RUN, "ranking", ranking, inputs={"composites": digest(composites)}))
    debated = [item.ticker for item in ranking if item.debated]
    return Done(
        update={"composites": {c.ticker: c for c in composites}, "ranking": list(ranking)},
        entries=tuple(entries),
        summary=f"{len(fresh)} signals, to debate: {', '.join(debated) or 'none'}",
    )
