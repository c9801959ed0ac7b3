"""The onnxruntime adapter against a graph whose answer is known by hand; no torch, no weights from outside."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from domain.errors import DataError, MachineError
from feeds.sentiment import onnx_finbert
from feeds.sentiment.choose import sentiment_model
from feeds.sentiment.remembered import Remembered
from feeds.sentiment.settings import SentimentSettings
from signals.sentiment import MODEL_NAME, LexiconModel
from tests.support.finbert import VOCABULARY, WEIGHTS, by_hand, handmade, write_config

TEXTS = ["profit up", "the stock is down", "loss", "profit up . shares fell , guidance cut", "zebra"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return handmade(tmp_path_factory.mktemp("onnx") / "model")


def loaded(folder, **settings):
    return sentiment_model(SentimentSettings(model="finbert-onnx", folder=folder, threads=1, **settings))


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_scores_are_the_difference_of_the_probabilities_whatever_the_batch(folder, batch_size):
    found = loaded(folder, batch_size=batch_size).score(TEXTS)
    assert [each.score for each in found] == pytest.approx([by_hand(text) for text in TEXTS], abs=2e-6)


def test_a_text_without_a_word_is_not_shown_to_the_model_and_order_is_kept(folder):
    found = loaded(folder).score(["", "profit up", "https://x.y", "loss", "profit  up"])
    assert [each.score is None for each in found] == [True, False, True, False, False]
    assert found[1] == found[4]
    assert found[3].score == pytest.approx(by_hand("loss"), abs=2e-6)
    assert loaded(folder).score([]) == ()


def test_a_long_text_is_cut_and_not_refused(folder):
    cut = loaded(folder, max_tokens=8).score(["profit " * 5_000])[0]
    assert cut.score == pytest.approx(by_hand("profit " * 8), abs=2e-6)


def test_the_records_name_the_weights_so_that_other_weights_have_another_name(folder, tmp_path):
    other = handmade(tmp_path / "other", weights=WEIGHTS * 2)
    first, second = loaded(folder), loaded(other)
    assert first.name.startswith("finbert-onnx:")
    assert first.name != second.name
    assert {each.model for each in first.score(TEXTS)} == {first.name}
    assert first.band == 0.3


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "names no classes"),
        (lambda folder: (folder / "config.json").write_text('{"id2label": ["a"]}'), "names no classes"),
        (lambda folder: write_config(folder, ("LABEL_0", "LABEL_1", "LABEL_2")), "names no classes"),
        (lambda folder: (folder / "model_int8.onnx").unlink(), "model_int8.onnx or model.onnx"),
        (lambda folder: (folder / "model_int8.onnx").write_bytes(b"no graph"), "no ONNX model"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "no tokenizer file"),
    ],
)
def test_a_folder_that_is_no_model_is_refused_in_one_sentence(tmp_path, spoil, said):
    folder = handmade(tmp_path / "model")
    spoil(folder)
    with pytest.raises(DataError, match=said):
        loaded(folder)


def test_a_tokenizer_that_knows_no_word_is_refused_because_it_would_read_everything_alike(tmp_path):
    silent = handmade(
        tmp_path / "silent", words=[f"token{number}" for number in range(len(VOCABULARY) - 1)] + ["[UNK]"]
    )
    with pytest.raises(DataError, match="knows no English word"):
        loaded(silent)


def test_a_graph_with_other_inputs_is_refused(tmp_path):
    other = handmade(tmp_path / "other", inputs=("pixels", "attention_mask"))
    with pytest.raises(DataError, match="takes other inputs"):
        loaded(other)


def test_weights_that_answer_no_numbers_are_an_error_and_no_score(tmp_path):
    broken = loaded(handmade(tmp_path / "broken", weights=np.full_like(WEIGHTS, np.nan)))
    with pytest.raises(DataError, match="numbers that are none"):
        broken.score(["profit up"])


def test_a_folder_that_is_not_there_is_never_looked_for_on_a_hub(tmp_path):
    for model in ("finbert", "finbert-onnx"):
        with pytest.raises(DataError, match=r"no model folder .*nothing is downloaded"):
            sentiment_model(SentimentSettings(model=model, folder=tmp_path / "ProsusAI" / "finbert"))


def test_a_missing_package_names_the_extra_to_install(folder, monkeypatch):
    monkeypatch.setattr(onnx_finbert.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MachineError, match=r"onnxruntime.*optiondesk\[onnx\]"):
        loaded(folder)


def test_a_device_that_is_not_there_is_said(folder):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has a CUDA provider")
    with pytest.raises(MachineError, match="no CUDA provider"):
        loaded(folder, device="cuda")


def test_settings_want_a_folder_for_finbert_and_none_for_the_lexicon():
    assert sentiment_model(SentimentSettings()).name == MODEL_NAME
    with pytest.raises(ValueError, match="needs the folder"):
        SentimentSettings(model="finbert")


def test_the_shipped_yaml_is_the_default():
    from app.settings import load

    assert load(SentimentSettings, "sentiment", None) == SentimentSettings()


class Counting:
    name, band = "counting", 0.2

    def __init__(self, model):
        self.model, self.seen = model, []

    def score(self, texts):
        self.seen += texts
        return self.model.score(texts)


def test_a_remembered_model_reads_each_text_once_and_forgets_the_oldest(folder, monkeypatch):
    counting = Counting(loaded(folder))
    remembered = Remembered(lambda: counting)
    assert (remembered.name, remembered.band) == ("counting", 0.2)
    first = remembered.score(TEXTS)
    assert remembered.score([*reversed(TEXTS), ""])[:-1] == tuple(reversed(first))
    assert sorted(counting.seen) == sorted([*TEXTS, ""])
    monkeypatch.setattr("feeds.sentiment.remembered.TEXTS", 2)
    remembered.score(["loss"])
    counting.seen.clear()
    remembered.score(["loss", "", "zebra"])
    assert counting.seen == ["zebra"]


def test_a_visit_and_a_run_that_read_at_once_take_turns_at_the_model():
    """FinBERT sets the threads of the whole process while it reads."""
    inside, most = [], []

    class Slow(LexiconModel):
        def score(self, texts):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()
            return super().score(texts)

    remembered, texts = Remembered(Slow), [f"profit rose by {n} percent" for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        read = [pool.submit(remembered.score, [text]) for text in texts]
        assert tuple(one.result()[0] for one in read) == LexiconModel().score(texts)
    assert max(most) == 1


def test_a_model_is_loaded_with_the_first_text_and_not_before(tmp_path):
    late = Remembered(lambda: loaded(tmp_path / "none"))
    assert late.score([]) == ()
    with pytest.raises(DataError, match="no model folder"):
        late.score(["profit"])


def test_the_config_of_an_export_is_plain_json(folder):
    assert json.loads((folder / "config.json").read_text())["id2label"]["0"] == "positive"


def test_a_processor_reads_text_by_text_so_that_neighbours_do_not_matter(folder, monkeypatch):
    model, shown = loaded(folder, batch_size=32), []
    logits = model._logits
    monkeypatch.setattr(model, "_logits", lambda texts: shown.append(len(texts)) or logits(texts))
    model.score(TEXTS)
    assert set(shown) == {1}
