"""What is remembered, for people: rows, counts, and what still waits for its outcome. A look at an instant shows what
was decided, and how it ended, as far as that was known by then.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from sqlalchemy import ColumnElement, and_, case, func, null, select, text

from domain.debate import Debate, Layer
from domain.errors import UsageError
from domain.experience import Lesson
from domain.order import WORKING, OrderState
from domain.record import Instant, Record
from domain.signals import CompositeSignal
from memory.recall_layers import Feedback, standing
from memory.recall_vectors import memory_id
from memory.tables.orders import FillTable, OrderEventTable, OrderTable
from memory.tables.recall import MemoryFeedbackTable, MemoryTable, MemoryVectorTable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

Fate = Literal["waiting", "held", "closed", "rejected", "expired", "superseded", "cancelled", "failed"]
"""What became of the order: it may yet be held, is held, was held, or never was and never will be."""

OPEN: tuple[Fate, ...] = ("waiting", "held")
TRADED: tuple[Fate, ...] = ("held", "closed")

CLOSED = """
SELECT run_id, ticker, known_at, told.importance, told.finding, told.profit > 0 AS won
FROM memories, json_to_record(lesson::json) AS told (importance float8, finding text, profit numeric)
WHERE feed = :feed AND known_at <= :as_of
"""
HEARD = """
SELECT run_id, ticker, heard.known_at, 'memory/' || by_run_id || '/' || by_ticker, useful
FROM memory_feedback heard JOIN memories USING (run_id, ticker)
WHERE feed = :feed AND heard.known_at < :as_of
"""
VECTORS = """
SELECT embedder, count(*) FROM memory_vectors
WHERE feed = :feed AND known_at <= :as_of GROUP BY embedder ORDER BY embedder
"""


class Remembered(Record):
    """One situation as it stands at an instant. `lesson` and what follows from it are None while its trade is open, or
    was then.
    """

    id: str
    run_id: str
    ticker: str
    feed: str
    decided_at: Instant
    regime: str
    composite: CompositeSignal
    debate: Debate
    order_id: str | None
    fate: Fate | None  # None: no order was staged
    lesson: Lesson | None
    layer: Layer | None = None
    importance: float | None = None
    recency: float | None = None
    useful: int = 0  # citations that what then came about bore out
    useless: int = 0
    embedders: tuple[str, ...] = ()


class MemoryCounts(Record):
    """How much is remembered of one account."""

    feed: str
    situations: int
    orders: dict[Fate, int]  # by what became of them
    traded: int  # held at some time
    learned: int  # with an outcome
    won: int
    layers: dict[str, int]
    findings: dict[str, int]
    vectors: dict[str, int]  # by embedder
    citations: int  # that an outcome has judged
    useful: int


async def unlearned(link: "AsyncConnection", feed: str) -> frozenset[str]:
    """Orders of remembered situations whose outcome nobody has written down yet."""
    wanted = select(MemoryTable.order_id).where(
        MemoryTable.feed == feed, MemoryTable.order_id.is_not(None), MemoryTable.outcome.is_(None)
    )
    return frozenset(filter(None, (await link.execute(wanted)).scalars()))


async def remembered(
    engine: "AsyncEngine", feed: str, *, as_of: datetime, learned: bool | None = None, limit: int | None = None
) -> tuple[Remembered, ...]:
    """Situations of `feed` decided on by `as_of`, latest first; with `learned` true only those whose outcome was
    known by then, with false only those whose order was held or could yet be.
    """
    fate = _fate(as_of)
    wanted = select(MemoryTable.__table__, fate.label("fate")).where(
        MemoryTable.feed == feed, MemoryTable.decided_at <= as_of
    )
    if learned is not None:
        wanted = wanted.where(MemoryTable.known_at <= as_of if learned else fate.in_(OPEN))
    wanted = wanted.order_by(MemoryTable.decided_at.desc(), MemoryTable.run_id.desc(), MemoryTable.ticker).limit(limit)
    async with engine.connect() as link:
        return await _at(link, (await link.execute(wanted)).all(), as_of)


async def one_remembered(engine: "AsyncEngine", feed: str, which: str, *, as_of: datetime) -> Remembered:
    """The situation named by its id, its order, or a beginning of either that fits one alone. Raises `UsageError`."""
    name = which.removeprefix("memory/")
    wanted = select(MemoryTable.__table__, _fate(as_of).label("fate")).where(
        MemoryTable.feed == feed,
        MemoryTable.decided_at <= as_of,
        (MemoryTable.run_id + "/" + MemoryTable.ticker).startswith(name, autoescape=True)
        | MemoryTable.order_id.startswith(name, autoescape=True),
    )
    async with engine.connect() as link:
        alike = (await link.execute(wanted.order_by(MemoryTable.run_id, MemoryTable.ticker).limit(100))).all()
        found = [row for row in alike if name in (f"{row.run_id}/{row.ticker}", row.order_id)] or alike
        if len(found) != 1 or not name:
            some = ", ".join(f"{row.run_id}/{row.ticker}" for row in found[:3])
            said = (
                f"fits {len(found)} situations, among them {some}"
                if found
                else f"is no situation of {feed} by {as_of:%Y-%m-%d}"
            )
            raise UsageError(f"{which!r} {said}.", remedy="'desk memory list' shows them.")
        return (await _at(link, found, as_of))[0]


async def counts(engine: "AsyncEngine", feed: str, *, as_of: datetime) -> MemoryCounts:
    """What was remembered of `feed` at `as_of`. Reads no whole record: there may be hundreds of thousands."""
    asked = {"feed": feed, "as_of": as_of}
    feedback: dict[tuple[str, str], list[Feedback]] = {}
    whole = select(_fate(as_of).label("fate"), func.count().label("number")).group_by("fate")
    whole = whole.where(MemoryTable.feed == feed, MemoryTable.decided_at <= as_of)
    async with engine.connect() as link:
        fates = {row.fate: row.number for row in await link.execute(whole)}
        closed = (await link.execute(text(CLOSED), asked)).all()
        for run_id, ticker, *heard in await link.execute(text(HEARD), asked):
            feedback.setdefault((run_id, ticker), []).append(Feedback(*heard))
        vectors = {name: int(number) for name, number in await link.execute(text(VECTORS), asked)}
    heard = [one for told in feedback.values() for one in told]
    layers = Counter(
        str(standing(row.importance, row.known_at, feedback.get((row.run_id, row.ticker), ()), as_of=as_of).layer)
        for row in closed
    )
    return MemoryCounts(
        feed=feed,
        situations=sum(fates.values()),
        orders={fate: fates[fate] for fate in get_args(Fate) if fate in fates},
        traded=sum(fates.get(fate, 0) for fate in TRADED),
        learned=len(closed),
        won=sum(row.won for row in closed),
        layers=dict(sorted(layers.items())),
        findings=dict(sorted(Counter(row.finding for row in closed).items())),
        vectors=vectors,
        citations=len(heard),
        useful=sum(one.useful for one in heard),
    )


def _fate(as_of: datetime) -> ColumnElement[Any]:
    """What had become of a situation's order at `as_of`: a `Fate`, or NULL without one."""
    memory, step, fill = MemoryTable, OrderEventTable, FillTable
    known = select(func.coalesce(func.sum(fill.units), 0)).where(fill.at <= as_of)
    opened = known.where(fill.order_id == memory.order_id).scalar_subquery()
    closings = known.join(OrderTable, OrderTable.order_id == fill.order_id)
    closed = closings.where(OrderTable.closes == memory.order_id).scalar_subquery()
    steps = select(step.to_state).where(step.order_id == memory.order_id, step.at <= as_of)
    state = steps.order_by(step.seq.desc()).limit(1).scalar_subquery()
    lapses = select(OrderTable.expires_at).where(OrderTable.order_id == memory.order_id).scalar_subquery()
    return case(
        (memory.known_at <= as_of, "closed"),  # an expiry closes without a fill
        (memory.order_id.is_(None), null()),
        (opened > closed, "held"),
        (opened > 0, "closed"),
        (state.not_in([each.value for each in WORKING]), state),
        (and_(state == OrderState.STAGED.value, lapses <= as_of), "expired"),  # before anyone has marked it
        else_="waiting",
    )


