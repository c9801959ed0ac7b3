"""Embeddings from a sentence encoder on this machine: an ONNX graph and its tokenizer, no torch, no network.

The folder holds model.onnx (or onnx/model.onnx) and tokenizer.json, as published for all-MiniLM-L6-v2 and its like.
Token states are averaged under the attention mask (Reimers and Gurevych 2019, "Sentence-BERT", arXiv:1908.10084); a
graph that gives one vector a text is taken at its word.
"""

import asyncio
import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from domain.errors import DataError, MachineError
from domain.experience import Situation
from domain.units import Floats
from feeds.embeddings.endpoint import unit_rows
from feeds.embeddings.settings import EmbedderSettings
from signals.situation import WORDS_ID, described

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
GRAPHS = ("model.onnx", "onnx/model.onnx")
PROBE = "Regime neutral."


class LocalEmbedder:
    """`domain.ports.Embedder` by onnxruntime. Making one raises `MachineError` where the extra is not installed,
    `DataError` where the folder holds no such model.
    """

    def __init__(self, settings: EmbedderSettings) -> None:
        folder = settings.folder or Path()
        graph = next((folder / name for name in GRAPHS if (folder / name).is_file()), None)
        tokens = folder / "tokenizer.json"
        if graph is None or not tokens.is_file():
            raise DataError(
                f"{folder} holds no model.onnx with its tokenizer.json.",
                remedy="Set `folder` of the embedder in memory.yaml to an exported sentence encoder.",
            )
        self._settings = settings
        self._tokenizer = _tokenizer(tokens, settings.max_tokens)
        self._session = _session(graph, settings.threads)
        self._inputs = [item.name for item in self._session.get_inputs()]
        if not set(self._inputs) <= set(INPUTS):
            raise DataError(f"{graph} takes other inputs than {', '.join(INPUTS)}.")
        self._label = graph.name
        self.dimensions = int(self._pooled([PROBE]).shape[1])
        self.name = f"local/{_fingerprint(graph, tokens)}/{settings.max_tokens}/{WORDS_ID}"

    async def embed(self, situations: Sequence[Situation]) -> Floats:
        """See the port."""
        texts = [described(situation) for situation in situations]
        return await asyncio.to_thread(self._embed, texts)

    def _embed(self, texts: list[str]) -> Floats:
        step = self._settings.batch
        parts = [self._pooled(texts[start : start + step]) for start in range(0, len(texts), step)]
        return np.concatenate(parts) if parts else np.empty((0, self.dimensions))

    def _pooled(self, texts: list[str]) -> Floats:
        encoded = self._tokenizer.encode_batch(texts)
        columns = {
            "input_ids": [one.ids for one in encoded],
            "attention_mask": [one.attention_mask for one in encoded],
            "token_type_ids": [one.type_ids for one in encoded],
        }
        given = {name: np.asarray(columns[name], dtype=np.int64) for name in self._inputs}
        states = np.asarray(self._session.run(None, given)[0], dtype=np.float64)
        if states.ndim == 3:
            mask = np.asarray(columns["attention_mask"], dtype=np.float64)[:, :, None]
            states = (states * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1.0)
        if states.ndim != 2 or len(states) != len(texts):
            raise DataError(f"{self._label} gives arrays of shape {states.shape}, not one vector a text.")
        return unit_rows(states.tolist(), states.shape[1], self._label)


def _fingerprint(*files: Path) -> str:
    """Of all that decides a vector: the same weights behind other words are another embedder."""
    found = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:12]


def _session(graph: Path, threads: int) -> Any:
    if importlib.util.find_spec("onnxruntime") is None:
        raise MachineError(
            "A local embedding model needs the package onnxruntime.",
            remedy="Install the extra: pip install 'optiondesk[onnx]', or set the embedder to features in memory.yaml.",
        )
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base
        raise DataError(f"{graph} is no ONNX model that can be run.", remedy="Export the model anew.") from error


def _tokenizer(path: Path, max_tokens: int) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises no other
        raise DataError(f"{path} is no tokenizer file.", remedy="Export the model anew.") from error
    tokenizer.enable_truncation(max_tokens)
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id("[PAD]") or 0)
    ids = tokenizer.encode(PROBE).ids
    if not ids or set(ids) <= {tokenizer.token_to_id("[UNK]"), None}:
        raise DataError(f"{path} reads no word: its vocabulary is missing.", remedy="Export the model anew.")
    return tokenizer
