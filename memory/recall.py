"""Past situations like the present one, with what became of them (pgvector).

What may be recalled at an instant was known before it: the decision, its outcome, and what later citations were
worth. Ranked by similarity × recency × importance (`memory.recall_layers`); similarity is the cosine of two vectors of
one embedder. A situation always gets the feature vector, and that of the configured model too: where the model does not
answer, or has not seen the whole past yet, the features do, and the recalled memory says which it was.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field

from domain.debate import Debate, Memory, Verdict
from domain.errors import DataError, FeedDown, UsageError
from domain.experience import Lesson, Situation
from domain.ports import Embedder
from domain.record import Record
from domain.regime import Regime
from domain.signals import CompositeSignal
from domain.units import Floats
from memory.engine import driver_of
from memory.recall_layers import Standing, standing
from memory.recall_vectors import FeatureEmbedder, Neighbour, embed_missing, keep, key_of, memory_id, nearest, unseen

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from memory.tables.recall import MemoryTable

SIGN = {Verdict.BULL: 1, Verdict.BEAR: -1, Verdict.INCONCLUSIVE: 0}
TOLD = """
SELECT run_id, ticker, decided_at, known_at, regime, lesson,
       scores.price_score, scores.vol_score
FROM memories JOIN unnest(CAST(%(runs)s AS text[]), CAST(%(tickers)s AS text[])) AS wanted (run_id, ticker)
    USING (run_id, ticker),
    json_to_record(composite::json) AS scores (price_score float8, vol_score float8)
