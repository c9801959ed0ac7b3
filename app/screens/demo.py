"""The played squeeze: a line a slot, the debate that cites the talk, the trade, its lesson, what was checked."""

from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from app.screens.words import STATE_TONE, premium, usd
from domain.sessions import NEW_YORK

Document = dict[str, Any]
WIDE = 100
CLAIMS = 3
BAR = 8


def show_squeeze(console: Console, document: Document, *, desk: str) -> None:
    """From the first post to the commands with which to look on."""
    first, second = document["first"], document["next"]
    console.print(
        f"[bold]A squeeze on {first}, and a week later on {second}[/]: simulated feeds, the whole pipeline, debate by "
        "rules.",
        highlight=False,
    )
    wide = console.width >= WIDE
    other = "" if wide else f"; {second}: its talk"
    console.print(_timeline(document, wide=wide))
    console.print(
        f"[dim]posts: of the last 24 hours; talk: conviction of the burst, it fires above {document['fires']:g}{other}[/]"
    )
    for head, body in _chapters(document):
        console.print(f"\n[bold]{head}[/]", highlight=False)
        for line in body:
            console.print(Padding(line, (0, 0, 0, 2)), highlight=False)
    console.print("\n[bold]What was to be shown[/]")
    for fact in document["facts"]:
        said(console, fact["holds"], fact["name"], fact["found"], fact["expected"])
    _audit(console, document["audit"])
    _on_from_here(console, document, desk)


def _timeline(document: Document, *, wide: bool) -> Table:
    first, second, fires = document["first"], document["next"], document["fires"]
    loudest = max(look[name]["posts"] for look in document["looks"] for name in (first, second)) or 1
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim")
    table.add_column("New York", no_wrap=True)
    heads = (first, "posts", "", "talk", second, "posts", "talk") if wide else (first, "posts", "talk", second)
    for head in heads:
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    table.add_column("what the desk did", ratio=1)
    before = ""
    for look in document["looks"]:
        at = datetime.fromisoformat(look["as_of"]).astimezone(NEW_YORK)
        day, one, two = f"{at:%a %d %b}", look[first], look[second]
        cells = [
            f"{day if day != before else ' ' * len(day)} [dim]{at:%H:%M}[/]",
            f"{one['price']:,.2f}",
            str(one["posts"]),
        ]
        cells += [f"[cyan]{'▇' * round(BAR * one['posts'] / loudest)}[/]"] if wide else []
        cells += [talk(one["conviction"], fires)]
        cells += [f"{two['price']:,.2f}", str(two["posts"])] if wide else []
        table.add_row(*cells, talk(two["conviction"], fires), "\n".join(look["did"]))
        before = day
    return table


def talk(conviction: float | None, fires: float) -> str:
    """A conviction of talk, loud where it fires."""
    if conviction is None:
        return "[dim]abst.[/]"
    if conviction == 0:
        return "[dim]–[/]"
    return f"[bold green]{conviction:+.2f}[/]" if conviction > fires else f"{conviction:+.2f}"


def _chapters(document: Document) -> list[tuple[str, list[Text | str]]]:
    numbers = {fact["name"]: fact["numbers"] for fact in document["facts"]}
    found: list[tuple[str, list[Text | str]]] = [
        ("The talk, and the price", _talk_and_price(document["first"], numbers))
    ]
    if document["debate"]:
        cited = numbers["cited"].get("signal_id")
        lines = debate_lines(document["debate"], cited)
        found.append((f"The debate on {document['first']}", [*lines, _without(document["without_talk"])]))
    if document["opening"]:
        found.append(("The trade", _trade(document, numbers)))
    if document["lesson"]:
        found.append(("The lesson", [Text(document["lesson"]["text"])]))
    if document["memory"]:
        memory = document["memory"]
        lines = [Text(f"{memory['id']}, likeness {memory['similarity']:.2f}: {memory['text']}")]
        found.append(
            (f"Recalled for {document['next']}", [*lines, *debate_lines(document["next_debate"], memory["id"])])
        )
    return found


def _talk_and_price(first: str, numbers: Document) -> list[Text | str]:
    told = numbers["talk first"]
    lines: list[Text | str] = []
    if "fired_at" in told:
        lines.append(
            f"{_when(told['fired_at'])}  the talk fires at {told['conviction']:.2f}: {told['posts_24h']} posts in 24 hours, "
            f"mostly about {told['reason']}, half its edge gone in {told['decay_days']:g} days; {first} "
            f"{told['price_fired']:,.2f}, {told['price_z_fired']:+.1f} deviations from where it was"
        )
    if "moved_at" in told:
        lines.append(
            f"{_when(told['moved_at'])}  the price has moved: {first} {told['price_moved']:,.2f}, "
            f"{told['price_z_moved']:+.1f} deviations"
        )
    return lines


