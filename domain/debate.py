"""Words of the debate: evidence, claims that must cite it, turns, and the verdict."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from pydantic import Field

from domain.record import Record
from domain.signals import MetaValue, VolView

Engine = Literal["rules", "llm"]
Side = Literal["bull", "bear"]
Cause = Literal["conflict", "weak", "no_valid_claim", "model"]
Layer = Literal["short", "mid", "long"]  # how slowly a memory fades


class Evidence(Record):
    """Something a claim may cite: a signal or a recalled memory, with its figures."""

    id: str
    kind: Literal["signal", "memory"]
    text: str
    direction: int = Field(ge=-1, le=1)  # on the price axis; 0 for volatility-axis evidence
    weight: float  # signed contribution to price_score
    figures: dict[str, MetaValue]


class CitedFigure(Record):
    """A figure quoted from a piece of evidence."""

    evidence_id: str
    name: str
    value: float


class Claim(Record):
    """One argument. `struck` says why it does not count: unknown evidence, wrong figure, wrong side, duplicate."""

    id: str
    side: Side
    round: int
    text: str
    evidence_ids: tuple[str, ...]
    figures: tuple[CitedFigure, ...] = ()
    strength: float = Field(ge=0, le=1)
    answers: str | None = None  # id of the other side's claim that this one answers
    struck: str | None = None


class Verdict(StrEnum):
    """The judge's word on price direction."""

    BULL = "bull"
    BEAR = "bear"
    INCONCLUSIVE = "inconclusive"


class Disagreement(Record):
    """How far the two sides, and arithmetic and model, were apart. Strengths are summed over standing claims."""

    bull_strength: float = Field(ge=0)
    bear_strength: float = Field(ge=0)
    balance: float = Field(ge=0, le=1)  # weaker side over stronger: 0 unopposed, 1 evenly matched
    struck_share: float = Field(ge=0, le=1)  # of all claims made
    judge_cut: float = Field(default=0.0, ge=0, le=1)  # confidence that the judging model took away
    objected: bool = False  # the judging model would not follow the arithmetic's verdict


class Debate(Record):
    """Transcript and verdict for one ticker."""

    ticker: str
    engine: Engine
    fell_back: str | None = None  # why the rules engine spoke where a model was asked
    rounds: int  # held; fewer than configured when both sides repeated themselves
    claims: tuple[Claim, ...]
    verdict: Verdict
    cause: Cause | None = None  # why the verdict is inconclusive; "conflict" means no trade of any kind
    confidence: float = Field(ge=0, le=1)  # in a direction: 0 when inconclusive
    vol_view: VolView
    conflict: float = Field(ge=0, le=1)  # strength of the opposed price evidence; above the threshold → inconclusive
    thesis: str
    invalidation: str
    model_calls: tuple[str, ...] = ()
    stopped: str | None = None  # why it ended before the last round
    masked: bool = False  # models saw neither ticker nor company names nor dates
    disagreement: Disagreement | None = None

    def agrees_with(self, price_score: float) -> bool:
        """Whether the verdict points where the score does; an inconclusive one points nowhere."""
        return (self.verdict is Verdict.BULL and price_score > 0) or (self.verdict is Verdict.BEAR and price_score < 0)

    @property
    def struck(self) -> int:
        """Number of claims that did not count."""
        return sum(claim.struck is not None for claim in self.claims)


class ModelCall(Record):
    """One recorded model call; replays without the network. `key` identifies it within the run."""

    key: str
    run_id: str
    ticker: str
    role: str
    model: str
    prompt: str  # name@version
    prompt_hash: str
    parameters: dict[str, MetaValue]
    request_hash: str
    response: str | None  # raw text of the reply; None when it failed
    error: str | None
    finish_reason: str | None
    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)
    cost_usd: float = Field(ge=0)
    latency_ms: float
    attempt: int


class Spent(Record):
    """What recorded model calls cost so far: in one run, on one New York day, and on that day by one agent."""

    run_usd: Decimal = Decimal(0)
    day_usd: Decimal = Decimal(0)
    agent_usd: Decimal = Decimal(0)
    run_tokens: int = 0
    day_tokens: int = 0
    agent_tokens: int = 0


class CostRow(Record):
    """What one agent spent on one model in one run on one New York day."""

    day: date
    run_id: str
    agent: str
    model: str
    calls: int  # that left the house
    failed: int  # of those
    turned_away: int  # by budget, breaker, deadline or a missing price
    usd: Decimal
    input_tokens: int
    output_tokens: int
    slowest_ms: float
    waited_ms: float


class Memory(Record):
    """A past situation recalled as evidence; decision and outcome were both known before the snapshot."""

    id: str
    ticker: str
    text: str
    similarity: float  # cosine of the two situations
    direction: int = Field(ge=-1, le=1)  # of the decision then: 1 bull, −1 bear, 0 no view on price
    outcome: float | None  # P&L over worst-case loss
    figures: dict[str, MetaValue]
    score: float | None = None  # similarity × recency × importance: what memories are ranked by
    layer: Layer | None = None
    embedder: str | None = None  # only vectors of this one were compared
