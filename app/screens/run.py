"""One run, top to bottom: the picture, what each analyst saw, ranking, debates, checks, staged orders."""

from typing import Any

from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from app.screens.words import REGIME_TONE, bar, figure, measured, moment, premium, toned, usd

Document = dict[str, Any]
# The figures that matter to a reader, per edge: name in the signal's metadata, label, format.
FIGURES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "iv_rich": (("iv_rank", "IV rank", ".0%"), ("iv_percentile", "percentile", ".0%"), ("atm_iv_30d_decimal", "30-day IV", ".1%")),
    "iv_cheap": (("iv_rank", "IV rank", ".0%"), ("iv_percentile", "percentile", ".0%"), ("atm_iv_30d_decimal", "30-day IV", ".1%")),
    "skew_puts_rich": (("risk_reversal_25d_decimal", "25Δ reversal", "+.1%"), ("risk_reversal_percentile", "percentile", ".0%")),
    "skew_calls_rich": (("risk_reversal_25d_decimal", "25Δ reversal", "+.1%"), ("risk_reversal_percentile", "percentile", ".0%")),
    "term_backwardation": (("atm_iv_30d_decimal", "30-day IV", ".1%"), ("term_slope_decimal", "slope to 90 days", "+.1%"), ("vix_over_vix3m", "VIX/VIX3M", ".2f")),
    "term_contango": (("atm_iv_30d_decimal", "30-day IV", ".1%"), ("term_slope_decimal", "slope to 90 days", "+.1%"), ("vix_over_vix3m", "VIX/VIX3M", ".2f")),
    "variance_premium": (("atm_iv_30d_decimal", "implied", ".1%"), ("realised_vol_decimal", "realised", ".1%"), ("variance_premium_percentile", "percentile", ".0%")),
    "surface_residual": (("mispriced_strikes", "strikes off the surface", ",.0f"), ("largest_residual_vol_points", "largest, points", "+.2f"), ("largest_residual_spreads", "in spreads", "+.1f")),
    "parity_arbitrage": (("strikes_judged", "strikes judged", ",.0f"), ("boxes_judged", "boxes judged", ",.0f"), ("best_profit_usd_per_unit", "best gain $ per unit", ",.2f")),
    "unusual_calls": (("unusual_contracts", "contracts above 2× OI", ",.0f"), ("unusual_share_of_volume", "of volume", ".0%"), ("top_volume_over_oi", "top volume/OI", ".1f")),
    "unusual_puts": (("unusual_contracts", "contracts above 2× OI", ",.0f"), ("unusual_share_of_volume", "of volume", ".0%"), ("top_volume_over_oi", "top volume/OI", ".1f")),
    "put_call_extreme": (("put_call_ratio", "put/call", ".2f"), ("put_call_percentile", "percentile", ".0%")),
    "dealer_long_gamma": (("net_gamma_usd_per_1pct", "net GEX $ per 1 %", ",.0f"), ("zero_gamma_usd", "zero gamma", ",.2f")),
    "dealer_short_gamma": (("net_gamma_usd_per_1pct", "net GEX $ per 1 %", ",.0f"), ("zero_gamma_usd", "zero gamma", ",.2f")),
    "vanna_flow": (("vanna_usd_per_vol_point", "vanna $ of delta per point", "+,.0f"), ("expected_iv_change_points", "expected IV change, points", "+.1f"), ("hedge_usd_per_day", "dealers trade $ a day", "+,.0f")),
    "charm_flow": (("hedge_usd_to_next_session", "dealers trade $ to next session", "+,.0f"), ("hedge_usd_to_monthly_expiry", "to monthly expiry", "+,.0f"), ("days_to_monthly_expiry", "days left", ".1f")),
    "pin": (("pin_strike_usd", "strike", ",.0f"), ("days_to_expiry", "days left", ".1f"), ("open_interest_share", "of open interest", ".0%")),
    "trend": (("tech_score", "score", "+.2f"), ("adx", "ADX", ".0f"), ("trend_score", "trend", "+.2f")),
    "momentum": (("tech_score", "score", "+.2f"), ("rsi", "RSI", ".0f"), ("macd_histogram_usd", "MACD histogram", "+.2f")),
    "mean_reversion": (("rsi", "RSI", ".0f"), ("proximity_score", "proximity", "+.2f")),
    "breakout": (("broken_level_usd", "level", ",.2f"), ("close_usd", "close", ",.2f"), ("volume_over_mean", "volume/mean", ".1f")),
    "mention_velocity": (("mentions", "mentions", ",.0f"), ("velocity_ratio", "× usual", ".1f"), ("z_score", "z", "+.1f"), ("sentiment_mean", "sentiment", "+.2f")),
    "crowd_sentiment": (("sentiment_mean", "sentiment", "+.2f"), ("sentiment_texts", "texts", ",.0f")),
    "news_sentiment": (("sentiment_mean", "sentiment", "+.2f"), ("sentiment_texts", "headlines", ",.0f")),
}  # fmt: skip
OTHER_FIGURES = 3
SOURCES = {
    "vol_surface": "Volatility surface", "flow": "Options flow", "technical": "Technical", "social": "Social",
}  # fmt: skip
HIDDEN_FIGURES = {"horizon_days", "half_life_days", "evidence", "rationale"}


