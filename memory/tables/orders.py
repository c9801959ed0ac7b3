"""Orders, every step of their lives, their fills, and the outbox towards the broker.

`account` keeps the books of different feeds apart: a recorded run never sees what was staged on live quotes.
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from domain.order import Fill, OrderState, StagedOrder
from memory.tables.base import Base, RecordText

STATES = ", ".join(f"'{state.value}'" for state in OrderState)


class OrderTable(Base):
    """The latest version of each order with its present state."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint(f"state IN ({STATES})", name="state"),
        CheckConstraint("intent IN ('open', 'close')", name="intent"),
        CheckConstraint("purpose IN ('trade', 'hedge', 'repair')", name="purpose"),
        Index(None, "account", "state"),
    )

    order_id: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str]
    version: Mapped[int]
    state: Mapped[str]
    ticker: Mapped[str]
    intent: Mapped[str]
    closes: Mapped[str | None] = mapped_column(index=True)
    run_id: Mapped[str]
    staged_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    reviewer: Mapped[str | None]
    reason: Mapped[str | None]
    payload: Mapped[StagedOrder] = mapped_column(RecordText(StagedOrder))
    purpose: Mapped[str]


class OrderEventTable(Base):
    """One row a step, append-only. `payload` is set where the content changed: when staged, and at each edit."""

    __tablename__ = "order_events"
    __table_args__ = (Index(None, "account", "at"),)

    seq: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    order_id: Mapped[str] = mapped_column(ForeignKey("orders.order_id"), index=True)
    account: Mapped[str]
    version: Mapped[int]
    at: Mapped[datetime]
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    reviewer: Mapped[str | None]
    reason: Mapped[str | None]
    payload: Mapped[StagedOrder | None] = mapped_column(RecordText(StagedOrder))


class FillTable(Base):
    """Executions, append-only: the book is a fold over them."""

    __tablename__ = "fills"
    __table_args__ = (Index(None, "account", "at"),)

    fill_id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(ForeignKey("orders.order_id"), index=True)
    account: Mapped[str]
    at: Mapped[datetime]
    units: Mapped[int]
    payload: Mapped[Fill] = mapped_column(RecordText(Fill))


class OutboxTable(Base):
    """Approved orders to be sent, in the order of approval; `done_at` is NULL until the broker's answer is stored."""

    __tablename__ = "outbox"

    seq: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    order_id: Mapped[str] = mapped_column(ForeignKey("orders.order_id"), index=True)
    account: Mapped[str]
    approved_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
