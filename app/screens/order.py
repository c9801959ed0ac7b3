"""One order on one screen."""

from typing import Any

from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from app.screens.payoff import picture
from app.screens.run import legs, numbers, sizing
from app.screens.words import STATE_TONE, measured, moment, premium, toned, usd

Document = dict[str, Any]


def show_order(console: Console, order: Document, curve: tuple[list[float], list[float]]) -> None:
    """Thesis, legs, payoff picture, Greeks, sizing and checks of one order."""
    state = order["state"]
    title = (
        f"[bold]{order['order_id']}[/] v{order['version']} · {order['ticker']} {order['strategy'].replace('_', ' ')}"
        f" × {order['units']} · [{STATE_TONE[state]}]{state}[/]"
    )
    console.print(Panel(Group(thesis(order), Columns([legs(order), numbers(order)], padding=(0, 4))), title=title,
                        title_align="left", border_style="cyan", box=box.ROUNDED))  # fmt: skip
    console.print(picture(*curve, order["spot"], order["breakevens"]))
    console.print(sizing(order))
    console.print(checks(order))
    console.print(life(order))


def thesis(order: Document) -> RenderableType:
    """Why, and what would prove it wrong."""
    words = order["thesis"]
    return Text.from_markup(
        f"{toned(words['verdict'])} at {words['confidence']:.2f}, volatility view {words['vol_view']} "
        f"[dim]({words['engine']})[/]\n{words['text']}\n[dim]Invalid if: {words['invalidation']}[/]"
    )


def checks(order: Document) -> RenderableType:
    """All final checks, two a line."""
    table = Table(box=None, padding=(0, 1), show_header=False)
    cells = [
        (
            "[green]✓[/]" if check["passed"] else "[red]✗[/]",
            check["name"],
            f"[dim]{measured(check['measured'], check['unit'])} of {measured(check['limit'], check['unit'])}[/]",
        )
        for check in order["checks"]
    ]
    half = (len(cells) + 1) // 2
    for left, right in zip(cells[:half], [*cells[half:], ("", "", "")], strict=False):
        table.add_row(*left, *right)
    return table


def life(order: Document) -> RenderableType:
    """When it was staged, when it lapses, who decided."""
    decided = f"; {order['reviewer']}: {order['review_reason'] or 'no reason given'}" if order["reviewer"] else ""
    return Text.from_markup(
        f"[dim]staged {moment(order['staged_at'])}, lapses {moment(order['expires_at'])}{decided}[/]"
    )


def show_orders(console: Console, orders: list[Document], *, desk: str) -> None:
    """A line an order."""
    if not orders:
        console.print(f"No orders wait for you. [bold]{desk} run[/] looks for some.")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim")
    for name in ("order", "state", "ticker", "structure", "units", "limit", "max loss", "odds", "expected", "lapses"):
        table.add_column(name, justify="right" if name in ("units", "max loss", "odds", "expected") else "left")
    for order in orders:
        table.add_row(
            f"[bold]{order['order_id']}[/]",
            f"[{STATE_TONE[order['state']]}]{order['state']}[/]",
            order["ticker"],
            order["strategy"].replace("_", " "),
            str(order["units"]),
            premium(order["limit_per_share"]),
            usd(order["max_loss"]),
            f"{order['pop']:.0%}",
            usd(order["expected_value"], sign=True),
            moment(order["expires_at"]),
        )
    console.print(table)
    console.print(
        f"[dim]{desk} review show ORDER · approve ORDER · reject ORDER --reason … · edit ORDER --contracts N[/]"
    )
