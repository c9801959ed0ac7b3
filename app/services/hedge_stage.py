"""A hedge becomes staged orders like any other: priced, checked by the gate, written into a run of its own and audited.

Its premium is its worst case. It may be larger than ten contracts, and then waits for `approve --large --reason`. The
budget is kept here: what would go beyond it, hedges that wait counted as bought, is not staged.
"""

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from app.documents import order_document, plain
from app.services.hedge import HedgePicture, Wanted, hedge_picture
from app.services.hedge_room import beyond_budget
from app.versions import fingerprint, versions
from app.wiring import Desk
from domain.audit import AuditEntry
from domain.debate import Verdict
from domain.errors import Refused
from domain.order import Allocation, Candidate, OrderState, SizedCandidate, Sizing, SizingCap, StagedOrder, Thesis
from domain.record import digest
from domain.risk import Check
from domain.run import Outcome, RunRequest
from domain.snapshot import MarketSnapshot
from graph.orders import order_id_of
from options.legs import NoCandidate, reprice
from options.priced import PricedChain
from portfolio.exposure import OPEN
from risk.facts import correlations_of, view_of
from risk.gate import decide
from risk.hedge.plans import HedgeLine, HedgePlan, Method
from risk.view import Portfolio
from signals.stance import Stance, read_stance

NODE = "hedge"
Document = dict[str, Any]

SIZED_BY = ("contracts_per_order", "free_margin", "portfolio_", "position_at_risk", "sector_exposure", "theta_", "var_")
"""Checks, by how their names begin, whose figure shrinks with the order's contracts."""
OTHER_NAMES = "'desk hedge size' compares the methods; --underlyings names other tickers to buy puts on."
QUOTES = "Ask again once the market is open and its quotes are fresh, or name other tickers with --underlyings."
REMEDIES = {
    "trading_state": "'desk state' says who stopped trading and why; 'desk resume --reason TEXT' lets it go on.",
    "daily_loss": "The day's loss ends new trading: ask again after the next session's close, or reduce what is held.",
    "nlv_known": "'desk book' shows what has no usable quote; ask again once the account's value is known.",
    "data_freshness": QUOTES,
    "max_positions": "'desk review list' shows what waits: reject what is not wanted, or close a structure first.",
    "event_blackout": "Ask again once the event is over, or name other tickers with --underlyings.",
}


async def stage_hedge(
    desk: Desk, wanted: Wanted, *, method: Method, by: str, reason: str, at: datetime | None
) -> Document:
    """Stage the hedge sized by `method`, one order an underlying: all of them or none.

    Raises `Refused` (`unavailable`, `nothing_to_buy`, `over_budget`, `liquidity`, what the gate or the pricing of legs
    says) where one cannot go on.
    """
    async with desk.runs.in_turn(f"hedge of {desk.account}"):  # two at once would each see the whole budget
        found = await hedge_picture(desk, wanted, at=at)
        plan = next(plan for plan in found.plans if plan.method == method)
        _require_plan(plan)
        snapshot = MarketSnapshot(market=found.picture.market, desk=found.picture.context)
        allocations = _allocations(desk, found, plan, snapshot)
        _require_budget(found, allocations, plan)
        stored = await desk.snapshots.put(snapshot)
        run = await _begun(desk, found.at, tuple(line.ticker for line in plan.lines))
        await desk.runs.remember_snapshot(run.run_id, stored.snapshot_id)
        life = timedelta(minutes=desk.configuration.graph.order_life_minutes)
        orders = [_order(run, stored.snapshot_id, allocation, plan, by, reason, life) for allocation in allocations]
        asked = {"plan": plan, "wanted": wanted._asdict(), "by": by, "reason": reason, "budget": found.budget}
        log = Log(desk, run)
        await log.append(("hedge", "*", "plan", asked), *_seen(found, stored.snapshot_id))
        await _stage(desk, log, allocations, orders, by)
    return {
        "account": desk.account,
        "at": plain(found.at),
        "run_id": run.run_id,
        "method": method,
        "plan": plain(plan),
        "orders": [order_document(order) for order in orders],
        "large": [order.order_id for order in orders if order.sized.contracts > _ten(desk)],
    }


@dataclass(frozen=True)
class Log:
    """The rows of the run, in the words of the pipeline's own steps, so that `desk audit` can tell its story too."""

    desk: Desk
    run: RunRequest

    async def append(self, *steps: tuple[str, str, str, Any]) -> None:
        """Rows of (node, ticker, kind, output)."""
        settings = self.desk.configuration
        entries = [
            AuditEntry(
                run_id=self.run.run_id,
                node=node,
                ticker=ticker,
                kind=kind,
                author="human" if node == NODE else "rule",
                inputs={"settings": digest(settings.hedge)},
                output=output,
                versions=versions(settings.graph),
            )
            for node, ticker, kind, output in steps
        ]
        await self.desk.audit.append(entries)