def show_run(console: Console, run: Document, *, desk: str) -> None:
    """The whole run; `desk` is how the reader calls this program."""
    console.print(header(run))
    console.print(Rule("What each analyst saw", align="left", style="dim"))
    for source, title in SOURCES.items():
        console.print(analyst(run, source, title))
    console.print(Rule("Ranking", align="left", style="dim"))
    console.print(ranking(run))
    if run["debates"]:
        console.print(Rule("Debates", align="left", style="dim"))
        for debate in sorted(run["debates"], key=lambda d: _rank(run, d["ticker"])):
            console.print(argument(debate))
    if run["checks"]:
        console.print(Rule("Risk checks: measured against limit", align="left", style="dim"))
        console.print(checks(run))
    console.print(Rule("What became of each ticker", align="left", style="dim"))
    console.print(outcomes(run))
    console.print(Rule("Orders staged for a person", align="left", style="dim"))
    if not run["orders"]:
        console.print(Padding("[yellow]None.[/] No trade is a decision too: the reasons are above.", (0, 2)))
    for order in run["orders"]:
        console.print(staged(order))
    console.print(farewell(run, desk))


def header(run: Document) -> RenderableType:
    """Where the picture came from and what was simulated or rule-based."""
    reading, regime = run["regime_reading"], run["regime"]
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    facts.add_row("as of", moment(run["as_of"]))
    facts.add_row("run", f"{run['run_id']}   [dim]snapshot {run['snapshot_id'][:12]}[/]")
    facts.add_row("regime", f"[{REGIME_TONE[regime]}]{regime}[/]  [dim]{reading['reason']}[/]")
    facts.add_row(
        "account", f"NLV {'unknown' if run['nlv'] is None else usd(run['nlv'])}, trading {run['trading_state']}"
    )
    for kind, origin in run["provenance"].items():
        facts.add_row(kind, f"[dim]{origin}[/]")
    engines = sorted({debate["engine"] for debate in run["debates"]})
    spoke = {"rules": "rule-based: argued from the figures by arithmetic, no language model", "llm": "language model"}
    fell = sum(debate["fell_back"] is not None for debate in run["debates"])
    instead = f"; [yellow]in {fell} of {len(run['debates'])} a model was to speak[/]" if fell else ""
    said = "; ".join(spoke[engine] for engine in engines) or "nobody was ranked high enough"
    facts.add_row("debate", said + instead)
    mended = sum(note["count"] for note in run["notes"])
    if mended:
        facts.add_row("data notes", f"[dim]{mended:,} rows mended, dropped or doubted; 'audit show' lists them[/]")
    return Panel(facts, title=f"[bold]Option desk[/] · {run['feed']}", border_style="cyan", box=box.ROUNDED)


