"""Freeze one picture of the world and decide the regime."""

from dataclasses import replace
from datetime import datetime

from domain.errors import UsageError
from domain.risk import Restraint
from domain.snapshot import DeskContext, MarketSnapshot
from graph.deps import Deps
from graph.state import RunState
from graph.step import WHOLE_RUN, Done, Entry
from risk.rules.nlv_known import NlvKnownRule
from risk.state import restraints
from signals.regime import read_regime


async def collect(state: RunState, deps: Deps) -> Done:
    """Gather once per run: a resumed or replayed run reads the snapshot it is bound to.

    Names that are held but not watched are in the picture, so that the book can be valued; analysts read only the
    watchlist.
    """
    run = state["run"]
    snapshot_id = await deps.runs.snapshot_of(run.run_id)
    if snapshot_id is None:
        exposed = await deps.desk.exposed_tickers(run.as_of)
        market = await deps.feed.gather(run.as_of, sorted({*run.watchlist, *exposed}))
        market = replace(market, tickers=tuple(name for name in market.tickers if name in run.watchlist))
        if not market.tickers:
            raise UsageError(
                f"The {market.feed} feed knows none of {', '.join(run.watchlist)}.", remedy="Check the names."
            )
        if deps.reasons is not None:
            market = await deps.reasons.read(run.run_id, market)
        desk = await deps.desk.context(run.as_of, market)
        desk = await deps.desk.restrain(desk, _restraints(desk, run.as_of, deps))
        stored = await deps.snapshots.put(MarketSnapshot(market=market, desk=desk))
        snapshot_id = stored.snapshot_id
        await deps.runs.remember_snapshot(run.run_id, snapshot_id)
    snapshot = await deps.snapshots.get(snapshot_id)
    market, desk = snapshot.market, snapshot.desk
    regime = read_regime(market, desk.regime_history, deps.settings.regime)
    picture = {
        "snapshot_id": snapshot_id,
        "as_of": market.as_of,
        "feed": market.feed,
        "tickers": market.tickers,
        "contracts": {ticker: len(chain) for ticker, chain in sorted(market.chains.items())},
        "provenance": dict(market.provenance),
        "notes": market.notes,
        "nlv": desk.book.nlv,
        "trading_state": desk.trading_state,
    }
    found = _restraints(desk, run.as_of, deps)
    entries = (
        Entry(WHOLE_RUN, "settings", deps.settings),
        Entry(WHOLE_RUN, "request", run),
        Entry(WHOLE_RUN, "snapshot", picture, inputs={"snapshot": snapshot_id}),
        Entry(WHOLE_RUN, "regime", regime, inputs={"snapshot": snapshot_id}),
        *([Entry(WHOLE_RUN, "restraints", found, inputs={"snapshot": snapshot_id})] if found else []),
    )
    contracts = sum(len(chain) for chain in market.chains.values())
    return Done(
        update={"snapshot_id": snapshot_id, "regime": regime},
        entries=entries,
        summary=f"{len(market.chains)} chains, {contracts:,} contracts, regime {regime.regime}",
    )


def _restraints(desk: DeskContext, as_of: datetime, deps: Deps) -> tuple[Restraint, ...]:
    return restraints(desk, as_of=as_of, hard=deps.settings.risk.hard, max_nlv_age_s=NlvKnownRule().max_age_seconds)
