"""Text from the outside – posts, headlines, transcripts, models' prose – made fit to be shown as data."""

import unicodedata
from typing import Any

LIMIT = 600  # characters of any one string that a prompt may carry

_DROPPED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})  # controls, zero-width and bidi marks, private use, unassigned


def clean(text: str, *, limit: int = LIMIT) -> str:
    """One line of at most `limit` visible characters: NFKC, no control, zero-width, bidi or tag characters.

    Unicode categories are those of UAX #44. Variation selectors go too: they can carry a hidden message
    behind an innocent letter. Escaping is left to the template, which escapes everything.
    """
    head = text[: limit * 8]  # NFKC of a flood is a flood
    if not (head.isascii() and head.isprintable()):
        spaced = " ".join(unicodedata.normalize("NFKC", head).split())
        head = "".join(char for char in spaced if unicodedata.category(char) not in _DROPPED and not _selector(char))
    line = " ".join(head.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def clean_deep(value: Any, *, limit: int = LIMIT) -> Any:
    """`value` with every string in it cleaned, at any depth. Raises `TypeError` for what a prompt cannot show."""
    match value:
        case str():
            return clean(value, limit=limit)
        case None | bool() | int() | float():
            return value
        case dict():
            return {clean(str(key), limit=limit): clean_deep(item, limit=limit) for key, item in value.items()}
        case list() | tuple():
            return [clean_deep(item, limit=limit) for item in value]
    raise TypeError(f"a prompt takes text, numbers, lists and mappings, not {type(value).__name__}")


def _selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"
