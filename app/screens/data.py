"""What was imported, and what the recorded feed knows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
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
    """A line a file; what was mended or dropped below it; layouts nobody knows together at the end."""
    unknown = [file for file in report.files if file.status == "unknown_layout"]
    for file in report.files:
        if file.status == "unknown_layout" and len(unknown) > 1:
            continue
        about = escape(file.detail)
        if file.first_known and file.last_known:
            span = f"{file.first_known:%Y-%m-%d} – {file.last_known:%Y-%m-%d}"
            about = f"{file.preset}, {file.rows:,} rows, known {span}"
        console.print(
            f"[{TONE[file.status]}]{file.status.replace('_', ' ')}[/] [bold]{escape(file.file)}[/]  [dim]{about}[/]",
            highlight=False,
        )
        for note in file.notes:
            says = f"[dim]{note.count:,} in {escape(note.subject)}: {escape(note.detail)}[/]"
            console.print(Padding(f"[yellow]{note.code}[/] {says}", (0, 0, 0, 4)), highlight=False)
    if len(unknown) > 1:
        console.print(
            f"[yellow]unknown layout[/] {len(unknown)} files were left out: {escape(', '.join(file.file for file in unknown))}. "
            "[dim]Import one alone to see which columns are missing.[/]",
            highlight=False,
        )
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
