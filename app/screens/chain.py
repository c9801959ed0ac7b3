"""One option chain on a screen: term structure, one smile against its fit, exposure, odds, locked profits."""

from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from app.screens.words import moment, usd

Document = dict[str, Any]
WIDE = 130  # columns from which the whole smile table fits
NARROW = 96  # columns below which these are left out
LEFT_OUT = {"carry", "BF25", "fwd IV", "k", "mid", "IV bid", "IV ask"}
MOST_STRIKES = 45
MOST_ODD = 8
DELTAS = (0.01, 0.99)
TOP_BAR = 16
FLAG_WORDS = {
    "bad_number": "with impossible numbers", "no_quote": "without a quote", "zero_bid": "without a bid", "crossed": "crossed",
    "locked": "locked", "wide": "too wide", "duplicate": "repeated", "non_standard": "with an adjusted deliverable",
    "no_multiplier": "without a multiplier", "expired": "expired", "no_forward": "without a forward",
    "static_bound": "outside what any model allows", "off_smile": "far from their neighbours",
}  # fmt: skip


def show_chain(console: Console, chain: Document) -> None:
    """The whole document; wide consoles get the Greeks of every strike too."""
    console.print(header(chain))
    console.print(Rule("Term structure, at the money forward", align="left", style="dim"))
    console.print(term_table(chain["term"], chain["expiry"], narrow=console.width < NARROW))
    expiry = chain["expiry"]
    title = f"Smile of {expiry['root']} {expiry['expiry']}, {expiry['days']:.1f} days, forward {expiry['forward']:,.2f}"
    console.print(Rule(title, align="left", style="dim"))
    console.print(smile_table(expiry, width=console.width))
    console.print(Rule("Dealers' exposure", align="left", style="dim"))
    console.print(exposure(chain["exposure"], chain["spot"]))
    if expiry["density"]:
        console.print(Rule(f"What the market expects by {expiry['expiry']}", align="left", style="dim"))
        console.print(odds(expiry["density"], chain["spot"]))
    if chain["events"]:
        console.print(Rule("Known events", align="left", style="dim"))
        console.print(events(chain["events"]))
    console.print(Rule("Locked profits at executable quotes, net of fees", align="left", style="dim"))
    console.print(locked(chain["arbitrage"]))
    if "plot" in chain:
        console.print(f"[dim]pictures in[/] {escape(chain['plot'])}")


def header(chain: Document) -> RenderableType:
    """Underlying, instant, spot and where it came from, and how many quotes could be used."""
    quotes = chain["quotes"]
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    facts.add_row("as of", moment(chain["as_of"]))
    origin = "quoted" if chain["spot_source"] == "quoted" else "implied by put-call parity: the quoted one disagrees"
    facts.add_row("spot", f"[bold]{chain['spot']:,.2f}[/]  [dim]{origin}[/]")
    facts.add_row("source", f"[dim]{escape(chain['source'])}[/]")
    flags = ", ".join(f"{count:,} {FLAG_WORDS.get(name, name)}" for name, count in quotes["flags"].items())
    facts.add_row("quotes", f"{quotes['good']:,} good of {quotes['rows']:,}" + (f"  [dim]{flags}[/]" if flags else ""))
    for note in chain["notes"][:6]:
        facts.add_row("note", f"[dim]{escape(note['detail'])}[/]")
    if len(chain["notes"]) > 6:
        facts.add_row("", f"[dim]and {len(chain['notes']) - 6} more with --json[/]")
    return Panel(facts, title=f"[bold]{chain['ticker']}[/] · {chain['feed']}", border_style="cyan", box=box.ROUNDED)


