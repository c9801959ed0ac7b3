"""Bull against bear over one ticker: the last place where a model speaks."""

from domain.record import digest
from graph.deps import Deps
from graph.state import BranchState
from graph.step import Done, Entry


async def debate(state: BranchState, deps: Deps) -> Done:
    """Transcript and verdict of one ranked ticker."""
    snapshot = await deps.snapshots.get(state["snapshot_id"])
    composite, ticker = state["composite"], state["ticker"]
    wanted = {contribution.signal_id for contribution in composite.contributions}
    earlier = [signal for signal in snapshot.desk.earlier_signals if signal.id in wanted]
    signals = [*state["signals"], *earlier]
    result = await deps.debate.debate(state["run"].run_id, composite, signals, state["memories"], snapshot)
    inputs = {"composite": digest(composite), "signals": digest(signals), "memories": digest(state["memories"])}
    entry = Entry(ticker, "debate", result, inputs=inputs, author="model" if result.engine == "llm" else "rule")
    return Done(
        update={"debates": {ticker: result}},
        entries=(entry,),
        summary=f"{result.verdict} at {result.confidence:.2f}, vol {result.vol_view}, {result.struck} claims struck",
    )
