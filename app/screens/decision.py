"""What became of a person's decision: the fresh look, the checks, and the fill."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.screens.words import STATE_TONE, fate, measured, moment, premium, usd

Document = dict[str, Any]


def show_decision(console: Console, document: Document, *, desk: str) -> None:
    """Approval with its execution, rejection, or edit."""
    order = document["order"]
    state = order["state"]
    ended = fate(state, document.get("execution", {}).get("units", 0), order["units"])
    console.print(
        f"[bold]{order['order_id']}[/] v{order['version']} {order['ticker']} {order['strategy'].replace('_', ' ')} × "
        f"{order['units']} {'is ' if ended == state.replace('_', ' ') else ''}[{STATE_TONE[state]}]{ended}[/] "
        f"[dim]by {escape(document['reviewer'])} at {moment(document['at'])}[/]"
    )
    if "changes" in document:
        console.print(f"  {escape(document['changes'])}")
    if "recheck" in document:
        _recheck(console, document["recheck"], closing=order["intent"] == "close")
    if "execution" in document:
        _execution(console, document["execution"], f"{desk} book --feed {document['account']}")
    elif state == "rejected":
        console.print(f"  [dim]{escape(order['review_reason'] or '')}[/]")
    else:
        console.print(f"[dim]{desk} review show {order['order_id']}[/]")


def _recheck(console: Console, found: Document, *, closing: bool) -> None:
    staged, fresh = found["staged"], found["fresh"]
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for name in ("", "spot", "mid", *(() if closing else ("expected", "odds", "max loss", "forecast vol"))):
        table.add_column(name, justify="left" if not name else "right")
    for label, figures in (("staged", staged), ("now", fresh)):
        row = [f"[dim]{label}[/]", f"{figures['spot']:,.2f}", premium(figures["mid_per_share"])]
        if not closing:
            row += [usd(figures["expected_value"], sign=True), f"{figures['pop']:.0%}", usd(figures["max_loss"]),
                    f"{figures['forecast_vol']:.1%}"]  # fmt: skip
        table.add_row(*row)
    console.print(table)
    passed = sum(check["passed"] for check in found["checks"])
    console.print(f"  {passed} of {len(found['checks'])} checks pass on fresh quotes, regime {found['regime']}")
    for check in found["checks"]:
        if not check["passed"]:
            console.print(
                f"  [red]✗[/] {check['name']} {measured(check['measured'], check['unit'])} of "
                f"{measured(check['limit'], check['unit'])} [dim]{escape(check['detail'])}[/]"
            )


def _execution(console: Console, execution: Document, following: str) -> None:
    tone = STATE_TONE[execution["state"]]
    ended = fate(execution["state"], execution["units"], execution["wanted"])
    console.print(f"  [{tone}]{ended}[/] at {execution['broker']}: {escape(execution['reason'] or '')}")
    for fill in execution["fills"]:
        legs = ", ".join(f"{leg['quantity']:+d} {leg['symbol']} at {leg['price']:g}" for leg in fill["legs"])
        console.print(f"  {legs}; cash {usd(fill['cash'], sign=True)}, fees {usd(fill['fees'])}")
    console.print(f"[dim]{following}[/]")
