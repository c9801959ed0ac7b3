"""The graph's ports in memory, for tests that assert on what is left behind; and engines whose verdict is a script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from domain.audit import AuditEntry, Seal
from domain.book import Baseline, Book
from domain.debate import Debate, Memory
from domain.errors import Refused, TamperError, UsageError
from domain.excursion import Excursion
from domain.experience import Lesson
from domain.market import Chain, MarketData
from domain.order import OrderState, OrderView, StagedOrder
from domain.ports import DebateEngine, ReasonReader
from domain.record import digest
from domain.regime import RegimeReading
from domain.risk import Restraint, TradingState
from domain.run import RunRequest, RunRow
from domain.signals import CompositeSignal, Signal
from domain.snapshot import DeskContext, MarketSnapshot, SnapshotRef
from graph.build import build
from graph.deps import Deps, GraphSettings, PricedSnapshots
from graph.run import run_graph
from graph.state import RunState
from options.priced import ChainRefusal, PricedChain
from risk.state import desired_state

SEALED_AT = datetime(2026, 1, 2, tzinfo=UTC)


class FakeFeed:
    """One picture, whatever the instant; raises what `failures` hold first, one a call."""

    name = "simulated"

    def __init__(self, market: MarketData, failures: Sequence[Exception] = ()) -> None:
        self.market = market
        self.failures = list(failures)
        self.gathered = 0

    async def universe(self, as_of: datetime) -> tuple[str, ...]:
        return self.market.tickers

    async def gather(self, as_of: datetime, tickers: Sequence[str]) -> MarketData:
        self.gathered += 1
        if self.failures:
            raise self.failures.pop(0)
        return self.market

    async def quotes(self, as_of: datetime, tickers: Sequence[str]) -> Mapping[str, Chain]:
        return {name: self.market.chains[name] for name in tickers}


class MemorySnapshots:
    """Snapshots by number: the same object gets the same id."""

    def __init__(self) -> None:
        self.kept: dict[str, MarketSnapshot] = {}

    async def put(self, snapshot: MarketSnapshot) -> SnapshotRef:
        snapshot_id = f"{len(self.kept):064x}"
        self.kept[snapshot_id] = snapshot
        return SnapshotRef(snapshot_id=snapshot_id, as_of=snapshot.as_of, feed=snapshot.market.feed, bytes=0)

    async def get(self, snapshot_id: str) -> MarketSnapshot:
        return self.kept[snapshot_id]


class MemoryDesk:
    """A desk that stands as it was given; whoever is named in `halted` is halted after the picture was taken."""

    def __init__(
        self, context: DeskContext, halted: Sequence[str] = (), kept: dict[str, Excursion] | None = None
    ) -> None:
        self.stands = context
        self.halted = halted
        self.kept = {} if kept is None else kept  # by order id, as the last run left them

    async def keep_excursions(self, as_of: datetime, excursions: Sequence[Excursion]) -> None:
        self.kept.update({item.order_id: item for item in excursions})

    async def halted_agents(self) -> frozenset[str]:
        return frozenset(self.halted)

    async def restrain(self, context: DeskContext, found: Sequence[Restraint]) -> DeskContext:
        desired = desired_state(found)
        if desired is None or context.trading_state is not TradingState.ACTIVE:
            return context
        return context.model_copy(update={"trading_state": desired[0], "trading_state_reason": desired[1]})

    async def context(self, as_of: datetime, market: MarketData) -> DeskContext:
        return self.stands

    async def exposed_tickers(self, as_of: datetime) -> tuple[str, ...]:
        return tuple(sorted({item.ticker for item in self.stands.exposures}))

    async def held_tickers(self, as_of: datetime) -> tuple[str, ...]:
        return tuple(sorted({position.ticker for position in self.stands.book.positions}))


class MemoryRuns:
    """Runs and what they publish."""

    def __init__(self) -> None:
        self.snapshots: dict[str, str] = {}
        self.signals: dict[str, Signal] = {}
        self.regimes: list[RegimeReading] = []
        self.ended: dict[str, str] = {}

    async def begin(self, request: RunRequest) -> RunRow:
        return RunRow(request=request, state="running", started_at=request.as_of)

    async def remember_snapshot(self, run_id: str, snapshot_id: str) -> None:
        self.snapshots.setdefault(run_id, snapshot_id)

    async def snapshot_of(self, run_id: str) -> str | None:
        return self.snapshots.get(run_id)

    async def publish_signals(self, run_id: str, signals: Sequence[Signal]) -> None:
        for signal in signals:
            self.signals.setdefault(signal.id, signal)

    async def publish_regime(self, run_id: str, reading: RegimeReading) -> None:
        self.regimes.append(reading)

    async def finish(self, run_id: str, *, state: str, head_hash: str | None, detail: str) -> None:
        self.ended[run_id] = state


class MemoryAudit:
    """Rows by step, in the order in which they came; raises what `failures` hold first, one a call of `append`."""

    def __init__(self, failures: Sequence[Exception] = ()) -> None:
        self.rows: dict[tuple[str, str, str, str], AuditEntry] = {}
        self.sealed: dict[str, Seal] = {}
        self.failures = list(failures)

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        for entry in entries:
            step = (entry.run_id, entry.node, entry.ticker, entry.kind)
            known = self.rows.setdefault(step, entry)
            if digest(known) != digest(entry):
                raise TamperError(f"{step} was logged with another content")

    async def seal(self, run_id: str) -> Seal:
        rows = [entry for entry in self.rows.values() if entry.run_id == run_id]
        made = Seal(run_id=run_id, sealed_at=SEALED_AT, rows=len(rows), head_hash=digest(rows))
        return self.sealed.setdefault(run_id, made)

    def of(self, node: str) -> dict[tuple[str, str], Any]:
        """What `node` logged, by ticker and kind, as it was handed over."""
        return {(e.ticker, e.kind): e.output for e in self.rows.values() if e.node == node}

    def digests(self) -> dict[tuple[str, str, str], str]:
        """Hash of every row, without the run's own id."""
        return {(e.node, e.ticker, e.kind): digest([e.author, e.inputs, e.output]) for e in self.rows.values()}


