"""FinBERT's folder for transformers into a folder for onnxruntime: int8 graph, tokenizer, labels."""

import contextlib
import importlib.util
import io
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from domain.errors import MachineError, UsageError
from domain.record import Record
from feeds.sentiment import weights
from feeds.sentiment.finbert import Finbert, load
from feeds.sentiment.onnx_finbert import INPUTS, MODEL_FILE, TOKENIZER_FILE, OnnxFinbert
from feeds.sentiment.settings import SentimentSettings

PROBES = (
    "Operating profit rose to EUR 13.1 mn from EUR 8.7 mn.",
    "The company warned that full-year sales would fall short of expectations.",
    "The annual general meeting will be held in Helsinki.",
    "Shares slumped after the regulator opened a probe.",
    "Revenue beats estimates and guidance is raised.",
)
"""Sentences on which the exported model is compared with the one it came from."""
LARGEST_CHANGE = 0.1
"""By more than this no score of `PROBES` may change (0.004 is usual)."""


class ExportReport(Record):
    """What was made. `largest_change` is of the scores of `PROBES`, int8 against the original."""

    folder: str
    files: tuple[str, ...]
    megabytes: float
    original_megabytes: float
    largest_change: float
    model: str


def export_int8(source: Path, target: Path, settings: SentimentSettings) -> ExportReport:
    """Write `target`, whole or not at all. Raises `UsageError` if it exists, `MachineError` where torch, onnx,
    onnxscript or onnxruntime is missing, or where the export's scores differ.
    """
    for package, extra in (("torch", "finbert"), ("onnxscript", "finbert"), ("onnx", "onnx"), ("onnxruntime", "onnx")):
        if importlib.util.find_spec(package) is None:
            raise MachineError(
                f"The export needs the package {package}.",
                remedy=f"Install both extras: pip install 'optiondesk[finbert,onnx]' ({extra} brings {package}).",
            )
    if target.exists():
        raise UsageError(f"{target} exists already.", remedy="Name a folder that does not exist yet.")
    if not target.parent.is_dir():
        raise UsageError(f"There is no folder {target.parent} for {target.name}.", remedy="Make it first.")
    weights.labels(source)
    original = weights.model_file(source, "model.safetensors", "pytorch_model.bin")
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        with _quiet():
            _write_graph(source, staging)
        shutil.copyfile(source / "config.json", staging / "config.json")
        change, name = _compared(source, staging, settings)
        staging.chmod(0o755)
        staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return ExportReport(
        folder=str(target),
        files=tuple(sorted(path.name for path in target.iterdir())),
        megabytes=round((target / MODEL_FILE).stat().st_size / 1e6, 3),
        original_megabytes=round(original.stat().st_size / 1e6, 3),
        largest_change=change,
        model=name,
    )


def _write_graph(source: Path, folder: Path) -> None:
    import onnx
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    tokenizer, model = load(source)
    tokenizer.backend_tokenizer.save(str(folder / TOKENIZER_FILE))
    whole = folder / "model.onnx"
    example = {name: torch.ones(2, 8, dtype=torch.long) for name in INPUTS}
    size = {0: torch.export.Dim("texts", min=1, max=4096), 1: torch.export.Dim("tokens", min=2, max=512)}
    with torch.no_grad():
        torch.onnx.export(
            model, (), str(whole), kwargs=example, output_names=["logits"], dynamic_shapes=dict.fromkeys(INPUTS, size),
            dynamo=True, external_data=False, verbose=False,
        )  # fmt: skip
    graph = onnx.load(str(whole))
    del graph.graph.value_info[:]  # else quantisation stops: inferred shapes conflict with the exporter's
    onnx.save(graph, str(whole))
    quantize_dynamic(str(whole), str(folder / MODEL_FILE), weight_type=QuantType.QInt8)
    whole.unlink()


def _compared(source: Path, folder: Path, settings: SentimentSettings) -> tuple[float, str]:
    """Largest change of a score over `PROBES`, and the new model's name."""
    exported = OnnxFinbert(folder, settings)
    pairs = zip(Finbert(source, settings).score(PROBES), exported.score(PROBES), strict=True)
    change = max(abs((before.score or 0.0) - (after.score or 0.0)) for before, after in pairs)
    if change > LARGEST_CHANGE:
        raise MachineError(
            f"The int8 model scores differently by up to {change:.3f}; {LARGEST_CHANGE} is allowed.",
            remedy="Use the original folder with model: finbert; these weights do not bear quantisation.",
        )
    return round(change, 6), exported.name


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Exporter and quantiser print and warn about their own insides."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
