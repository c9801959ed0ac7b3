"""A sentiment model that is loaded when it is first needed and reads each text once: a tick sees most posts of the tick
before again, and what is collected beside a run reads with it in another thread.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property

from domain.ports import SentimentModel
from domain.sentiment import Sentiment

TEXTS = 8_192


class Remembered:
    """See `domain.ports.SentimentModel`. Keeps the last `TEXTS` answers of the model that `load` gives. Threads take
    turns, so that the model is loaded once and asked by one at a time.
    """

    def __init__(self, load: Callable[[], SentimentModel]) -> None:
        self._load = load
        self._known: OrderedDict[str, Sentiment] = OrderedDict()
        self._turn = threading.RLock()

    @property
    def model(self) -> SentimentModel:
        """The model itself. Raises what loading it raises."""
        with self._turn:
            return self._loaded

    @cached_property
    def _loaded(self) -> SentimentModel:
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
        with self._turn:
            return self._scored(texts)

    def _scored(self, texts: Sequence[str]) -> tuple[Sentiment, ...]:
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
