"""What a serving desk has done so far: one object, which the loop writes and /health and /metrics read."""

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from app.documents import plain
from app.scheduler import Slot
from app.wiring import Desk
from domain.errors import MachineError
from domain.record import Instant, Record

if TYPE_CHECKING:
    from app.services.social import Visit
    from feeds.news.wire import Report

KEPT_ENTRIES = 200

Outcome = Literal["sealed", "elsewhere", "skipped", "failed", "stopped", "foreign"]


class RunEntry(Record):
    """What became of one slot or one unfinished run.

    sealed: run to its end here; elsewhere: another process has it; skipped: came too late; failed: it cannot be
    finished; stopped: cut off on request, the next start goes on with it; foreign: begun under another configuration.
    """

    at: Instant
    outcome: Outcome
    slot: str | None
    run_id: str | None
    detail: str


class RunFindings(Record):
    """What the last sealed run says about its parts."""

    run_id: str
    signals: dict[str, int]  # by analyst
    failures: dict[str, str]  # analysts that failed or were too late, and how
    debates: int
    fallbacks: dict[str, int]  # why the rules spoke where a model was asked, and how often
    staged: int
    durations_ms: dict[str, float]


@dataclass(frozen=True)
class Delivery:
    """One round over the news services."""

    at: datetime
    reports: "tuple[Report, ...]"


@dataclass
class Journal:
    """State of one server process."""

    desk: Desk | None = None  # None while the database is being reached again
    started_at: datetime | None = None
    looked_at: datetime | None = None  # slots up to here are dealt with
    next: Slot | None = None
    running: str | None = None  # run at work
    entries: deque[RunEntry] = field(default_factory=lambda: deque(maxlen=KEPT_ENTRIES))
    outcomes: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)  # by the state that the order worker left them in
    findings: RunFindings | None = None
    fault: MachineError | None = None  # what ended the last round
    faults: int = 0  # rounds in a row
    failing: dict[str, float] = field(default_factory=dict)  # run → monotonic second of its first fault
    order_trouble: str | None = None  # why approved orders wait
    visit: "Visit | None" = None  # the last round over the crowd's sources
    delivery: Delivery | None = None  # the last round over the news services
    collecting_trouble: dict[str, str] = field(default_factory=dict)  # "social", "news": why the latest round failed
    watched: float | None = None  # monotonic second of the last look at the account between runs
    restrained: str | None = None  # why that look found trading restrained
    jumps: int = 0
    jump_s: float = 0.0  # the last jump of the wall clock

    @property
    def last_run(self) -> RunEntry | None:
        """The latest run that ended here, well or not."""
        return next((entry for entry in reversed(self.entries) if entry.outcome in ("sealed", "failed")), None)

    def note(self, entry: RunEntry) -> None:
        """Keep an entry, and count it."""
        self.entries.append(entry)
        self.outcomes[entry.outcome] += 1

    def document(self) -> dict[str, Any]:
        """What `desk serve --json` says at its end."""
        return {
            "started_at": plain(self.started_at),
            "entries": plain(list(self.entries)),
            "outcomes": dict(sorted(self.outcomes.items())),
            "orders": dict(sorted(self.orders.items())),
            "next": plain(self.next),
            "trouble": None if self.fault is None else str(self.fault),
        }


def findings_of(document: dict[str, Any]) -> RunFindings:
    """The part of a run's document that health and metrics speak of."""
    signals = Counter(signal["source"] for signal in document["signals"])
    failures = {
        item["source"]: item["code"] for item in document["abstentions"] if item["code"] in ("failed", "timeout")
    }
    fallbacks = Counter(debate["fell_back"] for debate in document["debates"] if debate["fell_back"])
    return RunFindings(
        run_id=document["run_id"],
        signals=dict(sorted(signals.items())),
        failures=dict(sorted(failures.items())),
        debates=len(document["debates"]),
        fallbacks=dict(sorted(fallbacks.items())),
        staged=len(document["orders"]),
        durations_ms=document["durations_ms"],
    )
