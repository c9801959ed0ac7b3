"""What a rule may look at: one position, its market, the account and measured features, at one instant.

Four groups of plain facts, each frozen; nothing in them is knowable later than `as_of`. `None` is not known, never
zero. What follows from the facts is worked out on first access and kept (`lazy`), so that a context costs next to
nothing until a rule asks. Amounts are USD; "unit" is one unit of a structure, one contract or one share; P&L > 0 is
profit; ratios are decimals.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Generic, Literal, Self, TypeVar, overload

from domain.regime import Regime
from domain.sessions import NEW_YORK, is_half_day, is_session, session_close, session_open, sessions_between

Session = Literal["pre", "regular", "post", "closed"]
SECONDS_PER_DAY = 86_400.0
DAYS_PER_YEAR = 365.0
DIGITS = 9  # ratios are rounded here, so that 64.32 of 107.20 is 0.6 and a limit of 0.6 is met
T = TypeVar("T")
_NONE: Mapping[str, float] = {}


class lazy(Generic[T]):  # noqa: N801 - reads as the decorator it is
    """A value worked out from a frozen struct on first access and kept in its slot `derived`."""

    def __init__(self, method: Callable[[Any], T]) -> None:
        self._method = method
        self._name = method.__name__
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: object, kind: type) -> T: ...
    def __get__(self, owner: Any, kind: type) -> Any:
        if owner is None:
            return self
        kept: dict[str, Any] = owner.derived
        if self._name not in kept:
            kept[self._name] = self._method(owner)
        return kept[self._name]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketFacts:
    """The underlying, and the structure's own quote. The bar is the last completed daily one, prices per share."""

    as_of: datetime
    price: float | None = None  # the underlying now
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float | None = None
    volume: float | None = None  # shares
    highs: tuple[float, ...] = ()  # daily highs of sessions since entry, ascending in time
    lows: tuple[float, ...] = ()
    bid: float | None = None  # USD per unit that closing now brings (negative: costs), crossing every spread
    ask: float | None = None  # USD per unit that opening now costs (negative: brings)
    derived: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @lazy
    def session(self) -> Session:
        """Where `as_of` lies in its New York trading day; the exact open and close are regular."""
        return _clock(self.as_of)[0]

    @lazy
    def minutes_to_close(self) -> float | None:
        """Minutes until today's close, 13:00 New York on half-days; None without a session today or after its close."""
        return _clock(self.as_of)[1]

    @lazy
    def minutes_since_open(self) -> float | None:
        """Minutes since today's open; None before it, and without a session today."""
        return _clock(self.as_of)[2]

    @lazy
    def half_day(self) -> bool:
        """Whether today's session closes early."""
        return _clock(self.as_of)[3]

    @lazy
    def day(self) -> date:
        """Date in New York."""
        return self.as_of.astimezone(NEW_YORK).date()

    @lazy
    def spread(self) -> float | None:
        """USD per unit between ask and bid."""
        return None if self.bid is None or self.ask is None else self.ask - self.bid


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionFacts:
    """What is held under one name. Premium > 0 is cash received: a debit spread's `entry_price` is negative.

    Greeks are of all units held: delta in USD of underlying, gamma in USD of delta per 1 %, vega in USD per volatility
    point, theta in USD per calendar day. `mfe` and `mae` are the best and worst profit per unit seen since entry, never
    below respectively above 0; `stop` and `target` the levels kept from earlier ticks.
    """

    key: str  # id of the order that opened it
    as_of: datetime
    ticker: str = ""
    strategy: str = ""
    family: str = ""
    sector: str | None = None
    quantity: int = 1  # units held
    opened_quantity: int = 1  # units ever opened
    entry_price: float | None = None  # USD per unit
    entry_time: datetime | None = None
    unit_value: float | None = None  # USD per unit now, > 0: closing brings cash
    unit_profit: float | None = None  # USD per unit, before fees
    unit_max_loss: float | None = None  # USD, positive; None: unbounded or not known
    unit_max_profit: float | None = None  # USD; None: unbounded or not known
    mfe: float | None = None
    mae: float | None = None
    high_water: float | None = None  # highest and lowest value per unit seen
    low_water: float | None = None
    stop: float | None = None
    stop_rule: str = ""
    target: float | None = None
    target_rule: str = ""
    first_expiry_at: datetime | None = None
    last_expiry_at: datetime | None = None
    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None
    entry_theta: float | None = None  # USD per unit per calendar day, at entry
    worst_case: float | None = None  # USD of all units held
    closing_quantity: int = 0  # units that working orders are closing already
    derived: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @lazy
    def credit(self) -> bool | None:
        """Whether cash was received for it."""
        return None if self.entry_price is None else self.entry_price > 0

    @lazy
    def premium(self) -> float | None:
        """USD per unit paid or received, positive."""
        return None if self.entry_price is None else abs(self.entry_price)

    @lazy
    def profit(self) -> float | None:
        """USD of all units held, before fees."""
        return None if self.unit_profit is None else self.unit_profit * self.quantity

    @lazy
    def profit_of_max(self) -> float | None:
        """Share of the maximum profit; of the maximum loss (what was put at stake) where profit is unbounded."""
        best = self.unit_max_profit if self.unit_max_profit is not None else self.unit_max_loss
        return _ratio(self.unit_profit, best)

    @lazy
    def loss_of_max(self) -> float | None:
        """Share of the maximum loss that is lost; negative in profit."""
        return _ratio(_negated(self.unit_profit), self.unit_max_loss)

    @lazy
    def profit_of_premium(self) -> float | None:
        """Profit over the premium paid or received."""
        return _ratio(self.unit_profit, self.premium)

    @lazy
    def loss_of_premium(self) -> float | None:
        """Loss over the premium paid or received; negative in profit. 2.0: twice the credit is lost."""
        return _ratio(_negated(self.unit_profit), self.premium)

    @lazy
    def r(self) -> float | None:
        """Profit in R, multiples of the maximum loss at entry."""
        return _ratio(self.unit_profit, self.unit_max_loss)

    @lazy
    def mfe_r(self) -> float | None:
        """Best profit seen, in R."""
        return _ratio(self.mfe, self.unit_max_loss)

    @lazy
    def mae_r(self) -> float | None:
        """Worst profit seen, in R; 0 or negative."""
        return _ratio(self.mae, self.unit_max_loss)

    @lazy
    def mfe_of_premium(self) -> float | None:
        """Best profit seen over the premium."""
        return _ratio(self.mfe, self.premium)

    @lazy
    def mae_of_premium(self) -> float | None:
        """Worst profit seen over the premium; 0 or negative."""
        return _ratio(self.mae, self.premium)

    @lazy
    def given_back(self) -> float | None:
        """USD per unit of profit given back since the best seen."""
        return None if self.mfe is None or self.unit_profit is None else max(self.mfe - self.unit_profit, 0.0)

    @lazy
    def scaled_out(self) -> float:
        """Share of the units ever opened that is closed."""
        return round(1.0 - self.quantity / self.opened_quantity, DIGITS)

    @lazy
    def days_held(self) -> float | None:
        """Calendar days since entry."""
        return None if self.entry_time is None else (self.as_of - self.entry_time).total_seconds() / SECONDS_PER_DAY

    @lazy
    def bars_held(self) -> int | None:
        """Session closes passed since entry."""
        return None if self.entry_time is None else sessions_between(self.entry_time, self.as_of)

    @lazy
    def dte(self) -> float | None:
        """Calendar days until the first leg's value is fixed; negative once it is."""
        return _days(self.as_of, self.first_expiry_at)

    @lazy
    def last_dte(self) -> float | None:
        """Calendar days until the last leg's value is fixed."""
        return _days(self.as_of, self.last_expiry_at)

    @lazy
    def expected_theta_profit(self) -> float | None:
        """USD per unit that theta at entry, taken as constant, would have brought by now."""
        if self.entry_theta is None or self.days_held is None:
            return None
        return self.entry_theta * self.days_held

    @lazy
    def theta_shortfall(self) -> float | None:
        """USD per unit by which profit lags what theta promised; negative when ahead."""
        if self.expected_theta_profit is None or self.unit_profit is None:
            return None
        return self.expected_theta_profit - self.unit_profit


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioFacts:
    """The account. Exposure is worst-case loss, positive, of what is open, staged and working.

    `gross_delta` and `net_delta` are USD of underlying, the sum of absolute respectively signed deltas of structures.
    """

    equity: float | None = None  # net liquidation value
    cash: float | None = None
    margin: float | None = None  # bound by what is open and working
    exposure: float | None = None
    exposure_by_ticker: Mapping[str, float] = field(default_factory=dict)
    exposure_by_sector: Mapping[str, float] = field(default_factory=dict)
    sector_of: Mapping[str, str] = field(default_factory=dict)  # sector of each ticker; absent: unknown
    correlation: Mapping[tuple[str, str], float] = field(default_factory=dict)  # by ascending pair; absent: unknown
    gross_delta: float | None = None
    net_delta: float | None = None
    peak_equity: float | None = None  # highest NLV recorded
    baseline_equity: float | None = None  # what today's loss is measured from
    positions: int | None = None
    derived: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @lazy
    def drawdown(self) -> float | None:
        """Share of the peak that is lost; 0 at a new peak."""
        if self.equity is None or self.peak_equity is None or self.peak_equity <= 0:
            return None
        return round(max(1.0 - self.equity / self.peak_equity, 0.0), DIGITS)

    @lazy
    def daily_loss(self) -> float | None:
        """Share of the baseline lost today; negative when ahead."""
        if self.equity is None or self.baseline_equity is None or self.baseline_equity <= 0:
            return None
        return round(1.0 - self.equity / self.baseline_equity, DIGITS)

    @lazy
    def leverage(self) -> float | None:
        """Gross delta over equity."""
        return _ratio(self.gross_delta, self.equity)

    @lazy
    def free_margin(self) -> float | None:
        """Share of equity that margin leaves free."""
        if self.equity is None or self.margin is None or self.equity <= 0:
            return None
        return round(1.0 - self.margin / self.equity, DIGITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Measures of the underlying, and whatever a researcher adds under `user`."""

    regime: Regime | None = None
    atr: float | None = None  # USD per share, Wilder's average true range of 14 sessions
    iv: float | None = None  # 30-day at-the-money, decimal
    iv_rank: float | None = None  # place of `iv` in its range of a year, 0 to 1
    realised_vol: float | None = None  # 20 sessions, close to close, annual decimal
    user: Mapping[str, float] = field(default_factory=lambda: _NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskContext:
    """Everything a rule may look at about one position: immutable, and nothing in it is later than `as_of`."""

    market: MarketFacts
    position: PositionFacts
    portfolio: PortfolioFacts = PortfolioFacts()
    features: Features = Features()

    @property
    def as_of(self) -> datetime:
        """Instant of the picture."""
        return self.position.as_of


@lru_cache(maxsize=1024)
def _clock(as_of: datetime) -> tuple[Session, float | None, float | None, bool]:
    """Session, minutes to the close, minutes since the open, half-day."""
    day = as_of.astimezone(NEW_YORK).date()
    if not is_session(day):
        return "closed", None, None, False
    opening, closing = session_open(day), session_close(day)
    to_close, since_open = (closing - as_of).total_seconds() / 60, (as_of - opening).total_seconds() / 60
    session: Session = "pre" if as_of < opening else "post" if as_of > closing else "regular"
    return session, to_close if to_close >= 0 else None, since_open if since_open >= 0 else None, is_half_day(day)


def _ratio(part: float | None, whole: float | None) -> float | None:
    """`part / whole`, rounded; None where either is unknown or there is nothing to divide by."""
    if part is None or whole is None or whole <= 0:
        return None
    return round(part / whole, DIGITS)


def _negated(value: float | None) -> float | None:
    return None if value is None else -value


def _days(as_of: datetime, until: datetime | None) -> float | None:
    return None if until is None else (until - as_of).total_seconds() / SECONDS_PER_DAY
