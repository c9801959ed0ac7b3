"""Tables of the desk, one module a subject. Importing this package registers them all in `Base.metadata`."""

from memory.tables.audit import DecisionTable, SealTable
from memory.tables.base import Base
from memory.tables.book import CashFlowTable, NlvTable, SettlementTable
from memory.tables.excursions import ExcursionTable
from memory.tables.hedging import HedgeDebitTable, HedgeLimitTable, HedgeMonthTable
from memory.tables.orders import FillTable, OrderEventTable, OrderTable, OutboxTable
from memory.tables.recall import MemoryFeedbackTable, MemoryTable, MemoryVectorTable
from memory.tables.runs import ModelCallTable, RegimeTable, RunTable, SignalTable
from memory.tables.snapshots import SnapshotTable
from memory.tables.social import BookmarkTable, ItemTable, MentionTable, SightingTable, VelocityTable
from memory.tables.switches import SwitchTable

__all__ = [
    "Base",
    "BookmarkTable",
    "CashFlowTable",
    "DecisionTable",
    "ExcursionTable",
    "FillTable",
    "HedgeDebitTable",
    "HedgeLimitTable",
    "HedgeMonthTable",
    "ItemTable",
    "MemoryFeedbackTable",
    "MemoryTable",
    "MemoryVectorTable",
    "MentionTable",
    "ModelCallTable",
    "NlvTable",
    "OrderEventTable",
    "OrderTable",
    "OutboxTable",
    "RegimeTable",
    "RunTable",
    "SealTable",
    "SettlementTable",
    "SightingTable",
    "SignalTable",
    "SnapshotTable",
    "SwitchTable",
    "VelocityTable",
]
