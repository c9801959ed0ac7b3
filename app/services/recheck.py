"""A staged order looked at again: a fresh picture, its legs priced anew, the final checks once more."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.documents import check_document, plain
from app.services.hedge_room import beyond_budget
from app.wiring import Desk
from domain.errors import Refused
from domain.order import Candidate, OrderState, SizedCandidate, StagedOrder
from domain.regime import RegimeReading
from domain.risk import Exposure, RiskDecision
from domain.snapshot import MarketSnapshot
from graph.deps import GraphSettings, priced_chain
from options.legs import NoCandidate, closing, drift_from_score, reprice
from options.priced import ChainRefusal, PricedChain
from portfolio.exposure import OPEN
from risk.facts import correlations_of, measured_portfolio, view_of
from risk.gate import decide
from signals.regime import read_regime
from signals.stance import Stance, read_stance


@dataclass(frozen=True)
class Recheck:
    """What a second look found. `fresh` and `decision` are None where the legs could not be priced; `refusal` says why
    the order must not go on, None if it may.
    """

    at: datetime
    snapshot_id: str
    regime: RegimeReading
    fresh: Candidate | None
    decision: RiskDecision | None
    refusal: Refused | None

    def document(self, order: StagedOrder) -> dict[str, Any]:
        """Figures of then and now; amounts in USD of the whole order unless the name says per share."""
        staged, fresh = order.sized.candidate, self.fresh
        return {
            "at": plain(self.at),
            "snapshot_id": self.snapshot_id,
            "regime": self.regime.regime.value,
            "staged": _figures(staged, order.units),
            "fresh": None if fresh is None else _figures(fresh, order.units),
            "checks": [] if self.decision is None else [check_document(check) for check in self.decision.checks],
            "refused": None if self.refusal is None else {"code": self.refusal.code, "message": str(self.refusal)},
        }


async def recheck(desk: Desk, order: StagedOrder, *, at: datetime) -> Recheck:
    """Gather and store a fresh snapshot at `at`, re-price the legs, and ask the gate again, this order counted once: as
    the one under test. Raises as `MarketFeed.gather`.
    """
    settings = desk.configuration.graph
    exposed = await desk.state.exposed_tickers(at)
    market = await desk.feed.gather(at, sorted({order.ticker, *exposed}))
    context = await desk.state.context(at, market)
    aside = {order.order_id, *await desk.orders.staged_after(order.order_id)}
    others = tuple(item for item in context.exposures if item.order_id not in aside or item.state == OPEN)
    snapshot = MarketSnapshot(market=market, desk=context.model_copy(update={"exposures": others}))
    stored = await desk.snapshots.put(MarketSnapshot(market=market, desk=context))
    regime = read_regime(market, context.regime_history, settings.regime)
    fresh = await asyncio.to_thread(priced_again, order, snapshot, settings)
    if isinstance(fresh, Refused):
        return Recheck(at, stored.snapshot_id, regime, None, None, fresh)
    decision = await asyncio.to_thread(_decision, order, fresh, snapshot, regime, settings)
    refusal = _refusal(order, fresh, decision) or await _over_budget(desk, order, others, at)
    return Recheck(at, stored.snapshot_id, regime, fresh, decision, refusal)


def priced_again(order: StagedOrder, snapshot: MarketSnapshot, settings: GraphSettings) -> Candidate | Refused:
    """The order's legs on the snapshot's quotes, under the rule they were chosen by: volatility is forecast afresh, and
    the price view that the staged drift stands for is kept. Without enough history the staged figures stay.
    """
    staged = order.sized.candidate
    priced = priced_chain(snapshot.market, order.ticker, settings.chain)
    if isinstance(priced, ChainRefusal):
        return Refused(f"{order.ticker} cannot be priced: {priced.detail}.", code=priced.code)
    found: Candidate | NoCandidate
    if staged.intent == "close":
        held = tuple(leg.model_copy(update={"quantity": -leg.quantity}) for leg in staged.legs)
        found = closing(
            held, priced, strategy=staged.strategy, family=staged.family, settings=settings.legs,
            as_of=snapshot.as_of, reason=staged.reason,
        )  # fmt: skip
    else:
        drift, vol = _outlook(staged, snapshot, priced, settings)
        found = reprice(
            staged.legs, priced, strategy=staged.strategy, family=staged.family, spot=priced.spot, drift=drift,
            forecast_vol=vol, settings=settings.legs, as_of=snapshot.as_of, reason=staged.reason,
        )  # fmt: skip
    if isinstance(found, NoCandidate):
        return Refused(f"Order {order.order_id} cannot be priced: {found.detail}", code=found.code)
    return found


def _outlook(
    staged: Candidate, snapshot: MarketSnapshot, priced: PricedChain, settings: GraphSettings
) -> tuple[float, float]:
    """Drift and volatility: drift = score · sharpe · volatility, so the staged pair tells the score."""
    stance = read_stance((), snapshot.market, priced, settings.signals)
    reward = settings.legs.sharpe * staged.forecast_vol
    if not isinstance(stance, Stance) or reward <= 0:
        return staged.drift, staged.forecast_vol
    score = max(-1.0, min(1.0, staged.drift / reward))
    return drift_from_score(score, stance.forecast_vol, settings.legs), stance.forecast_vol


def _decision(
    order: StagedOrder, fresh: Candidate, snapshot: MarketSnapshot, regime: RegimeReading, settings: GraphSettings
) -> RiskDecision:
    """The final pass on the worse of both bounds: a fill at the staged or at the fresh worst price is allowed."""
    staged = order.sized.candidate
    tested = fresh.model_copy(
        update={
            "max_loss": max(staged.max_loss, fresh.max_loss),
            "margin": max(staged.margin, fresh.margin),
            "purpose": staged.purpose,
        }
    )
    tickers = (order.ticker,)
    portfolio = measured_portfolio(
        snapshot, settings.risk, tickers, lambda ticker: priced_chain(snapshot.market, ticker, settings.chain)
    )
    view = view_of(
        "final", order.ticker, market=snapshot.market, regime=regime.regime, portfolio=portfolio,
        pairs=correlations_of(snapshot, settings.risk, tickers), settings=settings.risk, purpose=staged.purpose,
    )  # fmt: skip
    sized = SizedCandidate(candidate=tested, sizing=order.sized.sizing)
    return decide(replace(view, order=sized, closes=order.closes), settings.risk)


def _refusal(order: StagedOrder, fresh: Candidate, decision: RiskDecision) -> Refused | None:
    staged = order.sized.candidate
    if fresh.limit_per_share < staged.worst_per_share:
        return Refused(
            f"The price has moved: the mid of {order.order_id} is {fresh.limit_per_share} a share (credit positive), "
            f"worse than {staged.worst_per_share}, at which its maximum loss was reckoned.",
            code="price_moved",
            measured=float(fresh.limit_per_share),
            limit=float(staged.worst_per_share),
        )
    if staged.intent == "open" and staged.purpose == "trade" and fresh.expected_value <= 0:  # protection has its price
        return Refused(
            f"The edge is gone: {order.order_id} is now expected to make {fresh.expected_value:,.2f} USD a unit, "
            f"when it was staged {staged.expected_value:,.2f} USD.",
            code="edge_gone",
            measured=fresh.expected_value,
            limit=0.0,
        )
    vetoes = decision.vetoes
    if not vetoes:
        return None
    said = "; ".join(f"{check.name}: {check.detail}" for check in vetoes)
    return Refused(
        f"Order {order.order_id} no longer passes the final checks. {said}.",
        code=vetoes[0].name,
        measured=vetoes[0].measured,
        limit=vetoes[0].limit,
    )


async def _over_budget(desk: Desk, order: StagedOrder, others: Iterable[Exposure], at: datetime) -> Refused | None:
    """A hedge that would open must fit what the month has left now. Hedges approved before it count as spent, those
    that are only staged do not: they are asked in their turn.
    """
    candidate = order.sized.candidate
    if candidate.intent != "open" or candidate.purpose != "hedge":
        return None
    on_their_way = (item for item in others if item.state not in (OPEN, OrderState.STAGED))
    fewer = f"Make it smaller with 'desk review edit {order.order_id} --contracts'" if order.units > 1 else ""
    return beyond_budget(
        await desk.hedging.current(at), order.max_loss, on_their_way, subject=f"Order {order.order_id}", fewer=fewer
    )


def _figures(candidate: Candidate, units: int) -> dict[str, Any]:
    return {
        "spot": candidate.spot,
        "mid_per_share": plain(candidate.limit_per_share),
        "worst_per_share": plain(candidate.worst_per_share),
        "expected_value": candidate.expected_value * units,
        "max_loss": plain(candidate.max_loss * units),
        "pop": candidate.pop,
        "forecast_vol": candidate.forecast_vol,
        "drift": candidate.drift,
        "greeks": plain(candidate.greeks.scaled(units)),
    }
