"""A run of the pipeline: what was asked, and what came of it."""

from typing import Literal

from domain.record import Instant, Record
from domain.risk import Check

RunState = Literal["running", "sealed", "failed"]


class RunRequest(Record):
    """What starts a run. `slot` is set for scheduled runs only (e.g. "2026-11-20T09:35")."""

    run_id: str
    slot: str | None
    as_of: Instant
    feed: str
    watchlist: tuple[str, ...]
    debate: Literal["rules", "llm"]
    fingerprint: str  # of graph, configuration and code: a run resumes only under the same one


class RunRow(Record):
    """A run as the database knows it."""

    request: RunRequest
    state: RunState
    started_at: Instant
    snapshot_id: str | None = None
    head_hash: str | None = None
    detail: str = ""


class Outcome(Record):
    """What became of one ticker in one run: the step that ended its path, and why."""

    ticker: str
    step: str  # not_ranked, no_edge, inconclusive, vetoed, no_candidate, no_size, refused, staged
    reason: str
    order_id: str | None = None
    vetoes: tuple[Check, ...] = ()
