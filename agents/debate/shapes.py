"""The shapes in which bull, bear and judge answer. Rules and models use the same; models see them as JSON schema."""

from typing import Literal

from pydantic import Field

from domain.record import Record


class Quotation(Record):
    """A figure as quoted from a piece of evidence."""

    evidence_id: str
    name: str
    value: float


class Argument(Record):
    """One argument: what is said, the evidence it rests on, and the opposing claim it answers, if any."""

    text: str
    evidence_ids: tuple[str, ...]
    figures: tuple[Quotation, ...]
    answers: str | None


class Turn(Record):
    """What one side says in one round."""

    arguments: tuple[Argument, ...]


class Opinion(Record):
    """What a judging model thinks; it can lower the arithmetic's ruling, nothing else."""

    verdict: Literal["bull", "bear", "inconclusive"]
    confidence: float = Field(ge=0, le=1)
    thesis: str
    invalidation: str
