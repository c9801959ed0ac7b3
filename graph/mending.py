"""A book beyond a Greek or VaR limit: the trade that brings it back, priced, as a closing or a new order."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from domain.order import Exit, ExitReason, Repair
from domain.regime import Regime
from domain.snapshot import MarketSnapshot
from graph.deps import Deps
from options.legs import NoCandidate, closing, reprice
from options.priced import PricedChain
from risk.facts import exposed_tickers, measured_portfolio
from risk.hedge.breach import Limit, NoProposal, Proposal
from risk.hedge.mending import WayOut, mend
from risk.manager.facts import on_their_way
from risk.manager.held import Held, closable
from risk.view import INDEX_SECTOR
from signals.stance import NoStance, read_stance

BREACH = "breach"


def mended(
    snapshot: MarketSnapshot, regime: Regime, held: Mapping[str, Held], exits: Iterable[Exit], deps: Deps
) -> Exit | Repair | str:
    """The order that restores the broken limits of what is held once `exits` are done, or why there is none."""
    settings, leaving = deps.settings.risk, {found.closes for found in exits}
    indices = [name for name in snapshot.market.tickers if snapshot.market.sectors.get(name) == INDEX_SECTOR]
    names = exposed_tickers(snapshot, indices)
    portfolio = measured_portfolio(snapshot, settings, names, lambda ticker: deps.priced.of(snapshot, ticker))
    staying = replace(portfolio, exposures=tuple(e for e in portfolio.exposures if e.order_id not in leaving))
    chains = portfolio.measures.priced
    ways_out = _ways_out(snapshot, held, leaving, chains, deps)
    found = mend(staying, ways_out, chains, regime=regime, settings=settings, search=deps.settings.breach)
    if isinstance(found, NoProposal):
        return found.reason
    if found.closes is not None:
        return _closing(found, ways_out[found.closes])
    return _opening(found, chains[found.ticker], snapshot, deps)


def _ways_out(
    snapshot: MarketSnapshot,
    held: Mapping[str, Held],
    leaving: Iterable[str],
    chains: Mapping[str, PricedChain],
    deps: Deps,
) -> dict[str, WayOut]:
    """How each structure could be closed that nothing closes yet and that can be priced."""
    found = {}
    for view in snapshot.desk.open_orders:
        order_id, candidate = view.order.order_id, view.order.sized.candidate
        busy = order_id in leaving or on_their_way(snapshot.desk.closings, order_id)
        if busy or candidate.ticker not in chains:
            continue
        legs, units = closable(held[order_id], candidate.legs)
        close = closing(
            legs, chains[candidate.ticker], strategy=candidate.strategy, family=candidate.family,
            settings=deps.settings.legs, as_of=snapshot.as_of, reason=BREACH,
        )  # fmt: skip
        if not isinstance(close, NoCandidate):
            found[order_id] = WayOut(legs, units, close)
    return found


def _closing(found: Proposal, way_out: WayOut) -> Exit:
    worst = broken(found)[0]
    reason = ExitReason(rule=BREACH, measured=worst.measured, limit=worst.limit, detail=found.reason)
    candidate = way_out.closing.model_copy(update={"reason": f"{BREACH}: {found.reason}"})
    if found.closes is None:
        raise ValueError("a closing names what it closes")
    return Exit(closes=found.closes, units=found.units, held=way_out.units, candidate=candidate, reason=reason)


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
