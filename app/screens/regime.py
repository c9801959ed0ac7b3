"""The regime on one screen."""

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.screens.words import REGIME_TONE, figure, moment

Document = dict[str, Any]
INPUTS = {
    "vix": ("VIX", "vix"),
    "vix_term": ("VIX / VIX3M", "term"),
    "realised_vol": ("realised volatility", "realised"),
}


def show_regime(console: Console, reading: Document) -> None:
    """The reading, its inputs against the thresholds, hysteresis, and the readings before it."""
    console.print(f"[bold]Regime[/] {_toned(reading['regime'])} as of {moment(reading['as_of'])} [dim]({reading['feed']}, "
                  f"{reading['source']})[/]")  # fmt: skip
    console.print(f"  {escape(reading['reason'])}")
    limits = reading["thresholds"]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim")
    for name in ("input", "now", "calm below", "high vol from", "crisis from"):
        table.add_column(name, justify="left" if name == "input" else "right")
    for key, (label, limit) in INPUTS.items():
        missing = reading[key] is None
        table.add_row(
            label, "[yellow]unknown[/]" if missing else figure(reading[key]), figure(limits["low_vol_below"][limit]),
            figure(limits["high_vol_from"][limit]), figure(limits["crisis_from"][limit]),
        )  # fmt: skip
    if limits["high_vol_odds"] is not None:
        table.add_row("odds of stress", figure(reading["odds"]), "", figure(limits["high_vol_odds"]), "")
    console.print(table)
    console.print(
        f"  thresholds alone say {_toned(reading['raw'])}; up at once, down after {reading['needed']} readings below "
        f"({reading['held']} so far)"
    )
    if reading["history"]:
        past = Table(box=None, padding=(0, 1), show_header=False)
        for earlier in reading["history"]:
            past.add_row(f"[dim]{moment(earlier['as_of'])}[/]", _toned(earlier["regime"]), f"raw {_toned(earlier['raw'])}",
                         f"VIX {figure(earlier['vix'])}")  # fmt: skip
        console.print(past)
    else:
        console.print("  [dim]no earlier reading[/]")


def _toned(regime: str) -> str:
    return f"[{REGIME_TONE[regime]}]{regime}[/]"
