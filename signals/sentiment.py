"""The lexicon that stands in for FinBERT: a small, readable scorer of market English.

A text's score is Σ of its hits squashed into [−1, 1]. Hits, in order of precedence (each word counts once):

1. phrases ("swung to a loss"), and phrases whose words mean nothing ("share capital");
2. direction of change: a movement with the thing that moves, so that "loss narrowed" is good and "profit fell" is bad;
   a thing landed in, or come from, decides itself: "fell to a loss", "up from a loss";
3. two amounts compared: "profit was 24.5 mn, compared to 17.0 mn";
4. moves quoted in per cent: "+4.5%", "down 3 %";
5. single words, turned round by a negation and scaled by a modifier just before them.

It knows no syntax. What it gets right on labelled data is measured (`desk sentiment eval`), never claimed.
"""

import math
from collections.abc import Sequence

from domain.sentiment import Sentiment
from signals.amounts import larger
from signals.vocabulary import (
    ASKS,
    BESIDES,
    CASHTAG,
    CLAUSE,
    COMMA,
    COMPARED,
    CONCEDED,
    FROM,
    LESS,
    MORE,
    NOT,
    OPTION,
    PERCENT,
    RESULT,
    STOP,
    Mark,
    marks_in,
    words_of,
)

MODEL_NAME = "optiondesk-lexicon-2"
NEUTRAL_BAND = 0.3  # |score| within this reads as neutral where a class is wanted

_REACH = 8  # words between a thing and its movement
_FAR = 30  # the same for "down from", which looks back to what the sentence is about
_COMMA = 2  # words that a comma is worth
_SOFTNESS = 1.0  # a score of ±0.71 needs hits worth ±1
_CHANGE = 1.0
_COMPARISON = 1.0
_PERCENT_MOVE = 0.8
_POSITION = 0.8
_BESIDE = 0.5  # words after "despite" or "after" are the background
_NEAR = 3  # words between a cashtag, a verb and an option
_ASKED = 0.45  # a headline that asks claims less

_BREAKS = (STOP, ASKS, CLAUSE, CONCEDED)
_ENDS = (*_BREAKS, FROM, COMPARED, BESIDES)


class LexiconModel:
    """The lexicon as a `domain.ports.SentimentModel`: always there, needs no weights."""

    name = MODEL_NAME
    band = NEUTRAL_BAND

    def score(self, texts: Sequence[str]) -> tuple[Sentiment, ...]:
        """See the port."""
        return tuple(Sentiment(score=score(text), model=MODEL_NAME) for text in texts)


def readable(text: str) -> bool:
    """Whether there is a word to read besides links and names of accounts."""
    return words_of(text) is not None


def score(text: str) -> float | None:
    """Sentiment of `text` in [−1, 1], > 0 good for the price; 0.0: read, and nothing found. None: no word to read."""
    words = words_of(text)
    if words is None:
        return None
    marks = marks_in(words)
    total = _total(words, marks) if marks else 0.0
    return total / math.sqrt(total * total + _SOFTNESS)


def _total(words: list[str], marks: list[Mark]) -> float:
    used: set[int] = set()
    total = 0.0
    for index, (_, entry) in enumerate(marks):
        if entry.move:
            value = _change(words, marks, index, used)
            if value:
                total += value * _scale(marks, index)
        elif entry.role == COMPARED:
            total += _comparison(words, marks, index, used)
    heard = 1.0
    for index, (at, entry) in enumerate(marks):
        role = entry.role
        if role == CONCEDED:
            heard = _BESIDE
        elif role in (STOP, COMMA):
            heard = 1.0
        if at in used:
            continue
        if entry.position and _tagged(marks, index):
            total += _stance(marks, index) * _scale(marks, index) * heard
        elif entry.weight:
            total += entry.weight * _scale(marks, index) * heard
    return total * _ASKED if marks[-1][1].role == ASKS else total


def _change(words: list[str], marks: list[Mark], index: int, used: set[int]) -> float:
    """A movement with its thing; marks both as used. 0: nothing moves."""
    at, entry = marks[index]
    following = marks[index + 1][1].role if index + 1 < len(marks) and marks[index + 1][0] <= at + 2 else 0
    from_ = following in (FROM, COMPARED)
    before = _left(marks, index, _FAR if from_ else _REACH)
    after = None if from_ else _right(marks, index)
    thing = min((place for place in (before, after) if place is not None), key=lambda place: place[1], default=None)
    if thing is None:
        if _percent_follows(words, marks, index):
            used.add(at)
            return _PERCENT_MOVE * entry.move
        return 0.0
    where, moved = marks[thing[0]]
    used |= {at, where}
    landed = _landed(words, marks, index)
    if landed is not None:
        used.add(landed[0])
        return _CHANGE * landed[1].thing
    origin = _origin(marks, index)
    if origin is not None and origin[1].thing == -moved.thing:
        used.add(origin[0])
        return _CHANGE * moved.thing
    return _CHANGE * moved.thing * entry.move


