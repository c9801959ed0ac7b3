"""FinBERT through transformers, and its export, on a tiny random model. Skips, saying so, without the extra."""

import pytest

from domain.errors import DataError, MachineError, UsageError
from feeds.sentiment import export, finbert
from feeds.sentiment.choose import sentiment_model
from feeds.sentiment.export import export_int8
from feeds.sentiment.settings import SentimentSettings
from tests.support.finbert import LABELS, handmade, random_bert

TEXTS = ["profit up", "the stock is down", "", "loss , guidance cut", "profit up"]
FOUND = {name: finbert.importlib.util.find_spec(name) is not None for name in ("torch", "onnxscript", "onnxruntime")}
needs_torch = pytest.mark.skipif(not FOUND["torch"], reason="torch is not installed: pip install 'optiondesk[finbert]'")
needs_export = pytest.mark.skipif(not all(FOUND.values()), reason="the export needs the extras finbert and onnx")


def loaded(folder, **settings):
    return sentiment_model(SentimentSettings(model="finbert", folder=folder, threads=1, **settings))


def test_without_torch_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(finbert.importlib.util, "find_spec", lambda name: None)
    folder = handmade(tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(MachineError, match=r"torch.*optiondesk\[finbert\]"):
        loaded(folder)
    with pytest.raises(MachineError, match=r"The export needs the package torch.*finbert,onnx"):
        export_int8(folder, tmp_path / "out", SentimentSettings())
    assert not (tmp_path / "out").exists()


@needs_torch
@pytest.mark.parametrize("own_layout", [False, True])
def test_scores_are_those_of_the_transformers_pipeline(tmp_path, own_layout):
    from transformers import pipeline

    folder = random_bert(tmp_path / "model", own_layout=own_layout)
    peer = pipeline("text-classification", model=str(folder), top_k=None, device="cpu")
    found = loaded(folder, batch_size=2).score(TEXTS)
    for text, each in zip(TEXTS, found, strict=True):
        if not text:
            assert each.score is None
            continue
        odds = {row["label"]: row["score"] for row in peer([text])[0]}
        assert each.score == pytest.approx(odds["positive"] - odds["negative"], abs=2e-6)
        assert each.model.startswith("finbert:")
    assert set(odds) == set(LABELS)


@needs_torch
def test_the_threads_of_the_process_are_put_back(tmp_path):
    import torch

    before = torch.get_num_threads()
    loaded(random_bert(tmp_path / "model")).score(["profit up"])
    assert torch.get_num_threads() == before


@needs_torch
def test_weights_that_cannot_be_read_are_refused_in_one_sentence(tmp_path):
    folder = random_bert(tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(DataError, match="cannot be loaded as a FinBERT model"):
        loaded(folder)


@needs_torch
def test_a_device_that_is_not_there_is_said(tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(MachineError, match="No CUDA device"):
        loaded(random_bert(tmp_path / "model"), device="cuda")


@needs_export
def test_the_export_reads_like_the_original_and_is_whole_or_absent(tmp_path, monkeypatch):
    source, target = random_bert(tmp_path / "model"), tmp_path / "int8"
    report = export_int8(source, target, SentimentSettings(threads=1))
    assert report.files == ("config.json", "model_int8.onnx", "tokenizer.json")
    assert report.largest_change < 0.05
    quick = sentiment_model(SentimentSettings(model="finbert-onnx", folder=target, threads=1))
    assert quick.name == report.model
    for before, after in zip(loaded(source).score(TEXTS), quick.score(TEXTS), strict=True):
        assert (before.score is None) == (after.score is None)
        assert after.score == before.score or after.score == pytest.approx(before.score, abs=0.05)
    with pytest.raises(UsageError, match="exists already"):
        export_int8(source, target, SentimentSettings())
    with pytest.raises(UsageError, match="no folder"):
        export_int8(source, tmp_path / "none" / "out", SentimentSettings())
    monkeypatch.setattr(export, "LARGEST_CHANGE", -1.0)
    with pytest.raises(MachineError, match="do not bear quantisation"):
        export_int8(source, tmp_path / "poor", SentimentSettings())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["int8", "model"]
