"""From a snapshot to what the gate looks at. Missing facts stay missing."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from domain.market import MarketData
from domain.order import SizedCandidate
from domain.regime import Regime
from domain.risk import Purpose, Stage
from domain.snapshot import DeskContext, MarketSnapshot
from options.priced import ChainRefusal, PricedChain
from portfolio.betas import betas
from portfolio.exposure import OPEN, share_exposures
from portfolio.valuation import structure_profit
from risk.correlation import Correlations, correlations
from risk.margins import book_margins
from risk.measured import BookMeasures, structure_pnl
from risk.settings import RiskSettings
from risk.view import UNKNOWN_SECTOR, Portfolio, RiskView, TickerFacts

SECONDS_PER_DAY = 86_400.0
Pricer = Callable[[str], PricedChain | ChainRefusal]


def portfolio_of(desk: DeskContext, as_of: datetime, sectors: Mapping[str, str] | None = None) -> Portfolio:
    """The desk's side of every question of one run, nothing measured: worst cases stand in for everything. `sectors`
    are those of shares, by ticker; structures know theirs.
    """
    book = desk.book
    age = None if book.nlv_as_of is None else (as_of - book.nlv_as_of).total_seconds()
    return Portfolio(
        as_of=as_of,
        nlv=None if book.nlv is None else float(book.nlv),
        nlv_age_seconds=age,
        baseline_nlv=float(desk.baseline.nlv),
        trading_state=desk.trading_state,
        trading_state_reason=desk.trading_state_reason,
        exposures=desk.exposures,
        shares=share_exposures(desk.book, sectors or {}),
        contracts_today=desk.contracts_today,
    )


def exposed_tickers(snapshot: MarketSnapshot, tickers: Iterable[str] = ()) -> tuple[str, ...]:
    """Underlyings of everything held, staged or working, and `tickers`, ascending."""
    exposed = {exposure.ticker for exposure in snapshot.desk.exposures}
    return tuple(sorted(exposed | {held.ticker for held in snapshot.desk.book.shares} | set(tickers)))


def measured_portfolio(
    snapshot: MarketSnapshot, settings: RiskSettings, tickers: Iterable[str], price: Pricer
) -> Portfolio:
    """`portfolio_of` with what the gate measures over the whole book, once a run: `tickers` are those it will be asked
    about, `price` prices a ticker's chain.
    """
    from risk.scenarios import historical

    names, market = exposed_tickers(snapshot, tickers), snapshot.market
    chains = {ticker: price(ticker) for ticker in names}
    priced = {ticker: chain for ticker, chain in chains.items() if isinstance(chain, PricedChain)}
    scenarios, _ = historical(
        market.bars, names, window=settings.var_window, minimum=settings.minimum_returns, vols=market.series
    )
    to_index = betas(market.bars, names, window=settings.var_window, minimum=settings.minimum_returns)
    pnl = structure_pnl(snapshot.desk.exposures, scenarios, priced)
    measures = BookMeasures(scenarios, priced, pnl, to_index.by_ticker, gains=gains_of(snapshot.desk))
    spots = {ticker: chain.spot for ticker, chain in priced.items()}
    margins = book_margins(snapshot.desk.book, snapshot.desk.exposures, spots, settings.margin)
    plain = portfolio_of(snapshot.desk, snapshot.as_of, market.sectors)
    return replace(plain, measures=measures, margins=margins)


def gains_of(desk: DeskContext) -> dict[str, float]:
    """USD made since entry by each held structure, by order id; without a usable quote it is left out."""
    found = {e.order_id: structure_profit(desk.book, e.order_id) for e in desk.exposures if e.state == OPEN}
    return {order_id: float(gain) for order_id, gain in found.items() if gain is not None}


def facts_of(market: MarketData, ticker: str) -> TickerFacts:
    """The market's side for one ticker."""
    chain = market.chains.get(ticker)
    return TickerFacts(
        ticker=ticker,
        sector=market.sectors.get(ticker, UNKNOWN_SECTOR),
        quote_age_minutes=None if chain is None else (market.as_of - chain.as_of).total_seconds() / 60,
        earnings_in_days=_days_to(market, ticker, "earnings"),
        ex_dividend_in_days=_days_to(market, ticker, "ex_dividend"),
        events_known=ticker in market.events_known,
    )


def market_events_in_hours(market: MarketData) -> Mapping[str, float]:
    """Signed hours to the nearest market-wide event of each kind."""
    nearest: dict[str, float] = {}
    for event in market.events:
        if event.ticker is None:
            hours = (event.at - market.as_of).total_seconds() / 3600
            if event.kind not in nearest or abs(hours) < abs(nearest[event.kind]):
                nearest[event.kind] = hours
    return nearest


def correlations_of(snapshot: MarketSnapshot, settings: RiskSettings, tickers: Iterable[str]) -> Correlations:
    """Correlations among everything held, staged or working and the `tickers` that the gate is asked about.

    Not among the whole watchlist: pairs grow with the square of the names, and no rule asks for the others.
    """
    return correlations(
        snapshot.market.bars,
        exposed_tickers(snapshot, tickers),
        window=settings.correlation_window,
        minimum=settings.minimum_returns,
    )


def view_of(
    stage: Stage,
    ticker: str,
    *,
    market: MarketData,
    regime: Regime,
    portfolio: Portfolio,
    pairs: Correlations,
    settings: RiskSettings,
    order: SizedCandidate | None = None,
    purpose: Purpose = "trade",
) -> RiskView:
    """One question to the gate. Openings of the same ticker for the same purpose that are only staged do not count
    beside it: the new order takes their place.
    """
    return RiskView(
        stage=stage,
        ticker=ticker,
        regime=regime,
        hard=settings.hard,
        portfolio=portfolio.superseding(ticker, purpose),
        facts=facts_of(market, ticker),
        correlations=pairs,
        market_events_in_hours=market_events_in_hours(market),
        order=order,
    )


def _days_to(market: MarketData, ticker: str, kind: str) -> float | None:
    days = [
        (event.at - market.as_of).total_seconds() / SECONDS_PER_DAY
        for event in market.events
        if event.ticker == ticker and event.kind == kind and event.at >= market.as_of
    ]
    return min(days, default=None)
