"""`desk sentiment`: measure the model that reads posts and headlines; make FinBERT small and quick."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.options import JsonOption
from app.cli.outcome import emit
from domain.errors import UsageError

if TYPE_CHECKING:
    from feeds.sentiment.labelled import SentimentClass
    from feeds.sentiment.settings import SentimentSettings

app = typer.Typer(no_args_is_help=True, help="The model that reads the mood of posts and headlines.")

Model = Literal["lexicon", "finbert", "finbert-onnx"]
ModelOption = Annotated[Model | None, typer.Option("--model", help="Default: `model` in sentiment.yaml.")]
FolderOption = Annotated[Path | None, typer.Option("--folder", help="Folder of the model's files.")]


@app.command("eval")
def eval_(
    file: Annotated[Path, typer.Argument(help="Labelled texts: PhraseBank, FiQA, finance tweets, any CSV like them.")],
    model: ModelOption = None,
    folder: FolderOption = None,
    agree: Annotated[
        int | None, typer.Option("--agree", metavar="PCT", help="Only sentences that PCT % of annotators agreed on.")
    ] = None,
    half: Annotated[
        Literal["developed", "held-out"] | None,
        typer.Option("--half", help="Only the half that the lexicon was developed on, or the other."),
    ] = None,
    labels: Annotated[
        str | None, typer.Option("--labels", metavar="L=CLASS,…", help="What labels mean, e.g. 0=negative,1=neutral.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Accuracy, macro-F1 and sentences a second on labelled texts, beside the majority class."""
    from app.documents import plain
    from app.services.sentiment import evaluate
    from feeds.sentiment.choose import sentiment_model
    from feeds.sentiment.labelled import read_labelled

    labelled = read_labelled(file, agreement=agree, half=half, names=_names(labels))
    result = plain(evaluate(sentiment_model(_settings(model, folder)), labelled, file=file))
    if json:
        emit(result)
        return
    from rich.console import Console

    from app.screens.sentiment import show_evaluation

    show_evaluation(Console(), result)


@app.command()
def export(
    source: Annotated[Path, typer.Argument(help="Folder of FinBERT's files: config.json, tokenizer, weights.")],
    target: Annotated[Path, typer.Argument(help="Folder to make: int8 graph, tokenizer, labels.")],
    json: JsonOption = False,
) -> None:
    """FinBERT as int8 ONNX: a quarter of the size, several times as quick, and no torch to run it."""
    from app.documents import plain
    from feeds.sentiment.export import export_int8

    report = plain(export_int8(source.absolute(), target.absolute(), _settings(None, None)))
    if json:
        emit(report)
        return
    from rich.console import Console

    from app.screens.sentiment import show_export

    show_export(Console(), report)


def _settings(model: Model | None, folder: Path | None) -> "SentimentSettings":
    """sentiment.yaml with what was said on the command line laid over it."""
    from app.mood import never_online
    from app.settings import Environment, read_yaml, validated
    from feeds.sentiment.settings import SentimentSettings

    never_online()
    said = {"model": model, "folder": str(folder) if folder else None}
    content = read_yaml("sentiment", Environment().desk_config) | {key: value for key, value in said.items() if value}
    return validated(SentimentSettings, content, where="sentiment.yaml")


def _names(text: str | None) -> "Mapping[str, SentimentClass]":
    from feeds.sentiment.labelled import WORDS

    names: dict[str, SentimentClass] = {}
    for part in (text or "").split(","):
        label, _, word = (piece.strip().lower() for piece in part.partition("="))
        if part and word not in WORDS:
            raise UsageError(f"--labels cannot read {part!r}.", remedy="Write e.g. 0=negative,1=positive,2=neutral.")
        if part:
            names[label] = WORDS[word]
    return names
