"""The decision log for people: runs, one run's story, why a ticker was not traded, soundness, replay."""

from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from app.screens.tale import found_of, tale
from app.screens.words import REGIME_TONE, STATE_TONE, SWITCH_TONE, figure, moment, usd

Document = dict[str, Any]
RUN_TONE = {"sealed": "green", "running": "yellow", "failed": "red"}


def show_runs(console: Console, runs: list[Document], uses: list[Document], *, desk: str) -> None:
    """A line a run, newest first; the last use of a switch."""
    if uses:
        console.print(
            f"[dim]last switch:[/] {switch_setting(uses[-1])} by {_escaped(uses[-1]['actor'])} "
            f"[dim]({moment(uses[-1]['at'])}); {desk} audit show switches[/]"
        )
    if not runs:
        console.print(f"There is no run yet. [bold]{desk} run[/] makes one.")
        return
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for name in ("run", "as of", "state", "orders", "head"):
        table.add_column(name, justify="right" if name == "orders" else "left", no_wrap=True)
    for run in runs:
        table.add_row(
            f"[bold]{run['run_id']}[/]", f"{run['as_of'][:16].replace('T', ' ')}Z",
            f"[{RUN_TONE[run['state']]}]{run['state']}[/]", str(run["orders"]), f"[dim]{(run['head_hash'] or '–')[:8]}[/]",
        )  # fmt: skip
    console.print(table)
    console.print(f"[dim]{desk} audit show RUN · why TICKER --run RUN · replay RUN · verify[/]")


def show_story(console: Console, story: Document, *, desk: str) -> None:
    """One run on one screen; of an order, its ticker in full."""
    console.print(_header(story))
    order_id = story["order_id"]
    shown = [told for told in story["tickers"] if _told(told, story, order_id)]
    for told in shown:
        mine = [order for order in story["orders"] if order["ticker"] == told["ticker"]]
        ids = {order["order_id"] for order in mine}
        reviews = [item for item in story["reviews"] if item["ticker"] in ids]
        console.print(tale(told, mine, reviews, in_full=order_id is not None))
    if order_id is None:
        console.print(_others([told for told in story["tickers"] if told not in shown]))
    for note in story["notes"] or ():
        said = f"[dim]note[/] {note['subject']} [yellow]{note['code']}[/] [dim]{_escaped(note['detail'])} ×{note['count']:,}[/]"
        console.print(Text.from_markup(said))
    if story["state"] == "running":
        console.print(
            f"[yellow]Cut off after {story['last_node'] or 'nothing'}.[/] [bold]{desk} run --resume {story['run_id']}[/] goes on."
        )
    console.print(f"[dim]{desk} audit replay {story['run_id']} · why TICKER --run {story['run_id']}[/]")


def show_uses(console: Console, uses: list[Document], *, desk: str) -> None:
    """Every use of a kill switch as the hash chain holds it, oldest first."""
    if not uses:
        console.print("No switch was ever used.")
        return
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for name in ("row", "when (UTC)", "by", "switch", "why"):
        table.add_column(name, justify="right" if name == "row" else "left", overflow="fold")
    for use in uses:
        when = use["at"][:16].replace("T", " ")
        table.add_row(f"{use['row']:,}", when, _escaped(use["actor"]), switch_setting(use), _escaped(use["reason"]))
    console.print(table)
    console.print(f"[dim]{desk} audit verify · {desk} state[/]")


def switch_setting(use: Document) -> str:
    """Which switch was set to what, and for whom."""
    name = use["switch"].removeprefix("desk:").removeprefix("agent:").replace("_", " ")
    where = "" if use["account"] == "*" else f" in {use['account']}"
    return f"{name}{where} [{SWITCH_TONE.get(use['setting'], 'bold red')}]{use['setting']}[/]"


def show_why(console: Console, document: Document) -> None:
    """The answer, then the path a step a line; the one that ended it stands out."""
    console.print(Text.from_markup(f"[bold]{_escaped(document['answer'])}[/]"))
    console.print(f"[dim]run {document['run_id']}, {moment(document['as_of'])}[/]")
    table = Table(box=None, padding=(0, 1), show_header=False)
    for step in document["path"]:
        mark = "[bold red]✗[/]" if step["stopped"] else "[green]✓[/]"
        numbers = ", ".join(f"{name} {figure(value)}" for name, value in step["numbers"].items() if "@" not in name)
        body = _escaped(step["said"]) + (f"\n[dim]{_escaped(numbers)}[/]" if numbers and step["stopped"] else "")
        table.add_row(mark, f"[bold]{step['step'].replace('_', ' ')}[/]", body)
    console.print(table)
    for order in document["orders"]:
        console.print(
            f"order [bold]{order['order_id']}[/] [{STATE_TONE[order['state']]}]{order['state']}[/] {order['strategy']}"
        )
    for key, finding in document["held"].items():
        console.print(Text.from_markup(f"held {key}: [dim]{_escaped(found_of(finding))}[/]"))


