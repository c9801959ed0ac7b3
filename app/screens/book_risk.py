"""What the account risks, on one screen."""

from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from app.screens.words import usd

Document = dict[str, Any]
METHODS = {
    "historical": "historical moves of spot",
    "delta_gamma_historical": "  the same by Greeks alone",
    "parametric": "parametric (delta-normal)",
    "cornish_fisher": "Cornish-Fisher",
    "full_revaluation": "full revaluation, spot and vol",
}
SIDES = {"by_ticker": "underlying", "by_sector": "sector", "by_strategy": "strategy"}


def show_book_risk(console: Console, risk: Document) -> None:
    """Value at risk, exposures, margin."""
    console.print(_measures(risk["measures"]))
    for note in _notes(risk["measures"]):
        console.print(f"  [dim]{note}[/]")
    console.print(_exposure(risk["exposure"]))
    console.print(_facts(risk))


def _measures(measures: list[Document]) -> Table:
    levels = sorted({item["confidence"] for item in measures})
    table = _table("[dim]what one day may cost, USD[/]", "method")
    for level in levels:
        for name in ("VaR", "CVaR"):
            table.add_column(f"{name} {level:.0%}", justify="right", no_wrap=True)
    for method, name in METHODS.items():
        found = {item["confidence"]: item for item in measures if item["method"] == method}
        if found:
            amounts = (found[level][amount] for level in levels for amount in ("var", "cvar"))
            table.add_row(name, *("[yellow]none[/]" if amount is None else _whole(amount) for amount in amounts))
    return table


def _notes(measures: list[Document]) -> Iterable[str]:
    full = next(item for item in measures if item["method"] == "full_revaluation")
    yield f"{full['window']}; quantiles rounded to the worse side"
    without_figure = next((item for item in measures if item["var"] is None), None)
    if without_figure is not None:
        yield f"{METHODS[without_figure['method']].strip()}: {without_figure['note']}"
    yield from (part for part in full["note"].split("; ")[1:])
    yield from (f"at its worst case: {name}" for name in full["missing"])


def _exposure(exposure: Document) -> Table:
    table = _table("[dim]exposure, USD: Δ of underlying, Γ per 1 %, ν per point, Θ a day[/]", "")
    for name in ("Δ", "Γ", "ν", "Θ", "share of Θ"):
        table.add_column(name, justify="right", no_wrap=True)
    for side, title in SIDES.items():
        table.add_row(f"[dim]by {title}[/]")
        for group in exposure[side]:
            shares = exposure["theta_shares"] if side == "by_strategy" else None
            table.add_row(
                f"  {group['name'].replace('_', ' ')}",
                *_greeks(group),
                "" if shares is None else f"{shares[group['name']]:.0%}",
            )
        table.add_section()
    table.add_row("total", *_greeks(exposure["total"]), "")
    return table


def _greeks(group: Document) -> Iterable[str]:
    greeks = group["greeks"]
    if greeks is None:
        return ("[yellow]unknown[/]",) * 4
    return tuple(_whole(greeks[name], sign=True) for name in ("delta", "gamma", "vega", "theta"))


def _facts(risk: Document) -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(justify="right", no_wrap=True)
    facts.add_column(style="dim")
    index, notional = risk["exposure"]["index_delta"], risk["exposure"]["notional"]
    against = f"betas to {index['index']}, {index['window']} days" if index["index"] else "no index has a history"
    if index["assumed"]:
        against += f"; beta of {', '.join(index['assumed'])} unknown, 3 the worse way"
    facts.add_row("delta in SPX terms", _known(index["usd"], sign=True), against)
    facts.add_row("notional", _known(notional["face"]), "contracts × multiplier × spot")
    facts.add_row("gross exposure", _known(notional["gross"]), "options at their delta")
    facts.add_row("net exposure", _known(notional["net"], sign=True), "")
    leverage = notional["leverage"]
    facts.add_row("leverage", "unknown" if leverage is None else f"{leverage:.2f}×", "gross exposure ÷ NLV")
    margin = risk["margin"]
    share = margin["share_of_nlv"]
    facts.add_row(
        "margin (Reg T)",
        "none" if margin["bound"] is None else usd(margin["bound"]),
        margin["refused"] or ("" if share is None else f"{share:.1%} of NLV"),
    )
    asked = risk["portfolio_margin"]
    worst = asked["worst"]
    facts.add_row(
        "portfolio margin",
        "none" if asked["requirement"] is None else usd(asked["requirement"]),
        asked["refused"]
        or ("" if worst is None else f"{' '.join(worst['tickers'])} at {worst['price_move']:+.0%}; not counted"),
    )
    between = risk["correlation"]
    if between["mean"] is not None:
        assumed = f"; assumed 1: {', '.join(between['assumed'])}" if between["assumed"] else ""
        facts.add_row(
            "mean correlation", f"{between['mean']:.2f}", f"by worst case, {between['window']} returns, shrunk{assumed}"
        )
    return facts


def _table(title: str, first: str) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True, header_style="dim", title=title,
        title_justify="left", title_style="",
    )  # fmt: skip
    table.add_column(first)
    return table


def _known(amount: float | None, *, sign: bool = False) -> str:
    return "unknown" if amount is None else _whole(amount, sign=sign)


def _whole(amount: float, *, sign: bool = False) -> str:
    return usd(amount, sign=sign, cents=abs(amount) < 10)