def analyst(run: Document, source: str, title: str) -> RenderableType:
    """One analyst's signals, strongest first, and why it said nothing elsewhere."""
    signals = [signal for signal in run["signals"] if signal["source"] == source]
    silent = [item for item in run["abstentions"] if item["source"] == source]
    parts: list[RenderableType] = []
    loud = [signal for signal in signals if signal["conviction"] > 0]
    if loud:
        table = Table(box=None, padding=(0, 1), show_header=False)
        table.add_column("ticker", style="bold", width=5)
        table.add_column("edge", width=18)
        table.add_column("stance", width=7)
        table.add_column("conviction", justify="right", width=4)
        table.add_column("figures", style="dim")
        for signal in sorted(loud, key=lambda s: (-s["conviction"], s["id"])):
            table.add_row(
                signal["ticker"], signal["edge_type"], toned(signal["direction"]), f"{signal['conviction']:.2f}",
                _figures(signal),
            )  # fmt: skip
        parts.append(table)
    if silent:
        reasons: dict[str, list[str]] = {}
        for item in silent:
            reasons.setdefault(item["code"], []).append(item["ticker"])
        text = "; ".join(f"{code}: {', '.join(sorted(set(tickers)))}" for code, tickers in sorted(reasons.items()))
        parts.append(Text.from_markup(f" [dim]abstained – {text}[/]"))
    within = len(signals) - len(loud)
    count = f"{len(loud)} signals" + (f", {within} readings within their usual range" if within else "")
    return Group(Text.from_markup(f"[bold cyan]{title}[/] [dim]{count}[/]"), *parts)


def ranking(run: Document) -> RenderableType:
    """Composite scores, best first."""
    composites = {composite["ticker"]: composite for composite in run["composites"]}
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False, header_style="dim")
    for name, justify in (("#", "right"), ("", "left"), ("bear│bull", "center"), ("price", "right"), ("rich│cheap", "center"),
                          ("vol", "right"), ("conv.", "right"), ("agree", "right"), ("cover", "right"), ("", "left")):  # fmt: skip
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]  # literal of rich
    for item in run["ranking"]:
        c = composites[item["ticker"]]
        table.add_row(
            str(item["rank"]), f"[bold]{item['ticker']}[/]", bar(c["price_score"], 4), f"{c['price_score']:+.2f}",
            bar(c["vol_score"], 4), f"{c['vol_score']:+.2f}", f"{c['conviction']:.2f}", f"{c['agreement']:.2f}",
            f"{c['coverage']:.0%}", "[green]debated[/]" if item["debated"] else "",
        )  # fmt: skip
    return table


def argument(debate: Document) -> RenderableType:
    """One debate: claims with the evidence they cite, those struck, and the verdict."""
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column(width=5)
    table.add_column(ratio=1)
    for claim in debate["claims"]:
        cited = "; ".join(_cited(claim, evidence) for evidence in claim["evidence_ids"])
        body = Text.from_markup(_escaped(claim["text"]) + (f" [cyan]\\[{_escaped(cited)}][/]" if cited else ""))
        if claim["struck"]:
            body = Text.from_markup(
                f"[strike dim]{_escaped(claim['text'])}[/] [red]struck: {_escaped(claim['struck'])}[/]"
            )
        table.add_row(toned(claim["side"]), body)
    verdict = (
        f"verdict {toned(debate['verdict'])} · confidence {debate['confidence']:.2f} · vol view {debate['vol_view']}"
    )
    asides = [f"[yellow]rules spoke for the model: {_escaped(debate['fell_back'])}[/]"] if debate["fell_back"] else []
    asides += ["[dim]masked[/]"] if debate["masked"] else []
    asides += [f"[dim]{debate['stopped']}[/]"] if debate["stopped"] and debate["engine"] == "llm" else []
    lines = [" · ".join(asides)] if asides else []
    return Panel(
        Group(*map(Text.from_markup, lines), table, Text.from_markup(f"[dim]{_escaped(debate['thesis'])}[/]")),
        title=f"[bold]{debate['ticker']}[/] {verdict}", title_align="left", border_style="dim", box=box.ROUNDED,
    )  # fmt: skip


