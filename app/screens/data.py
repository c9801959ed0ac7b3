"""What was imported, and what the recorded feed knows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from feeds.library import ImportReport

TONE = {
    "imported": "green",
    "already_there": "cyan",
    "not_market_data": "dim",
    "unknown_layout": "yellow",
    "failed": "red",
}
CAPTURES_SHOWN = 60


def show_import(console: Console, report: "ImportReport") -> None:
    """A line a file; what was mended or dropped below it."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim")
    for name, justify in (("file", "left"), ("", "left"), ("preset", "left"), ("rows", "right"), ("known", "left")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]  # literal of rich
    for file in report.files:
        span = (
            f"{file.first_known:%Y-%m-%d} – {file.last_known:%Y-%m-%d}" if file.first_known and file.last_known else ""
        )
        table.add_row(
            file.file, f"[{TONE[file.status]}]{file.status.replace('_', ' ')}[/]", file.preset, f"{file.rows:,}" if file.rows else "",
            span or f"[dim]{file.detail}[/]",
        )  # fmt: skip
        for note in file.notes:
            table.add_row(
                "", f"[yellow]{note.code}[/]", "", f"{note.count:,}", f"[dim]{note.subject}: {note.detail}[/]"
            )
    console.print(table)
    console.print(f"{report.rows:,} rows known. [dim]'desk data list' shows the instants you can run at.[/]")


def show_library(console: Console, sources: Sequence[Any], captures: list[dict[str, Any]]) -> None:
    """Sources, then the latest instants with chains."""
    if not sources:
        console.print("Nothing imported yet. [bold]desk data import PATH[/] takes market files.")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim")
    for name in ("source", "preset", "rows", "known from", "to"):
        table.add_column(name, justify="right" if name == "rows" else "left", overflow="fold")
    for source in sources:
        first = f"{source.first_known:%Y-%m-%d %H:%M}Z" if source.first_known else ""
        last = f"{source.last_known:%Y-%m-%d %H:%M}Z" if source.last_known else ""
        table.add_row(source.name, source.preset, f"{source.rows:,}", first, last)
    console.print(table)
    if captures:
        console.print(
            f"[bold]{len(captures)} instants with chains[/]"
            + (f", the last {CAPTURES_SHOWN}:" if len(captures) > CAPTURES_SHOWN else ":")
        )
        for capture in captures[-CAPTURES_SHOWN:]:
            console.print(f"  --at {capture['at']}  [dim]{' '.join(capture['tickers'])}[/]")