class MemoryOrders:
    """Staged orders, and a trading state that may differ from the one that the snapshot froze."""

    def __init__(self, trading_state: TradingState = TradingState.ACTIVE) -> None:
        self.trading_state = trading_state
        self.staged: dict[str, StagedOrder] = {}

    async def stage(self, order: StagedOrder) -> bool:
        if order.order_id in self.staged:
            return False
        if self.trading_state is not TradingState.ACTIVE and order.sized.candidate.intent == "open":
            raise Refused(f"Trading is {self.trading_state}.", code=self.trading_state.value)
        self.staged[order.order_id] = order
        return True

    async def withdraw_repairs(self, run_id: str, *, at: datetime) -> tuple[str, ...]:
        old = [
            order.order_id for order in self.staged.values()
            if order.sized.candidate.purpose == "repair" and order.run_id != run_id and order.staged_at <= at
        ]  # fmt: skip
        for order_id in sorted(old):
            del self.staged[order_id]
        return tuple(sorted(old))

    async def get(self, order_id: str) -> OrderView:
        if order_id not in self.staged:
            raise UsageError(f"There is no order {order_id}.")
        order = self.staged[order_id]
        return OrderView(order=order, state=OrderState.STAGED, changed_at=order.staged_at)


class MemorySituations:
    """Memories that were put there beforehand, by ticker."""

    def __init__(self, known: Mapping[str, Sequence[Memory]] | None = None) -> None:
        self.known = dict(known or {})
        self.remembered: dict[str, str | None] = {}  # ticker → order id
        self.lessons: dict[str, Lesson] = {}  # by order id

    async def recall(self, composite: CompositeSignal, regime: str, *, as_of: datetime, k: int) -> tuple[Memory, ...]:
        return tuple(self.known.get(composite.ticker, ()))[:k]

    async def remember(
        self, run_id: str, composite: CompositeSignal, regime: str, debate: Debate, order_id: str | None
    ) -> None:
        self.remembered[composite.ticker] = order_id

    async def learn(self, lessons: Sequence[Lesson]) -> None:
        for lesson in lessons:
            self.lessons.setdefault(lesson.order_id, lesson)


