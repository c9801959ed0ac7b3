"""What a visit to the crowd brought, and what is known of it."""

from collections import defaultdict
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from app.screens.words import figure, moment

ROWS = 20
POSTS = 8
ASIDE = frozenset({"unreadable", "no_interest"})  # said, but nothing to mend


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
    measured = document["measured"]
    speed = f"velocity of {measured:,} symbols" if measured else "no velocity: that takes a week of counted hours"
    console.print(
        f"{document['counted']:,} hourly counts new or revised; {speed}. [dim]'desk social show' lists them.[/]",
        highlight=False,
    )


def show_crowd(console: Console, document: dict[str, Any]) -> None:
    """Symbols by mentions, loudest first; the posts where one symbol was asked for; the listings."""
    console.print(f"As known on {moment(document['as_of'])}, the last {document['hours']} hours.", highlight=False)
    rows = _by_symbol(document)
    if rows:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim")
        for name in ("symbol", "mentions", "sentiment", "velocity", "z"):
            table.add_column(name, justify="left" if name == "symbol" else "right")
        for row in rows[:ROWS]:
            table.add_row(*row)
        console.print(table)
        if len(rows) > ROWS:
            console.print(f"[dim]and {len(rows) - ROWS} more; --json has them all[/]")
    else:
        console.print("Nothing was counted in these hours. [dim]An hour counts once it has been read completely.[/]")
    for post in document["posts"][-POSTS:]:
        text = " ".join(post["text"].split())[:160]
        console.print(f"[dim]{post['published_at'][5:16]}Z {post['channel']}[/] {escape(text)}", highlight=False)
    for mark in document["bookmarks"]:
        if mark["complete_to"]:
            span = f"read from {mark['complete_from'][:16]}Z to {mark['complete_to'][:16]}Z"
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
        )
        for symbol in ranked
    ]


def _mean(moods: list[tuple[int, float]]) -> float | None:
    weight = sum(count for count, _ in moods)
    return round(sum(count * mean for count, mean in moods) / weight, 2) if weight else None


def _off(console: Console, off: dict[str, str]) -> None:
    for name, why in sorted(off.items()):
        console.print(f"[dim]{name} is not asked: {escape(why)}[/]", highlight=False)
