"""The hedge budget: what may be spent a month, what was, and how each past month ended. All append-only."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from memory.tables.base import Base


class HedgeLimitTable(Base):
    """What a person allowed: USD a month, from `month` (its first day) on, until a later row says otherwise."""

    __tablename__ = "hedge_limits"
    __table_args__ = (CheckConstraint("amount >= 0", name="amount"), Index(None, "account", "month"))

    seq: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    account: Mapped[str]
    month: Mapped[date]
    amount: Mapped[Decimal]
    at: Mapped[datetime]
    actor: Mapped[str]
    reason: Mapped[str]


class HedgeDebitTable(Base):
    """USD spent on protection. `key` makes a repeated debit one; `month` is the New York month of `at`."""

    __tablename__ = "hedge_debits"
    __table_args__ = (CheckConstraint("amount > 0", name="amount"), Index(None, "account", "month"))

    account: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[date]
    at: Mapped[datetime]
    amount: Mapped[Decimal]
    actor: Mapped[str]
    note: Mapped[str]


class HedgeMonthTable(Base):
    """How a month stood when it was archived; what was debited to it later shows as the difference to its debits."""

    __tablename__ = "hedge_months"

    account: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    amount: Mapped[Decimal]
    spent: Mapped[Decimal]
    debits: Mapped[int]
    archived_at: Mapped[datetime]
