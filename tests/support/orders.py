"""Small, complete records of the trading side, for tests: one bull put spread on SPY and what may happen to it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np

from domain.book import Baseline, Book
from domain.contract import Leg, Right, Settlement, occ_symbol
from domain.debate import Verdict
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
    SizingCap,
    StagedOrder,
    Thesis,
)
from domain.risk import Check, RiskDecision, TradingState
from domain.sessions import expiry_instant
from domain.snapshot import DeskContext

NOON = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)  # a Monday, 12:00 New York
EXPIRY = date(2026, 3, 20)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def leg(strike, quantity, *, right=Right.PUT, multiplier=100, expiry=EXPIRY, root="SPY", settlement=Settlement.PM):
    return Leg(
        symbol=occ_symbol(root, expiry, right, Decimal(str(strike))),
        root=root,
        right=right,
        strike=Decimal(str(strike)),
        expiry=expiry,
        settlement=settlement,
        european=False,
        multiplier=multiplier,
        quantity=quantity,
    )


SHORT, LONG = leg(590, -1), leg(580, 1)
SPREAD = (SHORT, LONG)


def candidate(legs=SPREAD, *, intent="open", ticker="SPY", limit="1.50", worst="1.40", **changes):
    fields = {
        "ticker": ticker,
        "intent": intent,
        "strategy": "bull_put_spread",
        "family": "vertical_credit",
        "legs": tuple(legs),
        "spot": 600.0,
        "limit_per_share": Decimal(limit),
        "worst_per_share": Decimal(worst),
        "natural_per_share": Decimal("1.30"),
        "fees": Decimal("2.60"),
        "max_loss": Decimal("862.60"),
        "max_profit": Decimal("147.40"),
        "payoff_basis": "exact",
        "breakevens": (588.5,),
        "pop": 0.8,
        "expected_value": 10.0,
        "cvar95": 800.0,
        "score": 0.0125,
        "outcomes": ((0.8, 147.4), (0.2, -500.0)),
        "greeks": Greeks(delta=10.0, gamma=-1.0, vega=-200.0, theta=500.0, rho=1.0),
        "margin": Decimal("862.60"),
        "liquidity": 50,
        "first_expiry": EXPIRY,
        "last_expiry": EXPIRY,
        "drift": 0.0,
        "forecast_vol": 0.15,
        "reason": "test",
    }
    return Candidate(**(fields | changes))


def decision(ticker="SPY", *, approved=True):
    check = Check(
        name="defined_risk",
        ticker=ticker,
        stage="final",
        measured=0.0,
        limit=0.0,
        unit="naked shorts",
        passed=approved,
        hard=True,
        detail="test",
    )
    return RiskDecision(ticker=ticker, stage="final", approved=approved, checks=(check,))


def sized(units=2, **changes):
    caps = (SizingCap(name="kelly", units=units, detail="test"),)
    sizing = Sizing(units=units, binding="kelly", caps=caps, budget=Decimal(5000))
    return SizedCandidate(candidate=candidate(**changes), sizing=sizing)


THESIS = Thesis(
    verdict=Verdict.BULL,
    confidence=0.6,
    vol_view="short",
    engine="rules",
    text="test",
    invalidation="SPY below 588",
    signal_ids=("technical/SPY/trend@20260302T170000Z", "flow/SPY/unusual_calls@20260302T170000Z"),
)


def order(order_id="o-1", *, at=NOON, units=2, version=1, limit=None, closes=None, run_id="run-1", **changes):
    if closes is not None:
        reverse = tuple(part.model_copy(update={"quantity": -part.quantity}) for part in changes.pop("legs", SPREAD))
        changes = {"intent": "close", "legs": reverse, "limit": "-0.70", "worst": "-0.80"} | changes
    whole = sized(units, **changes)
    return StagedOrder(
        order_id=order_id,
        version=version,
        run_id=run_id,
        snapshot_id="0" * 64,
        staged_at=at,
        expires_at=at + 4 * HOUR,
        sized=whole,
        limit_per_share=whole.candidate.limit_per_share if limit is None else Decimal(limit),
        thesis=THESIS,
        decision=decision(whole.candidate.ticker),
        closes=closes,
    )


def view(order, state=OrderState.STAGED):
    return OrderView(order=order, state=state, changed_at=order.staged_at)


def fill(of, *prices, at=NOON, units=None, fill_id=None, fees="2.60"):
    """A fill of `units` of the order's structure, one price a leg (USD per share)."""
    count = of.units if units is None else units
    parts = tuple(
        LegFill(symbol=part.symbol, quantity=part.quantity * count, price=Decimal(str(price)))
        for part, price in zip(of.sized.candidate.legs, prices, strict=True)
    )
    multiplier = of.sized.candidate.legs[0].multiplier
    cash = -sum((part.price * part.quantity * multiplier for part in parts), Decimal(0)) - Decimal(fees)
    return Fill(
        fill_id=fill_id or f"{of.order_id}/1",
        order_id=of.order_id,
        at=at,
        units=count,
        legs=parts,
        fees=Decimal(fees),
        cash=cash,
        rule="test",
    )


