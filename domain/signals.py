"""The one format in which analysts speak, and what becomes of it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from domain.record import Instant, Record

SOURCES: tuple[str, ...] = ("vol_surface", "flow", "technical", "social")


class Direction(StrEnum):
    """Stance on the axis of the edge type. On the volatility axis bullish means implied volatility is cheap
    (buy it) and bearish means it is rich (sell it).
    """

    BULLISH = "bullish"
    BEARISH = "bearish"
    NEUTRAL = "neutral"

    @property
    def sign(self) -> int:
        """+1, −1 or 0."""
        return {"bullish": 1, "bearish": -1, "neutral": 0}[self.value]


class Axis(StrEnum):
    """What a signal speaks about: where the underlying goes, or whether implied volatility is cheap or rich."""

    PRICE = "price"
    VOLATILITY = "volatility"


EDGE_AXIS: Mapping[str, Axis] = {
    # vol_surface
    "iv_rich": Axis.VOLATILITY,
    "iv_cheap": Axis.VOLATILITY,
    "skew_puts_rich": Axis.VOLATILITY,
    "skew_calls_rich": Axis.VOLATILITY,
    "term_backwardation": Axis.VOLATILITY,
    "term_contango": Axis.VOLATILITY,
    "surface_residual": Axis.VOLATILITY,
    "variance_premium": Axis.VOLATILITY,
    "parity_arbitrage": Axis.VOLATILITY,
    # flow
    "unusual_calls": Axis.PRICE,
    "unusual_puts": Axis.PRICE,
    "put_call_extreme": Axis.PRICE,
    "dealer_long_gamma": Axis.VOLATILITY,
    "dealer_short_gamma": Axis.VOLATILITY,
    "vanna_flow": Axis.PRICE,
    "charm_flow": Axis.PRICE,
    "pin": Axis.VOLATILITY,
    # technical
    "trend": Axis.PRICE,
    "momentum": Axis.PRICE,
    "mean_reversion": Axis.PRICE,
    "breakout": Axis.PRICE,
    # social
    "mention_velocity": Axis.PRICE,
    "crowd_sentiment": Axis.PRICE,
    "news_sentiment": Axis.PRICE,
}
EdgeType = str

MetaValue = float | int | str | bool | None | tuple[str, ...]


class Signal(Record):
    """An analyst's claim about one ticker. `metadata` holds the figures it rests on, each under a name that says
    its unit, plus `horizon_days`, `half_life_days` and `evidence` (ids); it is enough to re-derive the claim.
    """

    id: str
    source: str
    ticker: str
    direction: Direction
    conviction: float = Field(ge=0, le=1)
    edge_type: EdgeType
    timestamp: Instant
    metadata: dict[str, MetaValue]

    @model_validator(mode="before")
    @classmethod
    def _derive_id(cls, data: Any) -> Any:
        if (
            isinstance(data, Mapping)
            and "id" not in data
            and {"source", "ticker", "edge_type", "timestamp"} <= data.keys()
        ):
            stamp = data["timestamp"]
            text = f"{stamp:%Y%m%dT%H%M%SZ}" if hasattr(stamp, "strftime") else str(stamp)
            return {**data, "id": f"{data['source']}/{data['ticker']}/{data['edge_type']}@{text}"}
        return data

    @field_validator("source")
    @classmethod
    def _known_source(cls, value: str) -> str:
        if value not in SOURCES:
            raise ValueError(f"unknown signal source {value!r}; registered are {', '.join(SOURCES)}")
        return value

    @field_validator("edge_type")
    @classmethod
    def _known_edge(cls, value: str) -> str:
        if value not in EDGE_AXIS:
            raise ValueError(f"unknown edge type {value!r}; known are {', '.join(EDGE_AXIS)}")
        return value

    @model_validator(mode="after")
    def _has_horizon(self) -> Self:
        for name in ("horizon_days", "half_life_days"):
            value = self.metadata.get(name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
                raise ValueError(f"signal metadata needs {name} > 0")
        if "evidence" not in self.metadata:
            raise ValueError("signal metadata needs evidence: the ids of what it rests on")
        return self

    @property
    def axis(self) -> Axis:
        """The axis that the edge type speaks about."""
        return EDGE_AXIS[self.edge_type]


class Abstention(Record):
    """Why an analyst said nothing about a ticker ("*": about all of them). Not a zero, not neutral."""

    source: str
    ticker: str
    code: str  # stale_chain, empty_chain, no_history, halted, timeout, failed, ...
    detail: str
    numbers: dict[str, float] = {}


class AnalystReport(Record):
    """All that one analyst published in one run."""

    source: str
    signals: tuple[Signal, ...] = ()
    abstentions: tuple[Abstention, ...] = ()


class Contribution(Record):
    """What one signal added to a composite score; contributions of an axis add up to its score."""

    signal_id: str
    source: str
    edge_type: str
    axis: Axis
    weight: float
    decay: float
    value: float


class CompositeSignal(Record):
    """All analysts' view of one ticker. `vol_score` > 0: implied volatility is cheap."""

    ticker: str
    as_of: Instant
    price_score: float = Field(ge=-1, le=1)
    vol_score: float = Field(ge=-1, le=1)
    conviction: float = Field(ge=0, le=1)
    agreement: float = Field(ge=0, le=1)
    coverage: float = Field(ge=0, le=1)
    contributions: tuple[Contribution, ...] = ()


class RankedTicker(Record):
    """Place of a ticker in the run; only `debated` ones go on."""

    ticker: str
    rank: int
    edge: float
    debated: bool
    reason: str


class Reliability(Record):
    """Measured hit rate of one source over closed decisions known at the snapshot."""

    source: str
    closed: int
    hits: int


VolView = Literal["long", "short", "none"]
