"""One ticker's way through a run: signals, debate, checks, candidates, size, order, what people did, fills."""

from collections.abc import Iterator
from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from app.screens.run import legs, numbers, sizing
from app.screens.words import STATE_TONE, measured, moment, premium, toned, usd

Document = dict[str, Any]
LOUDEST = 5  # signals shown unless the tale is told in full
CAPS = 4
STEP_TONE = {"staged": "green", "vetoed": "yellow", "refused": "yellow"}


def tale(told: Document, orders: list[Document], reviews: list[Document], *, in_full: bool) -> RenderableType:
    """A few lines; `in_full` shows every claim, check and candidate, and the order's contracts."""
    rows = Table.grid(padding=(0, 1))
    rows.add_column(style="dim", no_wrap=True, width=10)
    rows.add_column()
    for name, body in _rows(told, in_full=in_full):
        rows.add_row(name, _text(body) if isinstance(body, str) else body)
    for order in orders:
        rows.add_row("order", _text(_order(order)))
        for line in _life(order, reviews):
            rows.add_row("", _text(line))
    parts: list[RenderableType] = [_text(_title(told)), Padding(rows, (0, 0, 0, 1))]
    if in_full:
        for order in orders:
            parts += [Columns([legs(order), numbers(order)], padding=(0, 4)), sizing(order)]
    return Group(*parts)


def _title(told: Document) -> str:
    rank, c, outcome = told["rank"], told["composite"], told["outcome"]
    scores = (
        f"[dim]price[/] {c['price_score']:+.2f} [dim]vol[/] {c['vol_score']:+.2f} [dim]conviction[/] {c['conviction']:.2f}"
        if c
        else ""
    )
    step = outcome["step"] if outcome else "cut off" if told["debate"] else "held"
    place = f"{rank['rank']}. " if rank else ""
    return f"[bold cyan]{place}{told['ticker']}[/]  {scores}  → [{STEP_TONE.get(step, 'white')}]{step}[/]"


def _rows(told: Document, *, in_full: bool) -> Iterator[tuple[str, RenderableType | str]]:
    yield "signals", _signals(told, in_full=in_full)
    for key, lesson in told["lessons"].items():
        yield "learned", f"{key} [dim]{_escaped(lesson['text'])}[/]"
    for memory in told["memories"]:
        yield "recalled", f"[dim]{_escaped(memory['text'])} alike {memory['similarity']:.2f}[/]"
    if told["debate"]:
        yield "debate", "\n".join(_debate(told["debate"], in_full=in_full))
    thesis, allocation, selection = told["thesis"], told["allocation"], told["selection"]
    decisions = [item["decision"] for item in (thesis, allocation) if item and item["decision"]]
    if decisions:
        yield "checks", _checks(decisions, in_full=in_full)
    if thesis and thesis["refused"] and thesis["decision"]["approved"]:
        yield "", f"[yellow]{_escaped(thesis['refused'])}[/]"
    if selection:
        yield "candidates", "\n".join(_candidates(selection, in_full=in_full))
    if allocation and not (in_full and told["staged"]):
        yield "size", _size(allocation)
    for key, finding in told["held"].items():
        yield "held", f"{key} [dim]{_escaped(found_of(finding))}[/]"
    for key, closing in told["closings"].items():
        decision = closing["allocation"]["decision"]
        vetoes = "; ".join(check["detail"] for check in decision["checks"] if not check["passed"]) if decision else ""
        yield "closing", f"{key} [dim]{_escaped(closing['staged'] or vetoes or 'not staged')}[/]"


def found_of(finding: Any) -> str:
    """What the desk found about a held structure: the exit rule that is due, or why it is kept."""
    return f"{finding['reason']['rule']}: {finding['reason']['detail']}" if isinstance(finding, dict) else str(finding)


def _signals(told: Document, *, in_full: bool) -> str:
    loud = sorted((s for s in told["signals"] if s["conviction"] > 0), key=lambda s: (-s["conviction"], s["id"]))
    shown = loud if in_full else loud[:LOUDEST]
    said = " · ".join(f"{s['edge_type']} {toned(s['direction'])} {s['conviction']:.2f}" for s in shown)
    more = f" [dim]and {len(loud) - len(shown)} more[/]" if len(loud) > len(shown) else ""
    codes = dict.fromkeys(f"{item['source']} {item['code']}" for item in told["abstentions"])
    silent = f" [dim]abstained: {', '.join(codes)}[/]" if codes else ""
    return (said or "[dim]none with conviction[/]") + more + silent


def _debate(debate: Document, *, in_full: bool) -> Iterator[str]:
    cause = f" ({debate['cause']})" if debate["cause"] else ""
    fell = f" [yellow]fell back: {_escaped(debate['fell_back'])}[/]" if debate["fell_back"] else ""
    standing = [claim for claim in debate["claims"] if claim["struck"] is None]
    struck = [claim for claim in debate["claims"] if claim["struck"] is not None]
    yield (
        f"{toned(debate['verdict'])}{cause} at {debate['confidence']:.2f}, volatility view {debate['vol_view']}, conflict "
        f"{debate['conflict']:.2f} [dim]({debate['engine']}, {len(standing)} claims stand, {len(struck)} struck)[/]{fell}"
    )
    strongest = sorted(standing, key=lambda claim: (-claim["strength"], claim["id"]))
    best = [next((claim for claim in strongest if claim["side"] == side), None) for side in ("bull", "bear")]
    for claim in strongest if in_full else [claim for claim in best if claim]:
        cited = ", ".join(_short(evidence) for evidence in claim["evidence_ids"])
        yield f"[dim]{claim['side']} {claim['strength']:.2f}[/] {_escaped(claim['text'])} [cyan]{_escaped(cited)}[/]"
    for claim in struck if in_full else ():
        yield f"[strike dim]{claim['side']} {_escaped(claim['text'])}[/] [red]{_escaped(claim['struck'])}[/]"


