"""A paper book on the simulated market, made without running the desk: put spreads sold at mid."""

import asyncio
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np

from app.settings import load
from domain.book import Baseline, Book, Position
from domain.contract import Leg, Right, Settlement
from domain.debate import Verdict
from domain.excursion import Excursion
from domain.market import Chain, MarketData
from domain.order import (
    Candidate,
    Fill,
    Greeks,
    LegFill,
    OrderState,
    OrderView,
    SizedCandidate,
    Sizing,
    StagedOrder,
    Thesis,
)  # fmt: skip
from domain.risk import Check, DollarGreeks, Exposure, RiskDecision, TradingState
from domain.snapshot import DeskContext
from graph.deps import priced_chain
from options.priced import ChainRefusal, PricedChain
from options.settings import ChainSettings
from portfolio.valuation import value

TICKERS = ("AAPL", "JPM", "SPX", "SPY", "XOM")


class Feed:
    """The simulated market of five names, at an instant."""

    def __init__(self) -> None:
        from feeds.simulated.feed import SimulatedFeed
        from feeds.simulated.settings import SimulatedSettings
        from feeds.simulated.timeline import first_instant

        self._feed = SimulatedFeed(SimulatedSettings())
        self._chain = load(ChainSettings, "chain", None)
        self.first = first_instant(self._feed.settings)

    def gathered(self, at: datetime) -> MarketData:
        return asyncio.run(self._feed.gather(at, TICKERS))

    def priced(self, market: MarketData, ticker: str) -> PricedChain:
        chain = priced_chain(market, ticker, self._chain)
        if isinstance(chain, ChainRefusal):
            raise TypeError(f"the simulated chain of {ticker} cannot be priced: {chain.detail}")
        return chain


def paper_desk(market: MarketData, count: int) -> DeskContext:
    """`count` put spreads sold at mid, spread over the names, thirty to sixty days out."""
    views = [spread(number, market.chains[TICKERS[number % len(TICKERS)]], market.as_of) for number in range(count)]
    positions = tuple(position for view in views for position in held_by(view.order))
    cash = Decimal(1_000_000)
    book = Book(
        as_of=market.as_of, cash=cash, positions=positions, nlv=None, nlv_as_of=None, realised=Decimal(0),
        fees=Decimal(0),
    )  # fmt: skip
    found = [view.order for view in views]
    return DeskContext(
        book=value(book, market.chains),
        exposures=tuple(
            Exposure(
                order_id=item.order_id, ticker=item.ticker, sector="index", strategy="bull_put_spread", state="open",
                units=item.units, contracts=item.units, worst_case=item.max_loss, margin=item.max_loss, theta=1.0,
                opened_on=market.as_of.date().isoformat(),
                greeks=DollarGreeks(delta=1_000.0, gamma=-50.0, vega=-20.0, theta=5.0),
            )
            for item in found
        ),
        open_orders=tuple(views),
        baseline=Baseline(session=market.as_of.date(), nlv=cash, source="made"),
        trading_state=TradingState.ACTIVE,
        trading_state_reason="made",
        halted_agents=(),
        earlier_signals=(),
        reliability=(),
        regime_history=(),
        excursions=tuple(
            Excursion(
                order_id=item.order_id, at=market.as_of, opened_at=market.as_of, entry_price=100.0,
                unit_risk=float(item.max_loss / item.units), opened_units=item.units,
            )
            for item in found
        ),
    )  # fmt: skip


def spread(number: int, chain: Chain, at: datetime) -> OrderView:
    """Two neighbouring puts below the money, sold as a spread of two units."""
    days = (chain.expiry - np.datetime64(at.date())).astype(int)
    expiry = np.unique(chain.expiry[(days >= 30) & (days <= 60)])[-1]
    usable = (chain.bid > 0) & (chain.ask > chain.bid) & ~chain.is_call & (chain.expiry == expiry)
    rows = np.flatnonzero(usable & (chain.strike < chain.spot))
    rows = rows[chain.root[rows] == chain.root[rows[0]]]  # SPX and SPXW may share a day
    rows = rows[np.argsort(chain.strike[rows])][::-1]
    start = (number // len(TICKERS)) % (len(rows) - 1)
    legs = tuple(
        leg_at(chain, int(row), quantity) for row, quantity in zip(rows[start : start + 2], (-1, 1), strict=True)
    )
    width = (legs[0].strike - legs[1].strike) * legs[0].multiplier
    candidate = Candidate(
        ticker=chain.ticker, intent="open", strategy="bull_put_spread", family="credit_vertical", legs=legs,
        spot=chain.spot, limit_per_share=Decimal(1), worst_per_share=Decimal(1), natural_per_share=Decimal(1),
        fees=Decimal(2), max_loss=width, max_profit=Decimal(100), payoff_basis="exact", breakevens=(), pop=0.5,
        expected_value=0.0, cvar95=1.0, score=0.0, outcomes=((1.0, 0.0),),
        greeks=Greeks(delta=1.0, gamma=0.0, vega=0.0, theta=1.0, rho=0.0), margin=width, liquidity=10,
        first_expiry=legs[0].expiry, last_expiry=legs[0].expiry, drift=0.0, forecast_vol=0.2, reason="made",
    )  # fmt: skip
    check = Check(
        name="made", ticker=chain.ticker, stage="final", measured=None, limit=None, unit="", passed=True, hard=False,
        detail="made",
    )  # fmt: skip
    order = StagedOrder(
        order_id=f"O-{number:04d}", version=1, run_id="made", snapshot_id="made", staged_at=at,
        expires_at=at + timedelta(hours=4),
        sized=SizedCandidate(
            candidate=candidate, sizing=Sizing(units=2, binding="made", caps=(), budget=Decimal(0))
        ),
        limit_per_share=Decimal(1),
        thesis=Thesis(
            verdict=Verdict.BULL, confidence=0.5, vol_view="none", engine="rules", text="", invalidation="",
            signal_ids=(),
        ),
        decision=RiskDecision(ticker=chain.ticker, stage="final", approved=True, checks=(check,)),
    )  # fmt: skip
    return OrderView(order=order, state=OrderState.FILLED, changed_at=at)


def leg_at(chain: Chain, row: int, quantity: int) -> Leg:
    day: date = chain.expiry[row].astype(object)
    return Leg(
        symbol=str(chain.symbol[row]), root=str(chain.root[row]), right=Right.PUT,
        strike=Decimal(repr(float(chain.strike[row]))), expiry=day,
        settlement=Settlement.AM if chain.am_settled[row] else Settlement.PM, european=bool(chain.european[row]),
        multiplier=int(chain.multiplier[row]), quantity=quantity, bid=float(chain.bid[row]), ask=float(chain.ask[row]),
    )  # fmt: skip


def held_by(order: StagedOrder) -> tuple[Position, ...]:
    return tuple(
        Position(
            order_id=order.order_id, ticker=order.ticker, strategy="bull_put_spread", leg=leg,
            quantity=leg.quantity * order.units, average_price=Decimal(repr(((leg.bid or 0) + (leg.ask or 0)) / 2)),
            mark=None, mark_source="",
        )
        for leg in order.sized.candidate.legs
    )  # fmt: skip


def fill_of(order: StagedOrder, at: datetime) -> Fill:
    legs = tuple(
        LegFill(symbol=leg.symbol, quantity=leg.quantity * order.units, price=Decimal(1))
        for leg in order.sized.candidate.legs
    )
    return Fill(
        fill_id="made", order_id=order.order_id, at=at, units=order.units, legs=legs, fees=Decimal(2),
        cash=Decimal(198), rule="made",
    )  # fmt: skip