def chain(quotes, *, ticker="SPY", at=NOON, spot=600.0, size=100.0):
    """A chain with just the given legs quoted: `quotes` maps a Leg to (bid, ask)."""
    legs = sorted(quotes, key=lambda part: part.symbol)
    n = len(legs)
    pm = np.array([part.settlement is Settlement.PM for part in legs], dtype=bool)
    unknown = np.full(n, np.nan)
    return Chain(
        ticker=ticker,
        as_of=at,
        spot=spot,
        spot_source="quoted",
        symbol=np.array([part.symbol for part in legs], dtype=np.str_),
        root=np.array([part.root for part in legs], dtype=np.str_),
        is_call=np.array([part.right is Right.CALL for part in legs], dtype=bool),
        strike=np.array([float(part.strike) for part in legs]),
        expiry=np.array([part.expiry for part in legs], dtype="datetime64[D]"),
        expires_at=np.array(
            [
                expiry_instant(part.expiry, am_settled=part.settlement is Settlement.AM).replace(tzinfo=None)
                for part in legs
            ],
            dtype="datetime64[s]",
        ),
        am_settled=~pm,
        european=np.zeros(n, dtype=bool),
        standard=np.ones(n, dtype=bool),
        multiplier=np.array([float(part.multiplier) for part in legs]),
        bid=np.array([quotes[part][0] for part in legs], dtype=np.float64),
        ask=np.array([quotes[part][1] for part in legs], dtype=np.float64),
        last=np.full(n, 99.0),
        volume=unknown,
        open_interest=unknown,
        bid_size=np.full(n, size),
        ask_size=np.full(n, size),
        vendor_iv=unknown,
    )


GOOD_QUOTES = {SHORT: (4.00, 4.10), LONG: (2.50, 2.60)}


def market(at=NOON, chains=None, **changes):
    quoted = {"SPY": chain(GOOD_QUOTES, at=at)} if chains is None else chains
    fields = {"as_of": at, "feed": "simulated", "tickers": tuple(quoted), "chains": quoted, "bars": {}, "series": {}}
    return MarketData(**(fields | changes))


def empty_desk(at=NOON):
    cash = Decimal(100_000)
    return DeskContext(
        book=Book(as_of=at, cash=cash, positions=(), nlv=cash, nlv_as_of=at, realised=Decimal("0.00"), fees=Decimal(0)),
        exposures=(),
        open_orders=(),
        baseline=Baseline(session=at.date(), nlv=cash, source="opening NLV"),
        trading_state=TradingState.ACTIVE,
        trading_state_reason="",
        halted_agents=(),
        earlier_signals=(),
        reliability=(),
        regime_history=(),
    )
