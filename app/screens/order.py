"""One order on one screen, and the list of orders."""

from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from app.screens.aftermath import panel
from app.screens.payoff import picture
from app.screens.words import STATE_TONE, fate, figure, measured, moment, premium, toned, usd
from domain.sessions import NEW_YORK

Document = dict[str, Any]
WIDTH = 100
WIDE = 96  # columns from which two checks stand side by side
DETAIL = 100  # characters of a sizing or reason line


def show_order(console: Console, order: Document, *, desk: str) -> None:
    """Thesis, legs, payoff picture, effect on the book, sizing and checks of one order; fits 100 columns, 50 lines."""
    width = min(WIDTH, console.width)
    title = f"[bold]{order['order_id']}[/] v{order['version']} · {_structure(order)} · {_fate(order)}"
    console.print(
        Panel(
            Group(thesis(order), legs(order), numbers(order)),
            title=title, title_align="left", border_style="cyan", box=box.ROUNDED, padding=(0, 1),
        ),
        width=width,
    )  # fmt: skip
    curve = order["payoff"]
    if curve["prices"]:
        console.print(Text(f"USD {curve['basis']}", style="dim"), width=width)
        console.print(
            picture(curve["prices"], curve["pnl"], order["spot"], order["breakevens"], room=width), width=width
        )
    else:
        console.print(Text(f"  payoff picture: {curve['basis']}", style="dim"))
    if order["intent"] == "close" or not order["aftermath"]["rows"]:
        console.print(effect(order), width=width)
    console.print(panel(order["aftermath"], width=width), width=width)
    console.print(sizing(order), width=width)
    console.print(checks(order, width=width), width=width)
    console.print(life(order, desk), width=width)


def thesis(order: Document) -> RenderableType:
    """Why, and what would prove it wrong."""
    words = order["thesis"]
    stance = (
        f"closes {order['closes']}"
        if order["closes"]
        else f"{toned(words['verdict'])} at {words['confidence']:.2f}, volatility view {words['vol_view']} "
        f"[dim]({words['engine']})[/]"
    )
    return Text.from_markup(
        f"{stance}  {escape(words['text'])}\n[dim]wrong if:[/] [yellow]{escape(words['invalidation'])}[/]"
    )


def legs(order: Document) -> RenderableType:
    """The contracts, a line each."""
    table = Table.grid(padding=(0, 2))
    for leg in order["legs"]:
        sign = "green" if leg["quantity"] > 0 else "red"
        table.add_row(
            f"[{sign}]{leg['quantity'] * order['units']:+d}[/]", leg["expiry"], f"[bold]{leg['strike']:g} {leg['right']}[/]",
            f"[dim]{leg['settlement']} settled, bid {figure(leg['bid'])} ask {figure(leg['ask'])}, "
            f"iv {'–' if leg['iv'] is None else format(leg['iv'], '.1%')}[/]",
        )  # fmt: skip
    return table


def numbers(order: Document) -> RenderableType:
    """Price, worst case, odds and Greeks of the whole order."""
    greeks = order["greeks"]
    lines = [
        (
            f"[dim]limit[/] [bold]{premium(order['limit_per_share'])}[/], no worse than {premium(order['worst_per_share'])} "
            f"[dim](mid was {premium(order['mid_per_share'])}, spot {order['spot']:,.2f}, fees {usd(order['fees'])})[/]"
        )
    ]
    if order["intent"] == "open":
        model = " (model)" if order["payoff_basis"] == "bound" else ""
        evens = ", ".join(f"{level:,.2f}" for level in order["breakevens"]) or "none"
        lines += [
            (
                f"[dim]max loss[/] [red]{usd(order['max_loss'])}[/] [dim]({order['payoff_basis']})   max profit[/] "
                f"[green]{usd(order['max_profit'])}[/]{model}   [dim]break-even[/] {evens}{model}"
            ),
            (
                f"[dim]profit odds[/] {order['pop']:.0%}   [dim]expected[/] {usd(order['expected_value'], sign=True)}   "
                f"[dim]mean of the worst 5 %[/] {usd(-order['cvar95'])}"
            ),
        ]
    lines.append(
        f"[dim]Greeks[/] Δ {greeks['delta']:+.1f} shares   Γ {greeks['gamma']:+.2f}   ν {greeks['vega'] / 100:+.1f} $/point   "
        f"Θ {greeks['theta'] / 365:+.1f} $/day   ρ {greeks['rho'] / 100:+.1f} $/point"
    )
    return Text.from_markup("\n".join(lines))


def effect(order: Document) -> RenderableType:
    """What the order does to the book."""
    book = order["book"]
    same = len(book["same_ticker"])
    text = (
        f"[dim]book[/]  {book['structures']} other structures, {same} of them in {order['ticker']}; worst case of all "
        f"{usd(book['worst_case_before'])} → [bold]{usd(book['worst_case_after'])}[/] with this order"
    )
    if order["intent"] == "close":
        gain = book["realised_at_limit"]
        worth = "nothing of it is held any more" if gain is None else f"realises {usd(gain, sign=True)} before fees"
        text = f"[dim]book[/]  closes {order['closes']}: at the limit {worth}"
    return Text.from_markup(text)


