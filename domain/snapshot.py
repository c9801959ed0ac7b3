"""One picture of the world per run: the market as the feed froze it, and the desk's own state beside it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.book import Baseline, Book, StrategyRecord
from domain.excursion import Excursion
from domain.experience import ClosedTrade
from domain.market import MarketData
from domain.order import OrderView
from domain.record import Instant, Record
from domain.regime import RegimeReading
from domain.risk import Exposure, TradingState
from domain.signals import Reliability, Signal


class DeskContext(Record):
    """Everything of the desk's own that a run reads, frozen so that replay reads the same."""

    book: Book
    exposures: tuple[Exposure, ...]  # open, staged and working
    open_orders: tuple[OrderView, ...]  # filled and still held: what `manage` looks after
    baseline: Baseline
    trading_state: TradingState
    trading_state_reason: str
    halted_agents: tuple[str, ...]
    earlier_signals: tuple[Signal, ...]
    reliability: tuple[Reliability, ...]
    strategy_records: tuple[StrategyRecord, ...] = ()
    regime_history: tuple[RegimeReading, ...]  # ascending, before this snapshot
    breaks: tuple[str, ...] = ()  # where the account's orders and fills contradict each other
    contracts_today: dict[str, int] = {}  # by ticker: openings of this New York date, filled and closed again since
    excursions: tuple[Excursion, ...] = ()  # of what is held, this look at the book included, by order id
    closings: tuple[OrderView, ...] = ()  # closing orders still on their way, by order id
    peak_nlv: Decimal | None = None  # highest NLV ever, moved by what was paid in and out since
    closed_trades: tuple[ClosedTrade, ...] = ()  # over, and nothing learned from them yet, by order id


@dataclass(frozen=True, eq=False)
class MarketSnapshot:
    """What every agent reads, and nothing else."""

    market: MarketData
    desk: DeskContext

    @property
    def as_of(self) -> datetime:
        """Instant of the picture."""
        return self.market.as_of


class SnapshotRef(Record):
    """Where a stored snapshot is and what it hashes to."""

    snapshot_id: str
    as_of: Instant
    feed: str
    bytes: int