def checks(run: Document) -> RenderableType:
    """Every check, a line each; failures stand out."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True, header_style="dim")
    for name, justify in (
        ("check", "left"),
        ("measured", "right"),
        ("limit", "right"),
        ("", "left"),
        ("what was looked at", "left"),
    ):
        table.add_column(name, justify=justify, no_wrap=name != "what was looked at")  # type: ignore[arg-type]  # literal of rich
    last = None
    for check in sorted(run["checks"], key=lambda c: (_rank(run, c["ticker"]), c["stage"] != "thesis")):
        group = (check["ticker"], check["stage"])
        if group != last:
            table.add_section()
            table.add_row(f"[bold]{check['ticker']}[/] [cyan]{check['stage']}[/]")
        name = check["name"].replace("_", " ")
        table.add_row(
            f"{name} [magenta]hard[/]" if check["hard"] else name,
            measured(check["measured"], check["unit"]),
            measured(check["limit"], check["unit"]),
            "[green]✓[/]" if check["passed"] else "[bold red]✗[/]",
            f"[{'dim' if check['passed'] else 'red'}]{_escaped(check['detail'])}[/]",
        )
        last = group
    return table


def outcomes(run: Document) -> RenderableType:
    """Where each ticker's path ended."""
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column(style="bold", width=6)
    table.add_column(width=13)
    table.add_column()
    for outcome in run["outcomes"]:
        tone = "green" if outcome["step"] == "staged" else "yellow" if outcome["step"] == "vetoed" else "dim"
        order = f" [bold]{outcome['order_id']}[/]" if outcome["order_id"] else ""
        table.add_row(
            outcome["ticker"], f"[{tone}]{outcome['step']}[/]", f"[dim]{_escaped(outcome['reason'])}[/]{order}"
        )
    return table


def staged(order: Document) -> RenderableType:
    """One staged order in brief: legs, price, loss, odds, Greeks, and how the size came about."""
    return Panel(
        Group(Columns([legs(order), numbers(order)], padding=(0, 4)), sizing(order)),
        title=f"[bold]{order['order_id']}[/] {order['ticker']} {order['strategy'].replace('_', ' ')} × {order['units']}",
        title_align="left", border_style="green", box=box.ROUNDED,
    )  # fmt: skip


