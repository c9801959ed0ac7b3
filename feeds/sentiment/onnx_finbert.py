"""FinBERT as an int8 ONNX graph: onnxruntime and a tokenizer, no torch. `feeds.sentiment.export` makes the folder.

Weights and activations are dynamically quantised (Zafrir et al. 2019, "Q8BERT", arXiv:1910.06188, without its
retraining). Activations share one scale a batch, so that in batches a text's score may differ by some 0.004 with its
neighbours. A processor reads text by text: nothing is padded, which is quicker, and a score depends on its text alone.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from domain.errors import DataError, MachineError
from domain.sentiment import Sentiment
from domain.units import Floats
from feeds.sentiment import weights
from feeds.sentiment.settings import SentimentSettings

MODEL_FILE = "model_int8.onnx"
TOKENIZER_FILE = "tokenizer.json"
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class OnnxFinbert:
    """See `domain.ports.SentimentModel`."""

    def __init__(self, folder: Path, settings: SentimentSettings) -> None:
        self._batch_size = 1 if settings.device == "cpu" else settings.batch_size
        self._places = weights.labels(folder)
        graph = weights.model_file(folder, MODEL_FILE, "model.onnx")
        self._session = _session(graph, settings)
        self._tokenizer = _tokenizer(weights.model_file(folder, TOKENIZER_FILE), settings.max_tokens)
        self._inputs = {each.name for each in self._session.get_inputs()}
        if not self._inputs <= set(INPUTS):
            raise DataError(f"{graph} takes other inputs than {', '.join(INPUTS)}.", remedy="Export the model anew.")
        self.name = f"finbert-onnx:{weights.fingerprint(graph)}"
        self.band = settings.neutral_band

    def score(self, texts: Sequence[str]) -> tuple[Sentiment, ...]:
        """See the port."""
        return weights.scored(texts, self._logits, places=self._places, batch_size=self._batch_size, model=self.name)

    def _logits(self, texts: Sequence[str]) -> Floats:
        encoded = self._tokenizer.encode_batch(list(texts))
        columns = ([e.ids for e in encoded], [e.attention_mask for e in encoded], [e.type_ids for e in encoded])
        given = {
            name: np.asarray(rows, dtype=np.int64)
            for name, rows in zip(INPUTS, columns, strict=True)
            if name in self._inputs
        }
        return np.asarray(self._session.run(None, given)[0], dtype=np.float64)


def _session(graph: Path, settings: SentimentSettings) -> Any:
    if importlib.util.find_spec("onnxruntime") is None:
        raise weights.missing("onnxruntime", "onnx")
    import onnxruntime

    providers = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
    provider = providers[settings.device]
    if provider not in onnxruntime.get_available_providers():
        raise MachineError("This onnxruntime has no CUDA provider.", remedy="Set device: cpu in sentiment.yaml.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=[provider])
    except Exception as error:  # onnxruntime's exceptions share no base but Exception
        raise DataError(f"{graph} is no ONNX model that can be run.", remedy="Export the model anew.") from error


def _tokenizer(path: Path, max_tokens: int) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise DataError(f"{path} is no tokenizer file.", remedy="Export the model anew.") from error
    weights.require_vocabulary(lambda word: tokenizer.token_to_id(word) is not None, path)
    tokenizer.enable_truncation(max_tokens)
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id("[PAD]") or 0)
    return tokenizer