def _seen(found: HedgePicture, snapshot_id: str) -> list[tuple[str, str, str, Any]]:
    market, own = found.picture.market, found.picture.context
    picture = {
        "snapshot_id": snapshot_id,
        "as_of": market.as_of,
        "feed": market.feed,
        "tickers": [share.ticker for share in found.size.shares],
        "contracts": {ticker: len(chain) for ticker, chain in sorted(market.chains.items())},
        "provenance": market.provenance,
        "notes": market.notes,
        "nlv": own.book.nlv,
        "trading_state": own.trading_state,
    }
    return [("collect", "*", "snapshot", picture), ("collect", "*", "regime", found.picture.regime)]


async def _stage(desk: Desk, log: Log, allocations: list[Allocation], orders: list[StagedOrder], by: str) -> None:
    """What was asked is logged already; each order once it is staged. Then the run is sealed, or has failed."""
    run_id = log.run.run_id
    try:
        for allocation, order in zip(allocations, orders, strict=True):
            await desk.orders.stage(order)
            ticker = order.ticker
            outcome = Outcome(ticker=ticker, step="staged", reason=f"hedge asked for by {by}", order_id=order.order_id)
            await log.append(
                ("allocator", ticker, "allocation", allocation),
                ("stage", ticker, "order", {"outcome": "staged", "order": order}),
                ("record", ticker, "outcome", outcome),
            )
    except Refused as refusal:  # halted meanwhile
        await desk.runs.finish(run_id, state="failed", head_hash=None, detail=str(refusal))
        raise
    await log.append(("record", "*", "summary", {"staged": len(orders)}))
    seal = await desk.audit.seal(run_id)
    await desk.runs.finish(run_id, state="sealed", head_hash=seal.head_hash, detail=f"hedge, by {by}")


def _require_plan(plan: HedgePlan) -> None:
    if not plan.available:
        raise Refused(
            f"The hedge by {plan.method} is unavailable: {plan.reason}.",
            code="unavailable",
            remedy=OTHER_NAMES if plan.method == "ratio" else f"Try --method ratio. {OTHER_NAMES}",
        )
    if not plan.lines:
        raise Refused(
            f"The hedge by {plan.method} buys nothing: {plan.note or f'{plan.target} comes to no contract'}.",
            code="nothing_to_buy",
            remedy="Give a larger --portfolio-value, or ask for so many with --target-contracts N."
            if plan.method == "ratio"
            else "Give --portfolio-value USD for what is held elsewhere, or try --method ratio.",
        )


def _allocations(desk: Desk, found: HedgePicture, plan: HedgePlan, snapshot: MarketSnapshot) -> list[Allocation]:
    """Each line priced and past the gate, those before it counted as staged."""
    settings, portfolio = desk.configuration.graph, found.picture.portfolio
    pairs = correlations_of(snapshot, settings.risk, [line.ticker for line in plan.lines])
    accepted = []
    for line in plan.lines:
        candidate = _candidate(desk, found, line, plan)
        sized = _sized(candidate, line, plan)
        view = view_of(
            "final", line.ticker, market=snapshot.market, regime=found.picture.regime.regime, portfolio=portfolio,
            pairs=pairs, settings=settings.risk, purpose="hedge",
        )  # fmt: skip
        decision = decide(replace(view, order=sized), settings.risk)
        if decision.vetoes:
            raise _vetoed(line, decision.vetoes, plan)
        portfolio = _with(portfolio, sized, view.facts.sector)
        accepted.append(Allocation(ticker=line.ticker, sized=sized, decision=decision, tried=1))
    return accepted


def _vetoed(line: HedgeLine, vetoes: tuple[Check, ...], plan: HedgePlan) -> Refused:
    said = "; ".join(f"{veto.name}: {veto.detail}" for veto in vetoes)
    return Refused(
        f"The gate vetoes {line.contracts} × {line.ticker} {line.strategy.replace('_', ' ')}. {said}.",
        code=vetoes[0].name,
        measured=vetoes[0].measured,
        limit=vetoes[0].limit,
        remedy=_remedy(line, vetoes, plan),
    )


def _remedy(line: HedgeLine, vetoes: tuple[Check, ...], plan: HedgePlan) -> str:
    """What would help against all of `vetoes`: fewer contracts where each measures what they add, else something for
    each that they do not touch.
    """
    shrinks = [veto.measured is not None and veto.name.startswith(SIZED_BY) for veto in vetoes]
    if all(shrinks) and line.contracts > 1:
        return f"{_fewer(plan)}."
    others = [veto for veto, fewer in zip(vetoes, shrinks, strict=True) if not fewer]
    said = dict.fromkeys(REMEDIES.get(veto.name, OTHER_NAMES) for veto in others or vetoes)
    return " ".join(said)


def _fewer(plan: HedgePlan) -> str:
    """Only the ratio is overridden by a number of contracts."""
    method = "" if plan.method == "ratio" else "--method ratio "
    return f"Ask for fewer with {method}--target-contracts N (now {plan.contracts})"


