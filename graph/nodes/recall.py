"""Similar past situations whose outcome was known before the snapshot."""

from graph.deps import Deps
from graph.state import RunState
from graph.step import Done, Entry


async def recall(state: RunState, deps: Deps) -> Done:
    """Memories per debated ticker, citable in the debate."""
    run, regime = state["run"], state["regime"].regime
    memories = {
        item.ticker: list(
            await deps.memory.recall(
                state["composites"][item.ticker], regime, as_of=run.as_of, k=deps.settings.recall_k
            )
        )
        for item in state["ranking"]
        if item.debated
    }
    entries = tuple(Entry(ticker, "memories", found) for ticker, found in sorted(memories.items()))
    total = sum(len(found) for found in memories.values())
    return Done(update={"memories": memories}, entries=entries, summary=f"{total} past situations recalled")
