"""What a sentiment model says of one text."""

from typing import Annotated

from pydantic import Field

from domain.record import Record


class Sentiment(Record):
    """P(positive) − P(negative) in [−1, 1], or None where the text holds nothing to read, and who says so."""

    score: Annotated[float, Field(ge=-1, le=1)] | None
    model: str
