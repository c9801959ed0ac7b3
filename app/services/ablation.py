"""The same snapshots argued again in other ways: is the debate worth what it costs?

Every variant hears the same evidence, as the decision log of finished runs has it. Model calls are recorded under run
ids of their own (`ablate-…`), so they count against the day's budget and show in `desk costs`; nothing is staged and
nothing is written to the decision log.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from agents.debate.settings import DebateSettings
from app.debaters import masked
from app.services.recording import recording_of
from app.wiring import Desk
from domain.debate import Debate, Memory, ModelCall, Verdict
from domain.errors import UsageError
from domain.record import Record
from domain.signals import CompositeSignal, Signal
from domain.snapshot import MarketSnapshot

VARIANTS = ("debate", "order swapped", "single judge", "rules", "masked")


@dataclass(frozen=True)
class PastCase:
    """One debated ticker of one run, with everything that its debate was given."""

    run_id: str
    ticker: str
    composite: CompositeSignal
    signals: tuple[Signal, ...]
    memories: tuple[Memory, ...]
    snapshot: MarketSnapshot


@dataclass(frozen=True)
class Trial:
    """One case argued once."""

    case: PastCase
    debate: Debate
    seconds: float
    calls: tuple[ModelCall, ...]


class VariantReport(Record):
    """One way of debating over all cases and repeats. Agreements are shares of equal verdicts: with the verdicts of
    `debate` case by case and repeat by repeat, and between the repeats of a case (None with one repeat).
    """

    variant: str
    trials: int
    shares: dict[str, float]  # of bull, bear, inconclusive
    agreement: float
    self_agreement: float | None
    confidence: float  # mean
    confidence_change: float  # mean |difference| from `debate`
    disagreement: float  # mean balance of the sides' strengths
    objections: int  # of the judging model
    fell_back: int
    fell_because: dict[str, int]  # by code, e.g. budget_day_usd: figures of a variant that rules spoke for are theirs
    struck: int
    calls: int
    tokens: int
    usd: float
    seconds_median: float
    seconds_slowest: float


async def past_cases(desk: Desk, *, runs: int) -> tuple[PastCase, ...]:
    """The debated tickers of the latest sealed runs of this account. Raises `UsageError` where there are none."""
    sealed = [row for row in await desk.runs.list(state="sealed", limit=500) if row.request.feed == desk.account]
    found: list[PastCase] = []
    for row in sealed[:runs]:
        found += await cases_of(desk, row.request.run_id)
    if not found:
        raise UsageError(
            f"No finished run of {desk.account} debated anything.", remedy="'desk run' makes one; then ask again."
        )
    return tuple(found)


async def ablate(
    desk: Desk, cases: Sequence[PastCase], *, engine: str, repeats: int, token: str
) -> tuple[VariantReport, ...]:
    """Argue `cases` in every variant that `engine` knows. `token` makes the recorded calls' run ids new."""
    trials: dict[str, list[Trial]] = {}
    number = {run_id: at for at, run_id in enumerate(sorted({case.run_id for case in cases}), start=1)}
    for variant in VARIANTS:
        settings = _settings(desk.configuration.debate, variant, engine, desk.configuration.environment.desk_config)
        if settings is None:
            continue
        slug = variant.replace(" ", "_")
        speaker = "rules" if variant == "rules" else engine
        graph = desk.configuration.graph.model_copy(update={"debate": settings})
        arguing = desk.debaters.engine(graph, speaker)
        trials[variant] = [
            await _trial(desk, arguing, case, f"ablate-{token}-{slug}-{repeat}-{number[case.run_id]}")
            for repeat in range(1, repeats + 1)
            for case in cases
        ]
    return tuple(_report(name, own, trials["debate"], len(cases)) for name, own in trials.items())


def _settings(settings: DebateSettings, variant: str, engine: str, own: Path | None) -> DebateSettings | None:
    """Settings of a variant; None where the engine cannot tell it from another."""
    if engine == "rules" and variant in ("rules", "masked"):
        return None  # the debate is by rules already, and arithmetic remembers no history
    match variant:
        case "order swapped":
            return settings.model_copy(update={"opens": "bear" if settings.opens == "bull" else "bull"})
        case "single judge":
            return settings.model_copy(update={"form": "single_judge", "rounds": 1})
        case "masked":
            return settings.model_copy(update={"mask": False}) if settings.mask else masked(settings, own)
    return settings


