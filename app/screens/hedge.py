"""Hedges on a screen: the baseline and its budget, three sizes side by side, what is due, what the month has left."""

from datetime import date
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.rule import Rule
from rich.table import Table

from app.screens.words import moment, usd

Document = dict[str, Any]
TITLES = {"ratio": "by ratio", "delta": "by delta", "stress": "by stress"}
MOST_DEBITS = 12
MOST_NOTES = 4


def show_size(console: Console, document: Document, *, desk: str) -> None:
    """The baseline against its budget, then the three hedges beside one another; fits 80 columns."""
    protected, size = document["protected"], document["size"]
    console.print(f"[bold]Hedge[/] of {escape(protected['basis'])}, {moment(document['at'])}")
    facts = _facts()
    facts.add_row("beta-weighted delta", _amount(protected["delta"]), "of SPX")
    facts.add_row("lost under stress", _amount(protected["loss"]), _stress_words(document["plans"]))
    console.print(facts)
    _notes(console, protected["notes"])
    how = (
        f"{usd(size['portfolio_value'], cents=False)} ÷ {usd(size['ratio_per_contract'], cents=False)} a contract"
        if size["basis"] == "ratio"
        else "as asked with --target-contracts"
    )
    window = document["window"]
    console.print(
        Rule(f"Baseline: {size['contracts']} contracts, {how}; weights {size['weights']}", align="left", style="dim")
    )
    console.print(_breakdown(document["budget"]["breakdown"], size["shares"]))
    for note in document["notes"]:
        console.print(f"[yellow]{escape(note)}[/]")
    console.print(
        f"[dim]puts {window['otm'][0]:.0%} to {window['otm'][1]:.0%} below spot, "
        f"{window['dte'][0]:g} to {window['dte'][1]:g} days to go[/]"
    )
    _budget_line(console, document["budget"])
    console.print(Rule("Three ways to size it, bought at the ask with fees", align="left", style="dim"))
    console.print(_side_by_side(document["plans"]))
    short = [plan for plan in document["plans"] if plan["available"] and plan["within"] is False]
    for plan in document["plans"]:
        if plan["note"]:
            console.print(f"[yellow]{TITLES[plan['method']]}[/] {escape(plan['note'])}")
    if short:
        console.print(f"[dim]'{desk} hedge budget --set USD --reason TEXT' changes what a month may cost.[/]")


def show_staged(console: Console, document: Document, *, desk: str) -> None:
    """The orders that wait now, and how to go on with each."""
    console.print(
        f"[bold]Hedge staged[/] {TITLES[document['method']]}, run {document['run_id']}, {moment(document['at'])}"
    )
    for order in document["orders"]:
        bought = f"{order['units']} × {_legs(order['ticker'], order['legs'])}"
        console.print(
            f"  [bold]{order['order_id']}[/] {bought}, may cost {usd(order['max_loss'])} with fees of both sides"
        )
        extra = " --large --reason TEXT" if order["order_id"] in document["large"] else ""
        console.print(
            f"  [dim]'{desk} review approve {order['order_id']}{extra}' sends it, 'review show' explains it[/]"
        )


