"""Thesis pass: may anything be opened on this ticker at all?"""

import asyncio

from domain.debate import Verdict
from domain.record import digest
from graph.deps import Deps
from graph.state import RunState
from graph.step import WHOLE_RUN, Done, Entry
from risk.facts import correlations_of, measured_portfolio, view_of
from risk.gate import decide


async def risk_gate(state: RunState, deps: Deps) -> Done:
    """A decision per verdict, all checks recorded; conflict and no view end a ticker's path here."""
    snapshot = await deps.snapshots.get(state["snapshot_id"])
    settings, tickers = deps.settings.risk, sorted(state.get("debates", {}))
    pairs = correlations_of(snapshot, settings, tickers)
    portfolio = await asyncio.to_thread(
        measured_portfolio, snapshot, settings, tickers, lambda ticker: deps.priced.of(snapshot, ticker)
    )
    theses, refusals, entries = {}, {}, []
    for ticker, debate in sorted(state.get("debates", {}).items()):
        view = view_of(
            "thesis", ticker, market=snapshot.market, regime=state["regime"].regime, portfolio=portfolio, pairs=pairs,
            settings=settings,
        )  # fmt: skip
        decision = decide(view, settings)
        theses[ticker] = decision
        if not decision.approved:
            refusals[ticker] = "vetoed: " + "; ".join(f"{v.name}: {v.detail}" for v in decision.vetoes)
        elif debate.cause == "conflict":
            refusals[ticker] = f"inconclusive: evidence conflicts ({debate.conflict:.2f})"
        elif debate.verdict is Verdict.INCONCLUSIVE and debate.vol_view == "none":
            refusals[ticker] = "no_edge: neither a price view nor a volatility view"
        output = {"decision": decision, "refused": refusals.get(ticker)}
        entries.append(Entry(ticker, "thesis", output, inputs={"debate": digest(debate)}))
    if not entries:
        entries.append(Entry(WHOLE_RUN, "thesis", {"decision": None, "refused": "nothing was debated"}))
    passed = [ticker for ticker in theses if ticker not in refusals]
    return Done(
        update={"theses": theses, "refusals": refusals},
        entries=tuple(entries),
        summary=f"{len(passed)} of {len(theses)} theses pass: {', '.join(passed) or 'none'}",
    )
