"""Ports: how pure code and the graph reach the world. Adapters live in feeds, memory, execution and app.

Every method that does I/O is `async` and translates vendor exceptions into `domain.errors` at its edge.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from domain.audit import AuditEntry, Seal
from domain.debate import Debate, Memory, ModelCall, Spent
from domain.excursion import Excursion
from domain.experience import Lesson, Situation
from domain.market import Chain, MarketData
from domain.order import Fill, OrderState, OrderView, StagedOrder
from domain.regime import RegimeReading
from domain.risk import Restraint
from domain.run import RunRequest, RunRow
from domain.sentiment import Sentiment
from domain.signals import CompositeSignal, Signal
from domain.snapshot import DeskContext, MarketSnapshot, SnapshotRef
from domain.units import Floats


class Clock(Protocol):
    """The only thing that says what time it is."""

    def now(self) -> datetime:
        """Aware UTC instant. For simulated and recorded feeds this is the feed's clock, not the wall's."""
        ...


class MarketFeed(Protocol):
    """A source of market data as of one instant."""

    name: str

    async def universe(self, as_of: datetime) -> tuple[str, ...]:
        """Tickers with a fresh chain at `as_of`, ascending. Empty: nothing is known at that time."""
        ...

    async def gather(self, as_of: datetime, tickers: Sequence[str]) -> MarketData:
        """Everything knowable at `as_of` about `tickers`: nothing later, nothing guessed.

        A ticker without a chain is left out of `chains` and named in `notes`; the others are unaffected.
        Raises `UsageError` when `as_of` lies before any data or in the future, `FeedDown` when the source as a
        whole does not answer.
        """
        ...

    async def quotes(self, as_of: datetime, tickers: Sequence[str]) -> Mapping[str, Chain]:
        """Only the latest chains at or before `as_of`: for re-pricing an order at approval and marking the book."""
        ...


class SnapshotStore(Protocol):
    """Content-addressed, immutable pictures."""

    async def put(self, snapshot: MarketSnapshot) -> SnapshotRef:
        """Store whole or not at all; the same content gives the same id. Raises `StorageFull`."""
        ...

    async def get(self, snapshot_id: str) -> MarketSnapshot:
        """Read back identical arrays. Raises `UsageError` if unknown, `TamperError` if any byte differs."""
        ...


class AuditLog(Protocol):
    """The append-only, hash-chained decision log."""

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Add rows in order. An entry already logged for its (run, node, ticker, kind) with equal payload is
        skipped; with another payload it raises `TamperError` naming the step.
        """
        ...

    async def seal(self, run_id: str) -> Seal:
        """Close the run: record row count and head hash in the database and in a second place. Idempotent."""
        ...


class RunStore(Protocol):
    """Runs, their slots and what they read of the desk."""

    async def begin(self, request: RunRequest) -> RunRow:
        """Register the run, or return an unfinished one of that id, to be resumed. `Refused(code="slot_taken")`."""
        ...

    async def remember_snapshot(self, run_id: str, snapshot_id: str) -> None:
        """Bind the run to its snapshot, once; a resumed run keeps the first."""
        ...

    async def snapshot_of(self, run_id: str) -> str | None:
        """Snapshot bound to the run, if any."""
        ...

    async def publish_signals(self, run_id: str, signals: Sequence[Signal]) -> None:
        """Store signals for later runs. Idempotent by signal id."""
        ...

    async def publish_regime(self, run_id: str, reading: RegimeReading) -> None:
        """Store the regime for later runs' history. Idempotent by feed and instant: the first reading stands."""
        ...

    async def finish(self, run_id: str, *, state: str, head_hash: str | None, detail: str) -> None:
        """Mark the run sealed or failed."""
        ...