def show_roll(console: Console, document: Document, *, desk: str) -> None:
    """Open hedges, soonest expiry first, and what the due ones would be rolled into."""
    console.print(f"[bold]Open hedges of {document['account']}[/], {moment(document['at'])}")
    hedges = document["hedges"]
    if not hedges:
        other = f" The {document['held']} structures held are trades." if document["held"] else ""
        console.print(f"  Nothing is held as a hedge, so nothing is due.{other}")
        console.print(f"[dim]'{desk} hedge size' says how much protection this account would need, and its cost.[/]")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim")
    for name in ("hedge", "days", "delta", "value", "P&L", ""):
        justify: Literal["left", "right"] = "left" if name in ("hedge", "") else "right"
        table.add_column(name, justify=justify, no_wrap=name != "hedge")
    for hedge in hedges:
        gain = hedge["profit"]
        tone = "white" if gain is None else "green" if gain >= 0 else "red"
        table.add_row(
            f"[bold]{hedge['order_id']}[/] {hedge['units']} × {_held(hedge)}",
            f"{hedge['dte']:.0f}",
            "unknown" if hedge["delta"] is None else f"{hedge['delta']:+,.0f}",
            "unknown" if hedge["value"] is None else usd(hedge["value"]),
            "unknown" if gain is None else f"[{tone}]{usd(gain, sign=True)}[/]",
            "[yellow]due[/]" if hedge["due"] else "",
        )
    console.print(table)
    console.print(f"[dim]due: {document['roll_dte']} days left or fewer; delta in shares[/]")
    for hedge in (hedge for hedge in hedges if hedge["due"]):
        successor = hedge["successor"]
        if successor is None:
            console.print(f"  [yellow]{hedge['order_id']}[/] no successor: {escape(hedge['note'])}")
            continue
        verb = "costs" if successor["net_cost"] >= 0 else "brings"
        console.print(
            f"  [yellow]{hedge['order_id']}[/] → {hedge['units']} × {_legs(hedge['ticker'], successor['legs'])}, "
            f"{successor['dte']:.0f} days, {successor['otm']:.1%} below spot: {verb} "
            f"[bold]{usd(abs(successor['net_cost']))}[/] [dim](new {usd(successor['cost'])}, old sold for "
            f"{usd(successor['proceeds'])}, at the quotes with fees)[/]"
        )


def show_budget(console: Console, document: Document, *, desk: str) -> None:
    """The month, its debits, and the months before."""
    console.print(f"[bold]Hedge budget of {document['account']}[/], {moment(document['at'])}")
    if document.get("changed") is False:
        console.print("[yellow]recorded before under this key: it counts once[/]")
    facts = _facts()
    used = "" if document["utilisation"] is None else f"{document['utilisation']:.0%} used"
    facts.add_row(_month(document["month"]), usd(document["limit"]), "a month")
    facts.add_row("spent", usd(document["spent"]), used)
    tone = "green" if document["remaining"] >= 0 else "bold red"
    facts.add_row("left", f"[{tone}]{usd(document['remaining'])}[/]", "starts anew with the New York month")
    console.print(facts)
    if document["debits"]:
        table = _table(("at", "amount", "by", "what"), right=("amount",))
        for debit in document["debits"][-MOST_DEBITS:]:
            what = escape(f"{debit['note']} ({debit['key']})")
            table.add_row(debit["at"][:10], usd(debit["amount"]), escape(debit["actor"]), what)
        console.print(table)
        if len(document["debits"]) > MOST_DEBITS:
            console.print(f"[dim]and {len(document['debits']) - MOST_DEBITS} earlier ones with --json[/]")
    else:
        console.print("  nothing spent this month")
    if document["history"]:
        table = _table(
            ("month", "budget", "spent", "debits", "debited later"),
            right=("budget", "spent", "debits", "debited later"),
        )
        for month in document["history"]:
            late = usd(month["late"]) if month["late"] else "–"
            table.add_row(_month(month["month"]), usd(month["limit"]), usd(month["spent"]), str(month["debits"]), late)
        console.print(table)
    console.print(f"[dim]change it: {desk} hedge budget --set USD --reason TEXT[/]")


SCREENS = {"size": show_size, "staged": show_staged, "roll": show_roll, "budget": show_budget}


def _breakdown(items: list[Document], shares: list[Document]) -> Table:
    table = _table(
        ("underlying", "weight", "contracts", "puts", "median mid", "cost", ""),
        right=("weight", "contracts", "puts", "median mid", "cost"),
    )
    for item, share in zip(items, shares, strict=True):
        known = item["cost"] is not None
        table.add_row(
            f"[bold]{item['ticker']}[/]",
            f"{share['weight']:.0%}",
            str(item["contracts"]),
            str(item["puts"]) if item["puts"] else "–",
            "–" if item["median_mid"] is None else f"{item['median_mid']:.2f}",
            usd(item["cost"]) if known else "[yellow]unavailable[/]",
            "" if item["puts"] else f"[dim]{escape(item['note'])}[/]",
        )
    return table