def _with(portfolio: Portfolio, sized: SizedCandidate, sector: str) -> Portfolio:
    return portfolio.with_opening(sized, f"hedge {sized.candidate.ticker}", sector)


def _candidate(desk: Desk, found: HedgePicture, line: HedgeLine, plan: HedgePlan) -> Candidate:
    """The line's legs as a candidate, under the desk's own forecast of volatility and no view on price."""
    settings, market = desk.configuration.graph, found.picture.market
    priced = found.chains[line.ticker]
    if not isinstance(priced, PricedChain):
        raise Refused(f"{line.ticker} cannot be priced: {priced.detail}.", code=priced.code)
    stance = read_stance((), market, priced, settings.signals)
    if not isinstance(stance, Stance):
        raise Refused(f"{line.ticker} cannot be valued: {stance.detail}.", code=stance.code)
    family = settings.legs.structure(line.strategy).family
    made = reprice(
        line.legs, priced, strategy=line.strategy, family=family, spot=priced.spot, drift=0.0,
        forecast_vol=stance.forecast_vol, settings=settings.legs, as_of=found.at,
        reason=f"Protection by {plan.method}: {plan.target}.",
    )  # fmt: skip
    if isinstance(made, NoCandidate):
        raise Refused(f"{line.ticker} cannot be priced: {made.detail}", code=made.code)
    return made.model_copy(update={"purpose": "hedge"})


def _sized(candidate: Candidate, line: HedgeLine, plan: HedgePlan) -> SizedCandidate:
    if candidate.liquidity < line.contracts:
        more = "or spread them over more --underlyings"
        raise Refused(
            f"{line.contracts} × {line.ticker} {line.strategy} are more than the {candidate.liquidity} that its quotes "
            "can take.",
            code="liquidity",
            measured=line.contracts,
            limit=candidate.liquidity,
            remedy=f"{_fewer(plan)}, {more}." if candidate.liquidity else QUOTES,
        )
    caps = (
        SizingCap(name=f"hedge by {plan.method}", units=line.contracts, detail=plan.target),
        SizingCap(name="liquidity", units=candidate.liquidity, detail="units executable at quoted size"),
    )
    budget = candidate.max_loss * line.contracts
    sizing = Sizing(units=line.contracts, binding=caps[0].name, caps=caps, budget=budget)
    return SizedCandidate(candidate=candidate, sizing=sizing)


def _require_budget(found: HedgePicture, allocations: list[Allocation], plan: HedgePlan) -> None:
    """The worst acceptable premium with all fees, beside hedges that wait already, must fit what is left of the month.
    A staged hedge of the same underlying gives way to the new one.
    """
    replaced = {allocation.ticker for allocation in allocations}
    waiting = (
        item
        for item in found.picture.context.exposures
        if item.state != OPEN and not (item.state == OrderState.STAGED and item.ticker in replaced)
    )
    wanted = sum((a.sized.candidate.max_loss * a.sized.units for a in allocations), Decimal(0))
    fewer = _fewer(plan) if plan.contracts > 1 else ""
    if refused := beyond_budget(found.budget, wanted, waiting, subject="The hedge", fewer=fewer):
        raise refused


def _order(
    run: RunRequest,
    snapshot_id: str,
    allocation: Allocation,
    plan: HedgePlan,
    by: str,
    reason: str,
    life: timedelta,
) -> StagedOrder:
    candidate = allocation.sized.candidate
    if allocation.decision is None:
        raise ValueError(f"{allocation.ticker} has no decision")
    return StagedOrder(
        order_id=order_id_of(run.run_id, allocation.sized),
        version=1,
        run_id=run.run_id,
        snapshot_id=snapshot_id,
        staged_at=run.as_of,
        expires_at=run.as_of + life,
        sized=allocation.sized,
        limit_per_share=candidate.limit_per_share,
        thesis=Thesis(
            verdict=Verdict.INCONCLUSIVE,
            confidence=0.0,
            vol_view="none",
            engine="hedge",
            text=f"Protection, not a view: {plan.target}. Asked for by {by}: {reason}",
            invalidation="what it protects is sold, or the hedge is rolled",
            signal_ids=(),
        ),
        decision=allocation.decision,
    )


async def _begun(desk: Desk, at: datetime, tickers: tuple[str, ...]) -> RunRequest:
    run = RunRequest(
        run_id=f"{desk.account}-{at:%Y%m%dT%H%M}-hedge-{secrets.token_hex(2)}",
        slot=None,
        as_of=at,
        feed=desk.account,
        watchlist=tickers,
        debate="rules",
        fingerprint=fingerprint(desk.configuration.graph, "rules"),
    )
    await desk.runs.begin(run)
    return run


def _ten(desk: Desk) -> int:
    return desk.configuration.graph.risk.hard.contracts_per_order
