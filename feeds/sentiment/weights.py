"""What both FinBERT adapters share: the folder and its labels, batches, and from logits to scores."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from domain.errors import DataError, MachineError
from domain.sentiment import Sentiment
from domain.units import Floats
from signals.sentiment import readable

LONGEST = 4_000  # characters handed to a tokenizer: far more than any `max_tokens`
_DIGITS = 6  # float noise of threads and batches lies below; int8 noise does not
_TEMPLATE = "FinBERT's labels are positive, negative and neutral"


def model_file(folder: Path, *patterns: str) -> Path:
    """The first file of the folder that fits. Raises `DataError` naming what a model folder holds."""
    if not folder.is_dir():
        raise DataError(
            f"There is no model folder {folder}.",
            remedy="Set `folder` in sentiment.yaml to the folder with the model's files; nothing is downloaded.",
        )
    for pattern in patterns:
        for found in sorted(folder.glob(pattern)):
            return found
    raise DataError(
        f"{folder} holds no {' or '.join(patterns)}.", remedy="Give a folder with config.json, tokenizer and weights."
    )


def labels(folder: Path) -> tuple[int, int]:
    """Places of the positive and the negative logit, from the folder's config.json."""
    path = model_file(folder, "config.json")
    try:
        named = json.loads(path.read_text(encoding="utf-8"))["id2label"]
        places = {str(label).lower(): int(place) for place, label in named.items()}
        return places["positive"], places["negative"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} names no classes positive and negative.", remedy=f"{_TEMPLATE}: use such a model's folder."
        ) from error


def fingerprint(path: Path) -> str:
    """First 12 hexadecimal digits of the file's SHA-256: which weights spoke."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def missing(package: str, extra: str) -> MachineError:
    """The error for a package of an extra that is not installed."""
    return MachineError(
        f"This sentiment model needs the package {package}.",
        remedy=f"Install the extra: pip install 'optiondesk[{extra}]', or set model: lexicon in sentiment.yaml.",
    )


def require_vocabulary(known: Callable[[str], bool], where: Path) -> None:
    """Refuse a tokenizer that reads nothing: a vocabulary that was not found is no error to the library."""
    if not any(known(word) for word in ("profit", "loss", "the")):
        raise DataError(
            f"The tokenizer in {where} knows no English word.",
            remedy="Put the model's own tokenizer.json, or vocab.txt with tokenizer_config.json, into the folder.",
        )


def scored(
    texts: Sequence[str],
    logits: Callable[[Sequence[str]], Floats],
    *,
    places: tuple[int, int],
    batch_size: int,
    model: str,
) -> tuple[Sentiment, ...]:
    """P(positive) − P(negative) for each text, in order.

    `logits` maps a batch of n texts to an array `(n, classes)`. Texts of like length share a batch, so that little is
    padded; equal texts are scored once; texts without a word are not shown to the model.
    """
    wanted = sorted({_tidy(text) for text in texts if readable(text)}, key=lambda text: (len(text), text))
    found: dict[str, float] = {}
    for start in range(0, len(wanted), batch_size):
        batch = wanted[start : start + batch_size]
        raw = np.asarray(logits(batch), dtype=np.float64)
        odds = np.exp(raw - raw.max(axis=1, keepdims=True))
        odds /= odds.sum(axis=1, keepdims=True)
        if not np.isfinite(odds).all():
            raise DataError(f"{model} answers with numbers that are none.", remedy="Fetch or export its files anew.")
        values = odds[:, places[0]] - odds[:, places[1]]
        found |= {text: round(float(value), _DIGITS) for text, value in zip(batch, values, strict=True)}
    return tuple(Sentiment(score=found.get(_tidy(text)), model=model) for text in texts)


def _tidy(text: str) -> str:
    return re.sub(r"\s+", " ", text[:LONGEST]).strip()
