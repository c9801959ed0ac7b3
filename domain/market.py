"""The frozen picture of the market that one run reads.

Whole chains, bars and series are structs of numpy arrays; text items and calendar entries are records. Every
row carries, or follows a stated rule for, the instant from which it may be known (`domain.sessions`); nothing
in a `MarketData` is knowable later than its `as_of`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from domain.record import Instant, Record
from domain.units import Bools, Days, Floats, Instants, to_datetime64

Strings = NDArray[np.str_]


class DataNote(Record):
    """What was mended, dropped or doubted in the data, with the numbers: shown, frozen and audited."""

    code: str
    subject: str
    detail: str
    count: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """All quotes of one underlying at one instant, as captured: hygiene flags rows later, it never edits them.

    Arrays have shape `(n,)`. Prices are USD per share; NaN means "not quoted", 0 means "quoted at zero".
    `volume` and `open_interest` are contracts, NaN where unknown. `multiplier` is shares per contract, NaN
    where the source does not say (such rows cannot be traded). `spot` is USD per share in the same share
    units as the strikes; `spot_source` says whether it was quoted or implied from put-call parity.
    """

    ticker: str
    as_of: datetime
    spot: float
    spot_source: Literal["quoted", "parity"]
    symbol: Strings  # OCC symbol, e.g. "SPXW  190621C02950000"
    root: Strings
    is_call: Bools
    strike: Floats
    expiry: Days
    expires_at: Instants  # UTC, datetime64[s]: 16:00 New York, early close, or 09:30 if AM-settled
    am_settled: Bools
    european: Bools
    standard: Bools  # False: deliverable changed by a corporate action; flagged and never proposed
    multiplier: Floats
    bid: Floats
    ask: Floats
    last: Floats
    volume: Floats
    open_interest: Floats
    bid_size: Floats  # contracts, NaN where the source has no sizes
    ask_size: Floats
    vendor_iv: Floats  # decimal, NaN where absent; evidence only, never used for pricing

    def __len__(self) -> int:
        return len(self.symbol)

    def rows(self, mask: NDArray[Any]) -> "Chain":
        """The chain restricted to rows where `mask` (boolean mask or integer index) selects."""
        return replace(self, **{name: getattr(self, name)[mask] for name in CHAIN_COLUMNS})


CHAIN_COLUMNS: tuple[str, ...] = tuple(
    f.name for f in fields(Chain) if f.name not in ("ticker", "as_of", "spot", "spot_source")
)


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Daily bars of one ticker, ascending, no duplicate day. Shape `(n,)`; USD per share, split-adjusted as of
    `adjusted_as_of` (None: raw traded prices). `open/high/low/volume` are NaN where only closes are known.
    """

    ticker: str
    day: Days
    known_at: Instants
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    adjusted_as_of: date | None

    def __len__(self) -> int:
        return len(self.day)

    def known_by(self, as_of: datetime) -> "Bars":
        """Only rows knowable at `as_of`."""
        keep = self.known_at <= to_datetime64(as_of)
        return replace(self, **{name: getattr(self, name)[keep] for name in BARS_COLUMNS})