def _left(marks: list[Mark], index: int, reach: int) -> tuple[int, int] | None:
    """Index and distance of the thing before the mark, in its sentence."""
    at, far = marks[index][0], 0
    for place in range(index - 1, -1, -1):
        where, entry = marks[place]
        if entry.role in _BREAKS:
            return None
        if entry.role == COMMA:
            far += _COMMA
        if at - where + far > reach:
            return None
        if entry.thing:
            return place, at - where + far
    return None


def _right(marks: list[Mark], index: int) -> tuple[int, int] | None:
    """Index and distance of the thing after the mark; what it moved from is none."""
    at, far = marks[index][0], 0
    for place in range(index + 1, len(marks)):
        where, entry = marks[place]
        if entry.role in _ENDS or where - at + far > _REACH:
            return None
        if entry.role == COMMA:
            far += 2 * _COMMA
        if entry.thing:
            return place, where - at + far
    return None


def _landed(words: list[str], marks: list[Mark], index: int) -> Mark | None:
    """The result that the movement ends in: "slipped to a net loss"."""
    at = marks[index][0]
    for place in range(index + 1, len(marks)):
        where, entry = marks[place]
        if where > at + 5 or entry.role in _ENDS:
            return None
        if entry.role == RESULT:
            return marks[place] if words[at + 1] in ("to", "into") else None
    return None


def _origin(marks: list[Mark], index: int) -> Mark | None:
    """The result that the movement, or comparison, starts from: "up from a loss of 4 mn"."""
    start, entry = marks[index]
    seen = entry.role == COMPARED
    for place in range(index + 1, len(marks)):
        where, entry = marks[place]
        if entry.role == STOP or (seen and where > start + 6):
            return None
        if entry.role in (FROM, COMPARED):
            seen, start = True, where
        elif seen and entry.role == RESULT:
            return marks[place]
    return None


def _comparison(words: list[str], marks: list[Mark], index: int, used: set[int]) -> float:
    """An amount against an earlier one, of the thing that the sentence is about."""
    before = _left(marks, index, _FAR)
    if before is None or marks[before[0]][0] in used:
        return 0.0
    where, compared = marks[before[0]]
    origin = _origin(marks, index)
    if origin is not None and origin[1].thing == -compared.thing:
        used |= {where, origin[0]}
        return _COMPARISON * compared.thing  # a loss now, a profit before
    direction = larger(words, marks[index][0])
    if direction:
        used.add(where)
        if origin is not None:
            used.add(origin[0])
    return _COMPARISON * compared.thing * direction


def _percent_follows(words: list[str], marks: list[Mark], index: int) -> bool:
    at = marks[index][0]
    for where, entry in marks[index + 1 : index + 6]:
        if where > at + 5:
            return False
        if entry.role == PERCENT:
            return words[where - 1][0].isdigit()
    return False


def _stance(marks: list[Mark], index: int) -> float:
    """A position beside a cashtag. Who trades an option takes the option's side, or as its seller the other; the verb
    then says nothing by itself.
    """
    at, entry = marks[index]
    around = marks[max(0, index - _NEAR) : index + _NEAR + 1]
    near = [other for where, other in around if 0 < abs(where - at) <= _NEAR]
    options = [other.position for other in near if abs(other.position) == OPTION]
    verbs = [other.position for other in near if abs(other.position) == 1]
    if abs(entry.position) == OPTION:
        return _POSITION * math.copysign(1.0, entry.position) * (verbs[0] if verbs else 1)
    return 0.0 if options else _POSITION * entry.position


def _tagged(marks: list[Mark], index: int) -> bool:
    """A cashtag stands within three words."""
    at = marks[index][0]
    around = marks[max(0, index - _NEAR) : index + _NEAR + 1]
    return any(abs(where - at) <= _NEAR and entry.role == CASHTAG for where, entry in around)


def _scale(marks: list[Mark], index: int) -> float:
    """−0.8 after a negation within three words, × 1.5 or × 0.6 after a modifier within two."""
    at, factor = marks[index][0], 1.0
    for where, entry in marks[max(0, index - 3) : index]:
        if entry.role == NOT and at - where <= 3:
            factor *= -0.8
        elif entry.role == MORE and at - where <= 2:
            factor *= 1.5
        elif entry.role == LESS and at - where <= 2:
            factor *= 0.6
    return factor
