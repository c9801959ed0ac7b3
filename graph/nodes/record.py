"""What became of every ticker; then the run is sealed in the audit chain."""

from domain.run import Outcome
from graph.deps import Deps
from graph.outcomes import outcome_of
from graph.state import RunState
from graph.step import WHOLE_RUN, Done, Entry


async def record(state: RunState, deps: Deps) -> Done:
    """Every ticker has an outcome, also those never ranked; signals and situations are kept for later runs."""
    run = state["run"]
    outcomes = [outcome_of(state, item) for item in state["ranking"]]
    reports = state.get("reports", {})
    await deps.runs.publish_signals(run.run_id, [s for source in sorted(reports) for s in reports[source].signals])
    await deps.runs.publish_regime(run.run_id, state["regime"])
    await deps.desk.keep_excursions(run.as_of, state.get("excursions", []))
    for outcome in outcomes:
        debate = state.get("debates", {}).get(outcome.ticker)
        if debate is not None:
            composite = state["composites"][outcome.ticker]
            await deps.memory.remember(run.run_id, composite, state["regime"].regime, debate, outcome.order_id)
    entries = [Entry(outcome.ticker, "outcome", outcome) for outcome in outcomes]
    entries.append(Entry(WHOLE_RUN, "summary", counts(outcomes)))
    return Done(
        update={"outcomes": outcomes},
        entries=tuple(entries),
        summary=", ".join(f"{step} {n}" for step, n in counts(outcomes).items()) or "no tickers",
        seals=True,
    )


def counts(outcomes: list[Outcome]) -> dict[str, int]:
    """Number of tickers by the step that ended their path."""
    steps = sorted({outcome.step for outcome in outcomes})
    return {step: sum(outcome.step == step for outcome in outcomes) for step in steps}
