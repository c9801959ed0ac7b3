"""Debates and analysts that say what a test wrote."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.contract import AnalystContext
from domain.debate import Debate, Memory, Verdict
from domain.signals import Abstention, CompositeSignal, Direction, Signal
from domain.snapshot import MarketSnapshot


class ScriptedDebate:
    """A debate engine that says what the test wrote: fields of `Debate` by ticker, "*" for all others."""

    def __init__(self, script: Mapping[str, Mapping[str, Any]]) -> None:
        self.script = script
        self.heard: dict[str, tuple[Signal, ...]] = {}

    async def debate(
        self,
        run_id: str,
        composite: CompositeSignal,
        signals: Sequence[Signal],
        memories: Sequence[Memory],
        snapshot: MarketSnapshot,
    ) -> Debate:
        self.heard[composite.ticker] = tuple(signals)
        fields: dict[str, Any] = {
            "engine": "rules", "rounds": 1, "claims": (), "verdict": Verdict.INCONCLUSIVE, "cause": None,
            "confidence": 0.0, "vol_view": "none", "conflict": 0.0, "thesis": "as the test says",
            "invalidation": "never", **self.script.get(composite.ticker, self.script.get("*", {})),
        }  # fmt: skip
        return Debate(ticker=composite.ticker, **fields)


BULL: Mapping[str, Any] = {"verdict": Verdict.BULL, "confidence": 0.6}
BEAR: Mapping[str, Any] = {"verdict": Verdict.BEAR, "confidence": 0.6}
WEAK: Mapping[str, Any] = {"verdict": Verdict.INCONCLUSIVE, "cause": "weak"}
CONFLICT: Mapping[str, Any] = {"verdict": Verdict.INCONCLUSIVE, "cause": "conflict", "conflict": 0.9}


@dataclass(frozen=True)
class ScriptedAnalyst:
    """Says `side` on price with `conviction` about every ticker; or raises, dawdles, or breaks the contract."""

    name: str
    side: Direction = Direction.NEUTRAL
    conviction: float = 0.0
    error: Exception | None = None
    seconds: float = 0.0
    mute: bool = False  # answers None, which no analyst may

    def read(self, snapshot: MarketSnapshot, ticker: str, context: AnalystContext) -> list[Signal | Abstention]:
        if self.seconds:
            time.sleep(self.seconds)
        if self.error:
            raise self.error
        if self.mute:
            return None  # the fault under test
        edges = {"vol_surface": "iv_rich", "flow": "unusual_calls", "technical": "trend", "social": "news_sentiment"}
        return [
            Signal(
                source=self.name, ticker=ticker, direction=self.side, conviction=self.conviction,
                edge_type=edges[self.name], timestamp=snapshot.as_of,
                metadata={"horizon_days": 20, "half_life_days": 5, "evidence": ()},
            )
        ]  # fmt: skip
