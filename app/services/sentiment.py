"""How well a sentiment model reads labelled texts, and how fast."""

import math
import time
from collections import Counter
from pathlib import Path
from typing import get_args

from domain.ports import SentimentModel
from domain.record import Record
from domain.sentiment import Sentiment
from feeds.sentiment.labelled import Labelled, SentimentClass

CLASSES: tuple[SentimentClass, ...] = get_args(SentimentClass)
_TIMED_S = 0.5  # a pass that is over sooner is repeated, so that the speed is no accident


class ClassFigures(Record):
    """One class: rows that have it, and how they were read."""

    rows: int
    precision: float
    recall: float
    f1: float


class Evaluation(Record):
    """`macro_f1` is the plain mean of F1 over the classes that the file has. `majority` is the accuracy of saying
    `majority_class` every time. `confusion` holds rows by class and, in it, by reading.
    """

    file: str
    model: str
    texts: int
    unread: int
    accuracy: float
    macro_f1: float
    sentences_per_s: float
    majority: float
    majority_class: SentimentClass
    read_by: str
    classes: dict[SentimentClass, ClassFigures]
    confusion: dict[SentimentClass, dict[SentimentClass, int]]


def evaluate(model: SentimentModel, labelled: Labelled, *, file: Path) -> Evaluation:
    """Score every text once and compare. A text with nothing to read counts as neutral.

    Where the labels are numbers, a text stands on one side or the other, and so does the reading: its sign decides.
    Elsewhere a score within the model's own band is neutral.
    """
    from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

    scores, speed = _timed(model, labelled.texts)
    band = 0.0 if labelled.by_side else model.band
    read = [_reading(score, band) for score in scores]
    present = [name for name in CLASSES if name in labelled.classes]
    precision, recall, f1, rows = precision_recall_fscore_support(
        labelled.classes, read, labels=present, average=None, zero_division=0.0
    )
    matrix = confusion_matrix(labelled.classes, read, labels=list(CLASSES))
    majority, count = min(Counter(labelled.classes).items(), key=lambda item: (-item[1], item[0]))
    return Evaluation(
        file=file.name,
        model=model.name,
        texts=len(labelled.texts),
        unread=sum(score.score is None for score in scores),
        accuracy=float(accuracy_score(labelled.classes, read)),
        macro_f1=float(sum(f1) / len(present)),
        sentences_per_s=speed,
        majority=count / len(labelled.texts),
        majority_class=majority,
        read_by="sign of the score" if labelled.by_side else f"neutral within ±{band:g}",
        classes={
            name: ClassFigures(
                rows=int(rows[at]), precision=float(precision[at]), recall=float(recall[at]), f1=float(f1[at])
            )
            for at, name in enumerate(present)
        },
        confusion={
            name: {read_as: int(matrix[row][column]) for column, read_as in enumerate(CLASSES)}
            for row, name in enumerate(CLASSES)
            if name in present
        },
    )


def _timed(model: SentimentModel, texts: tuple[str, ...]) -> tuple[tuple[Sentiment, ...], float]:
    """Readings of the texts, and texts a second of the quickest pass."""
    model.score(texts[:1])  # what is loaded at the first call is not the model's speed
    quickest, total = math.inf, 0.0
    while True:
        start = time.perf_counter()
        scores = model.score(texts)
        spent = time.perf_counter() - start
        quickest, total = min(quickest, spent), total + spent
        if total >= _TIMED_S:
            return scores, len(texts) / quickest


def _reading(sentiment: Sentiment, band: float) -> SentimentClass:
    score = sentiment.score
    if score is None or abs(score) <= band:
        return "neutral"
    return "positive" if score > 0 else "negative"
