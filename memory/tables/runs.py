"""Runs, and what each leaves for later ones: signals, regime readings, model calls."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from domain.debate import ModelCall
from domain.regime import RegimeReading
from domain.run import RunRequest
from domain.signals import Signal
from memory.tables.base import Base, RecordText


class RunTable(Base):
    """One row a run. `slot` is unique: a slot of the schedule is run once."""

    __tablename__ = "runs"
    __table_args__ = (CheckConstraint("state IN ('running', 'sealed', 'failed')", name="state"),)

    run_id: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[str | None] = mapped_column(unique=True)
    feed: Mapped[str]
    as_of: Mapped[datetime] = mapped_column(index=True)
    request: Mapped[RunRequest] = mapped_column(RecordText(RunRequest))
    state: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(index=True)
    snapshot_id: Mapped[str | None]
    head_hash: Mapped[str | None]
    detail: Mapped[str] = mapped_column(server_default="")


class SignalTable(Base):
    """Published signals. `timestamp` is the instant from which a signal may be known."""

    __tablename__ = "signals"
    __table_args__ = (Index(None, "feed", "timestamp"), Index(None, "ticker", "timestamp"))

    id: Mapped[str] = mapped_column(primary_key=True)
    feed: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"))
    source: Mapped[str]
    ticker: Mapped[str]
    edge_type: Mapped[str]
    timestamp: Mapped[datetime]
    signal: Mapped[Signal] = mapped_column(RecordText(Signal))


class RegimeTable(Base):
    """Regime readings, one for each feed and instant: the regime is a fold over them."""

    __tablename__ = "regime_readings"

    feed: Mapped[str] = mapped_column(primary_key=True)
    as_of: Mapped[datetime] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"))
    regime: Mapped[str]
    reading: Mapped[RegimeReading] = mapped_column(RecordText(RegimeReading))


class ModelCallTable(Base):
    """Recorded model calls. `day` is the New York day on which the clock of the record stood."""

    __tablename__ = "model_calls"

    run_id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(index=True)
    cost_usd: Mapped[Decimal]
    tokens: Mapped[int]
    call: Mapped[ModelCall] = mapped_column(RecordText(ModelCall))
