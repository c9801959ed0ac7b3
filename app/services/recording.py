"""What a run left behind, and the ports as that record answers them: nothing here reaches the world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn

from pydantic import ValidationError

from agents.contract import HALTED
from domain.audit import AuditEntry, AuditRow
from domain.debate import Memory, ModelCall
from domain.errors import Refused, TamperError
from domain.order import StagedOrder
from domain.ports import ModelRecord
from domain.record import digest
from domain.run import RunRequest
from domain.signals import CompositeSignal
from graph.deps import GraphSettings

REFUSED = "refused: "


@dataclass(frozen=True)
class Recording:
    """A finished run as the decision log has it: what it was asked, under which settings, and what it read beside
    its snapshot. `refusals` say by order id why the order store would not stage it; `late` names analysts that timed
    out, `halted` those that were halted; `altered` rows no longer hash to what was logged.
    """

    rows: tuple[AuditRow, ...]
    request: RunRequest
    settings: GraphSettings
    snapshot_id: str
    memories: Mapping[str, tuple[Memory, ...]]
    refusals: Mapping[str, str]
    late: frozenset[str]
    halted: frozenset[str]
    altered: tuple[str, ...]


def recording_of(run_id: str, rows: Sequence[AuditRow]) -> Recording:
    """Read a run's rows. Raises `TamperError` when a row that replay rests on is gone or was altered beyond reading,
    `Refused` (`other_code`) when it was written by code whose settings this code does not know.
    """
    found = {(row.entry.node, row.entry.kind, row.entry.ticker): row for row in rows}
    altered = tuple(said(row) for row in rows if digest(row.entry) != row.payload_hash)
    request, settings, picture = (_needed(run_id, found, kind) for kind in ("request", "settings", "snapshot"))
    try:
        return Recording(
            rows=tuple(rows),
            request=RunRequest.model_validate(request.entry.output),
            settings=GraphSettings.model_validate(settings.entry.output),
            snapshot_id=picture.entry.output["snapshot_id"],
            memories={
                row.entry.ticker: tuple(Memory.model_validate(item) for item in row.entry.output)
                for row in rows
                if (row.entry.node, row.entry.kind) == ("recall", "memories")
            },
            refusals={
                row.entry.output["order"]["order_id"]: row.entry.output["outcome"].removeprefix(REFUSED)
                for row in rows
                if row.entry.node == "stage" and row.entry.output["outcome"].startswith(REFUSED)
            },
            late=frozenset(row.entry.node for row in rows if _abstained(row.entry, "timeout")),
            halted=frozenset(row.entry.node for row in rows if _abstained(row.entry, HALTED)),
            altered=altered,
        )
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        if altered:
            raise TamperError(f"{altered[0]} was altered: it cannot be replayed.", remedy=_VERIFY) from error
        what = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": repr(error)}
        raise Refused(
            f"Run {run_id} was made by code {rows[0].code_version}, whose log this code cannot read"
            f" ({'.'.join(map(str, what['loc']))}: {what['msg']}).",
            code="other_code",
            remedy="Replay it with that version.",
        ) from error


def said(row: AuditRow) -> str:
    """The row in words."""
    return f"row {row.seq} ({row.entry.node}, {row.entry.ticker}, {row.entry.kind})"


_VERIFY = "'desk audit verify' names what was done to the log."


def _needed(run_id: str, found: Mapping[tuple[str, str, str], AuditRow], kind: str) -> AuditRow:
    row = found.get(("collect", kind, "*"))
    if row is None:
        raise TamperError(f"The log of run {run_id} has no {kind} row: it cannot be replayed.", remedy=_VERIFY)
    return row


def _abstained(entry: AuditEntry, code: str) -> bool:
    return entry.kind == "reading" and any(item["code"] == code for item in entry.output["abstentions"])


class Unasked:
    """In place of a port that a replay must never use: the picture is in the snapshot."""

    def __init__(self, port: str) -> None:
        self._port = port

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"a replay asked {self._port}.{name}: something the run read is not in its snapshot")


class RecordedDesk(Unasked):
    """The desk's state is in the snapshot; only which analysts were halted after it was taken is not."""

    def __init__(self, halted: frozenset[str]) -> None:
        super().__init__("desk")
        self._halted = halted

    async def halted_agents(self) -> frozenset[str]:
        """Those that logged so."""
        return self._halted

    async def keep_excursions(self, *_: object) -> None:
        """Done already."""


class RecordedRuns:
    """Knows the snapshot the run was bound to; what the run publishes was published then."""

    def __init__(self, snapshot_id: str) -> None:
        self._snapshot_id = snapshot_id

    async def snapshot_of(self, run_id: str) -> str:
        """The recorded snapshot."""
        return self._snapshot_id

    async def publish_signals(self, *_: object) -> None:
        """Done already."""

    async def publish_regime(self, *_: object) -> None:
        """Done already."""


@dataclass(frozen=True)
class RecordedOrders:
    """Says of each order what the order store said then."""

    refusals: Mapping[str, str]

    async def stage(self, order: StagedOrder) -> bool:
        """Staged then, or refused with the same sentence."""
        if order.order_id in self.refusals:
            raise Refused(self.refusals[order.order_id], code="recorded")
        return True

    async def withdraw_repairs(self, *_: object, **__: object) -> tuple[str, ...]:
        """Done already."""
        return ()


@dataclass(frozen=True)
class RecordedMemories:
    """Recalls what was recalled then."""

    memories: Mapping[str, tuple[Memory, ...]]

    async def recall(self, composite: CompositeSignal, _regime: str, *, as_of: datetime, k: int) -> tuple[Memory, ...]:
        """The recorded memories of the ticker."""
        return self.memories.get(composite.ticker, ())

    async def learn(self, *_: object) -> None:
        """Done already."""

    async def remember(self, *_: object) -> None:
        """Done already."""


@dataclass(frozen=True)
class RecordedReplies:
    """`ModelRecord` that notes which calls are not in the record."""

    record: ModelRecord
    missing: list[str] = field(default_factory=list)

    async def find(self, run_id: str, key: str) -> ModelCall | None:
        """The recorded call."""
        call = await self.record.find(run_id, key)
        if call is None:
            self.missing.append(key)
        return call


@dataclass(frozen=True)
class Collected:
    """`AuditLog` in memory."""

    entries: list[AuditEntry] = field(default_factory=list)

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Keep them."""
        self.entries.extend(entries)

    async def seal(self, run_id: str) -> None:
        """Nothing to seal."""
