"""From ranked candidates to sized orders. Sizes only shrink; each opening counts against the next."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from domain.book import StrategyRecord
from domain.order import Allocation, Candidate, Exit, SizedCandidate, Sizing, SizingCap
from domain.risk import RiskDecision
from risk.gate import decide
from risk.settings import RiskSettings
from risk.sizing import size
from risk.view import Portfolio, RiskView


def allocate(
    ranked: Sequence[tuple[str, Sequence[Candidate]]],
    portfolio: Portfolio,
    view_of: Callable[[str, Portfolio], RiskView],
    records: Iterable[StrategyRecord],
    settings: RiskSettings,
    order_id_of: Callable[[SizedCandidate], str],
) -> tuple[tuple[Allocation, ...], Portfolio]:
    """Size tickers in rank order; the best candidate that passes wins.

    `view_of(ticker, portfolio)` builds the gate's question without an order. Returns the allocations and the
    portfolio with every accepted order counted as filled at its worst case.
    """
    records = tuple(records)
    allocations: list[Allocation] = []
    for ticker, candidates in ranked:
        if not candidates:
            continue
        view = view_of(ticker, portfolio)
        refused: Allocation | None = None
        for tried, candidate in enumerate(candidates, start=1):
            allocation = _largest_accepted(view, candidate, records, settings, tried)
            if allocation.accepted:
                portfolio = portfolio.with_opening(allocation.sized, order_id_of(allocation.sized), view.facts.sector)
                allocations.append(allocation)
                break
            refused = refused or allocation
        else:
            if refused is not None:
                allocations.append(refused.model_copy(update={"tried": len(candidates)}))
    return tuple(allocations), portfolio


def allocate_exit(view: RiskView, leaving: Exit, settings: RiskSettings) -> Allocation:
    """A closing order is not sized: it closes all units held."""
    if leaving.candidate.intent != "close":
        raise ValueError("only closing orders skip sizing")
    caps = (SizingCap(name="held", units=leaving.units, detail=f"closes all {leaving.units} units held"),)
    sizing = Sizing(units=leaving.units, binding="held", caps=caps, budget=leaving.candidate.max_loss * leaving.units)
    sized = SizedCandidate(candidate=leaving.candidate, sizing=sizing)
    decision = decide(replace(view, stage="final", order=sized), settings)
    return Allocation(ticker=leaving.candidate.ticker, sized=sized, decision=decision, tried=1, closes=leaving.closes)


def _largest_accepted(
    view: RiskView, candidate: Candidate, records: tuple[StrategyRecord, ...], settings: RiskSettings, tried: int
) -> Allocation:
    """Walk the size down from what the caps allow; if one unit fails, those vetoes are the decision."""
    if candidate.intent == "close":
        raise ValueError("closing orders are not sized by the allocator: they close what is held")
    sizing = size(view, candidate, records, settings)
    sized = SizedCandidate(candidate=candidate, sizing=sizing)
    decision: RiskDecision | None = None
    for units in range(sizing.units, 0, -1):
        sized = SizedCandidate(candidate=candidate, sizing=sizing.model_copy(update={"units": units}))
        decision = decide(replace(view, stage="final", order=sized), settings)
        if decision.approved:
            break
    return Allocation(ticker=candidate.ticker, sized=sized, decision=decision, tried=tried)
