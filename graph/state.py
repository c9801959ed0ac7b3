"""What travels between nodes: ids and records, never market data. Fan-out results merge by key."""

from typing import Annotated, TypeVar

from typing_extensions import TypedDict

from domain.debate import Debate, Memory
from domain.excursion import Excursion
from domain.order import Allocation, Candidate, Exit, Repair
from domain.regime import RegimeReading
from domain.risk import RiskDecision
from domain.run import Outcome, RunRequest
from domain.signals import AnalystReport, CompositeSignal, RankedTicker, Signal

T = TypeVar("T")


def merge_by_key(left: dict[str, T], right: dict[str, T]) -> dict[str, T]:
    """Union ordered by key, so that the order of arrival never shows; a repeated key takes the newer value."""
    return dict(sorted({**left, **right}.items()))


class RunInput(TypedDict):
    """What starts the graph."""

    run: RunRequest


class RunState(RunInput, total=False):
    """What the graph knows so far."""

    snapshot_id: str
    regime: RegimeReading
    exits: list[Exit]
    repairs: list[Repair]  # new trades that bring the book back within its limits
    excursions: list[Excursion]  # of what is held, with the levels that its rules set
    reports: Annotated[dict[str, AnalystReport], merge_by_key]
    composites: dict[str, CompositeSignal]
    ranking: list[RankedTicker]
    memories: dict[str, list[Memory]]
    debates: Annotated[dict[str, Debate], merge_by_key]
    theses: dict[str, RiskDecision]
    candidates: dict[str, list[Candidate]]
    refusals: dict[str, str]  # ticker → why no structure was proposed
    allocations: dict[str, Allocation]  # by ticker; closings by "TICKER close ORDER", repairs by "TICKER restore"
    staged: dict[str, str]  # key of the allocation → order id, or "refused: why"
    outcomes: list[Outcome]


class BranchState(TypedDict):
    """What one debate sees."""

    run: RunRequest
    snapshot_id: str
    ticker: str
    composite: CompositeSignal
    signals: list[Signal]  # this run's that the composite rests on
    memories: list[Memory]
