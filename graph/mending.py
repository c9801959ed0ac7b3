"""A book beyond its limits: the orders that bring it back, priced, as closings or a new trade.

At the daily loss limit nothing new is opened, and closings that take the book's direction away are proposed. A Greek or
VaR limit that what stays would still break gets the smallest trade that restores it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
from risk.hedge.mending import WayOut, flattened, mend, once_closed
from risk.manager.facts import closing_units, on_their_way
from risk.manager.held import Held, closable
from risk.state import daily_loss
from risk.view import INDEX_SECTOR
from signals.stance import NoStance, read_stance

BREACH = "breach"


class Mended(NamedTuple):
    """What is proposed. `exits` by the order that each closes, those that fall due anyway included; `flattening` says
    what was found of it, None on a day within its limit.
    """

    exits: Mapping[str, Exit]
    flattening: str | None
    repair: Exit | Repair | str


def mended(
    snapshot: MarketSnapshot, regime: Regime, held: Mapping[str, Held], exits: Sequence[Exit], deps: Deps
) -> Mended:
    """The orders that restore what is held once `exits` are done. What an approved order is closing counts as closed:
    it must not be made up for by something else.
    """
    settings, desk = deps.settings.risk, snapshot.desk
    indices = [name for name in snapshot.market.tickers if snapshot.market.sectors.get(name) == INDEX_SECTOR]
    names = exposed_tickers(snapshot, indices)
    portfolio = measured_portfolio(snapshot, settings, names, lambda ticker: deps.priced.of(snapshot, ticker))
    ways_out = _ways_out(snapshot, held, portfolio.measures.priced, deps)
    going = Counter({order_id: closing_units(desk.closings, one) for order_id, one in held.items()})
    for leaving in exits:
        going[leaving.closes] += leaving.units
    said, flattening = _flattening(snapshot, portfolio, ways_out, going, deps)
    for leaving in flattening:
        going[leaving.closes] += leaving.units
    repair = _repair(snapshot, regime, portfolio, ways_out, going, deps)
    every = [*exits, *flattening, *([repair] if isinstance(repair, Exit) else [])]
    return Mended(together(every), said, repair)


def together(exits: Iterable[Exit]) -> dict[str, Exit]:
    """One order for each structure, by the order that opened it: units add up, and the first reason leads."""
    found: dict[str, Exit] = {}
    for leaving in exits:
        first = found.get(leaving.closes)
        found[leaving.closes] = leaving if first is None else _joined(first, leaving)
    return found


def _joined(first: Exit, more: Exit) -> Exit:
    detail = f"{first.reason.detail}; {more.reason.rule}: {more.reason.detail}"
    reason = first.reason.model_copy(update={"detail": detail})
    return first.model_copy(update={"units": first.units + more.units, "reason": reason})


def _left(ways_out: Mapping[str, WayOut], going: Mapping[str, int]) -> dict[str, WayOut]:
    """What can be closed besides what is `going` already, by order id."""
    left = {order_id: one._replace(units=one.units - going[order_id]) for order_id, one in ways_out.items()}
    return {order_id: one for order_id, one in left.items() if one.units > 0}


def _flattening(
    snapshot: MarketSnapshot, portfolio: Portfolio, ways_out: Mapping[str, WayOut], going: Mapping[str, int], deps: Deps
) -> tuple[str | None, tuple[Exit, ...]]:
    loss = daily_loss(snapshot.desk, deps.settings.risk.hard)
    if loss is None or loss.measured is None:
        return None, ()
    found = flattened(once_closed(portfolio, going), _left(ways_out, going), search=deps.settings.breach)
    if isinstance(found, NoProposal):
        return found.reason, ()
    detail = f"{loss.detail}. {found.reason}"
    reason = ExitReason(rule=loss.cause, measured=loss.measured, limit=loss.limit, detail=detail)
    return found.reason, tuple(
        _exit(order_id, units, ways_out[order_id], reason, found.reason) for order_id, units in found.units.items()
    )


def _repair(
    snapshot: MarketSnapshot,
    regime: Regime,
    portfolio: Portfolio,
    ways_out: Mapping[str, WayOut],
    going: Mapping[str, int],
    deps: Deps,
) -> Exit | Repair | str:
    settings, staying, chains = deps.settings, once_closed(portfolio, going), portfolio.measures.priced
    found = mend(staying, _left(ways_out, going), chains, regime=regime, settings=settings.risk, search=settings.breach)
    if isinstance(found, NoProposal):
        return found.reason
    if found.closes is None:
        return _opening(found, chains[found.ticker], snapshot, deps)
    worst = broken(found)[0]
    reason = ExitReason(rule=BREACH, measured=worst.measured, limit=worst.limit, detail=found.reason)
    return _exit(found.closes, found.units, ways_out[found.closes], reason, found.reason)


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
    candidate = way_out.closing.model_copy(update={"reason": f"{reason.rule}: {said}", "purpose": "repair"})
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
