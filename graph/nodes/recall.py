"""What closed trades taught, and similar past situations whose outcome was known before the snapshot."""

from graph.deps import Deps
from graph.state import RunState
from graph.step import Done, Entry
from portfolio.reflection import reflect


async def recall(state: RunState, deps: Deps) -> Done:
    """Lessons first, so that a look at an instant recalls the same whichever run looks; then memories per debated
    ticker, citable in the debate.
    """
    run, regime = state["run"], state["regime"].regime
    snapshot = await deps.snapshots.get(state["snapshot_id"])
    lessons = [reflect(trade) for trade in snapshot.desk.closed_trades]
    await deps.memory.learn(lessons)
    memories = {
        item.ticker: list(
            await deps.memory.recall(
                state["composites"][item.ticker], regime, as_of=run.as_of, k=deps.settings.recall_k
            )
        )
        for item in state["ranking"]
        if item.debated
    }
    entries = [Entry(f"{lesson.ticker} {lesson.order_id}", "lesson", lesson) for lesson in lessons]
    entries += [Entry(ticker, "memories", found) for ticker, found in sorted(memories.items())]
    total = sum(len(found) for found in memories.values())
    learned = f"{len(lessons)} lessons learned, " if lessons else ""
    return Done(
        update={"memories": memories}, entries=tuple(entries), summary=f"{learned}{total} past situations recalled"
    )
