"""What models have cost, on one screen."""

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

RUNS_SHOWN = 8
FIGURES = 56  # columns that the figures take


def show_costs(console: Console, document: dict[str, Any]) -> None:
    """Total and what is left today, then by day, agent, model and run."""
    total = document["total"]
    console.print(
        f"[bold]{dollars(total['usd'])}[/] for {total['calls']:,} model calls in {document['days']} days to "
        f"{document['today']} (New York)" + _away(total),
        highlight=False,
    )
    budget = document["budget"]
    if budget:
        console.print(
            f"[dim]left today: {dollars(budget['day_usd_left'])} of {dollars(float(budget['limits']['day_usd']))}, "
            f"{budget['day_tokens_left']:,} of {budget['limits']['day_tokens']:,} tokens (debate.yaml, budget)[/]",
            highlight=False,
        )
    if not total["calls"] + total["turned_away"]:
        console.print("[dim]No model was asked: debates by rules cost nothing.[/]")
        return
    for title, key in (("day", "by_day"), ("agent", "by_agent"), ("model", "by_model")):
        console.print(_table(title, document[key], console.width))
    runs = sorted(document["by_run"], key=lambda row: (-row["usd"], row["name"]))
    console.print(_table("dearest runs", runs[:RUNS_SHOWN], console.width))
    if len(runs) > RUNS_SHOWN:
        console.print(f"[dim]… and {len(runs) - RUNS_SHOWN} more; --json lists them all.[/]")


def dollars(amount: float) -> str:
    """Model calls cost fractions of a cent."""
    return f"${amount:,.4f}" if abs(amount) < 1 else f"${amount:,.2f}"


def _table(title: str, rows: list[dict[str, Any]], width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=0, header_style="dim")
    # folded, not cut: a run is asked about by its whole name
    table.add_column(title, overflow="fold", min_width=12, max_width=max(12, width - FIGURES))
    for name in ("USD", "calls", "failed", "not made", "tokens", "mean s", "max s"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            escape(row["name"]), dollars(row["usd"]), f"{row['calls']:,}", _count(row["failed"], "red"),
            _count(row["turned_away"], "yellow"), f"{row['input_tokens'] + row['output_tokens']:,}",
            _seconds(row["mean_ms"]), _seconds(row["slowest_ms"] or None),
        )  # fmt: skip
    return table


def _away(total: dict[str, Any]) -> str:
    said = [f"{total['failed']} failed"] if total["failed"] else []
    said += [f"{total['turned_away']} not made (budget, breaker, deadline)"] if total["turned_away"] else []
    return f"; [yellow]{', '.join(said)}[/]" if said else ""


def _count(number: int, tone: str) -> str:
    return f"[{tone}]{number:,}[/]" if number else "–"


def _seconds(milliseconds: float | None) -> str:
    return "–" if milliseconds is None else f"{milliseconds / 1000:.2f}"
