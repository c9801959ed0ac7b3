"""A sentiment model that is loaded when it is first needed and reads each text once: a tick sees most posts of the tick
before again.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property

from domain.ports import SentimentModel
from domain.sentiment import Sentiment

TEXTS = 8_192


class Remembered:
    """See `domain.ports.SentimentModel`. Keeps the last `TEXTS` answers of the model that `load` gives."""

    def __init__(self, load: Callable[[], SentimentModel]) -> None:
        self._load = load
        self._known: OrderedDict[str, Sentiment] = OrderedDict()

    @cached_property
    def model(self) -> SentimentModel:
        """The model itself. Raises what loading it raises."""
        return self._load()

    @property
    def name(self) -> str:
        """See the port."""
        return self.model.name

    @property
    def band(self) -> float:
        """See the port."""
        return self.model.band

    def score(self, texts: Sequence[str]) -> tuple[Sentiment, ...]:
        """See the port."""
        answers = {text: self._known[text] for text in texts if text in self._known}
        unknown = sorted(set(texts) - answers.keys())
        if unknown:
            answers |= dict(zip(unknown, self.model.score(unknown), strict=True))
        for text in texts:
            self._known[text] = answers[text]
            self._known.move_to_end(text)
        while len(self._known) > TEXTS:
            self._known.popitem(last=False)
        return tuple(answers[text] for text in texts)
