"""The four analysts, one node each, in parallel. A failure or timeout of one is an abstention."""

import asyncio

from agents.contract import Analyst, AnalystContext, analyse, halted
from domain.signals import Abstention, AnalystReport
from graph.deps import Deps
from graph.state import RunState
from graph.step import WHOLE_RUN, Done, Entry, OnFailure, Step


def reading(analyst: Analyst) -> Step:
    """The step of one analyst. A kill switch set after the picture was taken holds all the same; that it did is what
    the step logs, and a replay reads it there.
    """

    async def read(state: RunState, deps: Deps) -> Done:
        snapshot = await deps.snapshots.get(state["snapshot_id"])
        if analyst.name in await deps.desk.halted_agents():
            return published(halted(analyst.name), state["snapshot_id"])
        context = AnalystContext(settings=deps.settings.signals, priced=lambda ticker: deps.priced.of(snapshot, ticker))
        report = await asyncio.to_thread(analyse, analyst, snapshot, context)
        if analyst.name in await deps.desk.halted_agents():  # halted while it was thinking
            report = halted(analyst.name)
        return published(report, state["snapshot_id"])

    return read


def failure(source: str) -> OnFailure:
    """What a failed or timed-out analyst leaves behind."""

    def abstain(error: Exception) -> Done:
        late = isinstance(error, TimeoutError)
        detail = "did not finish in time" if late else f"{type(error).__name__}: {error}"
        abstention = Abstention(source=source, ticker="*", code="timeout" if late else "failed", detail=detail)
        return published(AnalystReport(source=source, abstentions=(abstention,)), "")

    return abstain


def published(report: AnalystReport, snapshot_id: str) -> Done:
    """One entry per ticker, with its signals and abstentions."""
    tickers = sorted({s.ticker for s in report.signals} | {a.ticker for a in report.abstentions})
    entries = tuple(
        Entry(
            ticker,
            "reading",
            {
                "signals": [signal for signal in report.signals if signal.ticker == ticker],
                "abstentions": [item for item in report.abstentions if item.ticker == ticker],
            },
            inputs={"snapshot": snapshot_id},
        )
        for ticker in tickers
    ) or (Entry(WHOLE_RUN, "reading", {"signals": [], "abstentions": []}, inputs={"snapshot": snapshot_id}),)
    summary = f"{len(report.signals)} signals, {len(report.abstentions)} abstentions"
    return Done(update={"reports": {report.source: report}}, entries=entries, summary=summary)