def term_table(rows: list[Document], chosen: Document, *, narrow: bool = False) -> RenderableType:
    """A line per expiry; the one shown in full below is marked."""
    columns = [
        ("expiry", "left"), ("", "left"), ("days", "right"), ("forward", "right"), ("carry", "right"), ("ATM IV", "right"),
        ("RR25", "right"), ("BF25", "right"), ("fwd IV", "right"), ("RMSE", "right"), ("inside", "right"), ("fit", "left"),
    ]  # fmt: skip
    kept = _kept(columns, narrow=narrow)
    table = _table(*(columns[at] for at in kept))
    for row in rows:
        here = (row["expiry"], row["root"]) == (chosen["expiry"], chosen["root"])
        cells = [
            f"[bold cyan]{row['expiry']}[/]" if here else row["expiry"],
            f"[dim]{row['root']} {row['settles']}[/]",
            f"{row['days']:.1f}",
            f"{row['forward']:,.2f}" + ("" if row["forward_from"] == "parity" else "*"),
            _percent(row["carry_per_year"], 2),
            _percent(row["atm_iv"], 2),
            _points(row["risk_reversal_25"]),
            _points(row["butterfly_25"]),
            _percent(row["forward_iv"], 2),
            _figure(row["rmse_vol_points"], ".3f"),
            _percent(row["inside_share"], 0),
            f"[{'yellow' if row['poor'] else 'green'}]{row['fit']}[/]",
        ]
        table.add_row(*(cells[at] for at in kept))
    carry = "" if narrow else "carry: rate less yield a year that the forward implies; "
    measures = "RR25, RMSE" if narrow else "RR25, BF25, RMSE"
    words = f"{carry}{measures} in vol points; inside: fits within bid and ask"
    if any(row["fit"] == "lent" for row in rows):
        words += "; lent: few quotes, other expiries lend the shape"
    guessed = any(row["forward_from"] != "parity" for row in rows)
    parts: list[RenderableType] = [table, _told(words + ("; * forward from the rate curve" if guessed else ""))]
    poor = [row for row in rows if row["poor"]]
    parts += [
        Padding(Text(f"{row['expiry']} {row['root']}: {row['quality']}", style="yellow"), (0, 1)) for row in poor[:5]
    ]
    if len(poor) > 5:
        parts.append(Padding(Text(f"and {len(poor) - 5} more poor fits", style="yellow"), (0, 1)))
    return Group(*parts)


def smile_table(expiry: Document, *, width: int) -> RenderableType:
    """Out-of-the-money quotes around the forward, thinned evenly to what a screen holds."""
    shown, wide = _shown(expiry["quotes"]), width >= WIDE
    columns = [("strike", "right"), ("", "left"), ("k", "right"), ("bid", "right"), ("ask", "right"), ("mid", "right"),
               ("IV bid", "right"), ("IV mid", "right"), ("IV ask", "right"), ("fit", "right"), ("resid", "right"), ("sprd", "right"), ("delta", "right")]  # fmt: skip
    if wide:
        columns += [(name, "right") for name in ("gamma", "vega/pt", "theta/day", "OI", "volume")]
    kept = _kept(columns, narrow=width < NARROW)
    table = _table(*(columns[at] for at in kept))
    middle = next((at for at, row in enumerate(shown) if row["is_call"]), len(shown))
    for at, row in enumerate(shown):
        if at == middle and at:
            table.add_section()
        cells = [
            f"{row['strike']:,g}", "C" if row["is_call"] else "P", f"{row['k']:+.3f}", _figure(row["bid"], ".2f"),
            _figure(row["ask"], ".2f"), _figure(row["mid"], ".2f"), _vol(row["iv_bid"]), _vol(row["iv_mid"]), _vol(row["iv_ask"]),
            _vol(row["iv_fit"]), _figure(row["residual_vol_points"], "+.2f"), _spreads(row), _figure(row["delta"], "+.2f"),
        ]  # fmt: skip
        if wide:
            cells += [
                _figure(row["gamma"], ".5f"), _figure(row["vega_per_point"], ".3f"), _figure(row["theta_per_day"], ".3f"),
                _figure(row["open_interest"], ",.0f"), _figure(row["volume"], ",.0f"),
            ]  # fmt: skip
        style = "yellow" if row["mispriced"] else ("" if row["good"] else "dim")
        table.add_row(*(cells[at] for at in kept), style=style)
    odd = sum(row["mispriced"] for row in expiry["quotes"])
    words = (
        f"{len(shown)} of {len(expiry['quotes'])} out-of-the-money strikes; resid: IV mid less fit in vol points, sprd: the same in "
        f"bid-ask spreads; {odd} mispriced (fit outside bid and ask)"
        + (", in yellow" if odd else "")
        + ("" if wide else "; Greeks, OI and volume from 130 columns on")
    )
    return Group(table, _told(words))


