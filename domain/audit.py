"""Rows of the decision log."""

from typing import Any, Literal

from domain.record import Instant, Record

Author = Literal["rule", "model", "human"]


class AuditEntry(Record):
    """One step to be logged. `(run_id, node, ticker, kind)` is unique: a step repeated after a crash must log
    the same content and is then logged once. `inputs`, `output` and `versions` must be plain JSON values.
    """

    run_id: str
    node: str
    ticker: str  # "*" for the whole run
    kind: str
    author: Author
    inputs: dict[str, str]  # name → hash or id
    output: Any
    versions: dict[str, str]


class AuditRow(Record):
    """A stored step. `payload_hash` covers the entry (what replay compares); `hash` covers everything and the
    previous row's hash.
    """

    seq: int
    logged_at: Instant
    code_version: str
    entry: AuditEntry
    payload_hash: str
    previous_hash: str
    hash: str


class Seal(Record):
    """Written when a run ends, also outside the database: so a cut tail is seen."""

    run_id: str
    sealed_at: Instant
    rows: int  # rows in the whole log up to this run's last one
    head_hash: str


class VerifyReport(Record):
    """What verification found. `first_fault` names the row and what is wrong with it."""

    rows: int
    seals: int
    sound: bool
    first_fault: str | None
    faults: tuple[str, ...] = ()
