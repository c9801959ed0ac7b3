"""Size what was proposed; sizes only shrink, and each opening counts against the next."""

import asyncio

from domain.record import digest
from graph.deps import Deps
from graph.orders import order_id_of
from graph.state import RunState
from graph.step import WHOLE_RUN, Done, Entry
from risk.allocator import allocate, allocate_exit
from risk.facts import correlations_of, portfolio_of, view_of
from risk.view import Portfolio, RiskView


async def allocator(state: RunState, deps: Deps) -> Done:
    """Exits first, then openings in rank order, each with its sizing arithmetic and final checks."""
    snapshot = await deps.snapshots.get(state["snapshot_id"])
    settings, run_id = deps.settings.risk, state["run"].run_id
    ranked = [(item.ticker, state["candidates"].get(item.ticker, [])) for item in state["ranking"] if item.debated]
    leaving_tickers = [leaving.candidate.ticker for leaving in state["exits"]]
    pairs = correlations_of(snapshot, settings, [*leaving_tickers, *(ticker for ticker, _ in ranked)])

    def question(ticker: str, portfolio: Portfolio) -> RiskView:
        return view_of(
            "final", ticker, market=snapshot.market, regime=state["regime"].regime, portfolio=portfolio, pairs=pairs,
            settings=settings,
        )  # fmt: skip

    portfolio = portfolio_of(snapshot.desk, snapshot.as_of)
    exits = {
        f"{leaving.candidate.ticker} close {leaving.closes}": allocate_exit(
            question(leaving.candidate.ticker, portfolio), leaving, settings
        )
        for leaving in state["exits"]
    }
    openings, _ = await asyncio.to_thread(
        allocate, ranked, portfolio, question, snapshot.desk.strategy_records, settings,
        lambda sized: order_id_of(run_id, sized),
    )  # fmt: skip
    allocations = exits | {allocation.ticker: allocation for allocation in openings}
    entries = tuple(
        Entry(key, "allocation", a, inputs={"candidate": digest(a.sized.candidate)}) for key, a in allocations.items()
    ) or (Entry(WHOLE_RUN, "allocation", None),)
    accepted = [
        f"{a.sized.units} × {a.ticker} {a.sized.candidate.strategy}" for a in allocations.values() if a.accepted
    ]
    return Done(
        update={"allocations": allocations}, entries=entries, summary=f"accepted: {', '.join(accepted) or 'nothing'}"
    )
