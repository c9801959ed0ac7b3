"""The kill switches: how they stand, what a use of one did, and who used them."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.screens.audit import switch_setting
from app.screens.words import STATE_TONE, SWITCH_TONE, moment

Document = dict[str, Any]
MEANS = {
    "active": "orders are staged, approved and sent",
    "reducing": "only orders that close what is held are staged, approved and sent",
    "halted": "nothing is approved or sent; only closing orders are staged",
}
NEXT = {
    "active": "{desk} halt stops everything; with --reducing only closing orders go through",
    "reducing": "{desk} resume --reason TEXT lets trading go on; {desk} halt stops everything",
    "halted": "{desk} resume --reason TEXT lets trading go on; with --reducing only closing orders",
}


def show_switches(console: Console, document: Document, *, desk: str) -> None:
    """What the use of a switch did, if one was used, and how all stand."""
    asked = "changed" not in document
    if "agent" in document:
        _agent(console, document)
    elif not asked and not document["changed"]:
        console.print(f"Nothing was set: trading was {document['trading_state']} already.")
    strictest = _strictest(document)
    console.print(f"Trading is [{SWITCH_TONE[strictest]}]{strictest}[/]: {MEANS[strictest]}.")
    console.print(_standing(document))
    for order in document.get("withdrawn", ()):
        console.print(
            f"  [bold]{order['order_id']}[/] {order['ticker']} {order['strategy'].replace('_', ' ')} is "
            f"[{STATE_TONE[order['state']]}]{order['state'].replace('_', ' ')}[/] [dim]{escape(order['reason'])}[/]"
        )
    if asked:
        _history(console, document["history"])
    following = NEXT[strictest].format(desk=desk)
    console.print(f"[dim]{following}[/]" if asked else f"[dim]{following}\n{desk} state tells who used what[/]")


def _standing(document: Document) -> Table:
    """Who set what, when and why: for everybody, for accounts that stand otherwise, and for halted agents."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("  everywhere", _said(document))
    for account, board in document["accounts"].items():
        if (board["trading_state"], board["reason"]) != (document["trading_state"], document["reason"]):
            table.add_row(f"  {account}", _said(board))
    for use in document["agents"]:
        who = {"trading_state": "halted", "since": use["at"], "by": use["actor"], "reason": use["reason"]}
        table.add_row(f"  {use['switch'].removeprefix('agent:')}", _said(who))
    for use in document.get("lifted", ()):
        table.add_row("  lifted", f"{switch_setting(use)} [dim]{escape(use['reason'])}[/]")
    return table


def _said(board: Document) -> str:
    state = f"[{SWITCH_TONE[board['trading_state']]}]{board['trading_state']}[/]"
    who = f" since {moment(board['since'])} by {escape(board['by'])}" if board["since"] else ""
    return f"{state}{who}\n{escape(board['reason'])}"


def _agent(console: Console, document: Document) -> None:
    word = "[bold red]halted[/]" if document["halted"] else "[green]active[/]"
    said = f"is {word} now" if document["changed"] else f"was {word} already; nothing was set"
    console.print(f"Agent [bold]{document['agent']}[/] {said}.")


def _history(console: Console, uses: list[Document]) -> None:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for name in ("when (UTC)", "by", "switch", "why"):
        table.add_column(name, overflow="fold", no_wrap=name == "when (UTC)")
    for use in uses:
        when = use["at"][:16].replace("T", " ")
        table.add_row(when, escape(use["actor"]), switch_setting(use), escape(use["reason"]))
    console.print(table)


def _strictest(document: Document) -> str:
    """The strictest state of everybody and of each account."""
    found: list[str] = [document["trading_state"], *(each["trading_state"] for each in document["accounts"].values())]
    return max(found, key=list(MEANS).index)
