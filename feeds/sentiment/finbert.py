"""FinBERT through transformers and torch (Araci 2019, "FinBERT: Financial Sentiment Analysis with Pre-trained
Language Models", arXiv:1908.10063). Reads a folder on this machine and never a hub.
"""

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from domain.errors import DataError, MachineError
from domain.sentiment import Sentiment
from domain.units import Floats
from feeds.sentiment import weights
from feeds.sentiment.settings import SentimentSettings


class Finbert:
    """See `domain.ports.SentimentModel`."""

    def __init__(self, folder: Path, settings: SentimentSettings) -> None:
        self._settings = settings
        self._places = weights.labels(folder)
        file = weights.model_file(folder, "model.safetensors", "pytorch_model.bin")
        self._tokenizer, self._model = load(folder)
        self.name = f"finbert:{weights.fingerprint(file)}"
        self.band = settings.neutral_band
        import torch

        self._torch = torch
        if settings.device == "cuda" and not torch.cuda.is_available():
            raise MachineError("No CUDA device is there.", remedy="Set device: cpu in sentiment.yaml.")
        self._model.to(settings.device)

    def score(self, texts: Sequence[str]) -> tuple[Sentiment, ...]:
        """See the port."""
        size = self._settings.batch_size
        with self._threads():
            return weights.scored(texts, self._logits, places=self._places, batch_size=size, model=self.name)

    def _logits(self, texts: Sequence[str]) -> Floats:
        inputs = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self._settings.max_tokens, return_tensors="pt"
        ).to(self._settings.device)
        with self._torch.inference_mode():
            return np.asarray(self._model(**inputs).logits.float().cpu().numpy(), dtype=np.float64)

    @contextlib.contextmanager
    def _threads(self) -> Iterator[None]:
        """The threads of torch are one setting of the process: put back as it was."""
        before = self._torch.get_num_threads()
        self._torch.set_num_threads(self._settings.threads or before)
        try:
            yield
        finally:
            self._torch.set_num_threads(before)


def load(folder: Path) -> tuple[Any, Any]:
    """Tokenizer and model, ready to read. Raises `MachineError` without torch, `DataError` for unreadable files."""
    # Without torch, transformers fails late and with a bare NameError.
    if importlib.util.find_spec("torch") is None:
        raise weights.missing("torch", "finbert")
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        model = AutoModelForSequenceClassification.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # the loaders' exceptions share no base but Exception
        raise DataError(
            f"{folder} cannot be loaded as a FinBERT model ({_first_line(error)}).",
            remedy="Give a folder with config.json, the tokenizer and model.safetensors.",
        ) from error
    unknown = tokenizer.unk_token_id
    weights.require_vocabulary(lambda word: tokenizer.convert_tokens_to_ids(word) not in (None, unknown), folder)
    return tokenizer, model.eval()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")[:200] if str(error).strip() else type(error).__name__
