"""Past situations like the present one, with what became of them (pgvector).

A situation is a vector of named features, not the embedding of a text: it needs no model, is the same on every
machine, and says what "alike" means. The features, in this order:

    price_score, vol_score               each −1 to 1
    conviction, agreement, coverage      each 0 to 1, halved: how sure matters less than of what
    regime.<r>                           ½ for the regime of the time, else 0
    edge.<e>                             sum of the contributions of edge type e

scaled to unit length and padded with zeros. Likeness is the cosine; it fades with age by a half-life, since markets
learn. The embedder's name contains a hash of the features' names: vectors of another list are never compared.
"""

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from domain.debate import Debate, Memory, Verdict
from domain.errors import Refused, UsageError
from domain.record import Record, digest
from domain.regime import Regime
from domain.signals import EDGE_AXIS, CompositeSignal
from domain.units import Floats

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from memory.tables.recall import MemoryTable

SCORES = ("price_score", "vol_score")
CERTAINTIES = ("conviction", "agreement", "coverage")
FEATURES: tuple[str, ...] = (
    *SCORES,
    *CERTAINTIES,
    *(f"regime.{regime.value}" for regime in Regime),
    *(f"edge.{edge}" for edge in EDGE_AXIS),
)
EMBEDDER = f"situation/{digest(FEATURES)[:12]}"
VERDICT_SIGN = {Verdict.BULL: 1, Verdict.BEAR: -1, Verdict.INCONCLUSIVE: 0}


class RecallSettings(Record):
    """How far back likeness reaches, and when it is too faint to be evidence."""

    half_life_days: float = Field(default=180.0, gt=0)
    min_similarity: float = Field(default=0.3, ge=0, le=1)
    pool: int = Field(default=200, ge=1, le=1000)  # nearest by cosine alone, before age is weighed


def situation_vector(composite: CompositeSignal, regime: str) -> Floats:
    """Unit vector of shape `(len(FEATURES),)`. Raises `UsageError` for an unknown regime."""
    if regime not in set(Regime):
        raise UsageError(f"{regime!r} is no regime.", remedy=f"Known are {', '.join(Regime)}.")
    features = dict.fromkeys(FEATURES, 0.0)
    features |= {name: getattr(composite, name) for name in SCORES}
    features |= {name: getattr(composite, name) / 2 for name in CERTAINTIES}
    features[f"regime.{Regime(regime).value}"] = 0.5
    for contribution in composite.contributions:
        features[f"edge.{contribution.edge_type}"] += contribution.value
    values = np.array(list(features.values()))
    return np.asarray(values / np.linalg.norm(values), dtype=np.float64)


class PostgresSituationMemory:
    """`domain.ports.SituationMemory` over the situations of one feed: simulated ones are no evidence for real ones."""

    def __init__(self, engine: "AsyncEngine", *, feed: str, settings: RecallSettings | None = None) -> None:
        self._engine = engine
        self._feed = feed
        self._settings = settings or RecallSettings()

    async def remember(
        self, run_id: str, composite: CompositeSignal, regime: str, debate: Debate, order_id: str | None
    ) -> None:
        """See the port. Only situations that are closed later are ever recalled."""
        from sqlalchemy.dialects.postgresql import insert

        from memory.tables.recall import MemoryTable

        new = insert(MemoryTable).values(
            run_id=run_id,
            ticker=composite.ticker,
            feed=self._feed,
            decided_at=composite.as_of,
            regime=regime,
            composite=composite,
            debate=debate,
            order_id=order_id,
            embedder=EMBEDDER,
            embedding=_padded(situation_vector(composite, regime)),
        )
        async with self._engine.begin() as connection:
            await connection.execute(new.on_conflict_do_nothing())

    async def close(self, run_id: str, ticker: str, outcome: float, known_at: datetime) -> None:
        """Say what became of it: `outcome` is P&L over worst-case loss, known from `known_at` on. Idempotent.

        Raises `UsageError` for an unknown situation, an outcome that is no number, or one known before the decision;
        `Refused` (`outcome_known`) for a second, different outcome.
        """
        from sqlalchemy.ext.asyncio import AsyncSession

        from memory.tables.recall import MemoryTable

        async with AsyncSession(self._engine) as session, session.begin():
            stored = await session.get(MemoryTable, (run_id, ticker), with_for_update=True)
            if stored is None:
                raise UsageError(f"No situation of {ticker} in run {run_id} is remembered.")
            if not math.isfinite(outcome) or known_at <= stored.decided_at:
                raise UsageError(f"{outcome} known at {known_at} cannot be the outcome of run {run_id}, {ticker}.")
            if stored.outcome is not None and (stored.outcome, stored.known_at) != (outcome, known_at):
                raise Refused(f"Run {run_id}, {ticker} has the outcome {stored.outcome} already.", code="outcome_known")
            stored.outcome, stored.known_at = outcome, known_at

    async def recall(self, composite: CompositeSignal, regime: str, *, as_of: datetime, k: int) -> tuple[Memory, ...]:
        """See the port. Most alike first, ties by run and ticker; fewer than `k` if the rest are too unlike."""
        from sqlalchemy import select, text
        from sqlalchemy.ext.asyncio import AsyncSession

        from memory.tables.recall import MemoryTable as Past

        vector = situation_vector(composite, regime)
        distance = Past.embedding.cosine_distance(_padded(vector))
        wanted = (
            select(Past)
            .where(Past.feed == self._feed, Past.embedder == EMBEDDER, Past.known_at < as_of, Past.decided_at < as_of)
            .order_by(distance, Past.run_id, Past.ticker)
            .limit(max(self._settings.pool, k))
        )
        async with AsyncSession(self._engine) as session:
            # Without it the index stops at its first few dozen neighbours, and filters are applied after.
            await session.execute(text("SET LOCAL hnsw.iterative_scan = strict_order"))
            nearest = list(await session.scalars(wanted))
        memories = [self._memory(past, vector, as_of) for past in nearest]
        alike = [memory for memory in memories if memory.similarity >= self._settings.min_similarity]
        return tuple(sorted(alike, key=lambda memory: (-memory.similarity, memory.id))[:k])

    def _memory(self, past: "MemoryTable", vector: Floats, as_of: datetime) -> Memory:
        age = (as_of - past.decided_at) / timedelta(days=1)
        cosine = float(np.dot(vector, np.asarray(past.embedding)[: len(vector)]))
        outcome, debate = past.outcome or 0.0, past.debate
        won = (outcome > 0) - (outcome < 0)
        return Memory(
            id=f"memory/{past.run_id}/{past.ticker}",
            ticker=past.ticker,
            text=(
                f"{past.ticker} on {past.decided_at:%Y-%m-%d} in {past.regime}: {debate.verdict.value} with confidence "
                f"{debate.confidence:.2f}, volatility view {debate.vol_view}; closed at {outcome:+.2f} of worst case."
            ),
            # Six digits: stored vectors are single precision, and the last bits depend on the processor.
            similarity=round(cosine * 0.5 ** (age / self._settings.half_life_days), 6),
            direction=VERDICT_SIGN[debate.verdict] * won,
            outcome=outcome,
            figures={
                "cosine": round(cosine, 6),
                "age_days": round(age, 6),
                "price_score": past.composite.price_score,
                "vol_score": past.composite.vol_score,
                "confidence": debate.confidence,
                "outcome": outcome,
            },
        )


def _padded(vector: Floats) -> list[float]:
    from memory.tables.recall import DIMENSIONS

    return [*vector.tolist(), *[0.0] * (DIMENSIONS - len(vector))]