def exposure(found: Document, spot: float) -> RenderableType:
    """Totals in words and units, expiries and strikes as bars."""
    net = found["gamma_usd_per_1pct"]
    tone, says = ("green", "dealers sell rises and buy falls: moves are damped") if net >= 0 else ("red", "dealers buy rises and sell falls: moves are fed")  # fmt: skip
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(justify="right", no_wrap=True)
    facts.add_column(style="dim")
    facts.add_row("gamma (GEX)", f"[{tone}]{_millions(net)}[/]", f"USD of delta per 1 % move; {says}")
    facts.add_row("vanna", _millions(found["vanna_usd_of_delta_per_vol_point"]), "USD of delta per vol point up")
    facts.add_row("charm", _millions(found["charm_usd_of_delta_per_day"]), "USD of delta per calendar day passed")
    root = found["zero_gamma"]
    where = "none within 25 % of spot" if root is None else f"spot is {spot / root - 1:+.2%} from it"
    facts.add_row("zero gamma", "–" if root is None else f"{root:,.2f}", where)
    facts.add_row("call wall", _figure(found["call_wall"], ",g"), "strike with the most call gamma")
    facts.add_row("put wall", _figure(found["put_wall"], ",g"), "strike with the most put gamma")
    facts.add_row("max pain", _figure(found["max_pain"], ",g"), f"of the options dated {found['max_pain_expiry']}")
    strikes = _bars(found["by_strike"], lambda row: f"{row['strike']:,g}", "heaviest strikes")
    expiries = sorted(found["by_expiry"], key=lambda row: -abs(row["gamma_usd_per_1pct"]))[:10]
    dated = _bars(sorted(expiries, key=lambda row: row["expiry"]), lambda row: row["expiry"], "heaviest expiries")
    side = Table.grid(padding=(0, 4))
    side.add_row(strikes, dated)
    return Group(facts, Padding(side, (1, 0, 0, 0)), _told(found["convention_in_words"]))


def odds(density: Document, spot: float) -> RenderableType:
    """Moments of the log return and where the price ends, under the market's own probabilities."""
    moments = (
        f"log return: deviation {density['deviation_log_return']:.2%}, skewness {density['skewness']:+.2f}, "
        f"kurtosis {density['kurtosis']:.1f} (normal: 0 and 3)"
    )
    quantiles = _table(
        ("share below", "left"), *((f"{row['probability']:.0%}", "right") for row in density["quantiles"])
    )
    form = ",.0f" if spot >= 1_000.0 else ",.2f"
    quantiles.add_row("price", *(f"{row['price']:{form}}" for row in density["quantiles"]))
    quantiles.add_row("from spot", *(f"{row['price'] / spot - 1:+.1%}" for row in density["quantiles"]), style="dim")
    moves = _table(("move beyond", "left"), *((f"{row['move']:.0%}", "right") for row in density["moves"]))
    moves.add_row("[red]down[/]", *(f"{row['beyond_down']:.2%}" for row in density["moves"]))
    moves.add_row("[green]up[/]", *(f"{row['beyond_up']:.2%}" for row in density["moves"]))
    return Group(_told(moments), quantiles, moves)


def events(found: list[Document]) -> RenderableType:
    """Reports ahead and the move that the term structure expects of them."""
    lines = []
    for event in found:
        title = escape(event["title"] or "earnings")
        if event["implied_move"] is None:
            says = f"[yellow]no move can be read off[/] [dim]({escape(event['refused'])})[/]"
        else:
            says = (
                f"implied move [bold]±{event['implied_move']:.1%}[/] one deviation (standard error {event['error']:.2%}), mean "
                f"{event['expected_absolute_move']:.1%}; without it IV {event['ambient_iv']:.1%}; first expiry after it {event['after']}"
            )
        lines.append(Text.from_markup(f" {moment(event['at'])}  {title}: {says}"))
    return Group(*lines)


