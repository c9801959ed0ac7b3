"""The verdict, by arithmetic: weights of what was validly cited, capped by what all evidence supports."""

from collections.abc import Sequence
from math import fsum

from agents.debate.claims import SIGN
from agents.debate.settings import DebateSettings
from agents.debate.shapes import Opinion
from domain.debate import Cause, Claim, Evidence, Side, Verdict
from domain.record import Record


class Ruling(Record):
    """A verdict with its confidence, 0 and with a cause when inconclusive."""

    verdict: Verdict
    confidence: float
    cause: Cause | None


def rule(
    *,
    evidence: Sequence[Evidence],
    claims: Sequence[Claim],
    conviction: float,
    conflict: float,
    conflict_ceiling: float,
    settings: DebateSettings,
) -> Ruling:
    """Judge standing claims over their evidence.

    Inconclusive, in this order, when `conflict` passes its ceiling, when the price score is below its floor, when
    the favoured side has no valid claim, or when confidence is below its floor. Confidence is the least of the
    composite's `conviction` and the margins (winner − loser) / (winner + loser) of all evidence and of the evidence
    validly cited; similar past cases of the winner that lost money lower it further. Every term only lowers, so no
    choice of claims can win more than the evidence holds.
    """
    if conflict > conflict_ceiling:
        return inconclusive("conflict")
    score = fsum(item.weight for item in evidence)
    if score == 0.0 or abs(score) < settings.price_floor:
        return inconclusive("weak")
    side: Side = "bull" if score > 0 else "bear"
    standing = [claim for claim in claims if claim.struck is None]
    if not any(claim.side == side for claim in standing):
        return inconclusive("no_valid_claim")
    cited = {(claim.side, item) for claim in standing for item in claim.evidence_ids}
    heard = [
        item
        for item in evidence
        if any((one, item.id) in cited for one, sign in SIGN.items() if sign == item.direction)
    ]
    confidence = min(conviction, _margin(evidence, side), _margin(heard, side))
    confidence *= 1.0 - settings.memory_discount * _lost_share(evidence, side)
    if confidence <= 0.0 or confidence < settings.confidence_floor:
        return inconclusive("weak")
    return Ruling(verdict=Verdict(side), confidence=confidence, cause=None)


def heed(ruling: Ruling, opinion: Opinion, settings: DebateSettings) -> Ruling:
    """The ruling after a model has spoken: it may lower the confidence or object, never raise or turn round."""
    if ruling.verdict is Verdict.INCONCLUSIVE:
        return ruling
    confidence = min(ruling.confidence, opinion.confidence)
    if opinion.verdict != ruling.verdict.value or confidence < settings.confidence_floor or confidence <= 0.0:
        return inconclusive("model")
    return ruling.model_copy(update={"confidence": confidence})


def inconclusive(cause: Cause) -> Ruling:
    """No view on price, and why."""
    return Ruling(verdict=Verdict.INCONCLUSIVE, confidence=0.0, cause=cause)


def _margin(evidence: Sequence[Evidence], side: Side) -> float:
    """(for − against) / (for + against), in [−1, 1]; 0 without any weight."""
    total = fsum(abs(item.weight) for item in evidence)
    return SIGN[side] * fsum(item.weight for item in evidence) / total if total > 0 else 0.0


def _lost_share(evidence: Sequence[Evidence], side: Side) -> float:
    """Share, by similarity, of the remembered cases speaking on this side or against it that speak against it."""
    spoken = [item for item in evidence if item.kind == "memory" and item.direction != 0]
    total = fsum(_similarity(item) for item in spoken)
    against = fsum(_similarity(item) for item in spoken if item.direction == -SIGN[side])
    return against / total if total > 0 else 0.0


def _similarity(memory: Evidence) -> float:
    value = memory.figures["similarity"]
    return max(float(value), 0.0) if isinstance(value, int | float) else 0.0
