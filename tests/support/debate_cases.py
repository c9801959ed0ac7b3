"""Cases to debate: signals of chosen strength, the composite they make, a snapshot around them, a record in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from agents.debate.rules import RulesEngine
from agents.debate.settings import DebateSettings
from domain.book import Baseline, Book
from domain.debate import Memory, ModelCall, Spent
from domain.market import Headline, MarketData, Post
from domain.risk import TradingState
from domain.signals import EDGE_AXIS, CompositeSignal, Contribution, Direction, Signal
from domain.snapshot import DeskContext, MarketSnapshot
from signals.aggregate import conflict

AS_OF = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
CONFLICT_CEILING = 0.6
FOUR_EDGES = (
    ("flow", "unusual_calls"),
    ("technical", "trend"),
    ("technical", "momentum"),
    ("social", "news_sentiment"),
)


def debate_settings(models: dict[str, Any] | None = None, **fields: Any) -> DebateSettings:
    """config/debate.yaml without waiting times, with `fields` and, in its models section, `models` changed."""
    raw = yaml.safe_load((Path(__file__).parents[2] / "config" / "debate.yaml").read_text())
    quick = {"timeout_seconds": 5.0, "retry_wait_seconds": 0.0, "retry_wait_limit_seconds": 0.05}
    return DebateSettings.model_validate({**raw, **fields, "models": {**raw["models"], **quick, **(models or {})}})


def rules_engine(settings: DebateSettings) -> RulesEngine:
    """With a fixed view on volatility and the real measure of conflict."""
    return RulesEngine(settings, vol_view=lambda _: "none", conflict=conflict, conflict_ceiling=CONFLICT_CEILING)


def signal(source: str, edge: str, *, up: bool = True, ticker: str = "SPY", **metadata: Any) -> Signal:
    return Signal(
        source=source,
        ticker=ticker,
        direction=Direction.BULLISH if up else Direction.BEARISH,
        conviction=0.6,
        edge_type=edge,
        timestamp=AS_OF - timedelta(minutes=5),
        metadata={"horizon_days": 20, "half_life_days": 5, "evidence": ("chain:SPY",), "z_score": 2.5, **metadata},
    )


def composite(signals: Sequence[Signal], values: Sequence[float], *, conviction: float = 0.5) -> CompositeSignal:
    """A composite to which each signal contributes the value given."""
    parts = tuple(
        Contribution(
            signal_id=item.id, source=item.source, edge_type=item.edge_type, axis=EDGE_AXIS[item.edge_type],
            weight=1.0, decay=1.0, value=value,
        )
        for item, value in zip(signals, values, strict=True)
    )  # fmt: skip
    price = sum(part.value for part in parts if part.axis == "price")
    vol = sum(part.value for part in parts if part.axis == "volatility")
    return CompositeSignal(
        ticker=signals[0].ticker if signals else "SPY", as_of=AS_OF, price_score=price, vol_score=vol,
        conviction=conviction, agreement=0.5, coverage=1.0, contributions=parts,
    )  # fmt: skip


def case(*values: float, ticker: str = "SPY", conviction: float = 0.5) -> tuple[CompositeSignal, list[Signal]]:
    """A composite of up to four price signals with the given contributions: (0.2, 0.2, 0.2, -0.2) is three to one."""
    edges = FOUR_EDGES[: len(values)]
    signals = [
        signal(source, edge, up=value > 0, ticker=ticker) for (source, edge), value in zip(edges, values, strict=True)
    ]
    return composite(signals, values, conviction=conviction), signals


def memory(name: str, *, direction: int, outcome: float | None, similarity: float = 0.8) -> Memory:
    return Memory(
        id=f"memory/{name}", ticker="SPY", text="told then", similarity=similarity,
        direction=direction, outcome=outcome, figures={"iv_rank": 0.4},
    )  # fmt: skip


def headline(text: str, *, name: str = "h1", ticker: str = "SPY", known_at: datetime = AS_OF) -> Headline:
    return Headline(id=name, source="wire", published_at=known_at, known_at=known_at, text=text, tickers=(ticker,))


def post(text: str, *, name: str = "p1", ticker: str = "SPY", known_at: datetime = AS_OF) -> Post:
    return Post(
        id=name, source="reddit", channel="options", author="a", published_at=known_at, known_at=known_at,
        text=text, tickers=(ticker,),
    )  # fmt: skip


def snapshot(*texts: Headline | Post) -> MarketSnapshot:
    market = MarketData(
        as_of=AS_OF, feed="test", tickers=("SPY",), chains={}, bars={}, series={},
        posts=tuple(item for item in texts if isinstance(item, Post)),
        headlines=tuple(item for item in texts if isinstance(item, Headline)),
    )  # fmt: skip
    book = Book(
        as_of=AS_OF, cash=Decimal(100_000), positions=(), nlv=Decimal(100_000), nlv_as_of=AS_OF,
        realised=Decimal(0), fees=Decimal(0),
    )  # fmt: skip
    desk = DeskContext(
        book=book, exposures=(), open_orders=(),
        baseline=Baseline(session=AS_OF.date(), nlv=Decimal(100_000), source="test"),
        trading_state=TradingState.ACTIVE, trading_state_reason="", halted_agents=(), earlier_signals=(),
        reliability=(), regime_history=(),
    )  # fmt: skip
    return MarketSnapshot(market=market, desk=desk)


class MemoryModelRecord:
    """`ModelRecord` in memory. `spent_before` counts as spent today by other runs."""

    def __init__(self, *, spent_before: tuple[str, int] = ("0", 0)) -> None:
        self.calls: dict[tuple[str, str], ModelCall] = {}
        self._before = (Decimal(spent_before[0]), spent_before[1])

    async def find(self, run_id: str, key: str) -> ModelCall | None:
        return self.calls.get((run_id, key))

    async def store(self, call: ModelCall) -> None:
        self.calls.setdefault((call.run_id, call.key), call)

    async def spent(self, *, run_id: str, agent: str) -> Spent:
        mine = [call for call in self.calls.values() if call.run_id == run_id]
        every = list(self.calls.values())
        agents = [call for call in every if call.role == agent]
        usd, tokens = (
            lambda calls: sum((Decimal(repr(item.cost_usd)) for item in calls), Decimal(0)),
            lambda calls: sum(item.input_tokens + item.output_tokens for item in calls),
        )
        return Spent(
            run_usd=usd(mine),
            run_tokens=tokens(mine),
            day_usd=self._before[0] + usd(every),
            day_tokens=self._before[1] + tokens(every),
            agent_usd=usd(agents),
            agent_tokens=tokens(agents),
        )
