"""From a snapshot to what the gate looks at. Missing facts stay missing."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from domain.market import MarketData
from domain.order import SizedCandidate
from domain.regime import Regime
from domain.risk import Stage
from domain.snapshot import DeskContext, MarketSnapshot
from risk.correlation import Correlations, correlations
from risk.settings import RiskSettings
from risk.view import UNKNOWN_SECTOR, Portfolio, RiskView, TickerFacts

SECONDS_PER_DAY = 86_400.0


def portfolio_of(desk: DeskContext, as_of: datetime) -> Portfolio:
    """The desk's side of every question of one run."""
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
    )


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
    names = {exposure.ticker for exposure in snapshot.desk.exposures} | set(tickers)
    return correlations(
        snapshot.market.bars, names, window=settings.correlation_window, minimum=settings.minimum_returns
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
) -> RiskView:
    """One question to the gate. Openings of the same ticker that are only staged do not count beside it: the new
    order takes their place.
    """
    return RiskView(
        stage=stage,
        ticker=ticker,
        regime=regime,
        hard=settings.hard,
        portfolio=portfolio.superseding(ticker),
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
