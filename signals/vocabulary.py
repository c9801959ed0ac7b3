"""The lexicon compiled: a text's words, and what each known word or phrase may be."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from signals import lexicon
from signals.runs import by_run

OPTION = 2
"""Size of a `position` that is an option, which its buyer or seller may turn round."""

_LINK = re.compile(r"https?://\S+|(?<!\w)@\w+")
_SPLIT_DECIMAL = re.compile(r"(?<=\d) (?=\.\d)")  # "EUR0 .05"
_TWO_LETTERS = re.compile(r"[a-z]{2}")
_TOKEN = re.compile(
    r"vs\.|s&p|[a-z]+(?:'[a-z]+)?"  # words
    r"|\d+(?:[.,]\d+)*|\$[a-z]+|[$€£%🚀📈📉🐻]"  # numbers, cashtags, signs
    r"|(?<![\w.%])[+-](?=\s?[$€£]?\d)"  # "+4.5%", but not "5-10" nor "20 %-40 %"
    r"|[.!?;,](?=\s|$)|:[)d]"
)
_SIGN_BEFORE = re.compile(r"[+-]\s[$€£]?\d")  # the one token that looks over a space


STOP, ASKS, COMMA, CLAUSE = range(1, 5)
FROM, COMPARED, PERCENT = range(5, 8)
NOT, MORE, LESS = range(8, 11)
RESULT, CASHTAG, CONCEDED, BESIDES = range(11, 15)
"""What a word does to its neighbours. `CLAUSE` begins another statement ("while"), `CONCEDED` the background
("despite"), `BESIDES` the reason ("on"); a `RESULT` is a profit or a loss, which one can land in. Bare numbers: looking
up the members of an enumeration took a third of a scorer's time.
"""

_ROLES = (
    (lexicon.RESULTS, RESULT),
    (lexicon.NEGATIONS, NOT),
    (lexicon.STRONGER, MORE),
    (lexicon.WEAKER, LESS),
    (". ! ;", STOP),
    ("?", ASKS),
    (",", COMMA),
    ("while but whereas because as", CLAUSE),
    ("although though despite after amid following", CONCEDED),
    ("from", FROM),
    ("on over with", BESIDES),
    ("compared versus vs vs. against than", COMPARED),
    ("% pct percent", PERCENT),
)


class Entry(NamedTuple):
    """What one word, or phrase, may be."""

    thing: int = 0  # +1: good when it rises
    move: int = 0  # +1: up
    weight: float = 0.0  # alone
    role: int = 0
    position: int = 0  # a stance beside a cashtag: ±1 a verb, ±`OPTION` an option
    phrases: Mapping[str, tuple[tuple[list[str], "Entry"], ...]] = MappingProxyType({})
    """Phrases that begin here, by their second word; longest first."""


Mark = tuple[int, Entry]
"""A known word or phrase, and where it begins."""

_CASHTAG = Entry(thing=1, role=CASHTAG)


def words_of(text: str) -> list[str] | None:
    """Lower-case words, numbers and signs of a text, links and names of accounts left out; None if no word is left."""
    plain = text.lower().replace("’", "'")
    if "@" in plain or "://" in plain:
        plain = _LINK.sub(" ", plain)
    if not _TWO_LETTERS.search(plain):
        return None
    if " ." in plain:
        plain = _SPLIT_DECIMAL.sub("", plain)
    return _TOKEN.findall(plain) if _SIGN_BEFORE.search(plain) else _tokens(plain)


def marks_in(words: list[str]) -> list[Mark]:
    """Known words and phrases, ascending."""
    marks: list[Mark] = []
    after, last = 0, len(words) - 1
    for at, found in enumerate(map(_entry, words)):
        if found is None or (at < after and found is not _CASHTAG):
            continue
        entry = found
        if entry.phrases and at < last:
            for tail, phrase in entry.phrases.get(words[at + 1], ()):
                if words[at + 1 : at + 1 + len(tail)] == tail:
                    entry, after = phrase, at + 1 + len(tail)
                    break
        marks.append((at, entry))
    return marks


def _read(run: str) -> tuple[str, ...]:
    return tuple(_TOKEN.findall(run))


_tokens = by_run(_read)


@lru_cache(maxsize=1 << 16)
def _entry(word: str) -> Entry | None:
    return _LEXICON.get(word) or (_CASHTAG if word[0] == "$" and word != "$" else None)


def _compiled() -> dict[str, Entry]:
    fields: dict[str, dict[str, float]] = {}

    def put(listing: Iterable[str], field: str, value: float) -> None:
        for word in listing:
            fields.setdefault(word, {})[field] = value

    put(lexicon.NEUTRAL.split(), "weight", 0.0)
    for sign, lists in ((1, lexicon.POSITIVE), (-1, lexicon.NEGATIVE)):
        for weight in sorted(lists):
            put(lexicon.expanded(lists[weight]), "weight", sign * weight)
    put(lexicon.GOOD_THINGS.split(), "thing", 1)
    put(lexicon.BAD_THINGS.split(), "thing", -1)
    put([*lexicon.expanded(lexicon.UP), "+"], "move", 1)
    put([*lexicon.expanded(lexicon.DOWN), "-"], "move", -1)
    for listing, position in ((lexicon.LONG, 1), (lexicon.SHORT, -1), (lexicon.CALLS, 2), (lexicon.PUTS, -2)):
        put(listing.split(), "position", position)
    for listing, role in _ROLES:
        put(listing.split(), "role", role)
    entries = {word: Entry(**found) for word, found in fields.items()}  # type: ignore[arg-type]
    phrases: dict[str, list[tuple[list[str], Entry]]] = {}
    for written, entry in entries.items():
        first, *tail = written.split("_")
        if tail:
            phrases.setdefault(first, []).append((tail, entry))
    single = {word: entry for word, entry in entries.items() if "_" not in word}
    for first, found in phrases.items():
        ranked = sorted(found, key=lambda item: (-len(item[0]), item[0]))
        seconds = dict.fromkeys(tail[0] for tail, _ in ranked)
        by_second = {second: tuple(item for item in ranked if item[0][0] == second) for second in seconds}
        single[first] = single.get(first, Entry())._replace(phrases=by_second)
    return single


_LEXICON = _compiled()