def locked(found: Document) -> RenderableType:
    """Conversions, reversals and boxes that earn something for sure, or how many were looked at in vain."""
    judged = f"{found['strikes']:,} strikes against parity and {found['boxes']:,} boxes judged"
    stale = f", {found['stale_strikes']:,} strikes left out as stale" if found["stale_strikes"] else ""
    best = found["parity"][:5] + found["best_boxes"][:5]
    if not found["synchronous"]:
        words = f"none to be believed: {judged}{stale}, too many for quotes of one instant"
        return Padding(Text(words, style="yellow"), (0, 1))
    if not best:
        return _told(f"none; {judged}{stale}")
    table = _table(("what", "left"), ("expiry", "left"), ("strikes", "right"), ("profit", "right"), ("a year", "right"), ("units", "right"), ("legs", "left"))  # fmt: skip
    for item in best:
        legs = ", ".join(f"{leg['quantity']:+d} {leg['symbol'][-9]}{float(leg['symbol'][-8:]) / 1000:g} @ {leg['price']:g}" for leg in item["legs"])  # fmt: skip
        table.add_row(
            item["kind"].replace("_", " "), item["expiry"], " / ".join(f"{strike:g}" for strike in item["strikes"]),
            usd(item["profit_per_unit"]), f"{item['annual_return']:.1%}", _figure(item["units"], ",.0f"), f"[dim]{legs}[/]",
        )  # fmt: skip
    words = f"{judged}{stale}; {found['profitable_boxes']:,} boxes above zero. Profit in USD for one contract a leg."
    return Group(table, _told(words))


def _shown(quotes: list[Document]) -> list[Document]:
    """Quotes from 1 to 99 delta, thinned evenly; those furthest from the fit stay."""
    low, high = DELTAS
    near = [q for q in quotes if q["delta"] is not None and low <= abs(q["delta"]) <= high] or quotes
    if len(near) <= MOST_STRIKES:
        return near
    step = len(near) / MOST_STRIKES
    kept = {int(step * at) for at in range(MOST_STRIKES)}
    odd = sorted(
        (at for at, quote in enumerate(near) if quote["mispriced"]), key=lambda at: -abs(near[at]["residual_spreads"])
    )
    kept |= set(odd[:MOST_ODD])
    return [quote for at, quote in enumerate(near) if at in kept]


def _bars(rows: list[Document], label: Any, title: str) -> Table:
    """Signed bars of gamma in USD per 1 % move."""
    most = max((abs(row["gamma_usd_per_1pct"]) for row in rows), default=0.0) or 1.0
    table = Table.grid(padding=(0, 1))
    table.add_row(f"[dim]{title}[/]")
    for row in rows:
        value = row["gamma_usd_per_1pct"]
        length = max(round(abs(value) / most * TOP_BAR), 1)
        table.add_row(label(row), f"[{'green' if value >= 0 else 'red'}]{'█' * length}[/] {_millions(value)}")
    return table


def _kept(columns: list[tuple[str, str]], *, narrow: bool) -> list[int]:
    """Positions of the columns that are shown."""
    return [at for at, (name, _) in enumerate(columns) if not (narrow and name in LEFT_OUT)]


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False, header_style="dim")
    for name, justify in columns:
        table.add_column(name, justify=justify, no_wrap=name not in ("fit", "legs") or justify == "right")  # type: ignore[arg-type]  # literal of rich
    return table


def _told(words: str) -> Padding:
    """Small print under a table."""
    return Padding(Text(words, style="dim"), (0, 1))


def _figure(value: float | None, form: str) -> str:
    return "–" if value is None else f"{value:{form}}"


def _percent(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}%}"


def _points(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.2f}"


def _vol(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f}"


def _spreads(row: Document) -> str:
    return _figure(row["residual_spreads"], "+.2f") + ("!" if row["mispriced"] else "")


def _millions(value: float) -> str:
    magnitude = abs(value)
    if magnitude >= 1e9:
        return f"{value / 1e9:+,.2f} bn"
    return f"{value / 1e6:+,.1f} m" if magnitude >= 1e5 else f"{value:+,.0f}"
