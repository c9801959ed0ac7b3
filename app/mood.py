"""The desk's sentiment model: one for all feeds of a process, loaded when the first text is to be read."""

import os
from functools import lru_cache, partial

from app.settings import Environment, load
from feeds.sentiment.choose import sentiment_model
from feeds.sentiment.remembered import Remembered
from feeds.sentiment.settings import SentimentSettings


@lru_cache(maxsize=4)
def desk_sentiment(settings: SentimentSettings) -> Remembered:
    """The model that the settings name; the same object for the same settings. It is loaded at the first text."""
    never_online()
    return Remembered(partial(sentiment_model, settings))


def sentiment_settings(environment: Environment) -> SentimentSettings:
    """`sentiment.yaml`, validated."""
    return load(SentimentSettings, "sentiment", environment.desk_config)


def never_online() -> None:
    """Forbid transformers to ask a hub for what a model folder lacks. Has to be said before it is imported."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
