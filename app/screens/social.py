"""What a visit to the crowd brought, and what is known of it."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from app.crowd import ASIDE
from app.screens.words import figure, moment
from domain.sessions import NEW_YORK

ROWS = 20
POSTS = 8


def show_visit(console: Console, document: dict[str, Any]) -> None:
    """A line a source, its troubles below it."""
    for harvest in document["harvests"]:
        notes = harvest["notes"]
        tone = "yellow" if any(note["code"] not in ASIDE for note in notes) else "green"
        done = f"{harvest['items']:,} new, {harvest['changed']:,} changed, {harvest['requests']:,} requests"
        console.print(f"[{tone}]{harvest['source']}[/]  {done}", highlight=False)
        for note in notes:
            many = f" ({note['count']:,})" if note["count"] > 1 else ""
            said = f"{escape(note['subject'])}: {escape(note['detail'])}{many}"
            line = f"[yellow]{note['code'].replace('_', ' ')}[/] [dim]{said}[/]"
            console.print(Padding(line, (0, 0, 0, 4)), highlight=False)
    _off(console, document["off"])
    counted, measured = document["counted"], document["measured"]
    symbols = "one symbol" if measured == 1 else f"{measured:,} symbols"
    speed = f"velocity of {symbols}" if measured else "no velocity: that takes a week of counted hours"
    done = f"{counted:,} hourly counts new or revised; {speed}." if counted else "No hourly count is new or revised."
    console.print(f"{done} [dim]'desk social show' lists what is known.[/]", highlight=False)


def show_crowd(console: Console, document: dict[str, Any]) -> None:
    """Symbols by mentions, loudest first; the posts where one symbol was asked for; the listings."""
    console.print(f"As known on {moment(document['as_of'])}, the last {document['hours']} hours.", highlight=False)
    rows = _by_symbol(document)
    if rows:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim")
        for name in ("symbol", "mentions", "sentiment", "velocity", "z", "New York"):
            table.add_column(name, justify="left" if name in ("symbol", "New York") else "right")
        for row in rows[:ROWS]:
            table.add_row(*row)
        console.print(table)
        if len(rows) > ROWS:
            console.print(f"[dim]and {len(rows) - ROWS} more; --json has them all[/]")
    else:
        what = f"{document['symbol']} was not named" if document["symbol"] else "Nothing was counted"
        said = f"{what} in these hours. [dim]An hour counts once it has been read completely.[/]"
        console.print(said, highlight=False)
    for post in document["posts"][-POSTS:]:
        said = f"[dim]{_when(post['published_at'])} r/{escape(post['channel'])}[/] {escape(post['text'][:160])}"
        console.print(said, highlight=False)
    for mark in document["bookmarks"]:
        if mark["complete_to"]:
            span = f"read by now {_short(mark['complete_from'])} to {_short(mark['complete_to'])} UTC"
        else:
            span = "never read to its end"
        more = ", [yellow]a walk was cut off and goes on[/]" if mark["after"] else ""
        console.print(f"[dim]{escape(mark['source'])} {escape(mark['channel'])}: {span}[/]{more}", highlight=False)
    _off(console, document["off"])


def _by_symbol(document: dict[str, Any]) -> list[tuple[str, ...]]:
    counts: dict[str, int] = defaultdict(int)
    moods: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in document["mentions"]:
        counts[row["symbol"]] += row["mention_count"]
        if row["sentiment"] is not None:
            moods[row["symbol"]].append((row["mention_count"], row["sentiment"]))
    latest = {row["symbol"]: row for row in document["velocities"]}
    ranked = sorted(counts, key=lambda symbol: (symbol != "*", -counts[symbol], symbol))
    return [
        (
            "all posts" if symbol == "*" else symbol,
            f"{counts[symbol]:,}",
            figure(_mean(moods[symbol])),
            figure(latest[symbol]["velocity_score"]) if symbol in latest else "–",
            figure(latest[symbol]["z_score"]) if symbol in latest else "–",
            _when(latest[symbol]["timestamp"]) if symbol in latest else "",
        )
        for symbol in ranked
    ]


def _mean(moods: list[tuple[int, float]]) -> float | None:
    weight = sum(count for count, _ in moods)
    return sum(count * mean for count, mean in moods) / weight if weight else None


def _when(instant: str) -> str:
    return f"{datetime.fromisoformat(instant).astimezone(NEW_YORK):%a %m-%d %H:%M}"


def _short(instant: str) -> str:
    return instant[:16].replace("T", " ")


def _off(console: Console, off: dict[str, str]) -> None:
    for name, why in sorted(off.items()):
        console.print(f"[dim]{name} is not asked: {escape(why)}[/]", highlight=False)
