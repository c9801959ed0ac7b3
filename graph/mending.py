"""A book beyond its limits: the orders that bring it back, priced, as closings or a new trade.

At the daily loss limit nothing new is opened, and closings that take the book's direction away are proposed. A Greek or
VaR limit that what stays would still break gets the smallest trade that restores it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from domain.order import Exit, ExitReason, Repair
from domain.regime import Regime
from domain.snapshot import MarketSnapshot
from graph.deps import Deps
from options.legs import NoCandidate, closing, reprice
from options.priced import PricedChain
from risk.account import Portfolio
from risk.facts import exposed_tickers, measured_portfolio
from risk.hedge.breach import Limit, NoProposal, Proposal
from risk.hedge.mending import WayOut, flattened, mend
from risk.manager.facts import on_their_way
from risk.manager.held import Held, closable
from risk.state import daily_loss
from risk.view import INDEX_SECTOR
from signals.stance import NoStance, read_stance

BREACH = "breach"


class Mended(NamedTuple):
    """What is proposed, or why nothing is. `flattening` is None on a day within its limit."""

    flattening: tuple[Exit, ...] | str | None
    repair: Exit | Repair | str


def mended(
    snapshot: MarketSnapshot, regime: Regime, held: Mapping[str, Held], exits: Sequence[Exit], deps: Deps
) -> Mended:
    """The orders that restore what is held once `exits` are done."""
    settings = deps.settings.risk
    indices = [name for name in snapshot.market.tickers if snapshot.market.sectors.get(name) == INDEX_SECTOR]
    names = exposed_tickers(snapshot, indices)
    portfolio = measured_portfolio(snapshot, settings, names, lambda ticker: deps.priced.of(snapshot, ticker))
    ways_out = _ways_out(snapshot, held, portfolio.measures.priced, deps)
    flattening = _flattening(snapshot, portfolio, ways_out, exits, deps)
    leaving = {found.closes for found in (*exits, *(flattening if isinstance(flattening, tuple) else ()))}
    return Mended(flattening, _repair(snapshot, regime, _without(portfolio, leaving), ways_out, leaving, deps))


def _without(portfolio: Portfolio, gone: Collection[str]) -> Portfolio:
    return replace(portfolio, exposures=tuple(e for e in portfolio.exposures if e.order_id not in gone))


def _flattening(
    snapshot: MarketSnapshot,
    portfolio: Portfolio,
    ways_out: Mapping[str, WayOut],
    exits: Sequence[Exit],
    deps: Deps,
) -> tuple[Exit, ...] | str | None:
    """What an approved order is closing already counts as closed: it must not be made up for by something else."""
    loss = daily_loss(snapshot.desk, deps.settings.risk.hard)
    if loss is None or loss.measured is None:
        return None
    going = {
        view.order.order_id
        for view in snapshot.desk.open_orders
        if on_their_way(snapshot.desk.closings, view.order.order_id)
    }
    gone = going | {found.closes for found in exits}
    free = {order_id: way_out for order_id, way_out in ways_out.items() if order_id not in gone}
    found = flattened(_without(portfolio, gone), free, search=deps.settings.breach)
    if isinstance(found, NoProposal):
        return found.reason
    reason = ExitReason(
        rule=loss.cause, measured=loss.measured, limit=loss.limit, detail=f"{loss.detail}. {found.reason}"
    )
    return tuple(
        _exit(order_id, units, ways_out[order_id], reason, found.reason) for order_id, units in found.units.items()
    )


def _repair(
    snapshot: MarketSnapshot,
    regime: Regime,
    staying: Portfolio,
    ways_out: Mapping[str, WayOut],
    leaving: Collection[str],
    deps: Deps,
) -> Exit | Repair | str:
    settings, chains = deps.settings, staying.measures.priced
    free = {order_id: way_out for order_id, way_out in ways_out.items() if order_id not in leaving}
    found = mend(staying, free, chains, regime=regime, settings=settings.risk, search=settings.breach)
    if isinstance(found, NoProposal):
        return found.reason
    if found.closes is None:
        return _opening(found, chains[found.ticker], snapshot, deps)
    worst = broken(found)[0]
    reason = ExitReason(rule=BREACH, measured=worst.measured, limit=worst.limit, detail=found.reason)
    return _exit(found.closes, found.units, free[found.closes], reason, found.reason)


def _ways_out(
    snapshot: MarketSnapshot, held: Mapping[str, Held], chains: Mapping[str, PricedChain], deps: Deps
) -> dict[str, WayOut]:
    """How each structure could be closed that no approved order closes yet and that can be priced."""
    found = {}
    for view in snapshot.desk.open_orders:
        order_id, candidate = view.order.order_id, view.order.sized.candidate
        if on_their_way(snapshot.desk.closings, order_id) or candidate.ticker not in chains:
            continue
        legs, units = closable(held[order_id], candidate.legs)
        close = closing(
            legs, chains[candidate.ticker], strategy=candidate.strategy, family=candidate.family,
            settings=deps.settings.legs, as_of=snapshot.as_of, reason=BREACH,
        )  # fmt: skip
        if not isinstance(close, NoCandidate):
            found[order_id] = WayOut(legs, units, close)
    return found


def _exit(order_id: str, units: int, way_out: WayOut, reason: ExitReason, said: str) -> Exit:
    candidate = way_out.closing.model_copy(update={"reason": f"{reason.rule}: {said}"})
    return Exit(closes=order_id, units=units, held=way_out.units, candidate=candidate, reason=reason)


def _opening(found: Proposal, priced: PricedChain, snapshot: MarketSnapshot, deps: Deps) -> Repair | str:
    """Priced under the desk's own forecast of volatility and no view on price."""
    stance = read_stance((), snapshot.market, priced, deps.settings.signals)
    if isinstance(stance, NoStance):
        return f"{found.reason} {found.ticker} cannot be valued: {stance.detail}"
    candidate = reprice(
        found.legs, priced, strategy=found.strategy, family=found.family, spot=priced.spot, drift=0.0,
        forecast_vol=stance.forecast_vol, settings=deps.settings.legs, as_of=snapshot.as_of,
        reason=f"{BREACH}: {found.reason}",
    )  # fmt: skip
    if isinstance(candidate, NoCandidate):
        return f"{found.reason} {found.ticker} cannot be priced: {candidate.detail}"
    return Repair(candidate=candidate.model_copy(update={"purpose": "repair"}), units=found.units)


def broken(found: Proposal) -> tuple[Limit, ...]:
    """The limits that the proposal mends, the one furthest beyond first."""
    return tuple(sorted((one for one in found.before if one.broken), key=lambda one: -abs(one.measured) / one.limit))
