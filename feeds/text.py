"""Text from outside: cleaned, tagged with tickers and scored once, when it is collected."""

import re
import unicodedata
from collections.abc import Collection, Sequence
from html import unescape
from typing import TypeVar

from domain.market import Headline, Post
from domain.ports import SentimentModel
from domain.sentiment import Sentiment
from feeds.sentiment.remembered import Remembered
from signals.sentiment import LexiconModel
from signals.social.extraction import NO_NAMES, NameIndex, tickers_in

__all__ = ["MAX_CHARACTERS", "clean", "tag_and_score", "tag_and_score_all", "tickers_in"]

MAX_CHARACTERS = 2_000
_INLINE_TAG = re.compile(r"</?(?:a|b|code|em|i|s|span|strong|sub|sup|u)\b[^<>]{0,500}>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{1,500}>")
_LINK = re.compile(r"\[([^\]]{0,300})\]\([^()\s]{1,500}\)")

Item = TypeVar("Item", Post, Headline)
LEXICON = Remembered(LexiconModel)


def clean(text: str) -> str:
    """Plain one-line text of at most `MAX_CHARACTERS`.

    Entities are decoded, NFKC applied, mark-up and link targets dropped, control, zero-width and bidirectional
    characters removed, runs of white space made one space.
    """
    # Twice the cap bounds the work on hostile input before anything is decoded. NFKC comes first: it turns the wide
    # brackets of another script into those of a tag.
    plain = unescape(text[: 2 * MAX_CHARACTERS])
    if not plain.isascii():
        plain = unicodedata.normalize("NFKC", plain)
    spaced = " ".join(_LINK.sub(r"\1", _TAG.sub(" ", _INLINE_TAG.sub("", plain))).split())
    if not spaced.isprintable():
        spaced = "".join(character for character in spaced if unicodedata.category(character)[0] != "C")
    return spaced.strip()[:MAX_CHARACTERS].rstrip()


def tag_and_score(
    item: Item,
    universe: Collection[str] = frozenset(),
    names: NameIndex = NO_NAMES,
    *,
    model: SentimentModel = LEXICON,
) -> Item:
    """A copy of a post or headline, cleaned, with the tickers of `universe` in its text (by cashtag, symbol, or one of
    `names`) added to those it has, and scored with `model` (None where nothing could be scored).
    """
    return tag_and_score_all((item,), universe, names, model=model)[0]


def tag_and_score_all(
    items: Sequence[Item],
    universe: Collection[str] = frozenset(),
    names: NameIndex = NO_NAMES,
    *,
    model: SentimentModel = LEXICON,
) -> list[Item]:
    """The same of many, in their order: a model reads them in batches, which is several times as quick."""
    texts = [clean(item.text) for item in items]
    read = zip(items, texts, model.score(texts), strict=True)
    return [_read(item, text, mood, tickers_in(text, universe, names)) for item, text, mood in read]


def _read(item: Item, text: str, mood: Sentiment, named: Collection[str]) -> Item:
    tickers = tuple(sorted({*item.tickers, *named}))
    said = {"text": text, "tickers": tickers, "sentiment": mood.score, "sentiment_model": mood.model}
    return item.model_copy(update=said)
