"""Snapshots for analysts: settings as shipped, a desk in good order, and series and bars up to the day before."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import yaml

from agents.contract import AnalystContext
from domain.book import Baseline, Book
from domain.market import Bars, MarketData, Series
from domain.risk import TradingState
from domain.sessions import close_known_at, session_before
from domain.signals import Abstention
from domain.snapshot import DeskContext, MarketSnapshot
from options.priced import ChainRefusal
from signals.settings import SignalSettings

AS_OF = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
LAST_DAY = date(2026, 2, 27)


def signal_settings() -> SignalSettings:
    """config/signals.yaml."""
    path = Path(__file__).parents[2] / "config" / "signals.yaml"
    return SignalSettings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def sessions_until(last, count):
    days = [last]
    while len(days) < count:
        days.append(session_before(days[-1]))
    return np.array(days[::-1], dtype="datetime64[D]")


def series(name, values, *, last=LAST_DAY):
    day = sessions_until(last, len(values))
    return Series(name, "test", day, close_known_at(day), np.asarray(values, dtype=np.float64))


def bars(ticker, closes, *, last=LAST_DAY, ranges=None, volume=None):
    close = np.asarray(closes, dtype=np.float64)
    day, hole = sessions_until(last, len(close)), np.full(len(close), np.nan)
    opens, highs, lows = ranges or (hole, hole, hole)
    traded = hole if volume is None else np.asarray(volume, dtype=np.float64)
    return Bars(ticker, day, close_known_at(day), opens, highs, lows, close, traded, None)


def snapshot(*, series=(), bars=(), tickers=("XYZ",), as_of=AS_OF, halted=(), **market):
    data = MarketData(
        as_of=as_of,
        feed="test",
        tickers=tickers,
        chains=market.pop("chains", {}),
        bars={row.ticker: row for row in bars},
        series={row.name: row for row in series},
        **market,
    )
    cash = Decimal(100_000)
    book = Book(as_of=as_of, cash=cash, positions=(), nlv=cash, nlv_as_of=as_of, realised=Decimal(0), fees=Decimal(0))
    desk = DeskContext(
        book=book,
        exposures=(),
        open_orders=(),
        baseline=Baseline(session=as_of.date(), nlv=cash, source="test"),
        trading_state=TradingState.ACTIVE,
        trading_state_reason="normal",
        halted_agents=halted,
        earlier_signals=(),
        reliability=(),
        regime_history=(),
    )
    return MarketSnapshot(market=data, desk=desk)


def on_its_surface(priced, **missed):
    """The made chain with every quote on its surface but those `missed`: row index as text → vol points of the mid over
    the fit, bid and ask 1 vol point apart.
    """
    from options.surface import Residuals

    points = np.zeros(len(priced.chain))
    for row, by in missed.items():
        points[int(row.removeprefix("row"))] = by
    found = Residuals(vol_points=points, spreads=points / 1.0, mispriced=np.abs(points) > 0.5)
    return replace(priced, surface=replace(priced.surface, residuals=found))


def context(priced=None, settings=None):
    """Every ticker has the chain `priced`; without one, a stale chain."""
    stale = ChainRefusal("stale_chain", "47 minutes old", {"age_minutes": 47.0, "limit_minutes": 30.0})
    return AnalystContext(settings=settings or signal_settings(), priced=lambda _: priced or stale)


def read(analyst, shot, shared, ticker="XYZ"):
    """What the analyst found, signals by edge type and abstentions by the measure or code they name."""
    found = analyst.read(shot, ticker, shared)
    assert found, "an analyst never answers with nothing"
    signals = {item.edge_type: item for item in found if not isinstance(item, Abstention)}
    return signals, [item for item in found if isinstance(item, Abstention)]
