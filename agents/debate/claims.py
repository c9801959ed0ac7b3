"""From arguments to claims: what is not borne out by the evidence is struck, with the reason."""

from collections.abc import Iterable, Mapping, Sequence
from math import fsum

from agents.debate.prose import unsupported_number
from agents.debate.settings import DebateSettings
from agents.debate.shapes import Argument, Quotation
from domain.debate import CitedFigure, Claim, Disagreement, Evidence, Side
from prompts.outside import clean

SIGN: Mapping[Side, int] = {"bull": 1, "bear": -1}
DUPLICATE = "duplicate"


def admit(
    arguments: Sequence[Argument],
    *,
    side: Side,
    round_: int,
    evidence: Sequence[Evidence],
    standing: Sequence[Claim],
    settings: DebateSettings,
    limit: int | None = None,
) -> tuple[Claim, ...]:
    """Claims of one turn, numbered in the order given, each struck or standing.

    `standing` are the claims of earlier rounds. A claim's strength is the summed weight of the own-side evidence
    that it cites, whatever its author thinks; a struck claim has none. `limit` bounds the arguments of one turn.
    """
    known = {item.id: item for item in evidence}
    claims: list[Claim] = []
    for number, argument in enumerate(arguments, start=1):
        too_many = limit is not None and number > limit
        fault = (
            f"too_many: at most {limit} arguments a turn"
            if too_many
            else _fault(argument, side, known, [*standing, *claims], settings.figure_tolerance)
        )
        claims.append(
            Claim(
                id=f"{side}-{round_}-{number}",
                side=side,
                round=round_,
                text=clean(argument.text),
                evidence_ids=tuple(clean(item) for item in argument.evidence_ids),
                figures=tuple(
                    CitedFigure(evidence_id=clean(item.evidence_id), name=clean(item.name), value=item.value)
                    for item in argument.figures
                ),
                strength=0.0 if fault else weight_for(side, argument.evidence_ids, known),
                answers=clean(argument.answers) if argument.answers else None,
                struck=fault,
            )
        )
    return tuple(claims)


def weight_for(side: Side, ids: Iterable[str], known: Mapping[str, Evidence]) -> float:
    """Summed |weight| of the distinct own-side evidence among `ids`, at most 1."""
    own = [abs(known[item].weight) for item in sorted(set(ids)) if known[item].direction == SIGN[side]]
    return min(sum(own), 1.0)


def strongest(claims: Sequence[Claim], side: Side, *, unanswered_by: Sequence[Claim] = ()) -> Claim | None:
    """The strongest standing claim of `side` that none of `unanswered_by` answers; ties go to the earlier id."""
    answered = {claim.answers for claim in unanswered_by if claim.struck is None}
    open_ = [item for item in claims if item.side == side and item.struck is None and item.id not in answered]
    return min(open_, key=lambda item: (-item.strength, item.id), default=None)


def repeat_themselves(said: Sequence[Claim]) -> bool:
    """Whether a round brought nothing: neither side spoke, or both only repeated what they had said before."""
    return all(claim.struck is not None and claim.struck.startswith(DUPLICATE) for claim in said)


def disagreement(claims: Sequence[Claim]) -> Disagreement:
    """How far apart the sides were, by the strengths of the claims that stand."""
    strength = {side: fsum(c.strength for c in claims if c.side == side and c.struck is None) for side in SIGN}
    weaker, stronger = sorted(strength.values())
    return Disagreement(
        bull_strength=strength["bull"],
        bear_strength=strength["bear"],
        balance=weaker / stronger if stronger > 0 else 0.0,
        struck_share=sum(c.struck is not None for c in claims) / len(claims) if claims else 0.0,
    )


def _fault(
    argument: Argument, side: Side, known: Mapping[str, Evidence], earlier: Sequence[Claim], tolerance: float
) -> str | None:
    if not argument.evidence_ids:
        return "no_evidence: cites nothing"
    quoted = [item.evidence_id for item in argument.figures]
    for cited in (*argument.evidence_ids, *quoted):
        if cited not in known:
            return f"unknown_evidence: {clean(cited, limit=120)}"
    directions = {known[cited].direction for cited in argument.evidence_ids}
    if -SIGN[side] in directions:
        return "wrong_side: cites evidence of the other side as its support"
    if SIGN[side] not in directions:
        return f"wrong_side: cites nothing that points to the {side}"
    for figure in argument.figures:
        if fault := _misquoted(figure, known[figure.evidence_id], tolerance):
            return fault
    opposed = [item for item in earlier if item.side != side and item.id == argument.answers]
    if argument.answers and not opposed:
        return f"unknown_claim: {clean(argument.answers, limit=40)}"
    behind_answered = [cited for claim in opposed for cited in claim.evidence_ids if cited in known]
    shown = [known[cited] for cited in (*argument.evidence_ids, *quoted, *behind_answered)]
    if number := unsupported_number(clean(argument.text), shown):
        return f"wrong_figure: {number} in the text is no figure of the evidence cited"
    for claim in earlier:
        if claim.side == side and claim.struck is None and _same(claim, argument):
            return f"{DUPLICATE}: repeats {claim.id}"
    return None


def _misquoted(figure: Quotation, source: Evidence, tolerance: float) -> str | None:
    name = clean(figure.name, limit=80)
    true = source.weight if figure.name == "weight" else source.figures.get(figure.name)
    if not isinstance(true, int | float):
        return f"wrong_figure: {source.id} has no figure {name}"
    if abs(figure.value - true) > tolerance * abs(true):
        return f"wrong_figure: {name} is {true:.6g}, not {figure.value:.6g}"
    return None


def _same(claim: Claim, argument: Argument) -> bool:
    """The same evidence for the same purpose; or the same words over no new evidence."""
    if set(claim.evidence_ids) == set(argument.evidence_ids) and claim.answers == argument.answers:
        return True
    return set(argument.evidence_ids) <= set(claim.evidence_ids) and _bare(argument.text) == _bare(claim.text)


def _bare(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
