"""From verdicts to priced candidates with legs that the chain really quotes."""

import asyncio
from dataclasses import dataclass

from domain.debate import Debate
from domain.order import Candidate
from domain.record import digest
from domain.regime import Regime
from domain.signals import CompositeSignal, Signal
from domain.snapshot import MarketSnapshot
from graph.deps import Deps
from graph.state import RunState
from graph.step import WHOLE_RUN, Done, Entry
from options.legs import NoCandidate, candidates, drift_from_score
from options.priced import ChainRefusal, PricedChain
from options.selector import Event, NoStrategy, StrategyChoice, select, select_arbitrage
from risk.correlation import Correlations
from risk.facts import facts_of, portfolio_of, view_of
from risk.sizing import UnitBudget, unit_budget
from risk.view import TickerFacts
from signals.stance import NoStance, Stance, read_stance

BEST = 5
NO_PAIRS = Correlations(window=0, minimum=0, pairs={})  # what one unit may lose does not depend on correlation
HORIZON_DAYS = 45.0


@dataclass(frozen=True)
class Proposal:
    """What was looked for on one ticker and what was found."""

    stance: Stance | None
    choices: tuple[StrategyChoice, ...]
    candidates: tuple[Candidate, ...]
    misses: dict[str, str]  # strategy → why it found no legs
    refused: str | None


async def strategy_selector(state: RunState, deps: Deps) -> Done:
    """Candidates per passed thesis, best first over all suitable strategies."""
    snapshot = await deps.snapshots.get(state["snapshot_id"])
    reports = state.get("reports", {})
    signals = [signal for source in sorted(reports) for signal in reports[source].signals]
    found, refusals, entries = {}, dict(state["refusals"]), []
    for ticker, debate in sorted(state.get("debates", {}).items()):
        if ticker in state["refusals"]:
            continue
        proposal = await asyncio.to_thread(
            propose, snapshot, debate, state["composites"][ticker], signals, state["regime"].regime, deps
        )
        found[ticker] = list(proposal.candidates)
        if proposal.refused:
            refusals[ticker] = proposal.refused
        output = {
            "stance": proposal.stance,
            "choices": proposal.choices,
            "candidates": proposal.candidates,
            "misses": proposal.misses,
            "refused": proposal.refused,
        }
        entries.append(Entry(ticker, "candidates", output, inputs={"debate": digest(debate)}))
    total = sum(len(items) for items in found.values())
    return Done(
        update={"candidates": found, "refusals": refusals},
        entries=tuple(entries) or (Entry(WHOLE_RUN, "candidates", None),),
        summary=f"{total} candidates on {sum(bool(items) for items in found.values())} tickers",
    )


def propose(
    snapshot: MarketSnapshot,
    debate: Debate,
    composite: CompositeSignal,
    signals: list[Signal],
    regime: Regime,
    deps: Deps,
) -> Proposal:
    """Strategies that suit the view, and their best legs. The verdict may zero the drift, never raise it."""
    ticker, settings = debate.ticker, deps.settings
    priced = deps.priced.of(snapshot, ticker)
    if isinstance(priced, ChainRefusal):
        return Proposal(None, (), (), {}, f"no_candidate: {priced.detail}")
    stance = read_stance(signals, snapshot.market, priced, settings.signals)
    if isinstance(stance, NoStance):
        return Proposal(None, (), (), {}, f"no_candidate: {stance.detail}")
    facts = facts_of(snapshot.market, ticker)
    choices = select(
        verdict=debate.verdict, vol_view=debate.vol_view, regime=regime, iv_rank=stance.iv_rank, term=stance.term,
        skew=stance.skew, event=_event(facts), is_index=facts.is_index, iv_premium=stance.iv_premium,
        front_over_forward=stance.front_over_forward, allowed_families=settings.risk.families(regime),
        table=settings.strategies,
    )  # fmt: skip
    riskless = boxes(signals, priced, settings.risk.families(regime))
    if isinstance(choices, NoStrategy):
        if not riskless:
            return Proposal(stance, (), (), {}, f"{choices.code}: {choices.reason}")
        choices = ()
    choices = (*choices, *riskless)
    score = composite.price_score if debate.agrees_with(composite.price_score) else 0.0
    drift = drift_from_score(score, stance.forecast_vol, settings.legs)
    view = view_of(
        "final", ticker, market=snapshot.market, regime=regime, portfolio=portfolio_of(snapshot.desk, snapshot.as_of),
        pairs=NO_PAIRS, settings=settings.risk,
    )  # fmt: skip
    budget = unit_budget(view, settings.risk.sizing)
    best: list[Candidate] = []
    misses: dict[str, str] = {}
    for choice in choices:
        legs = candidates(
            priced, choice, spot=priced.spot, drift=drift, forecast_vol=stance.forecast_vol, settings=settings.legs,
            as_of=snapshot.as_of, top_k=BEST, max_loss=budget.usd,
        )  # fmt: skip
        if isinstance(legs, NoCandidate):
            misses[choice.strategy] = legs.detail
        else:
            best.extend(legs)
    ranked = tuple(sorted(best, key=lambda c: (-c.score, c.strategy, c.legs[0].symbol))[:BEST])
    refused = None if ranked else _no_legs(misses, budget)
    return Proposal(stance, choices, ranked, misses, refused)


def boxes(signals: list[Signal], priced: PricedChain, families: frozenset[str]) -> tuple[StrategyChoice, ...]:
    """Boxes, where an analyst counted some that pay for their costs: they need no view, and compete by score."""
    parity = [s for s in signals if s.ticker == priced.ticker and s.edge_type == "parity_arbitrage"]
    counts = [signal.metadata.get("profitable_boxes") for signal in parity]
    pays = any(isinstance(count, int) and count > 0 for count in counts)
    found = select_arbitrage(signalled=pays, european=bool(priced.chain.european.all()))
    return () if isinstance(found, NoStrategy) else tuple(box for box in found if box.family in families)


def _no_legs(misses: dict[str, str], budget: UnitBudget) -> str:
    why = "; ".join(misses.values())
    return f"no_candidate: one unit may lose at most {budget.usd:,.2f} USD ({budget.limit}). {why}"


def _event(facts: TickerFacts) -> Event:
    if facts.earnings_in_days is not None and facts.earnings_in_days <= HORIZON_DAYS:
        return "inside"
    return "none" if facts.events_known or facts.is_index else "unknown"