"""
CAUGHT_UP = 256  # situations without a vector of the model that one run gives one


class Told(NamedTuple):
    """A row of `TOLD`."""

    run_id: str
    ticker: str
    decided_at: datetime
    known_at: datetime
    regime: str
    lesson: str
    price_score: float
    vol_score: float


class RecallSettings(Record):
    """When a past situation is too unlike, or too faded, to be evidence."""

    min_similarity: float = Field(default=0.5, ge=0, le=1)
    min_score: float = Field(default=0.05, ge=0, le=1)
    pool: int = Field(default=100, ge=1, le=1000)  # nearest by cosine alone, before age and importance are weighed


class PostgresSituationMemory:
    """`domain.ports.SituationMemory` over the situations of one feed: simulated ones are no evidence for real ones."""

    def __init__(
        self,
        engine: "AsyncEngine",
        *,
        feed: str,
        settings: RecallSettings | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        self._engine = engine
        self._feed = feed
        self._settings = settings or RecallSettings()
        self._features = FeatureEmbedder()
        self._embedder: Embedder = embedder or self._features
        self._stands_in = False  # the features for the model, until lessons are next drawn: once a run

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
            regime=regime_of(regime).value,
            composite=composite,
            debate=debate,
            order_id=order_id,
        )
        async with self._engine.begin() as link:
            await link.execute(new.on_conflict_do_nothing())

    async def learn(self, lessons: Sequence[Lesson]) -> None:
        """See the port. Each lesson is kept whole or not at all; a model that does not answer holds nothing up."""
        for lesson in sorted(lessons, key=lambda lesson: (lesson.known_at, lesson.order_id)):
            await self._close(lesson)
        if self._embedder.name != self._features.name:
            self._stands_in = not await self._caught_up()

    async def _caught_up(self) -> bool:
        """Whether the model has now seen everything that is over. One that has seen a part would recall that part only,
        and nobody would notice.
        """
        try:
            made = await embed_missing(self._engine, self._embedder, feed=self._feed, most=CAUGHT_UP)
        except (FeedDown, DataError) as error:
            _warn(self._embedder, str(error))
            return False
        left = await unseen(self._engine, self._embedder.name, self._feed) if made == CAUGHT_UP else 0
        if left:
            _warn(self._embedder, f"{left} past situations have no vector of it: 'desk memory reembed' makes them")
        return not left

    async def _close(self, lesson: Lesson) -> None:
        from sqlalchemy import select
        from sqlalchemy.ext.asyncio import AsyncSession

        from memory.tables.recall import MemoryTable

        about = select(MemoryTable).where(MemoryTable.order_id == lesson.order_id, MemoryTable.feed == self._feed)
        async with AsyncSession(self._engine) as session, session.begin():
            past = await session.scalar(about.with_for_update())
            if past is None or past.lesson is not None:
                return
            if lesson.known_at <= past.decided_at:
                raise DataError(
                    f"Order {lesson.order_id} is said to be closed at {lesson.known_at}, before it was decided on."
                )
            past.outcome, past.known_at, past.lesson = lesson.outcome, lesson.known_at, lesson
            await session.flush()
            link = await session.connection()
            situation = Situation(composite=past.composite, regime=Regime(past.regime))
            row = {
                "run_id": past.run_id, "ticker": past.ticker, "feed": past.feed, "known_at": lesson.known_at,
                "importance": lesson.importance,
            }  # fmt: skip
            await keep(link, self._features, [row], await self._features.embed([situation]))
            await _tell(link, past, lesson)

    async def recall(self, composite: CompositeSignal, regime: str, *, as_of: datetime, k: int) -> tuple[Memory, ...]:
        """See the port. Highest score first, ties by id; fewer than `k` if the rest are too unlike or too faded."""
        situation = Situation(composite=composite, regime=regime_of(regime))
        embedder, vector = await self._seen(situation)
        limits = self._settings
        async with self._engine.connect() as link:
            near = await nearest(link, embedder, vector, feed=self._feed, as_of=as_of, limit=max(limits.pool, k))
            ranked = [(*_scored(one, as_of), one) for one in near if one.similarity >= limits.min_similarity]
            best = sorted(
                (item for item in ranked if item[0] >= limits.min_score), key=lambda item: (-item[0], item[2].id)
            )[:k]
            rows = await _rows(link, [item[2] for item in best])
        return tuple(
            _memory(rows[one.run_id, one.ticker], one, stands, score, as_of, embedder.name)
            for score, stands, one in best
        )

    async def _seen(self, situation: Situation) -> tuple[Embedder, Floats]:
        """The situation as the configured model sees it, or by its features where the model does not answer. One that
        has just failed is not waited for again, ticker by ticker.
        """
        if not self._stands_in:
            try:
                return self._embedder, (await self._embedder.embed([situation]))[0]
            except (FeedDown, DataError) as error:
                _warn(self._embedder, str(error))
                self._stands_in = True
        return self._features, (await self._features.embed([situation]))[0]


def regime_of(name: str) -> Regime:
    """Raises `UsageError` for an unknown one."""
    if name not in set(Regime):
        raise UsageError(f"{name!r} is no regime.", remedy=f"Known are {', '.join(Regime)}.")
    return Regime(name)


async def _tell(link: "AsyncConnection", past: "MemoryTable", lesson: Lesson) -> None:
    """What the outcome says of the memories that the debate cited: useful if cited by the verdict's side of a trade
    that paid, or by the other side of one that did not. One that both sides cited told neither.
    """
    from sqlalchemy import select
    from sqlalchemy.dialects.postgresql import insert

    from memory.tables.recall import MemoryFeedbackTable, MemoryTable

    verdict = past.debate.verdict
    if not SIGN[verdict] or lesson.profit == 0:
        return
    cited: dict[tuple[str, str], set[bool]] = {}
    for claim in past.debate.claims:
        for key in filter(None, map(key_of, claim.evidence_ids)) if claim.struck is None else ():
            cited.setdefault(key, set()).add((claim.side == verdict.value) == (lesson.profit > 0))
    for (run_id, ticker), (useful,) in sorted(item for item in cited.items() if len(item[1]) == 1):
        known = await link.scalar(
            select(MemoryTable.feed).where(MemoryTable.run_id == run_id, MemoryTable.ticker == ticker)
        )
        if known is not None:
            row = {
                "run_id": run_id, "ticker": ticker, "by_run_id": past.run_id, "by_ticker": past.ticker,
                "useful": useful, "known_at": lesson.known_at,
            }  # fmt: skip
            await link.execute(insert(MemoryFeedbackTable).values(row).on_conflict_do_nothing())


async def _rows(link: "AsyncConnection", near: Sequence[Neighbour]) -> dict[tuple[str, str], Told]:
    if not near:
        return {}
    asked = {"runs": [one.run_id for one in near], "tickers": [one.ticker for one in near]}
    async with driver_of(link) as driver:
        return {(row[0], row[1]): Told(*row) for row in await (await driver.execute(TOLD, asked)).fetchall()}


def _scored(near: Neighbour, as_of: datetime) -> tuple[float, Standing]:
    stands = standing(near.importance, near.known_at, near.feedback, as_of=as_of)
    # Six digits: stored vectors are single precision, and the last bits depend on the processor.
    return round(near.similarity * stands.recency * stands.importance, 6), stands


def _memory(row: Told, near: Neighbour, stands: Standing, score: float, as_of: datetime, embedder: str) -> Memory:
    lesson, decided = Lesson.model_validate_json(row.lesson), row.decided_at.astimezone(UTC)
    return Memory(
        id=memory_id(row.run_id, row.ticker),
        ticker=row.ticker,
        text=f"{row.ticker} on {decided:%Y-%m-%d} in {row.regime}: {lesson.text}",
        similarity=near.similarity,
        direction=SIGN[lesson.verdict],
        outcome=lesson.outcome,
        figures={
            "score": score,
            "recency": round(stands.recency, 6),
            "importance": round(stands.importance, 6),
            "age_days": round((as_of - row.known_at) / timedelta(days=1), 6),
            "price_score": row.price_score,
            "vol_score": row.vol_score,
            "confidence": lesson.confidence,
            "outcome": lesson.outcome,
        },
        score=score,
        layer=stands.layer,
        embedder=embedder,
    )


def _warn(embedder: Embedder, why: str) -> None:
    import structlog

    structlog.get_logger("desk.memory").warning("the features stand in", embedder=embedder.name, why=why)
