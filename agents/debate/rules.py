"""The debate without a model: each side reads out its evidence, strongest first, then answers the other."""

from collections.abc import Callable, Sequence

from agents.debate.claims import SIGN, admit, disagreement, repeat_themselves, strongest
from agents.debate.evidence import gather
from agents.debate.judge import Ruling, rule
from agents.debate.settings import DebateSettings
from agents.debate.shapes import Argument, Quotation
from agents.debate.summary import answer, invalidation, opening, thesis
from domain.debate import Claim, Debate, Engine, Evidence, Memory, Side
from domain.signals import CompositeSignal, Signal, VolView
from domain.snapshot import MarketSnapshot


class RulesEngine:
    """`DebateEngine` by arithmetic: same inputs, identical debate, no key, no network.

    `vol_view` and `conflict` are the measures of `signals.aggregate`, `conflict_ceiling` the signals room's threshold.
    """

    def __init__(
        self,
        settings: DebateSettings,
        *,
        vol_view: Callable[[CompositeSignal], VolView],
        conflict: Callable[[CompositeSignal], float],
        conflict_ceiling: float,
    ) -> None:
        self.settings = settings
        self.vol_view = vol_view
        self.conflict = conflict
        self.conflict_ceiling = conflict_ceiling

    async def debate(
        self,
        run_id: str,
        composite: CompositeSignal,
        signals: Sequence[Signal],
        memories: Sequence[Memory],
        snapshot: MarketSnapshot,
    ) -> Debate:
        """Argue and judge. Raises `DataError` only where composite and signals do not belong together."""
        evidence = gather(composite, signals, memories, as_of=snapshot.as_of)
        return self.hear(composite, evidence)

    def hear(self, composite: CompositeSignal, evidence: Sequence[Evidence]) -> Debate:
        """The whole debate over gathered evidence."""
        claims = argue(evidence, self.settings)
        ruling = self.rule(composite, evidence, claims)
        held = held_rounds(claims, self.settings.rounds)
        stopped = f"nothing new after round {held}" if held < self.settings.rounds else None
        return self.close(composite, evidence, claims, ruling, engine="rules", rounds=held, stopped=stopped)

    def rule(self, composite: CompositeSignal, evidence: Sequence[Evidence], claims: Sequence[Claim]) -> Ruling:
        """Judge `claims`, whoever made them."""
        return rule(
            evidence=evidence,
            claims=claims,
            conviction=composite.conviction,
            conflict=self.conflict(composite),
            conflict_ceiling=self.conflict_ceiling,
            settings=self.settings,
        )

    def close(
        self,
        composite: CompositeSignal,
        evidence: Sequence[Evidence],
        claims: Sequence[Claim],
        ruling: Ruling,
        *,
        engine: Engine,
        rounds: int,
        stopped: str | None = None,
        model_calls: tuple[str, ...] = (),
        masked: bool = False,
    ) -> Debate:
        """Write the debate up, in words composed from the figures."""
        conflict, ceiling = self.conflict(composite), self.conflict_ceiling
        return Debate(
            ticker=composite.ticker,
            engine=engine,
            rounds=rounds,
            claims=tuple(claims),
            verdict=ruling.verdict,
            cause=ruling.cause,
            confidence=ruling.confidence,
            vol_view=self.vol_view(composite),
            conflict=conflict,
            thesis=thesis(composite.ticker, ruling, evidence, conflict=conflict, ceiling=ceiling),
            invalidation=invalidation(ruling, evidence, self.settings, conflict=conflict, ceiling=ceiling),
            model_calls=model_calls,
            stopped=stopped,
            masked=masked,
            disagreement=disagreement(claims),
        )


def argue(evidence: Sequence[Evidence], settings: DebateSettings) -> tuple[Claim, ...]:
    """Claims of both sides over all rounds. In each round both read the same transcript, so neither speaks last."""
    claims: tuple[Claim, ...] = ()
    for round_ in range(1, settings.rounds + 1):
        turns = [
            admit(
                _turn(side, evidence, claims, first=round_ == 1),
                side=side,
                round_=round_,
                evidence=evidence,
                standing=claims,
                settings=settings,
            )
            for side in SIGN
        ]
        if repeat_themselves(said := sum(turns, ())):
            break
        claims += said
    return claims


def held_rounds(claims: Sequence[Claim], rounds: int) -> int:
    """Rounds in which something was said; all of them where nobody ever spoke."""
    return max((claim.round for claim in claims), default=rounds)


def _turn(side: Side, evidence: Sequence[Evidence], claims: Sequence[Claim], *, first: bool) -> list[Argument]:
    own = sorted(
        (item for item in evidence if item.direction == SIGN[side]), key=lambda item: (-abs(item.weight), item.id)
    )
    if first:
        return [_argument(item, opening(item), answers=None) for item in own]
    other: Side = "bear" if side == "bull" else "bull"
    mine = [claim for claim in claims if claim.side == side]
    opposed = strongest(claims, other, unanswered_by=mine)
    if not own or opposed is None:
        return []
    return [_argument(own[0], answer(own[0], opposed), answers=opposed.id)]


def _argument(item: Evidence, text: str, *, answers: str | None) -> Argument:
    figures = tuple(
        Quotation(evidence_id=item.id, name=name, value=float(value))
        for name, value in item.figures.items()
        if isinstance(value, int | float)
    )
    return Argument(text=text, evidence_ids=(item.id,), figures=figures, answers=answers)
