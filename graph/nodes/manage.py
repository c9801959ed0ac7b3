"""Look after what is held: exits that fall due become closing candidates."""

from domain.order import Exit, OrderView
from domain.snapshot import MarketSnapshot
from graph.deps import Deps
from graph.state import RunState
from graph.step import WHOLE_RUN, Done, Entry
from options.legs import NoCandidate, closing
from options.priced import ChainRefusal
from portfolio.exposure import units_held
from portfolio.valuation import structure_profit
from risk.exits import ExitLimits, exit_reason


async def manage(state: RunState, deps: Deps) -> Done:
    """Every held structure is judged by its strategy's exit rules; what cannot be priced says so."""
    snapshot = await deps.snapshots.get(state["snapshot_id"])
    held = units_held(snapshot.desk.book)
    exits, entries = [], []
    for view in snapshot.desk.open_orders:
        order_id = view.order.order_id
        found = _leaving(view, held.get(order_id, 0), snapshot, deps)
        if isinstance(found, Exit):
            exits.append(found)
        entries.append(Entry(f"{view.order.ticker} {order_id}", "position", found))
    summary = f"{len(entries)} structures held, {len(exits)} to close"
    return Done(
        update={"exits": exits}, entries=tuple(entries) or (Entry(WHOLE_RUN, "position", None),), summary=summary
    )


def _leaving(view: OrderView, units: int, snapshot: MarketSnapshot, deps: Deps) -> Exit | str:
    """The exit, or why the structure is kept."""
    order, candidate = view.order, view.order.sized.candidate
    rules = deps.settings.legs.structure(candidate.strategy).exits
    limits = ExitLimits(**rules.model_dump())
    reason = exit_reason(order, structure_profit(snapshot.desk.book, order.order_id), limits, as_of=snapshot.as_of)
    if reason is None:
        return "kept: no exit rule applies"
    priced = deps.priced.of(snapshot, order.ticker)
    if isinstance(priced, ChainRefusal):
        return f"{reason.rule} is due but cannot be priced: {priced.detail}"
    close = closing(
        candidate.legs, priced, strategy=candidate.strategy, family=candidate.family, settings=deps.settings.legs,
        as_of=snapshot.as_of, reason=f"{reason.rule}: {reason.detail}",
    )  # fmt: skip
    if isinstance(close, NoCandidate):
        return f"{reason.rule} is due but cannot be priced: {close.detail}"
    return Exit(closes=order.order_id, units=units, candidate=close, reason=reason)
