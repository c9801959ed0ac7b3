"""Files of labelled sentences: Financial PhraseBank, FiQA, finance tweets, or anything with a text and a label."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from domain.errors import DataError, UsageError
from domain.record import Record
from domain.units import Floats
from feeds.importers.table import RawTable, read_table

if TYPE_CHECKING:
    import pandas as pd

SentimentClass = Literal["positive", "neutral", "negative"]
Half = Literal["developed", "held-out"]

SUFFIXES = (".csv", ".csv.gz", ".txt", ".parquet")
TEXT_COLUMNS = ("sentence", "text", "title", "headline")
LABEL_COLUMNS = ("label", "sentiment", "class")
SCORE_COLUMNS = ("sentiment_score", "score")
AGREEMENT_COLUMN = "agree_at_least_pct"
WORDS: Mapping[str, SentimentClass] = {
    **dict.fromkeys(("positive", "pos", "bullish", "bull"), "positive"),
    **dict.fromkeys(("neutral", "neu"), "neutral"),
    **dict.fromkeys(("negative", "neg", "bearish", "bear"), "negative"),
}


class Labelled(Record):
    """Texts with their classes, row by row. `by_side`: the labels were numbers, so that a text is on one side or the
    other, and neutral only at exactly 0.
    """

    texts: tuple[str, ...]
    classes: tuple[SentimentClass, ...]
    by_side: bool


def read_labelled(
    path: Path,
    *,
    agreement: int | None = None,
    half: Half | None = None,
    names: Mapping[str, SentimentClass] | None = None,
) -> Labelled:
    """Read a file of labelled texts.

    `agreement` keeps sentences on which at least that percentage of annotators agreed; `half` keeps one half by the
    hash of the text; `names` says what labels such as 0, 1, 2 stand for. Raises `UsageError` for a missing file or a
    folder, `DataError` for a file that cannot be read as such.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", remedy="Name a file of labelled sentences in it.")
    if not path.is_file():
        raise UsageError(f"There is no file {path}.", remedy="Give a file of labelled sentences.")
    if not path.name.lower().endswith(SUFFIXES):
        raise DataError(f"{path.name} is none of {', '.join(SUFFIXES)}.", remedy="Save it as CSV with a header.")
    content = path.read_bytes()
    found = _phrasebank_lines(content) if path.suffix.lower() == ".txt" else None
    if found is None:
        found = _columns(_table(path.name, content), path.name, agreement, names or {})
    elif agreement is not None:
        raise UsageError(f"{path.name} has no column {AGREEMENT_COLUMN}.", remedy="Leave --agree out.")
    if half is not None:
        found = _kept(found, [half_of(text) == half for text in found.texts])
    if not found.texts:
        raise DataError(f"{path.name} holds no labelled text after the choice made.", remedy="Choose less narrowly.")
    return found


def half_of(text: str) -> Half:
    """The half of a labelled set that a text belongs to: the lexicon was developed on one and never on the other."""
    digest = hashlib.sha256(text.encode()).digest()
    return "held-out" if digest[3] % 2 else "developed"


def _table(name: str, content: bytes) -> RawTable:
    try:
        return read_table(name, content)
    except DataError as error:  # the file is the reader's own: what was not fetched cannot be fetched again
        remedy = "It needs a header and a row for each text: save it as CSV in UTF-8, or as Parquet."
        raise DataError(error.message, remedy=remedy) from error


def _kept(found: Labelled, keep: Sequence[bool]) -> Labelled:
    rows = [row for row, wanted in zip(zip(found.texts, found.classes, strict=True), keep, strict=True) if wanted]
    return Labelled(texts=tuple(r[0] for r in rows), classes=tuple(r[1] for r in rows), by_side=found.by_side)


def _phrasebank_lines(content: bytes) -> Labelled | None:
    """The corpus's own layout, `sentence@label` in Latin-1; None if it is another text file."""
    lines = [line.rpartition("@") for line in content.decode("latin-1").splitlines() if line.strip()]
    if not lines or any(label.strip().lower() not in WORDS for _, _, label in lines):
        return None
    classes = tuple(WORDS[label.strip().lower()] for _, _, label in lines)
    return Labelled(texts=tuple(text.strip() for text, _, _ in lines), classes=classes, by_side=False)


def _columns(table: RawTable, name: str, agreement: int | None, names: Mapping[str, SentimentClass]) -> Labelled:
    text = _column(table, TEXT_COLUMNS, name, "text")
    frame = table.frame[table.words(text).str.strip() != ""]
    if agreement is not None:
        if AGREEMENT_COLUMN not in frame:
            raise UsageError(f"{name} has no column {AGREEMENT_COLUMN}.", remedy="Leave --agree out.")
        frame = frame[table.numbers(AGREEMENT_COLUMN)[frame.index] >= agreement]
    texts = tuple(str(value) for value in frame[text])
    label = next((column for column in LABEL_COLUMNS if column in frame), None)
    scores = next((column for column in SCORE_COLUMNS if column in frame), None)
    if label is None and scores is not None:
        values = table.numbers(scores)[frame.index]
        return Labelled(texts=texts, classes=tuple(_side(value) for value in _in_range(values, name)), by_side=True)
    label = _column(table, LABEL_COLUMNS, name, "label")
    return Labelled(texts=texts, classes=_named(frame[label], names, name), by_side=False)


def _column(table: RawTable, wanted: Sequence[str], name: str, what: str) -> str:
    for column in wanted:
        if column in table.columns:
            return column
    choices = (*wanted, *SCORE_COLUMNS) if what == "label" else wanted
    raise DataError(f"{name} has no {what} column.", remedy=f"Call it one of {', '.join(choices)}.")


def _named(values: "pd.Series", names: Mapping[str, SentimentClass], name: str) -> tuple[SentimentClass, ...]:
    known = {**WORDS, **names}
    written = [str(value).strip().lower() for value in values]
    odd = sorted({label for label in written if label not in known})
    if odd:
        raise DataError(
            f"{name} has labels that name no class: {', '.join(odd[:5])}.",
            remedy="Say what they stand for, e.g. --labels 0=negative,1=positive,2=neutral.",
        )
    return tuple(known[label] for label in written)


def _in_range(values: Floats, name: str) -> Floats:
    if any(not math.isfinite(value) or abs(value) > 1 for value in values):
        raise DataError(f"{name} has scores that are no numbers in [-1, 1].", remedy="Scale or correct them.")
    return values


def _side(value: float) -> SentimentClass:
    return "positive" if value > 0 else "negative" if value < 0 else "neutral"
