"""Daily series of the simulated market: VIX family, yields, put/call ratios, volatility and activity histories."""

from datetime import datetime

import numpy as np

from domain.market import (
    DIX,
    FED_FUNDS,
    GEX,
    PUT_CALL,
    YIELDS,
    Bars,
    Series,
    iv30,
    option_volume,
    skew25,
)
from domain.units import Floats, Instants, to_datetime64
from feeds.simulated import events
from feeds.simulated.activity import daily_volumes
from feeds.simulated.paths import Path, report_move
from feeds.simulated.randomness import stream
from feeds.simulated.settings import SimulatedSettings
from feeds.simulated.smile import Surface, atm_variance, risk_reversal, variance_swap_vol
from feeds.simulated.timeline import Timeline

_VIX_DAYS = {"VIX": 30, "VIX9D": 9, "VIX3M": 93, "VIX6M": 184}
_PCR_LEVEL = {"PCR_TOTAL": 0.9, "PCR_INDEX": 1.2, "PCR_ETP": 1.1, "PCR_EQUITY": 0.62, "PCR_VIX": 0.6, "PCR_SPX": 1.35}


def market_series(market: Path, curve: Floats, settings: SimulatedSettings, line: Timeline) -> dict[str, Series]:
    """Series of the market as a whole over all sessions; the caller cuts them by knowledge time."""
    count = len(line.days)
    surface = _surface(market)
    found = {}
    for name, days in _VIX_DAYS.items():
        theta = atm_variance(surface, days / 365)
        value = 100 * variance_swap_vol(surface, theta, days / 365)
        found[name] = _series(name, "vol points", value.round(2), line, line.index_close_known)
    noise = stream(settings.seed, "market", "series").standard_normal((count, 10))
    fear = market.slope + 0.08
    found["VVIX"] = _series(
        "VVIX", "vol points", (92 + 60 * fear + 4 * noise[:, 0]).clip(60, 200).round(2), line, line.index_close_known
    )
    tilt = 128 - 60 * (market.rho - market.name.rho) + 3 * noise[:, 1]
    found["SKEW"] = _series("SKEW", "index points", tilt.clip(100, 180).round(2), line, line.index_close_known)
    swing = events.put_call_tilt(line.days, settings) - 2.0 * market.returns
    for column, name in enumerate(PUT_CALL):
        ratio = _PCR_LEVEL[name] * np.exp(swing + 0.07 * noise[:, 2 + column])
        found[name] = _series(name, "ratio of volumes", ratio.round(2), line, line.next_morning)
    for column, name in enumerate(YIELDS):
        found[name] = _series(name, "percent a year", curve[:, column], line, line.next_morning)
    found[FED_FUNDS] = _series(FED_FUNDS, "percent a year", (curve[:, 0] - 0.05).round(2), line, line.next_morning)
    dix = 0.44 + 0.02 * noise[:, 8] - 0.5 * market.returns
    found[DIX] = _series(DIX, "share", dix.clip(0.3, 0.6).round(4), line, line.next_morning)
    gex = 4e9 * (1 - 4 * fear) + 8e8 * noise[:, 9]
    found[GEX] = _series(GEX, "USD", gex.round(0), line, line.next_morning)
    return found


def name_series(path: Path, settings: SimulatedSettings, line: Timeline) -> dict[str, Series]:
    """30-day volatility, skew and option volumes of one name, each known at its session's close."""
    ticker, surface, tau = path.name.ticker, _surface(path), 30 / 365
    theta = atm_variance(surface, tau, _report_variance(path, line, days=30))
    calls, puts = daily_volumes(path, settings)
    columns = (
        (iv30(ticker), "decimal", np.sqrt(theta / tau).round(6)),
        (skew25(ticker), "decimal", risk_reversal(surface, theta, tau).round(6)),
        (option_volume(ticker, "call"), "contracts", calls),
        (option_volume(ticker, "put"), "contracts", puts),
    )
    return {name: _series(name, unit, value, line, line.close_known) for name, unit, value in columns}


def bars(path: Path, line: Timeline, as_of: datetime, window: int) -> Bars:
    """The last `window` daily bars known at `as_of`, raw traded prices."""
    known_at = line.index_close_known if path.name.kind == "index" else line.close_known
    known = int(np.searchsorted(known_at, to_datetime64(as_of), side="right"))
    part = slice(max(known - window, 0), known)
    return Bars(
        ticker=path.name.ticker,
        day=line.days[part],
        known_at=known_at[part],
        open=path.open[part].round(2),
        high=path.high[part].round(2),
        low=path.low[part].round(2),
        close=path.close[part].round(2),
        volume=path.volume[part],
        adjusted_as_of=None,
    )


def known_window(series: Series, as_of: datetime, window: int) -> Series:
    """The last `window` rows of a full-length series that are known at `as_of`."""
    known = int(np.searchsorted(series.known_at, to_datetime64(as_of), side="right"))
    part = slice(max(known - window, 0), known)
    return Series(
        name=series.name,
        unit=series.unit,
        day=series.day[part],
        known_at=series.known_at[part],
        value=series.value[part],
    )


def _series(name: str, unit: str, value: Floats, line: Timeline, known_at: Instants) -> Series:
    return Series(name=name, unit=unit, day=line.days, known_at=known_at, value=np.asarray(value, dtype=np.float64))


def _surface(path: Path) -> Surface:
    return Surface(vol=path.name.vol, level=path.level, slope=path.slope, rho=path.rho, eta=path.name.eta)


def _report_variance(path: Path, line: Timeline, *, days: int) -> Floats:
    """Variance of reports within `days` after each close, shape `(n,)`; the report after the very close counts."""
    reports = line.days[path.earnings]
    first = np.searchsorted(reports, line.days, side="left")
    last = np.searchsorted(reports, line.days + np.timedelta64(days, "D"), side="left")
    return np.asarray((last - first) * report_move(path.name) ** 2, dtype=np.float64)
