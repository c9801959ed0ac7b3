"""Look after what is held: rules move stops and targets, exits that fall due become closing candidates, and a book
beyond its limits gets the orders that bring it back.
"""

import asyncio
from collections.abc import Mapping

from domain.order import Exit, ExitReason, OrderView, Repair
from domain.snapshot import MarketSnapshot
from graph.deps import Deps
from graph.mending import mended
from graph.state import RunState
from graph.step import WHOLE_RUN, Done, Entry
from options.legs import NoCandidate, closing
from options.priced import ChainRefusal
from risk.manager.facts import contexts, on_their_way
from risk.manager.held import Held, closable, holdings, units_to_close
from risk.manager.manager import PositionCheck
from risk.manager.rule_sets import RuleSets


async def manage(state: RunState, deps: Deps) -> Done:
    """Every held structure is judged by the rules of its kind; what cannot be priced says so."""
    snapshot = await deps.snapshots.get(state["snapshot_id"])
    desk, rules = snapshot.desk, deps.settings.positions or RuleSets()
    candidates = [view.order.sized.candidate for view in desk.open_orders]
    manager = rules.manager({item.strategy: item.family for item in candidates}, desk.excursions)
    held = holdings(desk.book)
    pictures = contexts(snapshot, state["regime"].regime, held) if manager.watches else ()
    checks = {check.key: check for check in manager.check_position_exits(pictures)}
    found = looked_after(snapshot, held, checks, deps)
    exits = [finding for finding in found.values() if isinstance(finding, Exit)]
    whole_run: list[Entry] = []
    repair: Exit | Repair | str | None = None
    if held:
        more = await asyncio.to_thread(mended, snapshot, state["regime"].regime, held, exits, deps)
        exits, repair = list(more.exits.values()), more.repair
        found |= more.exits
        if more.flattening is not None:
            whole_run.append(Entry(WHOLE_RUN, "flattening", more.flattening))
        whole_run.append(Entry(WHOLE_RUN, "breach", repair))
    names = {view.order.order_id: f"{view.order.ticker} {view.order.order_id}" for view in desk.open_orders}
    entries = [Entry(names[order_id], "position", finding) for order_id, finding in found.items()] + whole_run
    repairs = [repair] if isinstance(repair, Repair) else []
    return Done(
        update={"exits": exits, "repairs": repairs, "excursions": list(manager.excursions)},
        entries=tuple(entries) or (Entry(WHOLE_RUN, "position", None),),
        summary=f"{len(found)} structures held, {len(exits)} to close" + (", a limit to restore" if repairs else ""),
    )


def looked_after(
    snapshot: MarketSnapshot, held: Mapping[str, Held], checks: Mapping[str, PositionCheck], deps: Deps
) -> dict[str, Exit | str]:
    """By order id, the exit, or why the structure is kept."""
    return {
        view.order.order_id: _finding(view, held[view.order.order_id], checks.get(view.order.order_id), snapshot, deps)
        for view in snapshot.desk.open_orders
    }


def _finding(
    view: OrderView, held: Held, check: PositionCheck | None, snapshot: MarketSnapshot, deps: Deps
) -> Exit | str:
    if check is None or not check.decision.should_exit:
        kept = "no exit rule applies" if check is None else check.kept_because
        return "; ".join(["kept: " + kept, *(f"{p.leg.symbol} has no mark: {p.mark_source}" for p in held.unmarked)])
    decision, candidate = check.decision, view.order.sized.candidate
    if gone := on_their_way(snapshot.desk.closings, held.order_id):
        return f"{decision.rule} is due; {', '.join(item.order.order_id for item in gone)} is closing it already"
    legs, units = closable(held, candidate.legs)
    priced = deps.priced.of(snapshot, candidate.ticker)
    close = priced if isinstance(priced, ChainRefusal) else closing(
        legs, priced, strategy=candidate.strategy, family=candidate.family, settings=deps.settings.legs,
        as_of=snapshot.as_of, reason=f"{decision.rule}: {decision.reason}",
    )  # fmt: skip
    if isinstance(close, ChainRefusal | NoCandidate):
        return f"{decision.rule} is due but cannot be priced: {close.detail}"
    reason = ExitReason(rule=decision.rule, measured=decision.measured, limit=decision.limit, detail=decision.reason)
    leaving = units_to_close(decision.exit_fraction, units)
    return Exit(closes=held.order_id, units=leaving, held=units, candidate=close, reason=reason)
