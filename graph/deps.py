"""What the graph is handed at run time: ports, settings and the snapshot at hand. Never stored in state."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from agents.debate.settings import DebateSettings
from domain.market import MarketData
from domain.ports import (
    AuditLog,
    DebateEngine,
    DeskState,
    MarketFeed,
    OrderStore,
    ReasonReader,
    RunStore,
    SituationMemory,
    SnapshotStore,
)
from domain.record import Record
from domain.snapshot import MarketSnapshot
from options.legs import LegSettings
from options.priced import ChainRefusal, PricedChain
from options.selector import StrategyTable
from options.settings import ChainSettings
from risk.hedge.settings import BreachSettings
from risk.manager.rule_sets import RuleSets
from risk.settings import RiskSettings
from signals.regime import RegimeSettings
from signals.settings import SignalSettings


class GraphSettings(Record):
    """Every parameter that a decision depends on; frozen into the run's audit trail for replay."""

    chain: ChainSettings
    signals: SignalSettings
    regime: RegimeSettings
    strategies: StrategyTable
    legs: LegSettings
    risk: RiskSettings
    debate: DebateSettings
    positions: RuleSets | None = None  # rules for what is held; None: nobody looks after it
    breach: BreachSettings = BreachSettings()  # where a trade that restores a broken limit is looked for
    order_life_minutes: int = 240
    recall_k: int = 3
    node_timeout_s: float = 120.0
    analyst_timeout_s: float = 60.0
    debate_timeout_s: float = 180.0


class Observer(Protocol):
    """Watches nodes start and finish: progress on screen, logs, fault injection in tests."""

    def started(self, run_id: str, node: str, ticker: str) -> None:
        """Called before the node does anything."""
        ...

    def finished(self, run_id: str, node: str, ticker: str, milliseconds: float, summary: str) -> None:
        """Called once the node's audit rows are stored."""
        ...


class PricedSnapshots:
    """Each ticker's chain priced once per snapshot, whichever node asks first. Holds the last snapshot only."""

    def __init__(self, settings: ChainSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._snapshot: MarketSnapshot | None = None
        self._chains: dict[str, PricedChain | ChainRefusal] = {}
        self._locks: dict[str, threading.Lock] = {}

    def of(self, snapshot: MarketSnapshot, ticker: str) -> PricedChain | ChainRefusal:
        """The priced chain of `ticker`, or why it cannot be used."""
        with self._lock:
            if self._snapshot is not snapshot:
                self._snapshot, self._chains, self._locks = snapshot, {}, {}
            lock = self._locks.setdefault(ticker, threading.Lock())
            chains = self._chains
        with lock:
            if ticker not in chains:
                chains[ticker] = priced_chain(snapshot.market, ticker, self._settings)
            return chains[ticker]


def priced_chain(market: MarketData, ticker: str, settings: ChainSettings) -> PricedChain | ChainRefusal:
    """The chain of `ticker` at the market's instant, judged and priced, or why it cannot be used."""
    from options.chain import price_chain
    from options.rates import rate_curve

    chain = market.chains.get(ticker)
    if chain is None:
        return ChainRefusal(
            code="no_chain", detail=f"no option chain of {ticker} at {market.as_of:%Y-%m-%d %H:%M}Z", numbers={}
        )
    return price_chain(
        chain, as_of=market.as_of, curve=rate_curve(market.series, as_of=market.as_of), settings=settings
    )


@dataclass(frozen=True)
class Deps:
    """LangGraph's typed runtime context."""

    feed: MarketFeed
    snapshots: SnapshotStore
    desk: DeskState
    runs: RunStore
    audit: AuditLog
    orders: OrderStore
    memory: SituationMemory
    debate: DebateEngine
    settings: GraphSettings
    priced: PricedSnapshots
    observer: Observer
    reasons: ReasonReader | None = None  # None: rules say why people talk; a replay finds what was read in the snapshot
    versions: Mapping[str, str] = field(default_factory=dict)  # code, graph, prompts, rules
    late: frozenset[str] | None = None  # a replay names the nodes that timed out then: no other may, however slow it is