def legs(order: Document) -> RenderableType:
    """The contracts, as a trader writes them."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim")
    for name in ("qty", "expiry", "strike", "", "bid", "ask", "iv"):
        table.add_column(name, justify="right")
    for leg in order["legs"]:
        sign = "green" if leg["quantity"] > 0 else "red"
        table.add_row(
            f"[{sign}]{leg['quantity'] * order['units']:+d}[/]", leg["expiry"], f"{leg['strike']:g}", leg["right"],
            figure(leg["bid"]), figure(leg["ask"]), "–" if leg["iv"] is None else f"{leg['iv']:.1%}",
        )  # fmt: skip
    return table


def numbers(order: Document) -> RenderableType:
    """Price, worst case, odds and Greeks of the whole order."""
    greeks = order["greeks"]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_row(
        "limit (mid)", f"{premium(order['limit_per_share'])}, no worse than {premium(order['worst_per_share'])}"
    )
    table.add_row(
        "max loss",
        f"[red]{usd(order['max_loss'])}[/]  [dim]{order['payoff_basis']}, after fees {usd(order['fees'])}[/]",
    )
    table.add_row(
        "max profit",
        f"[green]{usd(order['max_profit'])}[/]" + (" [dim](model)[/]" if order["payoff_basis"] == "bound" else ""),
    )
    evens = ", ".join(f"{level:,.2f}" for level in order["breakevens"]) or "none"
    table.add_row("break-even", f"{evens}  [dim]spot {order['spot']:,.2f}[/]")
    table.add_row(
        "profit odds",
        f"{order['pop']:.0%}  [dim]expected {usd(order['expected_value'], sign=True)}, worst 5 % {usd(-order['cvar95'])}[/]",
    )
    table.add_row(
        "Greeks",
        f"Δ {greeks['delta']:+.1f} sh  Γ {greeks['gamma']:+.2f}  ν {greeks['vega'] / 100:+.1f} $/pt  Θ {greeks['theta'] / 365:+.1f} $/day",
    )
    return table


def sizing(order: Document) -> RenderableType:
    """Every cap and the one that bound."""
    size = order["sizing"]
    caps = "  ".join(
        f"[bold yellow]{cap['name']} {cap['units']}[/]"
        if cap["name"] == size["binding"]
        else f"{cap['name']} {cap['units']}"
        for cap in size["caps"]
    )
    binding = next(cap for cap in size["caps"] if cap["name"] == size["binding"])
    return Text.from_markup(
        f"[dim]size[/] {size['units']} = smallest of  {caps}\n[dim]     {size['binding']}: {_escaped(binding['detail'])}[/]\n"
        f"[dim]why[/]  {_escaped(order['reason'])}"
    )


def farewell(run: Document, desk: str) -> RenderableType:
    """What to type next."""
    seal = run["seal"]
    lines = [
        f"Nothing was sent: orders wait for a person. Audit head [cyan]{seal['head_hash'][:16]}[/], {seal['rows']:,} rows."
    ]
    if run["orders"]:
        first = run["orders"][0]["order_id"]
        lines += [
            f"  [bold]{desk} review show {first}[/]      look at it on one screen",
            f"  [bold]{desk} review approve {first}[/]   re-price, re-check, hand to the paper broker",
        ]
    lines += [f"  [bold]{desk} audit show {run['run_id']}[/]   the whole story, from signals to orders"]
    return Panel(
        Text.from_markup("\n".join(lines)), title="Next", title_align="left", border_style="cyan", box=box.ROUNDED
    )


def _rank(run: Document, ticker: str) -> int:
    return next((item["rank"] for item in run["ranking"] if item["ticker"] == ticker), len(run["ranking"]) + 1)


def _figures(signal: Document) -> str:
    metadata = signal["metadata"]
    chosen = FIGURES.get(signal["edge_type"])
    if chosen is None:
        numbers = [(k, v) for k, v in metadata.items() if k not in HIDDEN_FIGURES and isinstance(v, int | float)]
        return ", ".join(f"{name} {figure(value)}" for name, value in numbers[:OTHER_FIGURES])
    known = [(label, metadata.get(name), shape) for name, label, shape in chosen]
    shown = ", ".join(f"{label} {value:{shape}}" for label, value, shape in known if value is not None)
    return f"{shown}, rank of {metadata['history_source']} as proxy" if metadata.get("history_is_proxy") else shown


def _cited(claim: Document, evidence_id: str) -> str:
    """A piece of cited evidence with the figures a reader would check."""
    values = {figure["name"]: figure["value"] for figure in claim["figures"] if figure["evidence_id"] == evidence_id}
    edge = evidence_id.partition("@")[0].rpartition("/")[2]
    shown = ", ".join(
        f"{label} {values[name]:{shape}}" for name, label, shape in FIGURES.get(edge, ()) if name in values
    )
    return f"{_short(evidence_id)}: {shown}" if shown else _short(evidence_id)


def _short(evidence_id: str) -> str:
    source, _, rest = evidence_id.partition("@")[0].partition("/")
    return f"{source}:{rest.rpartition('/')[2]}" if rest else evidence_id


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
