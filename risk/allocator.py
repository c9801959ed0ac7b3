"""From ranked candidates to sized orders. Sizes only shrink; each opening counts against the next."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from domain.book import StrategyRecord
from domain.order import Allocation, Candidate, Exit, Repair, SizedCandidate, Sizing, SizingCap
from domain.risk import RiskDecision
from risk.gate import decide
from risk.manager.decision import OrderVerdict
from risk.settings import RiskSettings
from risk.sizing import parity_shares, size
from risk.view import Portfolio, RiskView


def allocate(
    ranked: Sequence[tuple[str, Sequence[Candidate]]],
    portfolio: Portfolio,
    view_of: Callable[[str, Portfolio], RiskView],
    records: Iterable[StrategyRecord],
    settings: RiskSettings,
    order_id_of: Callable[[SizedCandidate], str],
    convictions: Mapping[str, float] | None = None,
    admit: Callable[[SizedCandidate, RiskView], OrderVerdict] | None = None,
) -> tuple[tuple[Allocation, ...], Portfolio]:
    """Size tickers in rank order; the best candidate that passes wins, else the best one's vetoes are on record.

    `view_of(ticker, portfolio)` builds the gate's question without an order. Returns the allocations and the
    portfolio with every accepted order counted as filled at its worst case. `convictions` by ticker serve sizing by
    conviction, where that is set. `admit` is what the order rules of the position manager leave of an order: one more
    cap, before the gate.
    """
    records = tuple(records)
    shares = parity_shares(candidate for _, candidates in ranked for candidate in candidates)
    allocations: list[Allocation] = []
    for ticker, candidates in ranked:
        if not candidates:
            continue
        view = view_of(ticker, portfolio)
        conviction = (convictions or {}).get(ticker)
        tries: list[Allocation] = []
        for candidate in candidates:
            _require_opening(candidate)
            sizing = size(view, candidate, records, settings.sizing, conviction=conviction, shares=shares)
            if admit is not None and sizing.units:
                sizing = _admitted(sizing, admit(SizedCandidate(candidate=candidate, sizing=sizing), view))
            tries.append(_largest_accepted(view, candidate, sizing, settings))
            if tries[-1].accepted:
                break
        chosen = tries[-1] if tries[-1].accepted else tries[0]
        if chosen.accepted:
            portfolio = portfolio.with_opening(chosen.sized, order_id_of(chosen.sized), view.facts.sector)
        allocations.append(chosen.model_copy(update={"tried": len(tries)}))
    return tuple(allocations), portfolio


def allocate_exit(view: RiskView, leaving: Exit, settings: RiskSettings) -> Allocation:
    """A closing order is not sized: it closes what its exit says, at most all units held."""
    if leaving.candidate.intent != "close":
        raise ValueError("only closing orders skip sizing")
    held = leaving.units if leaving.held is None else leaving.held
    share = f"all {held}" if leaving.units == held else f"{leaving.units} of {held}"
    caps = (SizingCap(name="held", units=leaving.units, detail=f"closes {share} units held"),)
    sizing = Sizing(units=leaving.units, binding="held", caps=caps, budget=leaving.candidate.max_loss * leaving.units)
    sized = SizedCandidate(candidate=leaving.candidate, sizing=sizing)
    decision = decide(replace(view, stage="final", order=sized, closes=leaving.closes), settings)
    return Allocation(ticker=leaving.candidate.ticker, sized=sized, decision=decision, tried=1, closes=leaving.closes)


def allocate_repairs(
    repairs: Iterable[Repair],
    portfolio: Portfolio,
    view_of: Callable[[str, Portfolio], RiskView],
    settings: RiskSettings,
    order_id_of: Callable[[SizedCandidate], str],
) -> tuple[tuple[Allocation, ...], Portfolio]:
    """Orders that restore a limit are not sized either: fewer units would not restore it, so it is all or nothing.
    Returns them, and the portfolio with those accepted.
    """
    found = []
    for repair in repairs:
        view = view_of(repair.candidate.ticker, portfolio)
        allocation = _all_or_nothing(view, repair, settings)
        if allocation.accepted:
            portfolio = portfolio.with_opening(allocation.sized, order_id_of(allocation.sized), view.facts.sector)
        found.append(allocation)
    return tuple(found), portfolio


def _all_or_nothing(view: RiskView, repair: Repair, settings: RiskSettings) -> Allocation:
    candidate, wanted = repair.candidate, repair.units
    caps = (
        SizingCap(name="restores", units=wanted, detail=candidate.reason),
        SizingCap(name="liquidity", units=candidate.liquidity, detail="units executable at quoted size"),
    )
    units, binding = (wanted, "restores") if candidate.liquidity >= wanted else (0, "liquidity")
    sizing = Sizing(units=units, binding=binding, caps=caps, budget=candidate.max_loss * units)
    sized = SizedCandidate(candidate=candidate, sizing=sizing)
    decision = decide(replace(view, stage="final", order=sized), settings) if units else None
    return Allocation(ticker=candidate.ticker, sized=sized, decision=decision, tried=1)


def _admitted(sizing: Sizing, verdict: OrderVerdict) -> Sizing:
    """The size with one cap more, which binds if it is the smallest."""
    cap = SizingCap(name=verdict.rule, units=verdict.units, detail=verdict.reason)
    binding = cap.name if cap.units < sizing.units else sizing.binding
    return sizing.model_copy(
        update={"units": min(cap.units, sizing.units), "binding": binding, "caps": (*sizing.caps, cap)}
    )


def _require_opening(candidate: Candidate) -> None:
    if candidate.intent == "close":
        raise ValueError("closing orders are not sized by the allocator: they close what is held")


def _largest_accepted(view: RiskView, candidate: Candidate, sizing: Sizing, settings: RiskSettings) -> Allocation:
    """Walk the size down from what the caps allow; if one unit fails, those vetoes are the decision."""
    sized = SizedCandidate(candidate=candidate, sizing=sizing)
    decision: RiskDecision | None = None
    for units in range(sizing.units, 0, -1):
        sized = SizedCandidate(candidate=candidate, sizing=sizing.model_copy(update={"units": units}))
        decision = decide(replace(view, stage="final", order=sized), settings)
        if decision.approved:
            break
    return Allocation(ticker=candidate.ticker, sized=sized, decision=decision, tried=1)
