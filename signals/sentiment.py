"""The lexicon that stands in for FinBERT: a small, readable scorer of market English.

A text's score is Σ of its hits squashed into [−1, 1]. Hits, in order of precedence (each word counts once):

1. phrases ("swung to a loss");
2. direction of change: a thing and a movement near it, so that "loss narrowed" is good and "profit fell" is bad;
3. two amounts compared: "profit was 24.5 mn, compared to 17.0 mn";
4. single words, turned round by a negation and scaled by a modifier just before them.

It knows no syntax. What it gets right on labelled data is measured by the tests and printed, never claimed.
"""

import math
import re

from signals.lexicon import (
    BAD_THINGS,
    DOWN,
    GOOD_THINGS,
    NEGATIONS,
    NEGATIVE,
    PHRASES,
    POSITIVE,
    STRONGER,
    UP,
    WEAKER,
    forms,
)

MODEL_NAME = "optiondesk-lexicon-1"
NEUTRAL_BAND = 0.3  # |score| within this reads as neutral where a class is wanted

_REACH = 6  # words between a thing and its movement
_SOFTNESS = 1.0  # a score of ±0.71 needs hits worth ±1
_CHANGE = 1.0
_COMPARISON = 1.0
_PERCENT_MOVE = 0.8
_THINGS = {**dict.fromkeys(GOOD_THINGS, 1), **dict.fromkeys(BAD_THINGS, -1)}
_MOVES = {**dict.fromkeys(forms(UP), 1), **dict.fromkeys(forms(DOWN), -1)}
_WORDS = {
    **{form: weight for word, weight in POSITIVE.items() for form in forms([word])},
    **{form: -weight for word, weight in NEGATIVE.items() for form in forms([word])},
}
_LINK = re.compile(r"https?://\S+|@\w+")
_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:[.,]\d+)*%?|[;.!?]")
_PHRASE = re.compile(r"\b(" + "|".join(sorted(map(re.escape, PHRASES), key=len, reverse=True)) + r")\b")
_AMOUNT = r"(?:[a-z$€£]{0,4}\s?)?(\d+(?:[.,]\d+)*)\s?(?:mn|m|million|bn|billion|%|pct|eur|euro|usd)?"
_COMPARED = re.compile(
    _AMOUNT + r"[^.;\d]{0,40}?\b(?:from|compared (?:to|with)|against|versus|vs)\b[^.;\d]{0,25}?" + _AMOUNT
)

_PERCENT = re.compile(r"(?:(?<![\w.])([+-])|\b(" + "|".join(sorted(_MOVES)) + r")\s(?:by\s|about\s)?)\d+(?:\.\d+)?\s?%")


def score(text: str) -> float | None:
    """Sentiment of `text` in [−1, 1], > 0 good for the price; 0.0: read, and nothing found. None: no word to read."""
    plain = _LINK.sub(" ", text.lower().replace("’", "'"))
    if not re.search(r"[a-z]{2}", plain):
        return None
    hits = [PHRASES[found] for found in _PHRASE.findall(plain)]
    words = _TOKEN.findall(_PHRASE.sub(" ", plain))
    used: set[int] = set()
    hits += _changes(words, used)
    if not hits:
        hits += _comparison(plain)
    if not hits:
        hits += _percentages(plain)
    hits += [value for at in range(len(words)) if at not in used and (value := _word(words, at))]
    total = sum(hits)
    return total / math.sqrt(total * total + _SOFTNESS)


def _changes(words: list[str], used: set[int]) -> list[float]:
    """Each movement with the nearest thing in its sentence; marks both as used."""
    hits: list[float] = []
    for at, word in enumerate(words):
        move = _MOVES.get(word)
        thing = _nearest_thing(words, at) if move else None
        if move is None or thing is None:
            continue
        used |= {at, thing}
        hits.append(_CHANGE * _THINGS[words[thing]] * move * _scale(words, at))
    return hits


def _nearest_thing(words: list[str], at: int) -> int | None:
    for distance in range(1, _REACH + 1):
        for place in (at - distance, at + distance):
            if 0 <= place < len(words) and words[place] in _THINGS and not _apart(words, at, place):
                return place
    return None


def _apart(words: list[str], move: int, thing: int) -> bool:
    """Another sentence, or the thing moved away from: "up from a loss"."""
    between = words[min(move, thing) : max(move, thing)]
    return any(word in ";.!?" for word in between) or (thing > move and "from" in between)


def _comparison(plain: str) -> list[float]:
    """An amount against an earlier one, when a thing was named before it in the sentence."""
    hits: list[float] = []
    for found in _COMPARED.finditer(plain):
        now, before = (_amount(text) for text in found.groups())
        things = [_THINGS[word] for word in _TOKEN.findall(plain[: found.start()]) if word in _THINGS]
        turned = things and any(_THINGS.get(word) == -things[-1] for word in _TOKEN.findall(found.group()))
        if turned:
            hits.append(_COMPARISON * things[-1])  # a loss now, a profit before
        elif things and now is not None and before is not None and now != before:
            hits.append(_COMPARISON * things[-1] * (1 if now > before else -1))
    return hits


def _amount(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:  # "1.234.567" or a date
        return None


def _percentages(plain: str) -> list[float]:
    """Moves quoted as such: "+4.5%", "down 3 %"."""
    signs = [found[0] or found[1] for found in _PERCENT.findall(plain)]
    return [_PERCENT_MOVE if sign == "+" or _MOVES.get(sign) == 1 else -_PERCENT_MOVE for sign in signs]


def _word(words: list[str], at: int) -> float:
    return _WORDS.get(words[at], 0.0) * _scale(words, at)


def _scale(words: list[str], at: int) -> float:
    """−0.8 after a negation within three words, × 1.5 or × 0.6 after a modifier within two."""
    near = words[max(0, at - 2) : at]
    factor = 1.5 if STRONGER & set(near) else 0.6 if WEAKER & set(near) else 1.0
    return -0.8 * factor if NEGATIONS & set(words[max(0, at - 3) : at]) else factor
