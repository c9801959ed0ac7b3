"""What the simulated market contains: its names, its calendar and its seed."""

from datetime import date, time
from functools import cached_property
from typing import Literal

from pydantic import Field

from domain.record import Record

Kind = Literal["index", "etf", "stock"]


class SimulatedName(Record):
    """One underlying. Levels are round numbers on purpose: nobody should take them for quotes."""

    ticker: str = Field(pattern=r"^[A-Z][A-Z0-9]{0,5}$")
    kind: Kind = "stock"
    sector: str
    spot: float = Field(gt=0)  # USD per share at the first session of the history
    vol: float = Field(gt=0.02, lt=2)  # long-run implied volatility, decimal
    beta: float = 1.0
    dividend_yield: float = Field(default=0.0, ge=0, lt=0.2)  # continuous, a year
    rho: float = Field(default=-0.35, gt=-1, lt=1)  # SSVI correlation: the smile's tilt
    eta: float = Field(default=0.8, gt=0, lt=1)  # SSVI curvature; eta (1 + |rho|) <= 2 excludes arbitrage
    option_volume: float = Field(default=40_000, gt=0)  # contracts a day in quiet times
    posts: float = Field(default=3.0, ge=0)  # posts a day in quiet times
    tracks_market: bool = False  # SPX and SPY are one path at two scales


def _index(ticker: str, kind: Kind, spot: float, vol: float, **more: float | bool) -> SimulatedName:
    base: dict[str, object] = {"rho": -0.7, "eta": 0.7, "dividend_yield": 0.013, "posts": 4.0}
    return SimulatedName.model_validate(
        {**base, "ticker": ticker, "kind": kind, "sector": "index", "spot": spot, "vol": vol, **more}
    )


def _stock(ticker: str, sector: str, spot: float, vol: float, beta: float, **more: float) -> SimulatedName:
    base: dict[str, object] = {"ticker": ticker, "sector": sector, "spot": spot, "vol": vol, "beta": beta}
    return SimulatedName.model_validate({**base, **more})


DEFAULT_NAMES: tuple[SimulatedName, ...] = (
    _index("SPX", "index", 5000, 0.155, option_volume=1_200_000, tracks_market=True),
    _index("SPY", "etf", 500, 0.155, option_volume=900_000, posts=8.0, tracks_market=True),
    _index("QQQ", "etf", 400, 0.20, beta=1.2, dividend_yield=0.006, option_volume=600_000, posts=8.0),
    _index("IWM", "etf", 200, 0.21, beta=1.15, option_volume=250_000),
    _stock("AAPL", "technology", 200, 0.27, 1.1, dividend_yield=0.005, option_volume=250_000, posts=5.0),
    _stock("AMD", "technology", 150, 0.45, 1.6, option_volume=150_000, posts=5.0),
    _stock("AMZN", "consumer_discretionary", 180, 0.32, 1.25, option_volume=140_000, posts=6.0),
    _stock("BA", "industrials", 190, 0.36, 1.2, option_volume=60_000),
    _stock("GME", "consumer_discretionary", 25, 0.75, 0.9, option_volume=50_000, posts=6.0),
    _stock("JPM", "financials", 200, 0.24, 1.05, dividend_yield=0.022),
    _stock("KO", "consumer_staples", 60, 0.17, 0.6, dividend_yield=0.03, posts=2.0),
    _stock("META", "communication", 500, 0.34, 1.25, dividend_yield=0.004, option_volume=120_000, posts=6.0),
    _stock("NVDA", "technology", 120, 0.46, 1.7, option_volume=400_000, posts=7.0),
    _stock("PFE", "health_care", 30, 0.26, 0.7, dividend_yield=0.05),
    _stock("PLTR", "technology", 40, 0.58, 1.5, option_volume=160_000, posts=6.0),
    _stock("TSLA", "consumer_discretionary", 250, 0.55, 1.7, option_volume=350_000, posts=8.0),
    _stock("XOM", "energy", 110, 0.25, 0.8, dividend_yield=0.033),
)
_GENERATED_SECTORS = ("technology", "financials", "health_care", "energy", "industrials", "consumer_staples")


class SimulatedSettings(Record):
    """The whole market follows from this record: equal settings, equal pictures, byte for byte."""

    seed: int = 7
    epoch: date = date(2025, 1, 2)  # first day on which the desk may run
    sessions: int = Field(default=756, ge=5, le=2520)  # sessions from the epoch; later instants are refused
    history_sessions: int = Field(default=504, ge=300, le=1260)  # sessions of history before the epoch
    slots: tuple[time, ...] = (time(9, 35), time(12, 0), time(15, 30))  # New York
    names: tuple[SimulatedName, ...] = DEFAULT_NAMES
    generated: int = Field(default=0, ge=0, le=500)  # further made-up names SIM001, SIM002, ... for large universes

    @cached_property
    def stock_order(self) -> dict[str, int]:
        """Place of each single name among the single names of the roster."""
        stocks = [name.ticker for name in self.roster() if name.kind == "stock"]
        return {ticker: place for place, ticker in enumerate(stocks)}

    def roster(self) -> tuple[SimulatedName, ...]:
        """All names, the listed ones first, then the generated ones."""
        return (*self.names, *(_generated(number) for number in range(1, self.generated + 1)))


def _generated(number: int) -> SimulatedName:
    """Spread the generated names over prices of 20 to 405 USD and volatilities of 18 to 62 %."""
    return SimulatedName(
        ticker=f"SIM{number:03d}",
        sector=_GENERATED_SECTORS[number % len(_GENERATED_SECTORS)],
        spot=20.0 + 35.0 * (number % 12),
        vol=0.18 + 0.04 * (number * 5 % 12),
        beta=0.6 + 0.1 * (number % 11),
        dividend_yield=0.01 * (number % 3),
        option_volume=20_000,
        posts=2.0,
    )
