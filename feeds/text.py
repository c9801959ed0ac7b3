"""Text from outside: cleaned, tagged with tickers and scored once, when it is collected."""

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache
from html import unescape
from typing import TypeVar

from domain.market import Headline, Post

MAX_CHARACTERS = 2_000
# Listed symbols that are also words or forum slang: only a cashtag means the company.
_WORDS = """
A AI ALL AM AN ANY ARE AS AT ATH BE BIG BY CAN CASH CEO CFO CPI DD DO EDIT EOD EPS EV FED FOMC FOMO FOR FREE FUN GDP GO
GOOD HAS HE HOLD HUGE IMO IN IPO IRS IS IT IV JOB KEY LINE LOVE LOW MAIN MAN ME MOON NEW NEXT NICE NOW OI OLD ON ONE OP
OR OTM ITM OUT PE PEAK PLAY POST PUMP RH REAL RUN SAFE SEE SO STAY TA TELL TWO UK UP USA USD VERY WELL WSB YOLO YOU
"""
AMBIGUOUS = frozenset(_WORDS.split())
_INLINE_TAG = re.compile(r"</?(?:a|b|code|em|i|s|span|strong|sub|sup|u)\b[^<>]{0,500}>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{1,500}>")
_LINK = re.compile(r"\[([^\]]{0,300})\]\([^()\s]{1,500}\)")
_SPACE = re.compile(r"\s+")
_CASHTAG = re.compile(r"(?<![\w$])\$([A-Za-z][A-Za-z0-9]{0,5}(?:\.[A-Za-z])?)(?!\w)")
_WORD = re.compile(r"(?<![\w$.@#/])[A-Z][A-Z0-9]{1,5}(?![\w@])")
_SHOUTING_WORDS = 5

Item = TypeVar("Item", Post, Headline)


def clean(text: str) -> str:
    """Plain one-line text of at most `MAX_CHARACTERS`.

    Entities are decoded, mark-up and link targets dropped, NFKC applied, control, zero-width and bidirectional
    characters removed, runs of white space made one space.
    """
    # Twice the cap bounds the work on hostile input before anything is decoded.
    plain = _TAG.sub(" ", _INLINE_TAG.sub("", unescape(text[: 2 * MAX_CHARACTERS])))
    plain = unicodedata.normalize("NFKC", _LINK.sub(r"\1", plain))
    spaced = _SPACE.sub(" ", plain)
    if not spaced.isprintable():
        spaced = "".join(character for character in spaced if unicodedata.category(character)[0] != "C")
    return spaced.strip()[:MAX_CHARACTERS].rstrip()


def tickers_in(text: str, universe: Collection[str]) -> tuple[str, ...]:
    """Tickers of `universe` that `text` names, ascending.

    A cashtag ($GME, any case) always counts; a bare symbol counts in capitals, with two letters or more, if it is
    not in `AMBIGUOUS` and the text is not shouting throughout.
    """
    if not universe:
        return ()
    found = {symbol.upper() for symbol in _CASHTAG.findall(text)}
    if not _shouting(text):
        found |= {word for word in _WORD.findall(text) if word not in AMBIGUOUS}
    return tuple(sorted(found & set(universe)))


def tag_and_score(item: Item, universe: Collection[str] = frozenset()) -> Item:
    """A copy of a post or headline, cleaned, with the tickers of `universe` in its text added to those it has, and
    scored with the desk's sentiment model (None stays None where nothing could be scored).
    """
    text: str = clean(item.text)
    sentiment, model = _scored(text)
    return item.model_copy(
        update={
            "text": text,
            "tickers": tuple(sorted({*item.tickers, *tickers_in(text, universe)})),
            "sentiment": sentiment,
            "sentiment_model": model,
        }
    )


@lru_cache(maxsize=8_192)
def _scored(text: str) -> tuple[float | None, str]:
    from signals.sentiment import MODEL_NAME, score

    return score(text), MODEL_NAME


def _shouting(text: str) -> bool:
    words = re.findall(r"[A-Za-z]{2,}", text)
    return len(words) >= _SHOUTING_WORDS and sum(word.isupper() for word in words) > 0.7 * len(words)