class DeskState(Protocol):
    """The desk's own state as of an instant: book, exposures, regime history, earlier signals, switches."""

    async def halted_agents(self) -> frozenset[str]:
        """Analysts that are halted now, whatever instant a run looks at."""
        ...

    async def restrain(self, context: DeskContext, found: Sequence[Restraint]) -> DeskContext:
        """Set what the desk holds against new risk to what was `found` in `context`; the context with the trading state
        as it stands then. The same again changes nothing.
        """
        ...

    async def context(self, as_of: datetime, market: MarketData) -> DeskContext:
        """Freeze it. Reads nothing stamped after `as_of`; any doubt about the trading state is HALTED."""
        ...

    async def keep_excursions(self, as_of: datetime, excursions: Sequence[Excursion]) -> None:
        """Keep what held structures went through, and their levels, as a run at `as_of` left them. Idempotent: what was
        kept of an instant first stands.
        """
        ...

    async def exposed_tickers(self, as_of: datetime) -> tuple[str, ...]:
        """Underlyings of everything held, staged or working at `as_of`, ascending: a picture that leaves one out knows
        neither NLV nor sector nor correlation.
        """
        ...


class OrderStore(Protocol):
    """Orders and their state machine."""

    async def stage(self, order: StagedOrder) -> bool:
        """Insert once by `order_id`; False if it was there already. Raises `Refused` unless the trading state, read in
        the same transaction, allows it (closing orders may be staged while halted).
        """
        ...

    async def withdraw_repairs(self, run_id: str, *, at: datetime) -> tuple[str, ...]:
        """Supersede what other runs staged by `at` against broken limits and nobody decided on; ids, ascending."""
        ...

    async def get(self, order_id: str) -> OrderView:
        """Latest version. Raises `UsageError` for an unknown id (a unique prefix is enough)."""
        ...

    async def list(self, states: Sequence[OrderState] | None = None) -> tuple[OrderView, ...]:
        """Latest versions, oldest first; all states if None."""
        ...

    async def transition(
        self,
        order_id: str,
        new: OrderState,
        *,
        expect: OrderState,
        at: datetime,
        reviewer: str | None,
        reason: str | None,
    ) -> OrderView:
        """Conditional update: of two callers exactly one wins, the other gets `Refused(code="lost_race")`."""
        ...

    async def revise(self, order: StagedOrder, *, at: datetime, reviewer: str, reason: str) -> OrderView:
        """Store an edited version (`version` one above the stored) while still staged."""
        ...

    async def record_fill(self, fill: Fill) -> bool:
        """Insert once by `fill_id`; False if it was there already."""
        ...


class Broker(Protocol):
    """Takes an approved order and says what became of it."""

    name: str

    async def submit(self, order: StagedOrder, *, key: str, at: datetime, quotes: Chain) -> tuple[Fill, ...]:
        """Idempotent by `key`: a repeated call returns the same fills. Empty: no fill within the limit. A halt waits
        for the answer: raise `MachineError` rather than wait for seconds.
        """
        ...

    async def withdraw(self, order: StagedOrder, *, key: str, at: datetime) -> tuple[Fill, ...]:
        """Cancel what of the order is still unfilled; all fills that were made under `key`. An order never heard of
        has none. Raises `MachineError` when it cannot be told.
        """
        ...


class Dispatch(Protocol):
    """One approved order, claimed by one worker until the claim's block ends."""

    @property
    def key(self) -> str:
        """Idempotency key towards the broker."""
        ...

    @property
    def order(self) -> StagedOrder:
        """The version that was approved."""
        ...

    @property
    def state(self) -> OrderState:
        """APPROVED; or SUBMITTED when an earlier worker died between sending and storing the answer."""
        ...

    @property
    def changed_at(self) -> datetime:
        """Instant of the order's last step: nothing can happen to it before."""
        ...

    async def submitted(self, at: datetime) -> None:
        """Commit that the broker is about to hear of the order. In the same transaction the trading state is read:
        raises `Refused` (`halted`, `reducing`, `expired`, `lost_race`) when it must not be sent.
        """
        ...

    async def settle(self, fills: Sequence[Fill], steps: Sequence[OrderState], *, at: datetime, reason: str) -> None:
        """Store the broker's answer: fills, the order's steps, and that the order is dealt with. All of it is kept
        if the claim's block ends well, none of it otherwise.
        """
        ...


