"""The account on one screen."""

from itertools import groupby
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.table import Table

from app.screens.fit import first_whole
from app.screens.words import moment, usd

Document = dict[str, Any]
WIDE = 100


def show_book(console: Console, book: Document) -> None:
    """Positions by structure, cash, NLV and Greeks."""
    console.print(f"[bold]Book of {book['account']}[/] as of {moment(book['as_of'])}")
    if book["positions"]:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True, header_style="dim")
        for name in ("contract", "qty", "paid", "mark", "value", "P&L"):
            justify: Literal["left", "right"] = "left" if name == "contract" else "right"
            table.add_column(
                name, justify=justify, no_wrap=name != "contract", min_width=24 if name == "contract" else None
            )
        last = None
        for position in book["positions"]:
            if position["order_id"] != last:
                table.add_section()
                structure = f"{position['ticker']} {position['strategy'].replace('_', ' ')}"
                table.add_row(f"[bold]{position['order_id']}[/] {structure}")
            leg = position["leg"]
            gain = position["unrealised"]
            table.add_row(
                f"  {leg['expiry']} {leg['strike']:g} {leg['right']}",
                f"{position['quantity']:+d}",
                f"{position['average_price']:.2f}",
                "–" if position["mark"] is None else f"{position['mark']:.2f}",
                "unknown" if position["value"] is None else usd(position["value"]),
                f"[dim]{position['mark_source']}[/]"
                if gain is None
                else f"[{'green' if gain >= 0 else 'red'}]{usd(gain, sign=True)}[/]",
            )
            last = position["order_id"]
        console.print(table)
        apart = (" ", "\n") if console.width >= WIDE else ()
        variants = (_since_entry(book["since_entry"], apart=between) for between in (*apart, None))
        console.print(first_whole(console, variants))
    else:
        console.print("  no positions")
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim")
    facts.add_column(justify="right")
    facts.add_column(style="dim")
    facts.add_row("cash", usd(book["cash"]))
    nlv = "unknown" if book["nlv"] is None else usd(book["nlv"])
    facts.add_row(
        "net liquidation value",
        nlv,
        "a position has no usable quote" if book["nlv"] is None else f"baseline {usd(book['baseline']['nlv'])}",
    )
    unrealised = book["unrealised"]
    facts.add_row("unrealised", "unknown" if unrealised is None else usd(unrealised, sign=True), "before fees")
    facts.add_row("realised", usd(book["realised"], sign=True), "before fees")
    facts.add_row("fees paid", usd(book["fees"]))
    states = [structure["state"].replace("_", " ") for structure in book["structures"]]
    counted = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states))) or "nothing open or staged"
    facts.add_row("worst case of all", usd(book["worst_case"]), counted)
    facts.add_row("trading", book["trading_state"])
    for root, names in groupby(book["held_as"], key=lambda item: item["root"]):
        facts.add_row("held as", root, ", ".join(_held_as(item) for item in names))
    console.print(facts)
    greeks = book["greeks"]
    if greeks is None:
        console.print("[dim]Greeks: unknown, a position has no usable quote[/]")
    else:
        console.print(
            f"[dim]Greeks[/]  Δ {usd(greeks['delta'], sign=True, cents=False)} of underlying  "
            f"Γ {usd(greeks['gamma'], sign=True, cents=False)} per 1 %  ν {usd(greeks['vega'], sign=True)} per point  "
            f"Θ {usd(greeks['theta'], sign=True)} per day"
        )


def _since_entry(held: list[Document], *, apart: str | None) -> Table:
    """How each structure fared: USD per unit, R being its maximum loss, and where it is left. `apart` stands between
    an amount and what it means; None: whole dollars alone.
    """
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True, header_style="dim",
        title="[dim]since entry, USD per unit; R is the maximum loss[/]", title_justify="left", title_style="",
    )  # fmt: skip
    table.add_column("order", no_wrap=True)
    for name in ("units", "days", "DTE", "P&L", "best", "worst", "stop", "target"):
        table.add_column(name, justify="right", no_wrap=True)
    for item in held:
        table.add_row(
            item["order_id"],
            str(item["units"]) + (f"/{item['opened_units']}" if item["opened_units"] > item["units"] else ""),
            f"{item['days_held']:.1f}",
            f"{item['days_to_expiry']:.1f}",
            *(_excursion(item, name, apart=apart) for name in ("profit", "best", "worst")),
            *(_level(item, name, apart=apart) for name in ("stop", "target")),
        )
    return table


def _excursion(item: Document, name: str, *, apart: str | None) -> str:
    amount, multiple = item[name], item[f"{name}_r"]
    if amount is None:
        return "unknown"
    if apart is None:
        return f"{amount:+,.0f}"
    return f"{amount:+,.2f}" + ("" if multiple is None else f"{apart}({multiple:+.2f}R)")


def _level(item: Document, name: str, *, apart: str | None) -> str:
    level = item[name]
    if level is None:
        return "–"
    if apart is None:
        return f"{level:+,.0f}"
    return f"{level:+,.2f}{apart}{item[f'{name}_rule'].replace('_', ' ')}"


def _held_as(item: Document) -> str:
    """One structure that the net contracts form, whichever orders opened them."""
    name = f"{item['units']} × {item['strategy'].replace('_', ' ')}"
    return f"[red]{name}, {item['uncovered']} uncovered[/]" if item["uncovered"] else name