def _budget_line(console: Console, check: Document) -> None:
    budget = check["budget"]
    head = f"{_month(budget['month'])}: {usd(budget['limit'])} budget, {usd(budget['spent'])} spent, {usd(budget['remaining'])} left."
    if check["verdict"] == "unavailable":
        console.print(f"{head} [yellow]{escape(check['note'])}[/]")
        return
    use = "" if check["utilisation"] is None else f" = {check['utilisation']:.0%} of the month"
    word = "[green]within the budget[/]" if check["within"] else "[bold red]over the budget[/]"
    console.print(f"{head} This takes {usd(check['cost'])}{use}: {word}.")
    console.print(f"[dim]{escape(check['note'])}[/]")


def _side_by_side(plans: list[Document]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim")
    table.add_column("", style="dim", no_wrap=True)
    for plan in plans:
        table.add_column(TITLES[plan["method"]], ratio=1, header_style="bold")
    rows: dict[str, list[str]] = {
        "target": [escape(plan["target"]) for plan in plans],
        "buy": [_bought(plan) for plan in plans],
        "contracts": [_if(plan, lambda p: str(p["contracts"])) for plan in plans],
        "cost": [_if(plan, lambda p: usd(p["cost"])) for plan in plans],
        "delta left": [_if(plan, lambda p: _change(p["delta_before"], p["delta_after"])) for plan in plans],
        "stress loss": [_if(plan, lambda p: _change(p["loss_before"], p["loss_after"])) for plan in plans],
        "budget": [_if(plan, _use) for plan in plans],
    }
    if any(plan["loss_in_budget"] is not None for plan in plans):
        rows["within budget"] = [
            "" if plan["loss_in_budget"] is None else f"still loses {usd(plan['loss_in_budget'], cents=False)}"
            for plan in plans
        ]
    for name, cells in rows.items():
        table.add_row(name, *cells)
    return table


def _bought(plan: Document) -> str:
    if not plan["available"]:
        return f"[yellow]unavailable:[/] {escape(plan['reason'])}"
    bought = [f"{line['contracts']} × {_legs(line['ticker'], line['legs'])}" for line in plan["lines"]]
    return "\n".join(bought) or "nothing"


def _use(plan: Document) -> str:
    word = "[green]within[/]" if plan["within"] else "[bold red]over[/]"
    return word if plan["utilisation"] is None else f"{plan['utilisation']:.0%}, {word}"


def _if(plan: Document, say: Any) -> str:
    return say(plan) if plan["available"] else "–"


def _change(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return "unknown"
    return f"{usd(before, cents=False)} → [bold]{usd(after, cents=False)}[/]"


def _legs(ticker: str, legs: list[Document]) -> str:
    strikes = "/".join(f"{leg['strike']:g}" for leg in legs)
    kind = "put spread" if len(legs) > 1 else "put"
    return f"{ticker} {legs[0]['expiry']} {strikes} {kind}"


def _held(hedge: Document) -> str:
    legs = sorted((position["leg"] for position in hedge["positions"]), key=lambda leg: -leg["strike"])
    return _legs(hedge["ticker"], legs)


def _stress_words(plans: list[Document]) -> str:
    stress: str = plans[-1]["target"]
    return f"[dim]stress target: {escape(stress)}[/]"


def _notes(console: Console, notes: list[str]) -> None:
    for note in notes[:MOST_NOTES]:
        console.print(f"  [dim]{escape(note)}[/]")
    if len(notes) > MOST_NOTES:
        console.print(f"  [dim]and {len(notes) - MOST_NOTES} more with --json[/]")


def _month(first_day: str) -> str:
    return f"{date.fromisoformat(first_day):%B %Y}"


def _amount(value: float | None) -> str:
    return "unknown" if value is None else usd(value, cents=False)


def _facts() -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(justify="right", no_wrap=True)
    facts.add_column(style="dim")
    return facts


def _table(names: tuple[str, ...], *, right: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, justify="right" if name in right else "left")
    return table