async def cases_of(desk: Desk, run_id: str) -> list[PastCase]:
    """The debated tickers of one sealed run."""
    rows = await desk.audit.rows(run_id)
    recording = recording_of(run_id, rows)
    snapshot = await desk.snapshots.get(recording.snapshot_id)
    outputs = {(row.entry.node, row.entry.kind, row.entry.ticker): row.entry.output for row in rows}
    published = [
        Signal.model_validate(signal)
        for (_, kind, _), output in sorted(outputs.items(), key=lambda item: item[0])
        if kind == "reading"
        for signal in output["signals"]
    ]
    cases = []
    for (node, kind, ticker), output in sorted(outputs.items(), key=lambda item: item[0]):
        if (node, kind) != ("aggregate", "composite") or ("debate", "debate", ticker) not in outputs:
            continue
        composite = CompositeSignal.model_validate(output)
        wanted = {part.signal_id for part in composite.contributions}
        signals = {s.id: s for s in (*published, *snapshot.desk.earlier_signals) if s.id in wanted}
        memories = recording.memories.get(ticker, ())
        cases.append(PastCase(run_id, ticker, composite, tuple(signals.values()), memories, snapshot))
    return cases


async def _trial(desk: Desk, engine: Any, case: PastCase, run_id: str) -> Trial:
    begun = time.perf_counter()
    debate = await engine.debate(run_id, case.composite, case.signals, case.memories, case.snapshot)
    seconds = time.perf_counter() - begun
    calls = [await desk.models.find(run_id, key) for key in debate.model_calls]
    return Trial(case, debate, seconds, tuple(call for call in calls if call is not None))


def _report(variant: str, trials: Sequence[Trial], reference: Sequence[Trial], cases: int) -> VariantReport:
    debates = [trial.debate for trial in trials]
    calls = [call for trial in trials for call in trial.calls if call.latency_ms > 0]  # the others were turned away
    pairs = [(mine.debate, theirs.debate) for mine, theirs in zip(trials, reference, strict=True)]
    measured = [debate.disagreement for debate in debates if debate.disagreement is not None]
    return VariantReport(
        variant=variant,
        trials=len(trials),
        shares={verdict.value: fmean(debate.verdict is verdict for debate in debates) for verdict in Verdict},
        agreement=fmean(mine.verdict is theirs.verdict for mine, theirs in pairs),
        self_agreement=_self_agreement([debate.verdict for debate in debates], cases),
        confidence=fmean(debate.confidence for debate in debates),
        confidence_change=fmean(abs(mine.confidence - theirs.confidence) for mine, theirs in pairs),
        disagreement=fmean(each.balance for each in measured) if measured else 0.0,
        objections=sum(each.objected for each in measured),
        fell_back=sum(debate.fell_back is not None for debate in debates),
        fell_because=dict(sorted(Counter(_code(debate.fell_back) for debate in debates if debate.fell_back).items())),
        struck=sum(debate.struck for debate in debates),
        calls=len(calls),
        tokens=sum(call.input_tokens + call.output_tokens for call in calls),
        usd=sum(call.cost_usd for call in calls),
        seconds_median=median(trial.seconds for trial in trials),
        seconds_slowest=max(trial.seconds for trial in trials),
    )


def _code(fell_back: str) -> str:
    """Why, without who and when: `bull round 1: budget_day_usd` is `budget_day_usd`."""
    return fell_back.rpartition(": ")[2]


def _self_agreement(verdicts: Sequence[Verdict], cases: int) -> float | None:
    """Share of equal verdicts over all pairs of repeats of each case; `verdicts` run repeat by repeat."""
    rounds = [verdicts[start : start + cases] for start in range(0, len(verdicts), cases)]
    pairs = [
        first is second
        for number, one in enumerate(rounds)
        for other in rounds[number + 1 :]
        for first, second in zip(one, other, strict=True)
    ]
    return fmean(pairs) if pairs else None