def show_verification(console: Console, report: Document) -> None:
    """Sound or not, and every fault found."""
    speed = f"[dim]{report['rows']:,} rows, {report['seals']} seals, {report['rows_per_second']:,} rows/s[/]"
    if report["sound"]:
        console.print(f"[green]✓ The decision log is sound.[/] {speed}")
        return
    console.print(Text.from_markup(f"[bold red]✗ The decision log is not sound:[/] {_escaped(report['first_fault'])}"))
    for fault in report["faults"][1:]:
        console.print(Text.from_markup(f"  {_escaped(fault)}"))
    console.print(speed)


def show_replay(console: Console, report: Document, *, desk: str) -> None:
    """Whether the run came out alike; else the first step that did not, with both values."""
    extent = f"[dim]{report['steps']:,} steps in {report['seconds']:.1f} s[/]"
    words = {
        "identical": "[green]✓ Every output is the same, byte for byte.[/]",
        "within_tolerance": f"[green]✓ Every decision is the same;[/] figures differ by at most {report['largest_relative']:.1e} relative.",
        "differs": "[bold red]✗ The replay differs.[/]",
    }
    console.print(Text.from_markup(f"{report['run_id']}  {words[report['verdict']]} {extent}"))
    for row in report["altered"]:
        console.print(
            Text.from_markup(f"[red]altered since it was logged:[/] {_escaped(row)}; [bold]{desk} audit verify[/]")
        )
    for key in report["missing_calls"]:
        console.print(Text.from_markup(f"[red]model call not in the record:[/] {_escaped(key)}"))
    if report["differences"]:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim")
        for name in ("node", "ticker", "where", "recorded", "replayed", "relative"):
            table.add_column(name, overflow="fold")
        for d in report["differences"]:
            table.add_row(
                d["node"], d["ticker"], _escaped(f"{d['kind']} {d['path']}"), _escaped(d["recorded"]),
                _escaped(d["replayed"]), "" if d["relative"] is None else f"{d['relative']:.1e}",
            )  # fmt: skip
        console.print(table)
        more = report["differing"] - len(report["differences"])
        if more > 0:
            console.print(f"[dim]and {more:,} more places; the first in the order of the graph is where to look[/]")
    for note in report["notes"]:
        console.print(Text.from_markup(f"[dim]{_escaped(note)}[/]"))


def _header(story: Document) -> RenderableType:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    state = f"[{RUN_TONE[story['state']]}]{story['state']}[/]"
    facts.add_row(
        "run", f"{story['run_id']}  {state}  [dim]{story['rows']} rows, head {(story['head_hash'] or '–')[:12]}[/]"
    )
    if story["snapshot_id"]:
        facts.add_row("as of", f"{moment(story['as_of'])}  [dim]snapshot {story['snapshot_id'][:12]}[/]")
        reading = story["regime_reading"]
        facts.add_row("regime", f"[{REGIME_TONE[story['regime']]}]{story['regime']}[/] [dim]{reading['reason']}[/]")
        nlv = "unknown" if story["nlv"] is None else usd(story["nlv"])
        facts.add_row("account", f"NLV {nlv}, trading {story['trading_state']}, {story['debate']} debate")
    facts.add_row("code", f"[dim]{', '.join(story['code_versions']) or '–'}[/]")
    return Panel(facts, border_style="cyan", box=box.ROUNDED, padding=(0, 1))


def _told(told: Document, story: Document, order_id: str | None) -> bool:
    """Whether a ticker's tale is shown: what was debated, held or ordered; for an order, its ticker alone."""
    orders = [order["order_id"] for order in story["orders"] if order["ticker"] == told["ticker"]]
    return bool(told["debate"] or told["held"] or orders) if order_id is None else order_id in orders


def _others(tales: list[Document]) -> Text:
    """Those that were not debated, in a line."""
    said = [
        f"{told['rank']['rank']} {told['ticker']} {told['composite']['conviction']:.2f}"
        if told["rank"]
        else told["ticker"]
        for told in tales
    ]
    return Text.from_markup(f"[dim]Not debated (rank, conviction): {', '.join(said)}[/]" if said else "")


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
