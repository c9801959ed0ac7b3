"""Builders of the signals' inputs, and the settings as the desk runs them."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml

from domain.market import Bars, MarketData, Series
from domain.sessions import close_known_at, session_before
from signals.regime import RegimeSettings
from signals.settings import SignalSettings

CONFIG = Path(__file__).parents[2] / "config"
AS_OF = datetime(2019, 6, 20, 20, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def settings() -> SignalSettings:
    return SignalSettings.model_validate(yaml.safe_load((CONFIG / "signals.yaml").read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def regime_settings() -> RegimeSettings:
    return RegimeSettings.model_validate(yaml.safe_load((CONFIG / "regime.yaml").read_text(encoding="utf-8")))


def _sessions_until(last, count):
    days = [last]
    while len(days) < count:
        days.append(session_before(days[-1]))
    return np.array(days[::-1], dtype="datetime64[D]")


@pytest.fixture(scope="session")
def make_series():
    def make(name, values, *, last=date(2019, 6, 19), unit="vol points"):
        day = _sessions_until(last, len(values))
        value = np.asarray(values, dtype=np.float64)
        return Series(name=name, unit=unit, day=day, known_at=close_known_at(day, index_close=True), value=value)

    return make


@pytest.fixture(scope="session")
def make_bars():
    def make(ticker, closes, *, last=date(2019, 6, 19), ranges=None, volume=None):
        """`ranges` = (open, high, low); without it only closes are known."""
        close = np.asarray(closes, dtype=np.float64)
        day = _sessions_until(last, len(close))
        hole = np.full(len(close), np.nan)
        opens, highs, lows = ranges or (hole, hole, hole)
        return Bars(
            ticker=ticker,
            day=day,
            known_at=close_known_at(day),
            open=opens,
            high=highs,
            low=lows,
            close=close,
            volume=hole if volume is None else np.asarray(volume, dtype=np.float64),
            adjusted_as_of=None,
        )

    return make


@pytest.fixture(scope="session")
def make_market():
    def make(*, as_of=AS_OF, tickers=("SPY",), series=(), bars=(), **more):
        return MarketData(
            as_of=as_of,
            feed="test",
            tickers=tickers,
            chains=more.pop("chains", {}),
            bars={row.ticker: row for row in bars},
            series={row.name: row for row in series},
            **more,
        )

    return make
