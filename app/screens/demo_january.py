"""January 2021: the talk's conviction by day beside the close, the debate, and who had to stay silent."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from app.screens.demo import debate_lines, said, talk
from domain.sessions import NEW_YORK

Document = dict[str, Any]
WIDE = 112
BAR = 12


def show_january(console: Console, document: Document) -> None:
    """A line a session; below it the first day's debate, silences, and what was to be shown."""
    name = document["name"]
    console.print(
        f"[bold]{name} in January 2021[/]: recorded talk at the desk's own slots, nothing read before it was known.",
        highlight=False,
    )
    wide = console.width >= WIDE
    console.print(_days(document, wide=wide))
    for words in _legend(document, wide=wide):
        console.print(f"[dim]{words}[/]", highlight=False)
    first = document["first"]
    if first:
        look = first["loudest"]
        console.print(f"\n[bold]The debate on {name}, {_slot(look)}[/]", highlight=False)
        for line in debate_lines(look["debate"], look["fired"]):
            console.print(Padding(line, (0, 0, 0, 2)), highlight=False)
        console.print(
            "\n[bold]Silent then[/] [dim](no option chains of the month: it could be argued, not traded)[/]",
            highlight=False,
        )
        silences = [(item["source"], item["detail"]) for item in look["abstentions"]]
        silences += [
            (f"{note['subject']} ({note['code'].replace('_', ' ')})", note["detail"]) for note in look["notes"]
        ]
        for who, why in silences:
            console.print(Padding(Text(f"{who}: ", style="dim").append(why, style="not dim"), (0, 0, 0, 2)))
    console.print("\n[bold]What was to be shown[/]")
    for fact in document["facts"]:
        said(console, fact["holds"], fact["name"], fact["found"], fact["expected"])


def _days(document: Document, *, wide: bool) -> Table:
    highest = document["peak"]["close"]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim")
    table.add_column("session", no_wrap=True)
    table.add_column("close", justify="right", no_wrap=True)
    if wide:
        table.add_column("", no_wrap=True)
    for head in ("slot", "then", "posts", "in", *(["usual"] if wide else []), "z", *(["tone"] if wide else []), "talk"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for day in document["days"]:
        look, close = day["loudest"], day["close"]
        at = datetime.fromisoformat(look["as_of"]).astimezone(NEW_YORK)
        filled = 0 if close is None else round(BAR * close / highest)
        cells = [f"{date.fromisoformat(day['day']):%a %d %b}", "–" if close is None else f"{close:,.2f}"]
        cells += [f"[yellow]{'▇' * filled}[/]"] if wide else []
        then = f"{look['price']:,.2f}"
        if look["conviction"] is None:
            table.add_row(*cells, f"{at:%H:%M}", then, *("–" * (5 if wide else 3)), talk(None, document["fires"]), "")
            continue
        tone = [f"{look['tone']:+.2f}" if look["tone"] is not None else "–"] if wide else []
        highest_day = day["day"] == document["peak"]["day"]
        mark = "[bold green]fires[/]" if look["fired"] else "[yellow]highest[/]" if highest_day else ""
        window = look["mentions_unit"].removeprefix("posts in ").removeprefix("posts a ").replace(" hours", "h")
        table.add_row(
            *cells, f"{at:%H:%M}", then, f"{look['mentions']:,.0f}", window.replace(" hour", "h"),
            *([f"{look['mentions_expected']:,.0f}"] if wide else []),
            f"{look['z_score']:.1f}", *tone, talk(look["conviction"], document["fires"]), mark,
        )  # fmt: skip
    return table


def _legend(document: Document, *, wide: bool) -> Iterator[str]:
    """What the columns shown mean, and where the source itself was all but silent."""
    usual = "usual: as the week before has it" if wide else "z: how unusual the posts are after the week before"
    yield (
        f"talk: conviction of the burst, it fires above {document['fires']:g}; {usual}; then: the price at the end of the "
        "last full hour. No decision reads a price."
    )
    yield (
        f"{'tone' if wide else 'The mood in it'}: the data set's own, by VADER, a poor reader of markets. By the desk's own "
        "word list on the titles it stays below the mark on the 13th, and the talk fires first on the 22nd (docs/social.md)."
    )
    thin = [day for day in document["days"] if day["day"] in document["thin"]]
    if thin:
        each = ", ".join(f"{day['loudest']['forum']:,} on {date.fromisoformat(day['day']):%d %b}" for day in thin)
        yield (
            f"posts of the whole forum in the source, in the 24 hours before the slot: {each}, usually "
            f"{document['forum_usual']:,.0f}. Few posts of {document['name']} on those days are no silence."
        )


def _slot(look: Document) -> str:
    return f"{datetime.fromisoformat(look['as_of']).astimezone(NEW_YORK):%a %d %b %H:%M} New York"
