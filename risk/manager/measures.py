"""What the market's data say about one underlying and about one structure's quotes. Unknown is `None`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from domain.market import Bars, Chain, MarketData, Series, iv30
from domain.regime import Regime
from domain.units import TRADING_DAYS_PER_YEAR
from risk.manager.context import Features, MarketFacts
from risk.manager.held import Held

ATR_SESSIONS = 14
ATR_HISTORY = 100  # sessions; Wilder's average forgets what lies further back
REALISED_SESSIONS = 20
RANK_DAYS = 252
LEAST_RANKED = 60  # a rank among fewer days says little
Extremes = tuple[tuple[float, ...], tuple[float, ...]]  # daily highs and lows, ascending in time


@dataclass(frozen=True, slots=True, eq=False)
class Underlying:
    """What all positions on one ticker look at: worked out once."""

    as_of: datetime
    price: float | None
    bars: Bars | None  # known at `as_of`
    bar: Mapping[str, Any]  # the last of them
    chain: Chain | None
    rows: Mapping[str, int]  # in the chain, of each contract asked for that it quotes


def underlying(market: MarketData, ticker: str, symbols: Iterable[str]) -> Underlying:
    """`ticker` at the market's instant, with the rows of the contracts `symbols`."""
    chain, bars = market.chains.get(ticker), known_bars(market, ticker)
    wanted = frozenset(symbols)
    quoted = [] if chain is None else chain.symbol.tolist()
    return Underlying(
        as_of=market.as_of,
        price=None if chain is None or not np.isfinite(chain.spot) else float(chain.spot),
        bars=bars,
        bar=_last_bar(bars),
        chain=chain,
        rows={symbol: row for row, symbol in enumerate(quoted) if symbol in wanted},
    )


def market_facts(of: Underlying, held: Held, extremes: Extremes) -> MarketFacts:
    """The underlying of `held`: spot, the last completed daily bar, highs and lows since entry; and what closing or
    opening a unit at the quotes would bring or cost.
    """
    bid, ask = natural(held, of)
    highs, lows = extremes
    return MarketFacts(as_of=of.as_of, price=of.price, bid=bid, ask=ask, highs=highs, lows=lows, **of.bar)


def extremes_after(bars: Bars | None, day: date) -> Extremes:
    """Highs and lows of the sessions after `day` (New York); none at all where one is missing."""
    if bars is None:
        return (), ()
    after = int(np.searchsorted(bars.day, np.datetime64(day), side="right"))
    high, low = bars.high[after:], bars.low[after:]
    if not (np.isfinite(high).all() and np.isfinite(low).all()):
        return (), ()
    return tuple(high.tolist()), tuple(low.tolist())


def natural(held: Held, of: Underlying) -> tuple[float | None, float | None]:
    """USD per unit that closing brings and that opening again costs when every spread is crossed; None for both when a
    leg has no usable two-sided quote.
    """
    bid = ask = 0.0
    for position in held.positions:
        row = of.rows.get(position.leg.symbol)
        if of.chain is None or row is None:
            return None, None
        low, high = float(of.chain.bid[row]), float(of.chain.ask[row])
        if not (0 <= low <= high and high > 0):
            return None, None
        shares = position.quantity * position.leg.multiplier
        bid += shares * (low if shares > 0 else high)
        ask += shares * (high if shares > 0 else low)
    return bid / held.units, ask / held.units


def features_of(market: MarketData, ticker: str, regime: Regime | None) -> Features:
    """Measures of `ticker` from what was known at the market's instant."""
    bars, series = known_bars(market, ticker), market.series.get(iv30(ticker))
    iv, rank = (None, None) if series is None else iv_and_rank(series.known_by(market.as_of))
    return Features(
        regime=regime,
        atr=None if bars is None else average_true_range(bars),
        iv=iv,
        iv_rank=rank,
        realised_vol=None if bars is None else realised_vol(bars),
    )


def known_bars(market: MarketData, ticker: str) -> Bars | None:
    """Bars of `ticker` knowable at the market's instant."""
    bars = market.bars.get(ticker)
    return None if bars is None else bars.known_by(market.as_of)


def average_true_range(bars: Bars) -> float | None:
    """Wilder's average of 14 sessions (New Concepts in Technical Trading Systems, 1978), USD per share. None with fewer
    than 15 bars or a hole among the last hundred.
    """
    import talib

    high, low, close = (np.ascontiguousarray(column[-ATR_HISTORY:]) for column in (bars.high, bars.low, bars.close))
    if len(close) <= ATR_SESSIONS or not np.isfinite([high, low, close]).all():
        return None
    return float(talib.ATR(high, low, close, timeperiod=ATR_SESSIONS)[-1])


def realised_vol(bars: Bars) -> float | None:
    """Annual volatility of the last 20 close-to-close log returns, decimal; None with fewer, or a hole among them."""
    close = bars.close[-REALISED_SESSIONS - 1 :]
    if len(close) <= REALISED_SESSIONS or not (np.isfinite(close).all() and (close > 0).all()):
        return None
    return float(np.diff(np.log(close)).std(ddof=1) * np.sqrt(TRADING_DAYS_PER_YEAR))


def iv_and_rank(series: Series) -> tuple[float | None, float | None]:
    """The last value, and its place between the lowest and highest of the last 252 (0 to 1); the rank is None among
    fewer than 60, or where all are equal.
    """
    year = series.value[-RANK_DAYS:]
    if not len(year):
        return None, None
    low, high = float(year.min()), float(year.max())
    if len(year) < LEAST_RANKED or high <= low:
        return float(year[-1]), None
    return float(year[-1]), (float(year[-1]) - low) / (high - low)


def _last_bar(bars: Bars | None) -> dict[str, Any]:
    names = ("open", "high", "low", "close", "volume")
    if bars is None or not len(bars):
        return dict.fromkeys(names)
    row = {name: float(getattr(bars, name)[-1]) for name in names}
    return {name: value if np.isfinite(value) else None for name, value in row.items()}
