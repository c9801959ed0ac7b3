"""Past situations with their outcomes and lessons, the vectors they are found by, and what citing them was worth."""

from datetime import datetime

from pgvector.sqlalchemy import Vector
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from domain.debate import Debate
from domain.experience import Lesson
from domain.signals import CompositeSignal
from memory.tables.base import Base, RecordText


class MemoryTable(Base):
    """One row a debated ticker of a run. `outcome`, `known_at` and `lesson` are NULL until the trade is over."""

    __tablename__ = "memories"
    __table_args__ = (
        CheckConstraint("(outcome IS NULL) = (known_at IS NULL)", name="outcome_known"),
        CheckConstraint("(outcome IS NULL) = (lesson IS NULL)", name="lesson_known"),
        CheckConstraint("known_at > decided_at", name="known_after"),
        Index(None, "feed", "known_at"),
    )

    run_id: Mapped[str] = mapped_column(primary_key=True)
    ticker: Mapped[str] = mapped_column(primary_key=True)
    feed: Mapped[str]
    decided_at: Mapped[datetime]
    regime: Mapped[str]
    composite: Mapped[CompositeSignal] = mapped_column(RecordText(CompositeSignal))
    debate: Mapped[Debate] = mapped_column(RecordText(Debate))
    order_id: Mapped[str | None] = mapped_column(index=True)
    outcome: Mapped[float | None]
    known_at: Mapped[datetime | None]
    lesson: Mapped[Lesson | None] = mapped_column(RecordText(Lesson))


class MemoryVectorTable(Base):
    """Vectors of situations whose outcome is known, one for each embedder that has seen them.

    What a search filters and weighs by stands beside the vector, so that the index is walked without a join. Each
    (account, embedder) has its own HNSW index, made by `index_memory_vectors` with the first vector.
    """

    __tablename__ = "memory_vectors"
    __table_args__ = (
        ForeignKeyConstraint(["run_id", "ticker"], ["memories.run_id", "memories.ticker"]),
        CheckConstraint("importance >= 0 AND importance <= 1", name="importance"),
        Index(None, "feed", "embedder", "known_at"),
    )

    run_id: Mapped[str] = mapped_column(primary_key=True)
    ticker: Mapped[str] = mapped_column(primary_key=True)
    embedder: Mapped[str] = mapped_column(primary_key=True)
    feed: Mapped[str]
    known_at: Mapped[datetime]
    importance: Mapped[float]
    embedding: Mapped[list[float]] = mapped_column(Vector())


class MemoryFeedbackTable(Base):
    """What a closed trade told about a memory that its debate had cited, append-only."""

    __tablename__ = "memory_feedback"
    __table_args__ = (
        ForeignKeyConstraint(["run_id", "ticker"], ["memories.run_id", "memories.ticker"]),
        ForeignKeyConstraint(["by_run_id", "by_ticker"], ["memories.run_id", "memories.ticker"]),
    )

    run_id: Mapped[str] = mapped_column(primary_key=True)
    ticker: Mapped[str] = mapped_column(primary_key=True)
    by_run_id: Mapped[str] = mapped_column(primary_key=True)
    by_ticker: Mapped[str] = mapped_column(primary_key=True)
    useful: Mapped[bool]
    known_at: Mapped[datetime]
