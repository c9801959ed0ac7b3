"""Which companies a text names: by cashtag, by symbol, by company or brand name.

A cashtag ($GME, any case; of one letter only a capital) always counts. A bare symbol counts in capitals, with two
letters or more, when it is no word of English or of the forums and the text is not shouting. A text without any
capital (many posters, and archives that lost them) is read by the same list in small letters. Names count as whole
words; a name that is itself a word ("Target", "Visa") only capitalised within a sentence.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pydantic import field_validator

from domain.record import Record
from signals.runs import by_run

# Listed symbols that are also words or forum slang: only a cashtag or a name means the company.
_WORDS = """
A AI ALL AM AN ANY ARE AS AT ATH BE BIG BY CAN CASH CEO CFO CPI DD DE DO EDIT EOD EPS ET EV FED FOMC FOMO FOR FREE FUN
GDP GO GOOD HAS HE HOLD HUGE IMO IN IPO IRS IS IT ITM IV JOB KEY LINE LOVE LOW MAIN MAN ME MOON NEW NEXT NICE NOW OI
OLD ON ONE OP OR OTM OUT PE PEAK PLAY PM POST PUMP REAL RH RUN SAFE SEE SO STAY TA TELL TWO UK UP USA USD VERY WELL
WSB YOLO YOU
"""
AMBIGUOUS = frozenset(_WORDS.split())
_TOKEN = re.compile(r"(?<![\w$@#/.])(\$?)([A-Za-z][A-Za-z0-9&+’'-]*(?:\.[A-Za-z]+)?)(?![\w@])")
_SYMBOL = re.compile(r"[A-Z][A-Z0-9]{0,5}(?:\.[A-Z])?")
_POSSESSIVE = re.compile(r"['’]s?$")
_SHOUTING_WORDS = 5
_SHOUTING_SHARE = 0.7
_TITLE_SHARE = 0.6

Token = tuple[str, str, str]
"""A cashtag's sign or nothing, the word as written, and in small letters without its possessive."""


class Names(Record):
    """What one listing is called besides its symbol."""

    names: tuple[str, ...] = ()
    words: tuple[str, ...] = ()  # names that are also ordinary words
    brands: tuple[str, ...] = ()


class Listings(Record):
    """The whole of `config/tickers.yaml`."""

    ambiguous: tuple[str, ...] = ()
    listings: Mapping[str, Names] = {}

    @field_validator("listings")
    @classmethod
    def _symbols(cls, value: Mapping[str, Names]) -> Mapping[str, Names]:
        odd = [ticker for ticker in value if not _SYMBOL.fullmatch(ticker)]
        if odd:
            raise ValueError(f"not a symbol: {', '.join(odd)}")
        return value


@dataclass(frozen=True, eq=False)
class NameIndex:
    """Names by their first word in small letters: (further words, ticker, must be capitalised), longest first."""

    ambiguous: frozenset[str] = AMBIGUOUS
    by_word: Mapping[str, tuple[tuple[tuple[str, ...], str, bool], ...]] = field(default_factory=dict)


NO_NAMES = NameIndex()


def name_index(listings: Listings) -> NameIndex:
    """Ready the names for reading; every later call of `tickers_in` shares it."""
    found: dict[str, list[tuple[tuple[str, ...], str, bool]]] = {}
    for ticker, known in sorted(listings.listings.items()):
        for name in (*known.names, *known.brands, *known.words):
            words = [_plain(word.lower()) for word in name.split() if word != "&"]  # it is no word in a text either
            found.setdefault(words[0], []).append((tuple(words[1:]), ticker, name in known.words))
    ordered = {word: tuple(sorted(rows, key=lambda row: (-len(row[0]), row))) for word, rows in found.items()}
    return NameIndex(AMBIGUOUS | frozenset(listings.ambiguous), ordered)


def tickers_in(text: str, universe: Collection[str], names: NameIndex = NO_NAMES) -> tuple[str, ...]:
    """Tickers of `universe` that `text` names, ascending."""
    if not universe:
        return ()
    wanted = frozenset(universe)
    tokens = _tokens(text)
    telling = _telling(wanted, names)
    hits = [at for at, token in enumerate(tokens) if token[2] in telling]
    if not hits:
        return ()
    small = text == text.lower()
    found: set[str] = set()
    bare: set[str] = set()
    proper: list[tuple[int, str]] = []
    for at in hits:
        cash, word, plain = tokens[at]
        symbol = plain.upper()
        if symbol in wanted:
            if cash:
                if len(plain) > 1 or word[0].isupper():  # "$k" is money, and "$c" a call
                    found.add(symbol)
            elif len(plain) > 1 and symbol not in names.ambiguous and (small or word.startswith(symbol)):
                bare.add(symbol)
        for further, ticker, capital in names.by_word.get(plain, ()) if not cash else ():
            if further and tuple(token[2] for token in tokens[at + 1 : at + 1 + len(further)]) != further:
                continue
            if not capital:
                found.add(ticker)
                break
            if word[0].isupper():
                proper.append((at, ticker))
    if bare and not _shouting(tokens):
        found |= bare
    if proper and not _titled(tokens):
        places = [match.start() for match in _TOKEN.finditer(text)]
        found |= {ticker for at, ticker in proper if not _opens_sentence(text, places[at])}
    return tuple(sorted(found & wanted))


@lru_cache(maxsize=64)
def _telling(universe: frozenset[str], names: NameIndex) -> frozenset[str]:
    """Words in small letters that can name one of `universe`: most words of most texts cannot."""
    return frozenset(symbol.lower() for symbol in universe) | {
        word for word, rows in names.by_word.items() if any(ticker in universe for _, ticker, _ in rows)
    }


def _read(run: str) -> tuple[Token, ...]:
    return tuple((cash, word, _plain(word.lower())) for cash, word in _TOKEN.findall(run))


_tokens = by_run(_read)


def _plain(word: str) -> str:
    return _POSSESSIVE.sub("", word).replace("’", "'")


def _shouting(tokens: list[Token]) -> bool:
    words = [word for cash, word, _ in tokens if not cash and len(word) > 1]
    return len(words) >= _SHOUTING_WORDS and sum(map(str.isupper, words)) > _SHOUTING_SHARE * len(words)


def _titled(tokens: list[Token]) -> bool:
    words = [word for cash, word, _ in tokens if not cash and len(word) > 1]
    return sum(word[0].isupper() for word in words) > _TITLE_SHARE * len(words)


def _opens_sentence(text: str, place: int) -> bool:
    before = text[:place].rstrip()
    return not before or before[-1] in ".!?:"
