"""Amounts in a sentence: "EUR 13.1 mn", "8.7 %", "$1.52", compared across a word such as "from" or "versus"."""

from collections.abc import Sequence
from typing import NamedTuple

_SCALES = {
    **dict.fromkeys(("k", "thousand"), 1e3),
    **dict.fromkeys(("m", "mn", "mln", "million", "millions", "mio"), 1e6),
    **dict.fromkeys(("b", "bn", "bln", "billion", "billions"), 1e9),
    **dict.fromkeys(("t", "tn", "trillion"), 1e12),
}
_CURRENCIES = {
    **dict.fromkeys(("eur", "euro", "euros", "euro", "€", "meur"), "EUR"),
    **dict.fromkeys(("usd", "$", "dollar", "dollars"), "USD"),
    **dict.fromkeys(("gbp", "£", "pound", "pounds"), "GBP"),
    **dict.fromkeys(("sek", "nok", "dkk", "eek", "rub", "lvl", "ltl", "chf", "jpy", "cad"), "other"),
}
_PERCENTS = frozenset(("%", "pct", "percent"))
_AHEAD = 14  # words after the comparing word in which the earlier amount is looked for


class Amount(NamedTuple):
    """One amount: its place among the words, its size in units, and what it counts ("%", a currency or "")."""

    at: int
    size: float
    unit: str


def larger(words: Sequence[str], at: int) -> int:
    """+1 if the amount before the comparing word at `at` is larger than the one after it, −1 if smaller, else 0.

    Both must count the same: the amount after is taken first, then the nearest before it of the same unit. Years and
    bare numbers beside amounts with a unit are passed over.
    """
    after = _nearest(words, range(at + 1, min(len(words), at + _AHEAD)))
    if not after:
        return 0
    before = _nearest(words, range(at - 1, -1, -1))
    for later in after:
        for now in before:
            if now.unit == later.unit:
                return (now.size > later.size) - (now.size < later.size)
    return 0


def _nearest(words: Sequence[str], places: range) -> list[Amount]:
    """Amounts in the order of `places`, to the end of the sentence."""
    found: list[Amount] = []
    for place in places:
        if words[place] in (".", ";", "!", "?"):
            break
        if words[place][0].isdigit():
            amount = amount_at(words, place)
            if amount is not None:
                found.append(amount)
    return found


def amount_at(words: Sequence[str], at: int) -> Amount | None:
    """The amount whose number stands at `at`; None for a year, a date or a malformed number."""
    try:
        size = float(words[at].replace(",", ""))
    except ValueError:  # "1.234.567" or a date
        return None
    unit, ahead = "", at + 1
    following = words[ahead] if ahead < len(words) else ""
    if following in _PERCENTS or (following == "per" and words[ahead + 1 : ahead + 2] == ["cent"]):
        return Amount(at, size, "%")
    if following in _SCALES:
        size *= _SCALES[following]
        unit = "money"
        following = words[ahead + 1] if ahead + 1 < len(words) else ""
    previous = words[at - 1] if at else ""
    currency = _CURRENCIES.get(previous) or _CURRENCIES.get(following)
    if currency is None and unit == "" and 1900 <= size <= 2100 and size.is_integer():
        return None
    return Amount(at, size, currency or unit)
