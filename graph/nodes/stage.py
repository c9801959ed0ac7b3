"""Write accepted orders down for a person. Staging the same order again changes nothing."""

from domain.errors import Refused
from graph.deps import Deps
from graph.orders import staged_order
from graph.state import RunState
from graph.step import WHOLE_RUN, Done, Entry


async def stage(state: RunState, deps: Deps) -> Done:
    """One staged order per accepted allocation, never transmitted from here. What earlier runs proposed against broken
    limits gives way: this run has looked at the book anew.
    """
    staged, entries = {}, []
    await deps.orders.withdraw_repairs(state["run"].run_id, at=state["run"].as_of)
    for key, allocation in state.get("allocations", {}).items():
        if not allocation.accepted:
            continue
        candidate = allocation.sized.candidate
        argued = candidate.intent == "open" and candidate.purpose == "trade"
        order = staged_order(
            state["run"],
            state["snapshot_id"],
            allocation,
            state["debates"].get(allocation.ticker) if argued else None,
            state["composites"].get(allocation.ticker) if argued else None,
            deps.settings.order_life_minutes,
        )
        try:
            await deps.orders.stage(order)
            staged[key], outcome = order.order_id, "staged"
        except Refused as refusal:
            staged[key] = outcome = f"refused: {refusal}"
        entries.append(Entry(key, "order", {"outcome": outcome, "order": order}))
    entries = entries or [Entry(WHOLE_RUN, "order", {"outcome": "nothing to stage", "order": None})]
    orders = [order_id for order_id in staged.values() if not order_id.startswith("refused")]
    return Done(update={"staged": staged}, entries=tuple(entries), summary=f"staged {', '.join(orders) or 'nothing'}")
