"""The sentiment model that the settings name."""

from domain.ports import SentimentModel
from feeds.sentiment.settings import SentimentSettings
from signals.sentiment import LexiconModel


def sentiment_model(settings: SentimentSettings) -> SentimentModel:
    """Load it. Raises `MachineError` where a package is missing, `DataError` where the folder is no such model."""
    if settings.model == "lexicon" or settings.folder is None:
        return LexiconModel()
    if settings.model == "finbert":
        from feeds.sentiment.finbert import Finbert

        return Finbert(settings.folder, settings)
    from feeds.sentiment.onnx_finbert import OnnxFinbert

    return OnnxFinbert(settings.folder, settings)