def sizing(order: Document) -> RenderableType:
    """Every cap, and the arithmetic of the one that bound."""
    size = order["sizing"]
    caps = "  ".join(
        f"[bold yellow]{cap['name']} {cap['units']}[/]"
        if cap["name"] == size["binding"]
        else f"{cap['name']} {cap['units']}"
        for cap in size["caps"]
    )
    binding = next((cap["detail"] for cap in size["caps"] if cap["name"] == size["binding"]), "")
    return Text.from_markup(
        f"[dim]size[/]  {size['units']} = smallest of  {caps}\n      [dim]{size['binding']}: {escape(_short(binding))}[/]"
    )


def checks(order: Document, *, width: int) -> RenderableType:
    """All final checks, measured against limit: two a line where there is room. Marks and figures are never cut."""
    pairs = 2 if width >= WIDE else 1
    table = Table(box=None, padding=(0, 1), show_header=False)
    for _ in range(pairs):
        table.add_column(no_wrap=True, min_width=1)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
    cells = [_check(check, most=22 if pairs > 1 else None) for check in order["checks"]]
    if pairs == 1:
        for cell in cells:
            table.add_row(*cell)
        return table
    half = (len(cells) + 1) // 2
    for left, right in zip(cells[:half], [*cells[half:], ("", "", "")], strict=False):
        table.add_row(*left, *right)
    return table


def life(order: Document, desk: str) -> RenderableType:
    """When it was staged and lapses, who decided, and what to type next."""
    lines = [f"[dim]staged {moment(order['staged_at'])}, lapses {moment(order['expires_at'])}[/]"]
    if order["reviewer"]:
        lines.append(f"[dim]{_fate(order)}{_by(order)}: {escape(order['review_reason'] or '–')}[/]")
    if order["lapsed"]:
        lines.append(f"[yellow]Its time was up by {moment(order['at'])}: it cannot be approved any more.[/]")
    elif order["state"] == "staged":
        lines.append(f"[bold]{desk} review approve {order['order_id']}[/]  ·  reject  ·  edit")
    return Text.from_markup("\n".join(lines))


def show_orders(console: Console, document: Document, *, desk: str) -> None:
    """A line an order."""
    orders = document["orders"]
    if document["expired"]:
        console.print(f"[dim]lapsed by {moment(document['at'])}: {', '.join(document['expired'])}[/]")
    if not orders:
        console.print(f"No orders wait for you in {document['account']}. [bold]{desk} run[/] looks for some.")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True, header_style="dim")
    right = ("limit", "max loss", "odds", "expected")
    stated = any(order["state"] != "staged" for order in orders)
    for name in ("order", *(("state",) if stated else ()), "structure", *right, "lapses"):
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name != "structure")
    for order in orders:
        closing = order["intent"] == "close"
        table.add_row(
            f"[bold]{order['order_id']}[/]",
            *([_state(order["state"])] if stated else []),
            _structure(order),
            f"{order['limit_per_share']:+.2f}",
            "–" if closing else usd(order["max_loss"], cents=False),
            "–" if closing else f"{order['pop']:.0%}",
            "–" if closing else usd(order["expected_value"], sign=True, cents=False),
            f"{datetime.fromisoformat(order['expires_at']).astimezone(NEW_YORK):%m-%d %H:%M}",
        )
    console.print(table)
    first = orders[0]["order_id"]
    console.print(f"[dim]limit per share, credit positive; times are New York; {desk} review show {first}[/]")


def _structure(order: Document) -> str:
    verb = "close " if order["intent"] == "close" else ""
    return f"{order['ticker']} {verb}{order['strategy'].replace('_', ' ')} × {order['units']}"


def _fate(order: Document) -> str:
    filled = sum(fill["units"] for fill in order.get("fills", ()))
    return f"[{STATE_TONE[order['state']]}]{fate(order['state'], filled, order['units'])}[/]"


def _by(order: Document) -> str:
    apart = "rest was" in _fate(order)  # nobody decided to cancel the rest
    return f" (decided by {escape(order['reviewer'])})" if apart else f" by {escape(order['reviewer'])}"


def _state(state: str) -> str:
    return f"[{STATE_TONE[state]}]{state.replace('_', ' ')}[/]"


def _check(check: Document, *, most: int | None) -> tuple[str, str, str]:
    if check["measured"] is None and check["limit"] is None:
        found = escape(check["detail"] if most is None else _short(check["detail"], most))
    else:
        found = f"{measured(check['measured'], check['unit'])}, limit {measured(check['limit'], check['unit'])}"
    return "[green]✓[/]" if check["passed"] else "[red]✗[/]", check["name"].replace("_", " "), f"[dim]{found}[/]"


def _short(text: str, most: int = DETAIL) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
