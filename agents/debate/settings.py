"""How a debate is held and judged."""

from typing import Literal

from pydantic import Field

from agents.models.settings import ModelSettings
from domain.debate import Side
from domain.record import Record
from signals.social.extraction import Names
from signals.verdicts import AlarmSettings

Form = Literal["debate", "single_judge"]


class DebateSettings(Record):
    """The whole of config/debate.yaml. The third threshold, the conflict ceiling, is the signals room's and is handed
    in beside the measure that it bounds.
    """

    rounds: int = Field(ge=1, le=4)
    opens: Side = "bull"  # who speaks first in each round of a debate with models
    form: Form = "debate"  # single_judge: arithmetic reads out the evidence, and a model only judges
    price_floor: float = Field(ge=0, le=1)  # |price_score| below this is no view on price
    confidence_floor: float = Field(ge=0, le=1)  # less confidence than this is no verdict
    memory_discount: float = Field(ge=0, le=1)  # confidence lost when every similar past case of the winner lost money
    arguments: int = Field(ge=1, le=10)  # most that a model may bring in one turn
    figure_tolerance: float = Field(ge=0, le=0.01)  # relative; prompts show six digits
    quotes: int = Field(ge=0, le=20)  # headlines and posts shown to bull and bear, newest first; never to the judge
    quotes_per_channel: int = Field(default=2, ge=1, le=20)  # of those, from one forum or publisher
    quote_characters: int = Field(ge=40, le=600)
    reasons: int = Field(default=12, ge=1, le=20)  # posts on a ticker in a burst that a reader says the reason of
    mask: bool = False  # hide ticker, company names and dates from models that may remember what came next
    names: dict[str, Names] = {}  # by ticker, what the mask hides; taken from tickers.yaml where there is a mask
    alarm: AlarmSettings = AlarmSettings()
    models: ModelSettings
