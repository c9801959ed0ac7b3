"""Past situations with their outcomes, found again by likeness (pgvector)."""

from datetime import datetime

from pgvector.sqlalchemy import Vector
from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from domain.debate import Debate
from domain.signals import CompositeSignal
from memory.tables.base import Base, RecordText

DIMENSIONS = 64  # wider than today's features, so that a new one needs no migration


class MemoryTable(Base):
    """One row a debated ticker of a run. `outcome` and `known_at` stay NULL until the position is closed.

    Only vectors of the same `embedder` may be compared: its name changes with the features.
    """

    __tablename__ = "memories"
    __table_args__ = (
        CheckConstraint("(outcome IS NULL) = (known_at IS NULL)", name="outcome_known"),
        CheckConstraint("known_at > decided_at", name="known_after"),
        Index(None, "feed", "known_at"),
        Index(
            "ix_memories_embedding",
            "embedding",
            postgresql_using="hnsw",
            postgresql_ops={"embedding": "vector_cosine_ops"},
        ),
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
    embedder: Mapped[str]
    embedding: Mapped[list[float]] = mapped_column(Vector(DIMENSIONS))
