"""What the doctor found, area by area."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from app.services.findings import Finding

MARK = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "fail": "[bold red]✗[/]"}


def show_findings(console: Console, findings: Sequence["Finding"]) -> None:
    """A line a finding, with what to do under those that are not ok; a verdict at the end."""
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for area, items in groupby(findings, key=lambda finding: finding.area):
        for number, item in enumerate(items):
            table.add_row("" if number else area, MARK[item.status], item.name, escape(item.detail))
            if item.remedy and item.status != "ok":
                table.add_row("", "", "", f"[bold]→ {escape(item.remedy)}[/]")
    console.print(table)
    failing = sum(finding.status == "fail" for finding in findings)
    warning = sum(finding.status == "warn" for finding in findings)
    if failing:
        console.print(f"\n[bold red]{failing} of {len(findings)} checks fail.[/] The arrows say what to do.")
    elif warning:
        console.print(f"\n[yellow]{warning} of {len(findings)} checks deserve a look;[/] the desk can work.")
    else:
        console.print(f"\n[green]All {len(findings)} checks are fine.[/]")
