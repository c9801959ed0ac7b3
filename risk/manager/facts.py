"""From a snapshot to the contexts that rules look at. What is not known stays `None`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cache, lru_cache

from domain.contract import Settlement
from domain.excursion import Excursion
from domain.order import OrderState, OrderView
from domain.regime import Regime
from domain.risk import Exposure
from domain.sessions import NEW_YORK, expiry_instant
from domain.snapshot import DeskContext, MarketSnapshot
from domain.units import theta_per_day
from portfolio.exposure import OPEN
from risk.manager.context import PortfolioFacts, PositionFacts, RiskContext
from risk.manager.held import Held, holdings
from risk.manager.measures import extremes_after, features_of, market_facts, underlying


def contexts(
    snapshot: MarketSnapshot, regime: Regime | None, held: Mapping[str, Held] | None = None
) -> tuple[RiskContext, ...]:
    """One context for each structure held, by order id. `held` spares the work where `holdings` was asked already."""
    market, desk = snapshot.market, snapshot.desk
    views = {view.order.order_id: view for view in desk.open_orders}
    exposures = {item.order_id: item for item in desk.exposures if item.state == OPEN}
    excursions = {item.order_id: item for item in desk.excursions}
    portfolio = portfolio_facts(desk)
    features = cache(lambda ticker: features_of(market, ticker, regime))
    symbols = defaultdict(list)
    for item in desk.book.positions:
        symbols[item.ticker].append(item.leg.symbol)
    seen = cache(lambda ticker: underlying(market, ticker, symbols[ticker]))
    since = cache(lambda ticker, day: extremes_after(seen(ticker).bars, day))
    found = []
    for order_id, here in (holdings(desk.book) if held is None else held).items():
        position = position_facts(
            views[order_id],
            here,
            as_of=snapshot.as_of,
            exposure=exposures.get(order_id),
            past=excursions.get(order_id),
            closing=closing_units(desk.closings, here),
        )
        found.append(
            RiskContext(
                market=market_facts(seen(position.ticker), here, since(position.ticker, _entry_day(position))),
                position=position,
                portfolio=portfolio,
                features=features(position.ticker),
            )
        )
    return tuple(found)


def position_facts(
    view: OrderView,
    held: Held,
    *,
    as_of: datetime,
    exposure: Exposure | None = None,
    past: Excursion | None = None,
    closing: int = 0,
) -> PositionFacts:
    """What is held of the structure that `view` opened. Without a `past` it went through nothing yet."""
    candidate = view.order.sized.candidate
    greeks = None if exposure is None else exposure.greeks
    expiries = [_settled_at(leg.expiry, leg.settlement) for leg in candidate.legs]
    past = past or Excursion(
        order_id=held.order_id, at=as_of, opened_at=view.changed_at, entry_price=held.entry_price,
        unit_risk=float(candidate.max_loss), opened_units=held.units,
    )  # fmt: skip
    return PositionFacts(
        key=held.order_id,
        as_of=as_of,
        ticker=candidate.ticker,
        strategy=candidate.strategy,
        family=candidate.family,
        sector=None if exposure is None else exposure.sector,
        quantity=held.units,
        opened_quantity=past.opened_units,
        entry_price=held.entry_price,
        entry_time=past.opened_at,
        unit_value=held.unit_value,
        unit_profit=held.unit_profit,
        unit_max_loss=float(candidate.max_loss),
        unit_max_profit=None if candidate.max_profit is None else float(candidate.max_profit),
        mfe=past.mfe,
        mae=past.mae,
        high_water=past.high_water,
        low_water=past.low_water,
        stop=past.stop,
        stop_rule=past.stop_rule,
        target=past.target,
        target_rule=past.target_rule,
        first_expiry_at=min(expiries),
        last_expiry_at=max(expiries),
        delta=None if greeks is None else greeks.delta,
        gamma=None if greeks is None else greeks.gamma,
        vega=None if greeks is None else greeks.vega,
        theta=None if greeks is None else greeks.theta,
        entry_theta=theta_per_day(candidate.greeks.theta),
        worst_case=None if exposure is None else float(exposure.worst_case),
        closing_quantity=closing,
    )


def on_their_way(closings: Iterable[OrderView], order_id: str) -> tuple[OrderView, ...]:
    """Closing orders of one structure that a person has approved: nothing takes their place any more."""
    return tuple(v for v in closings if v.order.closes == order_id and v.state is not OrderState.STAGED)


def closing_units(closings: Iterable[OrderView], held: Held) -> int:
    """Units that approved orders are closing already; at most those held."""
    return min(sum(view.order.units for view in on_their_way(closings, held.order_id)), held.units)


def portfolio_facts(
    desk: DeskContext,
    *,
    exposures: Sequence[Exposure] | None = None,
    sectors: Mapping[str, str] | None = None,
    correlation: Mapping[tuple[str, str], float] | None = None,
) -> PortfolioFacts:
    """The account: everything open, staged and working counts at its worst case.

    `exposures` takes the place of the desk's own when a run has sized openings since; `sectors` and `correlation` are
    the market's, for underlyings that are not held yet.
    """
    book = desk.book
    exposures = desk.exposures if exposures is None else exposures
    deltas = [None if item.greeks is None else item.greeks.delta for item in exposures]
    known = [delta for delta in deltas if delta is not None]
    complete = len(known) == len(deltas)
    return PortfolioFacts(
        equity=None if book.nlv is None else float(book.nlv),
        cash=float(book.cash),
        margin=float(sum(item.margin for item in exposures)),
        exposure=float(sum(item.worst_case for item in exposures)),
        exposure_by_ticker=_summed(exposures, {item.ticker: item.ticker for item in exposures}),
        exposure_by_sector=_summed(exposures, {item.ticker: item.sector for item in exposures}),
        sector_of={**(sectors or {}), **{item.ticker: item.sector for item in exposures}},
        correlation=correlation or {},
        gross_delta=sum(abs(delta) for delta in known) if complete else None,
        net_delta=sum(known) if complete else None,
        peak_equity=None if desk.peak_nlv is None else float(desk.peak_nlv),
        baseline_equity=float(desk.baseline.nlv),
        positions=len({item.order_id for item in exposures}),
    )


def _entry_day(position: PositionFacts) -> date:
    return (position.entry_time or position.as_of).astimezone(NEW_YORK).date()


@lru_cache(maxsize=1024)
def _settled_at(expiry: date, settlement: Settlement) -> datetime:
    return expiry_instant(expiry, am_settled=settlement is Settlement.AM)


def _summed(exposures: Iterable[Exposure], label: Mapping[str, str]) -> dict[str, float]:
    total: dict[str, float] = defaultdict(float)
    for item in exposures:
        total[label[item.ticker]] += float(item.worst_case)
    return dict(sorted(total.items()))
