"""The reader: a model that meets text from strangers, has no tools, and may answer in enumerations only.

What it returns cannot carry a sentence: a stance, a context, two numbers between 0 and 1, and the id of the text each
came from. So whatever a post tells the reader to say, nothing of it can be said to the models behind it.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

from pydantic import Field

from agents.models.calls import Answer, Question, RecordedModels
from domain.record import Record
from prompts.library import Rendered, library

Stance = Literal["bullish", "bearish", "neutral"]
Context = Literal["product", "sold_out", "earnings", "meme", "scandal", "other"]
CONTEXTS: tuple[str, ...] = get_args(Context)


class Reading(Record):
    """What one text says about the price of the ticker it is tagged with."""

    source_id: str
    stance: Stance
    context: Context
    relevance: float = Field(ge=0, le=1)  # to the ticker
    certainty: float = Field(ge=0, le=1)  # of the stance


class Readings(Record):
    """The shape in which a reader answers."""

    readings: tuple[Reading, ...]


async def read_texts(
    models: RecordedModels, question: Question, texts: Sequence[dict[str, Any]], *, called: str
) -> Answer[Readings]:
    """Ask for a reading of each of `texts` (each with `id`, `source`, `text`), which the prompt shows as quotations.
    `called` is the ticker as the prompt may name it.

    Readings of ids that were not shown are dropped, and of several on one text the first stands. Ordered as `texts`.
    """

    def render(complaint: str) -> Rendered:
        return library()["reader"].render(
            {"ticker": called, "quotes": list(texts), "correction": complaint, "contexts": list(CONTEXTS)}
        )

    answer = await models.ask(question, Readings, render)
    if answer.value is None:
        return answer
    first: dict[str, Reading] = {}
    for reading in answer.value.readings:
        first.setdefault(reading.source_id, reading)
    shown = [str(text["id"]) for text in texts]
    return Answer(Readings(readings=tuple(first[name] for name in shown if name in first)), None, answer.keys)
