"""The whole book before and after one order, as a panel of the order's screen."""

from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from app.screens.words import usd
from domain.sessions import NEW_YORK

Document = dict[str, Any]
NAMES = {
    "delta": "Δ of underlying", "spx_delta": "Δ in SPX terms", "gamma": "Γ per 1 %", "vega": "ν per point",
    "theta": "Θ per day", "var_95": "VaR 95, one day", "cvar_95": "CVaR 95, one day", "margin": "margin bound",
    "free_margin": "free margin", "worst_case": "worst case of all", "worst_stress": "worst of history",
    "crash": "SPX -20 % at once",
}  # fmt: skip
WIDE = 96  # columns from which two measures stand side by side
LEFT = ("delta", "spx_delta", "gamma", "vega", "theta", "margin", "free_margin")
RIGHT = ("var_95", "cvar_95", "worst_stress", "crash", "worst_case", "position", "sector")


def panel(found: Document, *, width: int) -> RenderableType:
    """Before → after of each measure, with its limit if one applies: two a line where there is room."""
    if not found["rows"]:
        return Text(f"whole book: {found['unavailable']}", style="dim")
    rows = {row["name"]: row for row in found["rows"]}
    names = {**NAMES, "position": f"at risk in {found['ticker']}", "sector": f"in {found['sector'].replace('_', ' ')}"}
    table = Table(box=None, padding=(0, 1), show_header=False, pad_edge=False)
    for _ in range(2 if width >= WIDE else 1):
        table.add_column(style="dim", no_wrap=True)
        table.add_column(no_wrap=True)
    if width >= WIDE:
        for left, right in zip(LEFT, RIGHT, strict=True):
            table.add_row(names[left], _cell(rows[left]), escape(names[right]), _cell(rows[right]))
    else:
        for name in (*LEFT, *RIGHT):
            table.add_row(escape(names[name]), _cell(rows[name]))
    head = f"[dim]whole book before → after, all staged filled too, {_clock(found['at'])}[/]"
    return Group(Text.from_markup(head), table)


def _cell(row: Document) -> str:
    share = row["name"] == "free_margin"
    before, after = (_figure(row[when], share=share) for when in ("before", "after"))
    limit = ""
    if row["limit"] is not None:
        mark = "" if row["passed"] else "[red]✗ [/]"
        limit = f" {mark}[dim]({'≥' if share else '≤'} {_figure(row['limit'], share=share)})[/]"
    return f"{before} → [bold]{after}[/]{limit}"


def _figure(value: float | None, *, share: bool) -> str:
    if value is None:
        return "unknown"
    return f"{value:.0%}" if share else usd(value, cents=0.0 < abs(value) < 10.0)


def _clock(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone(NEW_YORK):%Y-%m-%d %H:%M} New York"