class Outbox(Protocol):
    """Approved orders on their way to a broker."""

    def claim(self, *, leaving: Collection[str]) -> AbstractAsyncContextManager[Dispatch | None]:
        """The oldest waiting order whose key is not in `leaving` and that no other worker has; None if there is none.
        A worker that dies gives its claim back at once.
        """
        ...


class SituationMemory(Protocol):
    """Past situations with their outcomes."""

    async def recall(self, composite: CompositeSignal, regime: str, *, as_of: datetime, k: int) -> tuple[Memory, ...]:
        """The most similar situations whose decision and outcome were both known strictly before `as_of`."""
        ...

    async def remember(
        self, run_id: str, composite: CompositeSignal, regime: str, debate: Debate, order_id: str | None
    ) -> None:
        """Store the situation of one decision. Idempotent by (run, ticker)."""
        ...

    async def learn(self, lessons: Sequence[Lesson]) -> None:
        """Close the situations that the lessons are about: from their `known_at` on they may be recalled. Idempotent:
        what was learned of a trade first stands. A lesson about no remembered situation is passed over.
        """
        ...


class Embedder(Protocol):
    """Turns situations into vectors whose cosine says how alike they are."""

    @property
    def name(self) -> str:
        """Model, its version, and what it is shown: vectors of different names are never compared."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        ...

    async def embed(self, situations: Sequence[Situation]) -> Floats:
        """Unit vectors, shape `(len(situations), dimensions)`. Raises `FeedDown` when a model does not answer,
        `DataError` when its answer is not such vectors.
        """
        ...


class SentimentModel(Protocol):
    """Reads the mood of texts. Arithmetic on this machine, no I/O once it stands: `signals.sentiment` needs no weights,
    `feeds.sentiment` holds FinBERT.
    """

    @property
    def name(self) -> str:
        """Model and weights: what a record must say to be scored the same again."""
        ...

    @property
    def band(self) -> float:
        """|score| up to this reads as neutral where a class is wanted."""
        ...

    def score(self, texts: Sequence[str]) -> tuple[Sentiment, ...]:
        """One record a text, in their order; `score` is None where a text has no word to read. Never raises for a
        text, however long or odd.
        """
        ...


class ReasonReader(Protocol):
    """Asks a model why posts were written. Without one, `signals.social.context` finds reasons by rules."""

    async def read(self, run_id: str, market: MarketData) -> MarketData:
        """`market` with `Post.context` set on posts that were read, and `provenance` saying by whom. Never raises for a
        misbehaving model: posts then stay as they are, and a note says so.
        """
        ...


class ModelRecord(Protocol):
    """Recorded model calls and what they cost."""

    async def find(self, run_id: str, key: str) -> ModelCall | None:
        """A call recorded earlier under the same key, for resume and replay."""
        ...

    async def store(self, call: ModelCall) -> None:
        """Record one call. Idempotent by (run, key)."""
        ...

    async def spent(self, *, run_id: str, agent: str) -> Spent:
        """What the run, this New York day, and `agent` (a role such as `bull`) on this day have cost so far. The day is
        the one on which calls are paid for: that of the clock, not of the instant a run looks at.
        """
        ...


class DebateEngine(Protocol):
    """Argues one ticker and judges. See `agents.debate`."""

    async def debate(
        self,
        run_id: str,
        composite: CompositeSignal,
        signals: Sequence[Signal],
        memories: Sequence[Memory],
        snapshot: MarketSnapshot,
    ) -> Debate:
        """Never raises for a misbehaving model: it falls back to rules and says so."""
        ...