class PricedOnce(PricedSnapshots):
    """Prices a chain once for all runs of the test session that look at the very same one."""

    known: ClassVar[dict[tuple[int, str], tuple[Chain, PricedChain | ChainRefusal]]] = {}

    def of(self, snapshot: MarketSnapshot, ticker: str) -> PricedChain | ChainRefusal:
        chain = snapshot.market.chains.get(ticker)
        if chain is None:
            return super().of(snapshot, ticker)
        key = (id(chain), digest(self._settings))
        if key not in self.known:
            self.known[key] = (chain, super().of(snapshot, ticker))  # the chain is held, so its id stays its own
        return self.known[key][1]


class Watcher:
    """An observer that keeps what it saw."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, str]] = []
        self.ended: dict[tuple[str, str], str] = {}

    def started(self, run_id: str, node: str, ticker: str) -> None:
        self.begun.append((node, ticker))

    def finished(self, run_id: str, node: str, ticker: str, milliseconds: float, summary: str) -> None:
        assert milliseconds >= 0
        self.ended[node, ticker] = summary


def flat_desk(market: MarketData, **changes: Any) -> DeskContext:
    """An account of 100,000 USD in cash, in good order, at the market's instant."""
    cash = Decimal(100_000)
    desk = DeskContext(
        book=Book(
            as_of=market.as_of, cash=cash, positions=(), nlv=cash, nlv_as_of=market.as_of, realised=Decimal(0),
            fees=Decimal(0),
        ),
        exposures=(),
        open_orders=(),
        baseline=Baseline(session=market.as_of.date(), nlv=cash, source="opening NLV"),
        trading_state=TradingState.ACTIVE,
        trading_state_reason="normal",
        halted_agents=(),
        earlier_signals=(),
        reliability=(),
        regime_history=(),
    )  # fmt: skip
    return desk.model_copy(update=changes)


@dataclass
class World:
    """Everything a run touches. Change any part, then `run`; afterwards look at what is left."""

    market: MarketData
    settings: GraphSettings
    debate: DebateEngine
    desk: DeskContext | None = None
    run_id: str = "run-1"
    snapshots: MemorySnapshots = field(default_factory=MemorySnapshots)
    runs: MemoryRuns = field(default_factory=MemoryRuns)
    audit: MemoryAudit = field(default_factory=MemoryAudit)
    orders: MemoryOrders = field(default_factory=MemoryOrders)
    memory: MemorySituations = field(default_factory=MemorySituations)
    watcher: Watcher = field(default_factory=Watcher)
    feed: FakeFeed | None = None
    kept: dict[str, Excursion] = field(default_factory=dict)  # what held structures went through, by order id
    reasons: ReasonReader | None = None
    halted: set[str] = field(default_factory=set)  # analysts halted since the picture was taken

    def deps(self) -> Deps:
        """The graph's context."""
        return Deps(
            feed=self.feed or FakeFeed(self.market),
            snapshots=self.snapshots,
            desk=MemoryDesk(self.desk or flat_desk(self.market), self.halted, kept=self.kept),
            runs=self.runs,
            audit=self.audit,
            orders=self.orders,
            memory=self.memory,
            debate=self.debate,
            settings=self.settings,
            priced=PricedOnce(self.settings.chain),
            observer=self.watcher,
            reasons=self.reasons,
            versions={"code": "test"},
        )

    def request(self) -> RunRequest:
        """What the run is asked."""
        return RunRequest(
            run_id=self.run_id, slot=None, as_of=self.market.as_of, feed=self.market.feed,
            watchlist=self.market.tickers, debate="rules", fingerprint="test",
        )  # fmt: skip

    async def run(self) -> RunState:
        """From the first node to the last."""
        return await run_graph(build(), self.request(), self.deps())

    async def steps(self) -> dict[str, str]:
        """Runs, and tells the step that ended each ticker's path."""
        return {item.ticker: item.step for item in (await self.run())["outcomes"]}


def only(market: MarketData, *tickers: str) -> MarketData:
    """The picture with only these tickers to analyse."""
    return replace(
        market, tickers=tickers, chains={name: chain for name, chain in market.chains.items() if name in tickers}
    )


def with_chain(market: MarketData, ticker: str, chain: Chain) -> MarketData:
    """The picture with another chain of `ticker`."""
    return replace(market, chains={**market.chains, ticker: chain})
