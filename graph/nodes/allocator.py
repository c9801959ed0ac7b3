"""Size what was proposed; sizes only shrink, and each opening counts against the next."""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from domain.order import Candidate, SizedCandidate
from domain.record import digest
from domain.risk import Purpose
from domain.snapshot import MarketSnapshot
from graph.deps import Deps
from graph.orders import order_id_of
from graph.state import RunState
from graph.step import WHOLE_RUN, Done, Entry
from risk.allocator import allocate, allocate_exit, allocate_repairs
from risk.correlation import Correlations
from risk.facts import correlations_of, measured_portfolio, view_of
from risk.manager.decision import OrderVerdict
from risk.manager.facts import portfolio_facts
from risk.manager.rule_sets import RuleSets
from risk.view import Portfolio, RiskView


async def allocator(state: RunState, deps: Deps) -> Done:
    """Exits, then what restores a limit, then openings in rank order, each with its arithmetic and final checks."""
    snapshot = await deps.snapshots.get(state["snapshot_id"])
    settings, run_id = deps.settings.risk, state["run"].run_id
    ranked = [(item.ticker, state["candidates"].get(item.ticker, [])) for item in state["ranking"] if item.debated]
    managed = {found.candidate.ticker for found in state["exits"]} | {r.candidate.ticker for r in state["repairs"]}
    tickers = sorted(managed | {name for name, _ in ranked})
    pairs = correlations_of(snapshot, settings, tickers)
    portfolio = await asyncio.to_thread(
        measured_portfolio, snapshot, settings, tickers, lambda ticker: deps.priced.of(snapshot, ticker)
    )

    def question(ticker: str, portfolio: Portfolio, purpose: Purpose = "trade") -> RiskView:
        return view_of(
            "final", ticker, market=snapshot.market, regime=state["regime"].regime, portfolio=portfolio, pairs=pairs,
            settings=settings, purpose=purpose,
        )  # fmt: skip

    exits = {
        f"{leaving.candidate.ticker} close {leaving.closes}": allocate_exit(
            question(leaving.candidate.ticker, portfolio), leaving, settings
        )
        for leaving in state["exits"]
    }
    restoring, portfolio = allocate_repairs(
        state["repairs"], portfolio, partial(question, purpose="repair"), settings, partial(order_id_of, run_id)
    )
    openings, _ = await asyncio.to_thread(
        allocate, ranked, portfolio, question, snapshot.desk.strategy_records, settings,
        partial(order_id_of, run_id),
        {ticker: composite.conviction for ticker, composite in state["composites"].items()},
        _order_rules(snapshot, [candidate for _, found in ranked for candidate in found], pairs, deps),
    )  # fmt: skip
    allocations = (
        exits
        | {f"{allocation.ticker} restore": allocation for allocation in restoring}
        | {allocation.ticker: allocation for allocation in openings}
    )
    entries = tuple(
        Entry(key, "allocation", a, inputs={"candidate": digest(a.sized.candidate)}) for key, a in allocations.items()
    ) or (Entry(WHOLE_RUN, "allocation", None),)
    accepted = [
        f"{a.sized.units} × {a.ticker} {a.sized.candidate.strategy}" for a in allocations.values() if a.accepted
    ]
    return Done(
        update={"allocations": allocations}, entries=entries, summary=f"accepted: {', '.join(accepted) or 'nothing'}"
    )


def _order_rules(
    snapshot: MarketSnapshot, candidates: Iterable[Candidate], pairs: Correlations, deps: Deps
) -> Callable[[SizedCandidate, RiskView], OrderVerdict] | None:
    """What the position manager's rules about orders leave of one, beside all that was accepted before it; None without
    such rules.
    """
    rules = deps.settings.positions or RuleSets()
    manager = rules.manager({item.strategy: item.family for item in candidates})
    if not manager.judges:
        return None

    def admit(order: SizedCandidate, view: RiskView) -> OrderVerdict:
        account = portfolio_facts(
            snapshot.desk, exposures=view.portfolio.exposures, sectors=snapshot.market.sectors, correlation=pairs.pairs
        )
        return manager.validate_order(order, account)

    return admit