def _checks(decisions: list[Document], *, in_full: bool) -> RenderableType:
    """Vetoes first, each with its number; what passed is counted, or in full listed two a line."""
    checks = [check for decision in decisions for check in decision["checks"]]
    lines = [
        f"[bold red]✗[/] {_against(check)} [dim]{check['stage']}: {_escaped(check['detail'])}[/]"
        for check in checks
        if not check["passed"]
    ]
    counts = ", ".join(f"{d['stage']} {sum(c['passed'] for c in d['checks'])} of {len(d['checks'])}" for d in decisions)
    parts: list[RenderableType] = [_text(line) for line in [*lines, f"[green]✓[/] {counts} passed"]]
    if in_full:
        passed = [f"[dim]{_against(check)}[/]" for check in decisions[-1]["checks"] if check["passed"]]
        table = Table.grid(padding=(0, 3))
        for left, right in zip(passed[::2], [*passed[1::2], ""], strict=False):
            table.add_row(left, right)
        parts.append(table)
    return Group(*parts)


def _against(check: Document) -> str:
    name, unit = str(check["name"]).replace("_", " "), check["unit"]
    if check["measured"] is None and check["limit"] is None:
        return name
    return f"{name} {measured(check['measured'], unit)} of {measured(check['limit'], unit)}"


def _candidates(selection: Document, *, in_full: bool) -> Iterator[str]:
    if selection["refused"]:
        yield f"[yellow]{_escaped(selection['refused'])}[/]"
    found = selection["candidates"]
    for candidate in found if in_full else found[:1]:
        strikes = "/".join(f"{leg['strike']:g}" for leg in candidate["legs"])
        yield (
            f"{candidate['strategy'].replace('_', ' ')} {strikes} {candidate['first_expiry']} at "
            f"{premium(candidate['limit_per_share'])}, expected {usd(candidate['expected_value'], sign=True)}, odds "
            f"{candidate['pop']:.0%} [dim]score {candidate['score']:.3f}[/]"
        )
    considered = ", ".join(choice["strategy"].replace("_", " ") for choice in selection["choices"])
    if considered:
        yield f"[dim]{'all' if in_full else 'best'} of {len(found)} kept; looked at {considered}[/]"
    for strategy, why in selection["misses"].items() if in_full else ():
        yield f"[dim]{strategy.replace('_', ' ')}: {_escaped(why)}[/]"


def _size(allocation: Document) -> str:
    """The binding cap and the next smallest."""
    size = allocation["sized"]["sizing"]
    caps = sorted(size["caps"], key=lambda cap: (cap["units"], cap["name"] != size["binding"]))
    said = [f"{cap['name']} {cap['units']}" for cap in caps[:CAPS]]
    said[:1] = [f"[bold yellow]{first}[/]" for first in said[:1]]
    larger = f" [dim]and {len(caps) - CAPS} larger caps[/]" if len(caps) > CAPS else ""
    return f"{size['units']} = smallest of {', '.join(said)}{larger}"


def _order(order: Document) -> str:
    state = f"[{STATE_TONE[order['state']]}]{order['state']}[/]"
    closes = f", closes {order['closes']}" if order["closes"] else ""
    return (
        f"[bold]{order['order_id']}[/] v{order['version']} {order['strategy'].replace('_', ' ')} × {order['units']} at "
        f"{premium(order['limit_per_share'])}, max loss [red]{usd(order['max_loss'])}[/], {state}{closes}"
    )


def _life(order: Document, reviews: list[Document]) -> Iterator[str]:
    """What people and the desk did to it, then its fills."""
    for event in order["history"][1:]:
        by = f" by {event['reviewer']}" if event["reviewer"] else ""
        why = f" [dim]{_escaped(event['reason'])}[/]" if event["reason"] else ""
        yield f"{event['to_state']}{by}, {moment(event['at'])}{why}"
    for review in reviews:
        if review["ticker"] == order["order_id"] and "refused" in review["kind"]:
            yield f"[yellow]{_escaped(review['kind'])}[/] [dim]row {review['seq']}[/]"
    for fill in order["fills"]:
        yield (
            f"[green]fill[/] {fill['units']} units, cash {usd(fill['cash'], sign=True)} after fees {usd(fill['fees'])} "
            f"[dim]{_escaped(fill['rule'])}[/]"
        )


def _short(evidence: str) -> str:
    """An evidence id without ticker and instant: "flow:pin"."""
    source, _, rest = evidence.partition("@")[0].partition("/")
    return f"{source}:{rest.rpartition('/')[2]}" if rest else evidence


def _text(markup: str) -> Text:
    return Text.from_markup(markup)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
