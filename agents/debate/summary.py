"""Thesis and invalidation in words, composed from the figures."""

from collections.abc import Sequence

from agents.debate.judge import Ruling
from agents.debate.settings import DebateSettings
from domain.debate import Claim, Evidence, Verdict

NAMED = 3  # pieces of evidence that a thesis names on each side


def thesis(ticker: str, ruling: Ruling, evidence: Sequence[Evidence], *, conflict: float, ceiling: float) -> str:
    """Why the verdict is what it is, in one or two sentences."""
    bull, bear = _named(evidence, 1), _named(evidence, -1)
    match ruling.cause:
        case "conflict":
            return (
                f"{ticker}: the evidence contradicts itself, conflict {conflict:.2f} is above {ceiling:.2f}. "
                f"For: {bull}. Against: {bear}."
            )
        case "weak":
            return f"{ticker}: no view on price worth a trade. For: {bull}. Against: {bear}."
        case "no_valid_claim":
            return (
                f"{ticker}: the side that the evidence favours made no claim that holds. For: {bull}. Against: {bear}."
            )
        case "model":
            return f"{ticker}: the judging model objected to the case. For: {bull}. Against: {bear}."
    own, other = (bull, bear) if ruling.verdict is Verdict.BULL else (bear, bull)
    word = "rise" if ruling.verdict is Verdict.BULL else "fall"
    return f"{ticker} to {word}, confidence {ruling.confidence:.2f}: {own}. Against it: {other}."


def invalidation(
    ruling: Ruling, evidence: Sequence[Evidence], settings: DebateSettings, *, conflict: float, ceiling: float
) -> str:
    """What would show that the verdict no longer holds."""
    if ruling.verdict is Verdict.INCONCLUSIVE:
        return "No position on price is taken, so there is nothing to invalidate."
    sign = 1 if ruling.verdict is Verdict.BULL else -1
    own = [item for item in evidence if item.direction == sign and item.weight]
    pillar = min(own, key=lambda item: (-abs(item.weight), item.id))
    score = sum(item.weight for item in evidence)
    return (
        f"Void when {pillar.text.partition(':')[0]} turns, when the price score ({score:+.2f}) comes within "
        f"{settings.price_floor:.2f} of zero or crosses it, or when conflict ({conflict:.2f}) passes {ceiling:.2f}."
    )


def opening(evidence: Evidence) -> str:
    """One piece of evidence as an argument; its figures stand beside it in the claim."""
    return f"{evidence.text}."


def answer(own: Evidence, opposed: Claim) -> str:
    """Why `own` does not give way to the opposed claim."""
    mine, theirs = abs(own.weight), opposed.strength
    stands = (
        "outweighs" if mine > theirs else "stands beside" if mine == theirs else "is lighter than, yet not refuted by,"
    )
    return f"{own.text}; it {stands} {opposed.id}."


def _named(evidence: Sequence[Evidence], direction: int) -> str:
    own = sorted(
        (item for item in evidence if item.direction == direction and item.weight),
        key=lambda item: (-abs(item.weight), item.id),
    )
    parts = [f"{item.text.partition(':')[0]} {item.weight:+.2f}" for item in own[:NAMED]]
    if len(own) > NAMED:
        parts.append(f"{len(own) - NAMED} more")
    return ", ".join(parts) or "nothing"
