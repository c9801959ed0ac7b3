"""How each news service fared, and the headlines about one ticker."""

from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from app.screens.words import moment
from domain.sessions import NEW_YORK

TONE = {"ok": "green", "cached": "cyan", "nothing_to_ask": "dim", "resting": "yellow", "limited": "yellow"}
NOTICEABLE = 0.1


def show_fetch(console: Console, document: dict[str, Any]) -> None:
    """A line a service, what went wrong below it, then what is known about each ticker."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim")
    for name in ("service", "outcome", "asked", "received", "new", "unusable"):
        table.add_column(name, justify="left" if name in ("service", "outcome") else "right")
    for report in document["providers"]:
        state = report["state"]
        figures = [report[name] for name in ("questions", "received", "new", "dropped")]
        shown = [str(figure) if report["questions"] else "" for figure in figures]
        table.add_row(report["provider"], f"[{TONE.get(state, 'red')}]{state.replace('_', ' ')}[/]", *shown)
    console.print(table)
    for report in document["providers"]:
        for line in _faults(report):
            console.print(
                Padding(f"[yellow]{report['provider']}[/] [dim]{escape(line)}[/]", (0, 0, 0, 2)), highlight=False
            )
    if document["off"]:
        off = "; ".join(f"{name}: {why}" for name, why in sorted(document["off"].items()))
        console.print(Padding(f"[dim]not asked – {escape(off)}[/]", (0, 0, 0, 2)), highlight=False)
    known = "  ".join(f"[bold]{escape(name)}[/] {count}" for name, count in document["headlines"].items())
    console.print(f"Headlines known of the last {document['lookback_hours']:g} hours: {known}", highlight=False)
    console.print("[dim]'desk news show TICKER' lists them.[/]", highlight=False)


def show_headlines(console: Console, document: dict[str, Any]) -> None:
    """Newest first; the mood of each is P(positive) − P(negative)."""
    rows = document["headlines"]
    hours = f"{document['lookback_hours']:g} hours before {moment(document['as_of'])}"
    if not rows:
        console.print(f"No headline about {document['ticker']} is kept from the {hours}.", highlight=False)
        console.print(f"[dim]'desk news fetch {document['ticker']}' asks the configured services.[/]", highlight=False)
        return
    count = "one headline" if len(rows) == 1 else f"{len(rows)} headlines"
    console.print(f"[bold]{document['ticker']}[/]: {count} of the {hours}", highlight=False)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim")
    table.add_column("New York", no_wrap=True)
    table.add_column("mood", justify="right", no_wrap=True)
    table.add_column("headline", ratio=1, overflow="fold")
    table.add_column("by", overflow="fold", max_width=18)
    for row in rows:
        at = datetime.fromisoformat(row["known_at"]).astimezone(NEW_YORK)
        table.add_row(
            f"{at:%a %m-%d %H:%M}",
            _mood(row["sentiment"]),
            escape(row["text"]),
            escape(row["publisher"] or row["source"]),
        )
    console.print(table)
    models = ", ".join(sorted({row["sentiment_model"] for row in rows if row["sentiment_model"]}))
    console.print(f"[dim]mood by {escape(models)}; times are when each became known[/]", highlight=False)


def _faults(report: dict[str, Any]) -> list[str]:
    lines = [report["detail"]] if report["detail"] else []
    if report["resting_until"]:
        until = datetime.fromisoformat(report["resting_until"])
        alone = "" if report["state"] == "resting" else f"left alone until {until:%H:%M} UTC; "
        lines = [f"{'; '.join([*lines, alone]).removesuffix('; ')}; --anew asks before"]
    if report["state"] == "nothing_to_ask":
        lines.append("none of the tickers has a name in tickers.yaml")
    if report["cut_short"]:
        lines.append("there was more than the allowed pages: raise `pages` in news.yaml if this stays")
    return lines


def _mood(value: float | None) -> str:
    if value is None:
        return "–"
    tone = "green" if value > NOTICEABLE else "red" if value < -NOTICEABLE else "dim"
    return f"[{tone}]{value:+.2f}[/]"
