"""`desk sentiment`: figures on labelled texts, and the bar that the embedded model has to clear."""

import io

import pytest
from rich.console import Console

from app.screens.sentiment import show_evaluation, show_export
from app.services.sentiment import evaluate
from benchmarks.social_sets import SETS, Vader
from domain.sentiment import Sentiment
from feeds.sentiment.labelled import Labelled, read_labelled
from signals.sentiment import MODEL_NAME, LexiconModel
from tests.e2e.conftest import called
from tests.support.finbert import handmade

SENTENCES = """sentence,label,agree_at_least_pct
Operating profit rose,positive,100
The meeting is in Helsinki,neutral,100
Sales fell,negative,75
The company is bullish,negative,50
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    for name in ("DESK_CONFIG", "DESK_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "sentences.csv"
    path.write_text(SENTENCES)
    return path


def test_the_document_holds_the_figures_by_their_promised_names(file):
    ended = called("sentiment", "eval", str(file), "--json")
    assert (ended.code, ended.err) == (0, "")
    found = ended.document
    assert (found["model"], found["texts"], found["accuracy"]) == (MODEL_NAME, 4, 0.75)
    f1 = (2 / 3 + 1 + 2 / 3) / 3
    assert found["macro_f1"] == pytest.approx(f1)
    assert found["sentences_per_s"] > 0
    assert (found["majority"], found["majority_class"]) == (0.5, "negative")
    assert found["confusion"]["negative"] == {"positive": 1, "neutral": 0, "negative": 1}


def test_choices_on_the_command_line_narrow_and_name(file):
    agreed = called("sentiment", "eval", str(file), "--agree", "75", "--json").document
    assert (agreed["texts"], agreed["accuracy"]) == (3, 1.0)
    file.write_text("text,label\nprofit rose,2\nsales fell,0\n")
    named = called("sentiment", "eval", str(file), "--labels", "0=negative, 2=bullish", "--json").document
    assert named["accuracy"] == 1.0
    halves = [called("sentiment", "eval", str(file), "--labels", "0=negative,2=positive", "--half", half, "--json")
              for half in ("developed", "held-out")]  # fmt: skip
    assert sum(ended.document.get("texts", 0) for ended in halves) == 2


def test_another_model_is_measured_by_the_same_command(file, tmp_path):
    folder = handmade(tmp_path / "model")
    found = called(
        "sentiment", "eval", str(file), "--model", "finbert-onnx", "--folder", str(folder), "--json"
    ).document
    assert found["model"].startswith("finbert-onnx:")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--labels", "0=so"), 2, "cannot read '0=so'"),
        (("--model", "finbert"), 2, "needs the folder"),
        (("--model", "finbert-onnx", "--folder", "nowhere"), 2, "no model folder nowhere"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_sentence(file, arguments, code, said):
    ended = called("sentiment", "eval", str(file), *arguments)
    assert ended.code == code
    assert said in ended.err


def test_an_export_of_nothing_says_what_is_missing(file, tmp_path):
    ended = called("sentiment", "export", str(tmp_path / "none"), str(tmp_path / "out"))
    assert ended.code in (2, 3)
    assert "model folder" in ended.err or "The export needs the package" in ended.err


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_screens_fit(file, width):
    result = called("sentiment", "eval", str(file), "--json").document
    out = io.StringIO()
    console = Console(file=out, width=width)
    show_evaluation(console, {**result, "unread": 3})
    sizes = {"megabytes": 110.0, "original_megabytes": 438.0, "largest_change": 0.004}
    show_export(console, {**sizes, "model": "finbert-onnx:0", "files": ["config.json"], "folder": "models/finbert"})
    text = out.getvalue()
    assert "accuracy 75.0%" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


def test_labels_that_are_numbers_are_read_by_side_alone():
    labelled = Labelled(
        texts=("profit up", "quiet", "loss"), classes=("positive", "negative", "negative"), by_side=True
    )

    class Faint:
        name, band = "faint", 0.3

        def score(self, texts):
            known = {"profit up": 0.01, "quiet": None, "loss": -0.01}
            return tuple(Sentiment(score=known[text], model=self.name) for text in texts)

    from pathlib import Path

    found = evaluate(Faint(), labelled, file=Path("f.csv"))
    assert (found.accuracy, found.unread, found.read_by) == (pytest.approx(2 / 3), 1, "sign of the score")


@pytest.mark.shared_data
def test_the_embedded_model_clears_its_bar_on_text_it_was_not_developed_on(shared_data, capsys):
    """On the held-out half of each set: above VADER and the majority class everywhere, 70 % and 0.60 on PhraseBank."""
    for name, (file, agreement) in SETS.items():
        path = shared_data / file
        for half in ("developed", "held-out"):
            labelled = read_labelled(path, half=half, agreement=agreement)
            ours, peer = evaluate(LexiconModel(), labelled, file=path), evaluate(Vader(), labelled, file=path)
            with capsys.disabled():
                print(
                    f"\n{path.name} {half:9s} {ours.texts:5d} texts: {ours.accuracy:.3f} macro-F1 {ours.macro_f1:.3f}; "
                    f"VADER {peer.accuracy:.3f} {peer.macro_f1:.3f}; majority {ours.majority:.3f}",
                    end="",
                )
            assert ours.accuracy > max(peer.accuracy, ours.majority), (name, half)
            assert ours.macro_f1 > peer.macro_f1, (name, half)
            if name == "PhraseBank":
                assert ours.accuracy >= 0.70
                assert ours.macro_f1 >= 0.60
