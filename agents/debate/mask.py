"""Hiding who and when from a model that may remember what came next.

A model trained on last year's news knows how January 2021 ended for GameStop; a debate over history would then
measure its memory, not its judgement. The mask replaces tickers, company and brand names and dates by words such as
ASSET-KQTW: the same word for the same thing throughout a run, another one in the next run, and back again in what the
model answers. What it cannot hide is the story itself; see `docs/models.md`.
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from typing import Any

from signals.social.extraction import Names

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # no digits: a word of the mask must not look like a quoted figure
WORD = re.compile(r"\b(?:ASSET|NAME|DATE)-[A-Z]{6}\b")

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:t(?:ember)?)?|"
    r"Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
)
_YEAR = r"(?:19|20)\d\d"
_DATES = re.compile(
    rf"(?<![\w.])(?:{_YEAR}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    rf"|{_YEAR}\d{{4}}(?:T\d{{4,6}}Z?)?"
    rf"|\d{{1,2}}/\d{{1,2}}(?:/(?:{_YEAR}|\d\d))?"
    rf"|{_MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?(?:,? {_YEAR})?"
    rf"|\d{{1,2}}(?:st|nd|rd|th)? {_MONTH}(?:\.?,? {_YEAR})?"
    rf"|{_MONTH}\.? {_YEAR}"
    rf"|Q[1-4](?:[ -]?(?:{_YEAR}|'?\d\d))?|[1-4]Q\d\d|FY ?'?(?:{_YEAR}|\d\d)"
    rf"|(?:January|February|April|June|July|August|September|October|November|December)"
    rf"|{_YEAR})(?![\w/])"
)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


class Mask:
    """One run's mask. Which word stands for what depends only on `salt` (the run's id) and the thing hidden, so that
    every call of a run, and its replay, hides alike. `names` says what the company behind a ticker is called.

    A ticker of one or two letters is hidden only as a cashtag, inside ids, or where it is the one under debate: "A"
    and "IT" are words too. Names and brands are found in any case, names that are ordinary words as they are written.
    """

    def __init__(self, ticker: str, *, tickers: Collection[str], names: Mapping[str, Names], salt: str) -> None:
        self._salt = salt
        self._hidden: dict[str, str] = {}  # word → what it stands for, as it was first written
        known = {ticker, *tickers, *names}
        anyhow = {name for called in names.values() for name in (*called.names, *called.brands)}
        words = {word for called in names.values() for word in called.words}
        plain = sorted((symbol for symbol in known if len(symbol) > 2 or symbol == ticker), key=_longest_first)
        every = sorted(known, key=_longest_first)
        self._cashtag = _alternatives(every, r"\$(?:{})(?![A-Za-z0-9])", re.IGNORECASE)
        self._id = _alternatives(every, r"(?<=/)(?:{})(?=[/@]|$)")
        self._symbol = _alternatives(plain, r"(?<![A-Za-z0-9$-])(?:{})(?![A-Za-z0-9])")
        self._name = _alternatives(sorted(anyhow, key=_longest_first), r"(?<!\w)(?:{})(?!\w)", re.IGNORECASE)
        self._word_name = _alternatives(sorted(words, key=_longest_first), r"(?<!\w)(?:{})(?!\w)")

    def hide(self, text: str) -> str:
        """`text` without tickers, names and dates. A bare number is left alone: 2021 may be a count."""
        if _NUMBER.fullmatch(text):
            return text
        for names in (self._name, self._word_name):
            text = names.sub(lambda hit: self._word("NAME", hit[0], hit[0].casefold()), text)
        text = self._cashtag.sub(lambda hit: "$" + self._word("ASSET", hit[0][1:].upper()), text)
        text = self._id.sub(lambda hit: self._word("ASSET", hit[0]), text)
        text = self._symbol.sub(lambda hit: self._word("ASSET", hit[0]), text)
        return _DATES.sub(lambda hit: self._word("DATE", hit[0]), text)

    def hide_deep(self, value: Any) -> Any:
        """`value` with every string in it hidden, at any depth."""
        match value:
            case str():
                return self.hide(value)
            case dict():
                return {key: self.hide_deep(item) for key, item in value.items()}
            case list() | tuple():
                return [self.hide_deep(item) for item in value]
        return value

    def reveal(self, text: str) -> str:
        """`text` with every word of this mask turned back; words that it never gave out stay as they are."""
        return WORD.sub(lambda hit: self._hidden.get(hit[0], hit[0]), text)

    def _word(self, kind: str, said: str, meaning: str = "") -> str:
        """The word for `said`; spellings of one `meaning` share it, and come back as the first one met."""
        number = int.from_bytes(hashlib.sha256(f"{self._salt}|{kind}|{meaning or said}".encode()).digest()[:8], "big")
        letters = ""
        for _ in range(6):
            number, rest = divmod(number, len(LETTERS))
            letters += LETTERS[rest]
        word = f"{kind}-{letters}"
        self._hidden.setdefault(word, said)
        return word


def _longest_first(text: str) -> tuple[int, str]:
    return -len(text), text


def _alternatives(words: Collection[str], frame: str, flags: int = 0) -> re.Pattern[str]:
    joined = "|".join(re.escape(word) for word in words)
    return re.compile(frame.format(joined), flags) if words else re.compile(r"(?!)")
