"""What the desk's debates have come to lately: the distribution alarm, and the scores of what was foretold."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from app.documents import plain
from memory.debates import PostgresDebates
from signals.aggregate import reliability_factor
from signals.calibration import calibrate
from signals.verdicts import AlarmSettings, Shift, VerdictDrift, verdict_drift

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from app.wiring import Desk


async def drifts(engine: "AsyncEngine", account: str, settings: AlarmSettings) -> dict[str, VerdictDrift]:
    """Shares of verdicts, lately and before, by debate engine."""
    # twice the window: where both engines speak, each needs its own
    judged = await PostgresDebates(engine, account=account).judged(2 * (settings.recent + settings.base))
    names = sorted({item.engine for item in judged})
    return {name: verdict_drift([item.verdict for item in judged if item.engine == name], settings) for name in names}


def alarm_of(found: dict[str, VerdictDrift]) -> str | None:
    """The alarming shifts in words, or None."""
    said = [
        f"{name}: " + ", ".join(told(shift) for shift in sorted(drift.alarms, key=lambda shift: -abs(shift.z)))
        for name, drift in found.items()
        if drift.alarms
    ]
    return "; ".join(said) or None


def summary_of(found: dict[str, VerdictDrift]) -> str:
    """Lately's shares in words."""
    if not found:
        return "no debate yet"
    return "; ".join(
        f"{name}: {', '.join(f'{shift.verdict} {shift.recent:.0%}' for shift in drift.shifts)} of the last "
        f"{drift.recent}" + ("" if drift.judged else f", {drift.base} before: too few to compare")
        for name, drift in found.items()
    )


def told(shift: Shift) -> str:
    """One shift in words."""
    return f"{shift.verdict} {shift.recent:.0%} lately, {shift.base:.0%} before (z {shift.z:+.1f})"


async def calibration(desk: "Desk", at: datetime | None) -> dict[str, Any]:
    """Scores and reliability curve of every source and engine over the structures closed by `at` (default: now on the
    feed's own calendar), with the weight that the aggregator gives each source's word.
    """
    as_of = at or await desk.runs.latest_as_of(desk.account) or desk.clock.now()
    found = await desk.state.forecasts(as_of)
    from portfolio.forecasts import reliability

    prior = desk.configuration.graph.signals.aggregate.reliability_prior
    weights = {row.source: reliability_factor(row, prior=prior) for row in reliability(found)}
    rows = [
        {**plain(row), "factor": weights.get(row.name) if row.kind == "source" else None} for row in calibrate(found)
    ]
    return {"account": desk.account, "as_of": plain(as_of), "forecasts": len(found), "voices": rows}
