"""How well a sentiment model reads, on one screen."""

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

Document = dict[str, Any]
TONE = {"positive": "green", "neutral": "yellow", "negative": "red"}


def show_evaluation(console: Console, result: Document) -> None:
    """Headline figures, then each class with what its rows were read as."""
    console.print(f"[bold]{escape(result['model'])}[/] on {escape(result['file'])}, {result['texts']:,} texts")
    ahead = result["accuracy"] - result["majority"]
    console.print(
        f"  accuracy [bold]{result['accuracy']:.1%}[/] ({ahead * 100:+.1f} points on saying always {result['majority_class']}), "
        f""
        f"macro-F1 [bold]{result['macro_f1']:.3f}[/]"
    )
    console.print(f"  {result['sentences_per_s']:,.0f} sentences/s")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim")
    for name in ("class", "rows", "precision", "recall", "F1", *(f"→ {name[:3]}." for name in TONE)):
        table.add_column(name, justify="left" if name == "class" else "right")
    for name, tone in TONE.items():
        figures = result["classes"].get(name)
        if figures:
            read = result["confusion"][name]
            table.add_row(
                f"[{tone}]{name}[/]", f"{figures['rows']:,}", f"{figures['precision']:.3f}", f"{figures['recall']:.3f}",
                f"{figures['f1']:.3f}", *(f"[bold]{read[as_]:,}[/]" if as_ == name else f"{read[as_]:,}" for as_ in TONE),
            )  # fmt: skip
    console.print(table)
    unread = f"; {result['unread']:,} texts without a word count as neutral" if result["unread"] else ""
    console.print(f"  [dim]→: read as; classes by {escape(result['read_by'])}{unread}[/]")


def show_export(console: Console, report: Document) -> None:
    """What was made, and how to use it."""
    console.print(
        f"[bold]{escape(report['model'])}[/]: {report['megabytes']:,.1f} MB, from {report['original_megabytes']:,.1f} MB"
    )
    console.print(f"  scores change by at most {report['largest_change']:.4f} on the probe sentences")
    console.print(f"  {escape(', '.join(report['files']))} in {escape(report['folder'])}", soft_wrap=True)
    console.print("  in sentiment.yaml: model: finbert-onnx and folder as above")
