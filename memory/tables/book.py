"""What the book needs beside fills: cash flows, settlement prices, and the account's value over time."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from memory.tables.base import Base


class CashFlowTable(Base):
    """Deposits (> 0) and withdrawals (< 0), append-only."""

    __tablename__ = "cash_flows"
    __table_args__ = (Index(None, "account", "at"),)

    account: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    amount: Mapped[Decimal]
    note: Mapped[str]


class SettlementTable(Base):
    """Settlement price of an expiry, USD per share, as first known; append-only."""

    __tablename__ = "settlements"
    __table_args__ = (CheckConstraint("timing IN ('AM', 'PM')", name="timing"),)

    account: Mapped[str] = mapped_column(primary_key=True)
    ticker: Mapped[str] = mapped_column(primary_key=True)
    expiry: Mapped[date] = mapped_column(primary_key=True)
    timing: Mapped[str] = mapped_column(primary_key=True)
    price: Mapped[Decimal]
    known_at: Mapped[datetime]
    source: Mapped[str]


class NlvTable(Base):
    """Net liquidation value in USD whenever it was known; append-only."""

    __tablename__ = "nlv_marks"

    account: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    nlv: Mapped[Decimal]