def _when(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(NEW_YORK):%a %d %b %H:%M}"


def debate_lines(debate: Document, cited: str | None) -> list[Text | str]:
    """The verdict, and the strongest claims that stand with every one that cites `cited`."""
    lines: list[Text | str] = [
        f"[dim]{debate['verdict']} at {debate['confidence']:.2f}, volatility view {debate['vol_view']}[/]"
    ]
    standing = [claim for claim in debate["claims"] if claim["struck"] is None]
    strongest = sorted(standing, key=lambda claim: (-claim["strength"], claim["id"]))[:CLAIMS]
    for claim in standing:
        cites = cited is not None and cited in claim["evidence_ids"]
        if cites or claim in strongest:
            mark = "→ " if cites else "  "
            line = Text(f"{mark}{claim['id']} ({claim['strength']:.2f}) {claim['text']} ", style="" if cites else "dim")
            lines.append(line.append(f"[{', '.join(claim['evidence_ids'])}]", style="cyan" if cites else "dim"))
    return lines


def _without(told: Document) -> str:
    """What the talk was worth in that debate: information, neither right nor wrong."""
    before, after = told["with"], told["without"]
    same = "the same verdict" if before["verdict"] == after["verdict"] else f"{after['verdict']} instead"
    return (
        f"The same picture without the talk: {same}, price score {after['price']:+.2f} instead of {before['price']:+.2f}, "
        f"confidence {after['confidence']:.2f} instead of {before['confidence']:.2f}"
    )


def _trade(document: Document, numbers: Document) -> list[Text | str]:
    lines: list[Text | str] = []
    for order, told in ((document["opening"], numbers["approved"]), (document["closing"], numbers["closed"])):
        if order is None:
            continue
        legs = ", ".join(f"{leg['quantity']:+d} {leg['symbol']}" for leg in order["legs"])
        lines.append(
            f"[bold]{order['order_id']}[/] {order['intent']}s {order['strategy'].replace('_', ' ')} × {order['units']}: "
            f"{legs} at {premium(order['limit_per_share'])}"
        )
        profit = f", {usd(told['profit'], sign=True)} after fees" if "profit" in told else ""
        lines.append(
            f"  [{STATE_TONE[order['state']]}]{order['state']}[/]{profit} [dim]approved by {told['reviewer']}[/]"
        )
    return lines


def said(console: Console, holds: bool | None, name: str, found: str, expected: str) -> None:
    """One fact: what was found and, where it fails, what was expected. No tick for what is only told."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, width=10)
    grid.add_column()
    mark = {True: "[green]✓[/]", False: "[bold red]✗[/]", None: "[dim]·[/]"}[holds]
    grid.add_row(mark, name, Text(found))
    if holds is False:
        grid.add_row("", "[dim]expected[/]", Text(expected, style="yellow"))
    console.print(grid)


def _audit(console: Console, audit: Document) -> None:
    chain = audit["verified"]
    sound = f"{chain['rows']:,} rows and {chain['seals']} seals hold together"
    said(console, chain["sound"], "audit", sound if chain["sound"] else str(chain["first_fault"]), "an unbroken chain")
    for item in audit["replays"]:
        found = f"run {item['run_id']} again: {item['verdict']}, {item['steps']} steps"
        said(console, item["reproduced"], "replay", found, "every output comes out alike")


def _on_from_here(console: Console, document: Document, desk: str) -> None:
    runs, before = document["runs"], document["prefix"]
    asked = [("audit list", "the runs")]
    if runs["bought"]:
        asked += [(f"audit show {runs['bought']}", f"how the order on {document['first']} came about")]
    if document["opening"]:
        asked += [(f"memory show {document['opening']['order_id']}", "the situation and its lesson")]
    if runs["recalled"]:
        asked += [(f"audit why {document['next']} --run {runs['recalled']}", "what the lesson came to")]
    if document["waiting"]:
        asked += [("review list", "orders that the demonstration leaves to you")]
    console.print("\n[bold]Look on from here[/]")
    for command, what in asked:
        console.print(f"  [dim]# {what}[/]", highlight=False)
        console.print(f"  {before} {desk} {command}", soft_wrap=True, highlight=False, markup=False)
