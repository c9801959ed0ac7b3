"""The decision log and its seals: append-only by privilege and by trigger (see migration 0001)."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from memory.tables.base import Base


class DecisionTable(Base):
    """One row a step. `entry` is the canonical JSON that was hashed; the columns beside it repeat parts of it, to
    search by, and are hashed too. `seq` counts from 1 without gaps.
    """

    __tablename__ = "decision_log"
    __table_args__ = (
        UniqueConstraint("run_id", "node", "ticker", "kind"),
        Index(None, "ticker", "seq"),
        CheckConstraint("seq > 0", name="seq"),
    )

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    logged_at: Mapped[datetime]
    code_version: Mapped[str]
    run_id: Mapped[str]
    node: Mapped[str]
    ticker: Mapped[str]
    kind: Mapped[str]
    author: Mapped[str]
    entry: Mapped[str]
    payload_hash: Mapped[str]
    previous_hash: Mapped[str]
    hash: Mapped[str]


class SealTable(Base):
    """How long the log was, and what its head hashed to, when a run ended."""

    __tablename__ = "seals"

    run_id: Mapped[str] = mapped_column(primary_key=True)
    sealed_at: Mapped[datetime]
    rows: Mapped[int] = mapped_column(index=True)
    head_hash: Mapped[str]
