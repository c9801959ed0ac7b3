"""A fresh picture for questions about the whole book: what the gate measures, and every chain under it."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from app.wiring import Desk
from domain.market import MarketData
from domain.regime import RegimeReading
from domain.snapshot import DeskContext, MarketSnapshot
from graph.deps import priced_chain
from options.priced import ChainRefusal, PricedChain
from portfolio.betas import Betas, betas
from risk.facts import measured_portfolio
from risk.view import Portfolio
from signals.regime import read_regime


@dataclass(frozen=True, eq=False)
class RiskPicture:
    """One instant of the account and the market under it. `priced` leaves out chains that cannot be used."""

    at: datetime
    market: MarketData
    context: DeskContext
    regime: RegimeReading
    portfolio: Portfolio
    priced: Mapping[str, PricedChain]
    betas: Betas


async def risk_picture(desk: Desk, at: datetime, also: Collection[str] = ()) -> RiskPicture:
    """The account at `at` with everything held, staged or working, chains of `also`, and the index's history.

    Raises as `MarketFeed.gather`.
    """
    settings = desk.configuration.graph
    exposed = sorted({*await desk.state.exposed_tickers(at), *also})
    market = await desk.feed.gather(at, sorted({*exposed, *settings.regime.index_tickers}))
    context = await desk.state.context(at, market)
    chains: dict[str, PricedChain | ChainRefusal] = {}

    def price(ticker: str) -> PricedChain | ChainRefusal:
        if ticker not in chains:
            chains[ticker] = priced_chain(market, ticker, settings.chain)
        return chains[ticker]

    snapshot = MarketSnapshot(market=market, desk=context)
    portfolio = await asyncio.to_thread(measured_portfolio, snapshot, settings.risk, exposed, price)
    return RiskPicture(
        at=at,
        market=market,
        context=context,
        regime=read_regime(market, context.regime_history, settings.regime),
        portfolio=portfolio,
        priced={ticker: chain for ticker, chain in sorted(chains.items()) if isinstance(chain, PricedChain)},
        betas=betas(
            market.bars,
            {*exposed, *(shares.ticker for shares in context.book.shares)},
            window=settings.risk.var_window,
            minimum=settings.risk.minimum_returns,
        ),
    )