BARS_COLUMNS: tuple[str, ...] = ("day", "known_at", "open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One named history, ascending by `day`. Shape `(n,)`, no NaN. `unit` is e.g. "vol points", "percent a year"."""

    name: str
    unit: str
    day: Days
    known_at: Instants
    value: Floats

    def __len__(self) -> int:
        return len(self.day)

    def known_by(self, as_of: datetime) -> "Series":
        """Only rows knowable at `as_of`."""
        keep = self.known_at <= to_datetime64(as_of)
        return replace(self, day=self.day[keep], known_at=self.known_at[keep], value=self.value[keep])


@dataclass(frozen=True, slots=True, eq=False)
class Prints:
    """Option trades of one underlying as printed, any order. Shape `(n,)`; prices in USD per share, `bid` and `ask` as
    quoted when the trade printed (NaN: unknown). A print may be used from `at` on.
    """

    ticker: str
    symbol: Strings  # OCC symbol
    at: Instants  # UTC, datetime64[ms]
    price: Floats
    size: Floats  # contracts
    bid: Floats
    ask: Floats
    exchange: Strings
    multiplier: Floats  # shares per contract

    def __len__(self) -> int:
        return len(self.symbol)


# Names of the market-wide series. Per-ticker ones are built by the functions below.
VIX_FAMILY = ("VIX", "VIX9D", "VIX3M", "VIX6M", "VVIX", "SKEW")  # vol points (SKEW: index points)
YIELDS = ("DGS1MO", "DGS3MO", "DGS6MO", "DGS1", "DGS2", "DGS10", "DGS30")  # percent a year
YIELD_YEARS: Mapping[str, float] = {
    "DGS1MO": 1 / 12,
    "DGS3MO": 0.25,
    "DGS6MO": 0.5,
    "DGS1": 1.0,
    "DGS2": 2.0,
    "DGS10": 10.0,
    "DGS30": 30.0,
}
PUT_CALL = ("PCR_TOTAL", "PCR_INDEX", "PCR_ETP", "PCR_EQUITY", "PCR_VIX", "PCR_SPX")  # ratio of volumes
FED_FUNDS = "DFF"  # percent a year
DIX = "DIX"  # share of off-exchange volume sold short, 0 to 1
GEX = "GEX"  # published dealer gamma, USD


def mentions(ticker: str) -> str:
    """Series of daily mention counts of `ticker` (unit "posts a day")."""
    return f"mentions.{ticker}"


def hourly_mentions(ticker: str) -> str:
    """Series of mentions of `ticker` in each hour (unit "posts an hour"), `day` being the hour's beginning in
    `datetime64[s]`. An hour that is absent was not counted; one without mentions stands there with 0. With `FORUM` as
    ticker: all posts of the same sources, whatever they name.
    """
    return f"mentions.hour.{ticker}"


FORUM = "*"


def hourly_tone(ticker: str) -> str:
    """Series of the mood of mentions in each hour that has any: (bullish − bearish) / (bullish + bearish)."""
    return f"tone.hour.{ticker}"


def hourly_price(ticker: str) -> str:
    """Series of the last price of each hour in which `ticker` traded (unit "USD a share", as traded then)."""
    return f"price.hour.{ticker}"


def search_interest(ticker: str) -> str:
    """Series of how much a ticker's terms are searched for a day (unit "percent of its own peak")."""
    return f"searches.{ticker}"


def iv30(ticker: str) -> str:
    """Series of 30-day at-the-money implied volatility of `ticker` (unit "decimal")."""
    return f"iv30.{ticker}"


def skew25(ticker: str) -> str:
    """Series of the 30-day 25-delta risk reversal of `ticker` (unit "decimal"): call IV minus put IV."""
    return f"skew25.{ticker}"


def butterfly25(ticker: str) -> str:
    """Series of the 30-day 25-delta butterfly of `ticker` (unit "decimal"): the wings' mean IV minus the money's."""
    return f"butterfly25.{ticker}"


def open_interest(ticker: str, right: Literal["call", "put"]) -> str:
    """Series of a ticker's total call or put open interest of the morning (unit "contracts")."""
    return f"oi.{right}.{ticker}"


def option_volume(ticker: str, right: Literal["call", "put"]) -> str:
    """Series of a ticker's total daily call or put volume (unit "contracts")."""
    return f"volume.{right}.{ticker}"


class Post(Record):
    """One post or comment, already cleaned, ticker-tagged and scored in `collect`."""

    id: str
    source: str  # "reddit", "simulated", ...
    channel: str  # subreddit, thread, ...
    author: str | None
    published_at: Instant
    known_at: Instant
    text: str
    tickers: tuple[str, ...]
    score: int | None = None
    comments: int | None = None
    sentiment: float | None = None  # P(positive) − P(negative) in [−1, 1]; None: nothing could be scored
    sentiment_model: str | None = None
    thread: str | None = None  # id of the submission it belongs to; None: the source does not say
    author_age_days: float | None = None  # age of the author's account when it was published
    context: str | None = None  # a name of `signals.social.context`, read by a model in `collect`; None: rules decide


class Headline(Record):
    """One news headline, scored in `collect`."""

    id: str
    source: str
    published_at: Instant
    known_at: Instant
    text: str
    tickers: tuple[str, ...]
    sentiment: float | None = None
    sentiment_model: str | None = None


class CalendarEvent(Record):
    """A scheduled event, usable from `known_at`. `ticker` is None for market-wide ones."""

    kind: Literal["earnings", "fomc", "cpi", "ex_dividend", "other"]
    ticker: str | None
    at: Instant
    known_at: Instant
    amount: float | None = None  # USD per share, for dividends
    title: str = ""


class OddsReading(Record):
    """Prediction-market odds that may inform the regime."""

    market: str
    probability: float
    known_at: Instant


@dataclass(frozen=True, eq=False)
class MarketData:
    """What a feed hands over for one instant. Mappings are keyed by ticker or series name.

    `events_known` holds the tickers (and "" for the market) whose calendar is known; absence means *unknown*,
    not "no event". `provenance` says in plain words where each kind of data came from and what was simulated.
    """

    as_of: datetime
    feed: str
    tickers: tuple[str, ...]
    chains: Mapping[str, Chain]
    bars: Mapping[str, Bars]
    series: Mapping[str, Series]
    posts: tuple[Post, ...] = ()
    headlines: tuple[Headline, ...] = ()
    events: tuple[CalendarEvent, ...] = ()
    events_known: frozenset[str] = frozenset()
    sectors: Mapping[str, str] = field(default_factory=dict)
    odds: tuple[OddsReading, ...] = ()
    notes: tuple[DataNote, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)

    def posts_about(self, ticker: str) -> tuple[Post, ...]:
        """Posts that name `ticker`, in the order of `posts`; sorted out once, whoever asks first."""
        return self._posts_by_ticker.get(ticker, ())

    @cached_property
    def first_post_at(self) -> datetime | None:
        """When the earliest of all posts was published; None without posts."""
        return min((post.published_at for post in self.posts), default=None)

    @cached_property
    def _posts_by_ticker(self) -> Mapping[str, tuple[Post, ...]]:
        found: dict[str, list[Post]] = {}
        for post in self.posts:
            for ticker in set(post.tickers):
                found.setdefault(ticker, []).append(post)
        return {ticker: tuple(posts) for ticker, posts in found.items()}

    def __repr__(self) -> str:
        # Short: asyncio puts the repr of a task's result into messages that it builds even when nobody reads them.
        return f"MarketData({self.feed!r}, {self.as_of.isoformat()}, {len(self.tickers)} tickers)"
