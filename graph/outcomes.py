"""Why a ticker's path ended where it did."""

from domain.run import Outcome
from domain.signals import RankedTicker
from graph.state import RunState


def outcome_of(state: RunState, item: RankedTicker) -> Outcome:
    """The step that ended the path of one ranked ticker, with the reason and the vetoes."""
    ticker = item.ticker
    if not item.debated:
        return Outcome(ticker=ticker, step="not_ranked", reason=item.reason)
    if ticker in state["refusals"]:
        step, _, reason = state["refusals"][ticker].partition(": ")
        return Outcome(ticker=ticker, step=step, reason=reason, vetoes=state["theses"][ticker].vetoes)
    allocation = state.get("allocations", {}).get(ticker)
    if allocation is None:
        return Outcome(ticker=ticker, step="no_candidate", reason="no structure was proposed")
    if allocation.decision is None:
        sizing = allocation.sized.sizing
        cap = next(cap for cap in sizing.caps if cap.name == sizing.binding)
        return Outcome(ticker=ticker, step="no_size", reason=f"{cap.name} allows no unit: {cap.detail}")
    if not allocation.decision.approved:
        vetoes = allocation.decision.vetoes
        return Outcome(
            ticker=ticker, step="vetoed", reason="; ".join(f"{v.name}: {v.detail}" for v in vetoes), vetoes=vetoes
        )
    staged = state["staged"][ticker]
    if staged.startswith("refused"):
        return Outcome(ticker=ticker, step="refused", reason=staged.removeprefix("refused: "))
    return Outcome(ticker=ticker, step="staged", reason=allocation.sized.candidate.reason, order_id=staged)
