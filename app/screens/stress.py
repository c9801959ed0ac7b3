"""The book under stress on one screen."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from app.screens.fit import first_whole
from app.screens.words import REGIME_TONE, measured, moment, usd, usd_short

Document = dict[str, Any]
WIDE = 96  # columns from which a table shows what it can do without
OWN_MOVES = (-0.10, -0.05, 0.05)
LIMIT_WORDS = {
    "daily_loss": "daily loss", "free_margin": "free margin", "position_at_risk": "position at risk",
    "sector_exposure": "sector", "var_budget": "VaR budget",
}  # fmt: skip


def show_stress(console: Console, found: Document, *, desk: str) -> None:
    """Named shocks, grid, underlyings and random markets; a shock in detail where only one was asked for."""
    console.print(f"[bold]Stress of {found['account']}[/] as of {moment(found['at'])}")
    if not found["structures"]:
        _nothing(console, found, desk)
        return
    console.print(_head(found))
    if len(found["scenarios"]) == 1:
        _detail(console, found, found["scenarios"][0])
        return
    for variants in (
        scenarios(found, wide=console.width >= WIDE), matrix(found), underlyings(found), random_markets(found),
    ):  # fmt: skip
        console.print(first_whole(console, variants))
    for line in doubts(found):
        console.print(f"[yellow]{escape(line)}[/]")
    console.print(f"[dim]{desk} stress --scenario {found['scenarios'][0]['name']} shows one shock and its sources[/]")


def scenarios(found: Document, *, wide: bool) -> Iterator[RenderableType]:
    """A line a shock: what moved, what it costs, which limits would break. Widest first."""
    shapes = [(True, False), (True, True)] if wide else []
    for full, short in (*shapes, (False, False), (False, True)):
        yield _scenarios(found, wide=full, short=short)


def matrix(found: Document) -> Iterator[RenderableType]:
    """P&L of the book: index along, volatility down, now; then later with volatility as it is. Widest first: in whole
    dollars, in thousands, and cut into blocks of columns.
    """
    moves = len(found["grid"]["spot"])
    for room, short in ((moves, False), (moves, True), (5, True), (3, True)):
        yield Group(*(_matrix(found, slice(start, start + room), short=short) for start in range(0, moves, room)))


def underlyings(found: Document) -> Iterator[RenderableType]:
    """Each underlying moving by itself, and its worst shock of history. Widest first."""
    for facts, short in ((True, False), (True, True), (False, True)):
        yield _underlyings(found, facts=facts, short=short)


def random_markets(found: Document) -> Iterator[RenderableType]:
    """VaR and CVaR of the simulated P&L, with their standard errors. Widest first."""
    for errors, short in ((True, False), (True, True), (False, True)):
        yield _random_markets(found, errors=errors, short=short)


def _scenarios(found: Document, *, wide: bool, short: bool) -> Table:
    ordered = found["order"] is not None
    table = _table(
        "shock", *(("SPX", "vol") if wide else ()), *(("held", "order") if ordered else ()),
        "both" if ordered else "at once", "of NLV", *(("after its days",) if wide else ()), "would break",
    )  # fmt: skip
    for item in found["scenarios"]:
        moved = (f"{item['spot']:+.1%}", f"{item['vol']:+.0%}") if wide else ()
        beside = [_money(item[name], short=short) for name in ("pnl_before", "pnl_of_order")] if ordered else []
        later = (_money(item["pnl_after_days"], short=short) + f" [dim]{item['days']}d[/]",) if wide else ()
        share = "–" if item["share_of_nlv"] is None else f"{item['share_of_nlv']:+.2%}"
        both = _money(item["pnl"], bold=True, short=short)
        table.add_row(item["name"], *moved, *beside, both, share, *later, _breaks(item))
    return table


def _matrix(found: Document, part: slice, *, short: bool) -> Table:
    grid = found["grid"]
    still = grid["vol"].index(0.0)
    table = _table("P&L, USD", *(f"{move:+.0%}" for move in grid["spot"][part]))
    for row, vol in enumerate(grid["vol"]):
        label = "vol as it is" if vol == 0 else f"vol {vol:+.0%}"
        table.add_row(label, *_cells(grid["book"][0][row][part], grid["spot"][part], short=short))
    table.add_section()
    for place, days in enumerate(grid["days"]):
        if days:
            table.add_row(f"in {days} days", *_cells(grid["book"][place][still][part], grid["spot"][part], short=short))
    return table


def _underlyings(found: Document, *, facts: bool, short: bool) -> Table:
    grid, stand_ins = found["grid"], set(found["stand_ins"]["tickers"])
    still = grid["vol"].index(0.0)
    moves = [move for move in OWN_MOVES if move in grid["spot"]]
    history = "worst shock" if short else "worst shock of history"
    table = _table("alone", *(("beta", "vol") if facts else ()), *(f"{move:+.0%}" for move in moves), history, "")
    for ticker, profit in grid["by_ticker"].items():
        worst = min(found["scenarios"], key=lambda item: item["by_ticker"][ticker])
        beta, vol = found["betas"].get(ticker), found["monte_carlo"]["vols"].get(ticker)
        told = (
            "[yellow]?[/]" if ticker in stand_ins else "–" if beta is None else f"{beta:.2f}",
            "–" if vol is None else f"{vol:.1%}",
        )
        table.add_row(
            ticker,
            *(told if facts else ()),
            *(_money(profit[0][still][grid["spot"].index(move)], short=short) for move in moves),
            _money(worst["by_ticker"][ticker], short=short),
            f"[dim]{worst['name']}[/]",
        )
    return table


def _random_markets(found: Document, *, errors: bool, short: bool) -> Table:
    simulated = found["monte_carlo"]
    first = "correlation" if short else "random markets"
    table = _table(first, "VaR 95", "CVaR 95", "VaR 99", "CVaR 99", "worst" if short else "worst path")
    for item in simulated["simulations"]:
        mean = item["mean_correlation"]
        name = "as measured" if item["correlation"] == "measured" else "pushed up"
        table.add_row(
            ("" if short else "correlation ") + name + ("" if mean is None else f" [dim]{mean:.2f}[/]"),
            *(
                _estimate(estimate[name], estimate[f"{name}_error"], errors=errors, short=short)
                for estimate in item["estimates"]
                for name in ("var", "cvar")
            ),
            _money(item["worst"], short=short),
        )
    market, paths = simulated["market"], simulated["simulations"][0]["paths"]
    sessions = simulated["sessions"]
    table.caption = (
        f"{'random markets: ' if short else ''}{paths:,} paths over {sessions} session{'s' * (sessions > 1)}: Student's "
        f"t({market['freedom']:g}), implied volatility × {market['vol_factor']:g} "
        f"({simulated['regime'].replace('_', ' ')})"
    )
    table.caption_justify = "left"
    return table


def doubts(found: Document) -> Iterable[str]:
    """What was assumed for want of data."""
    for loss in found["fixed"]:
        yield f"{loss['order_id']} stands at its worst case of {usd(loss['usd'])} everywhere: {loss['reason']}."
    stand_ins = found["stand_ins"]
    if stand_ins["tickers"]:
        betas = ", ".join(f"{beta:g}" for beta in stand_ins["betas"])
        yield f"Beta of {', '.join(stand_ins['tickers'])} is unknown: the worst of {betas} counts, shock by shock."
    simulated = found["monte_carlo"]
    if simulated["without_vol"]:
        yield f"{', '.join(simulated['without_vol'])}: no 30-day volatility, at worst case in random markets."
    if simulated["pairs_assumed"]:
        yield f"Correlation of {', '.join(simulated['pairs_assumed'])} is unknown and counts as 1."
    if found["nlv"] is None:
        yield "NLV is unknown, so no limit can be measured: something held has no usable quote."


def _head(found: Document) -> Text:
    nlv = "unknown" if found["nlv"] is None else usd(found["nlv"])
    tone = REGIME_TONE[found["regime"]]
    of = "structure" if found["structures"] == 1 else "structures"
    order = f", [bold]{found['order']}[/] among them as if filled" if found["order"] else ""
    bound = "unbounded" if found["worst_case"] is None else usd(found["worst_case"])
    return Text.from_markup(
        f"{found['structures']} {of}{order} · worst case {bound} · NLV {nlv} · "
        f"[{tone}]{found['regime'].replace('_', ' ')}[/]"
    )


def _nothing(console: Console, found: Document, desk: str) -> None:
    console.print("  Nothing is held, so nothing can be lost.")
    if "plot" in found:
        console.print("  No picture was written: there is nothing to draw.")
    if found["waiting"]:
        first = found["waiting"][0]
        console.print(
            f"  {len(found['waiting'])} orders wait: [bold]{desk} stress --order {first}[/] shows what one would add."
            if len(found["waiting"]) > 1
            else f"  One order waits: [bold]{desk} stress --order {first}[/] shows what it would add."
        )
    else:
        console.print(f"  [bold]{desk} run[/] looks for trades; approve one, then look here again.")


def _detail(console: Console, found: Document, item: Document) -> None:
    console.print(
        f"\n[bold]{escape(item['title'])}[/]  [dim]{item['since']} to {item['until']}, {item['days']} days[/]"
    )
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(justify="right", no_wrap=True)
    facts.add_column(style="dim")
    facts.add_row("index", f"{item['spot']:+.2%}", item["sources"]["spot"])
    facts.add_row("30-day volatility", f"{item['vol']:+.0%}", item["sources"]["vol"])
    facts.add_row("rates", f"{item['rate'] * 1e4:+.0f} bp", item["sources"]["rate"])
    share = "" if item["share_of_nlv"] is None else f"{item['share_of_nlv']:+.2%} of NLV"
    if item["pnl_before"] is not None:
        facts.add_row("what is held", _money(item["pnl_before"]), "")
        facts.add_row("the order", _money(item["pnl_of_order"]), "")
    facts.add_row("at once", _money(item["pnl"], bold=True), share)
    facts.add_row(f"after {item['days']} days", _money(item["pnl_after_days"]), "the same move, with time gone by")
    for ticker, profit in item["by_ticker"].items():
        facts.add_row(f"  {ticker}", _money(profit), "")
    console.print(facts)
    if item["note"]:
        console.print(f"[dim]{escape(item['note'])}[/]")
    for check in item["checks"] or ():
        mark = "[green]✓[/]" if check["passed"] else "[red]✗[/]"
        figures = f"{measured(check['measured'], check['unit'])}, limit {measured(check['limit'], check['unit'])}"
        console.print(f"{mark} {check['name'].replace('_', ' ')}  [dim]{figures} · {escape(check['detail'])}[/]")
    for line in doubts(found):
        console.print(f"[yellow]{escape(line)}[/]")


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True, header_style="dim")
    for place, name in enumerate(names):
        text = place == 0 or name in ("would break", "")
        table.add_column(name, justify="left" if text else "right", no_wrap=name != "would break")
    return table


def _cells(row: list[float], spot: list[float], *, short: bool) -> list[str]:
    written = usd_short if short else "{:+,.0f}".format
    return [
        f"[bold underline]{written(profit).lstrip('+')}[/]" if move == 0 else f"[{_tone(profit)}]{written(profit)}[/]"
        for profit, move in zip(row, spot, strict=True)
    ]


def _breaks(item: Document) -> str:
    if item["breaks"] is None:
        return "[yellow]not measured[/]"
    if not item["breaks"]:
        return "[green]nothing[/]"
    hard = {check["name"] for check in item["checks"] if check["hard"]}
    return ", ".join(f"[{'red' if name in hard else 'yellow'}]{LIMIT_WORDS[name]}[/]" for name in item["breaks"])


def _estimate(amount: float, error: float, *, errors: bool, short: bool) -> str:
    written = usd_short(amount).lstrip("+") if short else usd(amount, cents=False)
    if not errors:
        return written
    return f"{written} [dim]±{usd_short(error).lstrip('+') if short else format(error, ',.0f')}[/]"


def _money(amount: float, *, bold: bool = False, short: bool = False) -> str:
    written = usd_short(amount) if short else usd(amount, sign=True, cents=False)
    return f"[{'bold ' if bold else ''}{_tone(amount)}]{written}[/]"


def _tone(amount: float) -> str:
    return "green" if amount >= 0 else "red"