async def _at(link: "AsyncConnection", rows: Sequence[Any], as_of: datetime) -> tuple[Remembered, ...]:
    """Rows as they stand at `as_of`, with what was known by then of their usefulness."""
    told, vectors = MemoryFeedbackTable, MemoryVectorTable
    runs = sorted({row.run_id for row in rows})
    feedback: dict[tuple[str, str], list[Feedback]] = {}
    for one in await link.execute(select(told.__table__).where(told.run_id.in_(runs), told.known_at < as_of)):
        heard = Feedback(one.known_at, memory_id(one.by_run_id, one.by_ticker), one.useful)
        feedback.setdefault((one.run_id, one.ticker), []).append(heard)
    embedders: dict[tuple[str, str], list[str]] = {}
    seen = select(vectors.run_id, vectors.ticker, vectors.embedder).where(vectors.run_id.in_(runs))
    for one in await link.execute(seen.order_by(vectors.embedder)):
        embedders.setdefault((one.run_id, one.ticker), []).append(one.embedder)
    return tuple(
        _standing(
            row,
            feedback.get((row.run_id, row.ticker), []),
            tuple(embedders.get((row.run_id, row.ticker), [])),
            as_of,
        )
        for row in rows
    )


def _standing(row: Any, feedback: Sequence[Feedback], embedders: tuple[str, ...], as_of: datetime) -> Remembered:
    lesson = row.lesson if row.known_at is not None and row.known_at <= as_of else None
    stands = lesson and standing(lesson.importance, lesson.known_at, feedback, as_of=as_of)
    names = ("run_id", "ticker", "feed", "decided_at", "regime", "composite", "debate", "order_id", "fate")
    return Remembered(
        id=memory_id(row.run_id, row.ticker),
        **{name: getattr(row, name) for name in names},
        lesson=lesson,
        layer=stands and stands.layer,
        importance=stands and stands.importance,
        recency=stands and stands.recency,
        useful=sum(one.useful for one in feedback),
        useless=sum(not one.useful for one in feedback),
        embedders=embedders,
    )
