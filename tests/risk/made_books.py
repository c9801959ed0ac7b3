"""Books over made chains: every number in them is known."""

from decimal import Decimal

import numpy as np

from domain.contract import Leg, Right, Settlement
from domain.market import Bars, Series
from domain.sessions import close_known_at
from risk.revaluation import Line, Scenarios, risk_book
from tests.options.made_chain import made_chain

START = np.datetime64("2025-01-02")
CHAINS = {"ABC": made_chain(root="ABC", european=True), "XYZ": made_chain(root="XYZ", spot=50.0)}


def leg_of(chain, row, quantity=1, **changes):
    """The contract of one row of a priced chain."""
    raw = chain.chain
    fields = {
        "symbol": str(raw.symbol[row]), "root": str(raw.root[row]),
        "right": Right.CALL if raw.is_call[row] else Right.PUT, "strike": Decimal(str(raw.strike[row])),
        "expiry": raw.expiry[row].astype(object), "settlement": Settlement.PM, "european": bool(raw.european[row]),
        "multiplier": 100, "quantity": quantity,
    }  # fmt: skip
    return Leg(**{**fields, **changes})


def row_of(chain, *, strike, call, expiry=1):
    """The row of a strike, in the expiry counted from 0."""
    piece = chain.slices[expiry].rows
    return next(int(r) for r in piece if chain.chain.strike[r] == strike and chain.chain.is_call[r] == call)


def line(key="O1", ticker="ABC", quantity=1, *, strike=100.0, call=True, expiry=1, worst=1_000.0, chains=None):
    chain = (chains or CHAINS)[ticker]
    return Line(key, ticker, leg_of(chain, row_of(chain, strike=strike, call=call, expiry=expiry)), quantity, worst)


def put_spread(key="P1", ticker="ABC", units=1, *, worst=450.0):
    """Short the 95 put, long the 90."""
    scale = CHAINS[ticker].spot / 100
    return (
        line(key, ticker, -units, strike=95 * scale, call=False, worst=worst),
        line(key, ticker, units, strike=90 * scale, call=False, worst=worst),
    )


def straddle(key="S1", ticker="ABC", units=-1, *, worst=None):
    at = CHAINS[ticker].spot
    return tuple(line(key, ticker, units, strike=at, call=call, worst=worst) for call in (True, False))


def book(*lines, **changes):
    return risk_book(lines, CHAINS, **changes)


def scenarios(count=300, *, tickers=("ABC", "XYZ"), seed=0, spot=0.02, vol=0.08, days=1.0):
    rng = np.random.default_rng(seed)
    moved = rng.normal(0, spot, (count, len(tickers)))
    return Scenarios(
        tickers, moved, np.expm1(rng.normal(0, vol, moved.shape) - 3 * moved), np.zeros(count), np.full(count, days)
    )


def bars(ticker, returns, start=START):
    """Closes from 100 with the given simple returns, on consecutive calendar days."""
    close = 100 * np.cumprod(np.concatenate([[1.0], 1 + np.asarray(returns)]))
    day = start + np.arange(len(close))
    none = np.full(len(close), np.nan)
    return Bars(ticker, day, close_known_at(day), none, none, none, close, none, None)


def series(name, values, start=START):
    day = start + np.arange(len(values))
    return Series(name, "decimal", day, close_known_at(day), np.asarray(values, dtype=np.float64))
