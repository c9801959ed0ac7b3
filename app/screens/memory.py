"""Memory for people: a line a situation, one in full, and how much there is."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.screens.words import moment, toned, usd

Document = dict[str, Any]
FINDING_TONE = {"right": "green", "lucky": "yellow", "unpaid": "yellow", "wrong": "red", "even": "dim"}
FINDING_WORDS = {
    "right": "the view came true and paid",
    "lucky": "paid although the view was wrong",
    "unpaid": "the view came true, the structure lost",
    "wrong": "the view was wrong and cost",
    "even": "nothing gained, nothing lost",
}
PARTS = ("delta", "gamma", "theta", "vega", "fees", "rest")


def show_memories(console: Console, document: Document, *, desk: str) -> None:
    """Latest decision first; where there is no outcome, what became of the order."""
    rows = document["memories"]
    if not rows and document["learned"] is not None:
        what = "No lesson was learned" if document["learned"] else "No order of a remembered situation is held or waits"
        console.print(f"{what} in {document['account']} as of {moment(document['as_of'])}.")
        return
    if not rows:
        console.print(
            f"Nothing is remembered of {document['account']} yet as of {moment(document['as_of'])}: runs that debate a "
            "ticker leave situations behind, and a trade that closes leaves a lesson."
        )
        return
    wide = console.width >= 110
    table = Table(box=None, padding=(0, 1), header_style="dim")
    names = ("decided", "ticker", "regime", "view", "outcome", "finding", "layer", "weight", "cited", "order")
    for name in names if wide else tuple(name for name in names if name not in ("regime", "weight", "cited")):
        table.add_column(
            name, justify="right" if name in ("outcome", "weight", "cited") else "left", no_wrap=name != "view"
        )
    for row in rows:
        closed = row["outcome"] is not None
        cells = {
            "decided": row["decided_at"][:16].replace("T", " ") + "Z" if wide else row["decided_at"][:10],
            "ticker": f"[bold]{row['ticker']}[/]",
            "regime": row["regime"].replace("_", " "),
            "view": _view(row),
            "outcome": f"{row['outcome']:+.2f}" if closed else f"[dim]{row['fate'] or 'not traded'}[/]",
            "finding": f"[{FINDING_TONE[row['finding']]}]{row['finding']}[/]" if closed else "[dim]–[/]",
            "layer": row["layer"] or "[dim]–[/]",
            "weight": f"{row['importance'] * row['recency']:.2f}" if closed else "[dim]–[/]",
            "cited": f"{row['useful']}+ {row['useless']}-" if row["useful"] + row["useless"] else "[dim]–[/]",
            "order": row["order_id"] or "[dim]–[/]",
        }
        table.add_row(*(cells[str(column.header)] for column in table.columns))
    console.print(table)
    note = "outcome: P&L over worst case"
    if wide:
        note += "; weight: importance × recency now; cited: borne out +, not -"
    console.print(f"[dim]{note}. {desk} memory show ORDER · stats[/]")


def show_memory(console: Console, told: Document) -> None:
    """What was seen, what was predicted, what happened, what to learn."""
    composite, lesson = told["composite"], told["lesson"]
    console.print(f"[bold cyan]{told['ticker']}[/]  {moment(told['decided_at'])}  [dim]{told['id']}[/]")
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column()
    scores = " · ".join(f"{name.replace('_score', '')} {composite[name]:+.2f}" for name in ("price_score", "vol_score"))
    rows.add_row(
        "situation", f"{scores} · conviction {composite['conviction']:.2f} · regime {told['regime'].replace('_', ' ')}"
    )
    loud = sorted(composite["contributions"], key=lambda part: (-abs(part["value"]), part["signal_id"]))[:6]
    if loud:
        rows.add_row("evidence", " · ".join(f"{part['edge_type']} {part['value']:+.2f}" for part in loud))
    rows.add_row("decided", f"{_view(told)} at {told['confidence']:.2f} [dim]({told['engine']})[/]")
    rows.add_row("thesis", Text(told["thesis"]))
    for cited in (item for item in told["cited"] if item.startswith("memory/")):
        rows.add_row("recalled", Text(cited))
    if lesson is None:
        rows.add_row("outcome", _no_outcome(told["order_id"], told["fate"]))
    else:
        _lesson(rows, told, lesson)
    console.print(rows)
    if lesson is not None:
        console.print(_parts(lesson["attribution"], lesson["profit"]))
        console.print(Text(f"evidence: {', '.join(lesson['evidence'])}", style="dim"))


def show_stats(console: Console, document: Document, *, desk: str) -> None:
    """Counts, and what to do where vectors are missing."""
    console.print(f"[bold]Memory of {document['account']}[/] as of {moment(document['as_of'])}")
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim")
    facts.add_column(justify="right")
    facts.add_column(style="dim")
    facts.add_row("situations", f"{document['situations']:,}", f"{document['traded']:,} traded")
    orders = document["orders"]
    facts.add_row(
        "orders", f"{sum(orders.values()):,}", ", ".join(f"{number:,} {fate}" for fate, number in orders.items())
    )
    won = f"{document['won']:,} of them won" if document["learned"] else "a lesson is written when a trade closes"
    facts.add_row("lessons", f"{document['learned']:,}", won)
    for name, number in document["findings"].items():
        facts.add_row(f"  {name}", f"{number:,}", FINDING_WORDS[name])
    for name in ("short", "mid", "long"):
        facts.add_row(f"layer {name}", f"{document['layers'].get(name, 0):,}", "")
    borne = f"{document['useful']:,} borne out" if document["citations"] else ""
    facts.add_row("citations judged", f"{document['citations']:,}", borne)
    for name, number in document["vectors"].items():
        facts.add_row("vectors", f"{number:,}", name + (", in use" if name == document["embedder"] else ""))
    console.print(facts)
    if document["without_vector"] > 0:
        console.print(
            f"[yellow]{document['without_vector']:,} lessons have no vector of {document['embedder']}:[/] "
            f"[bold]{desk} memory reembed[/] makes them."
        )


def _no_outcome(order: str | None, fate: str | None) -> str:
    if fate is None:
        return "not traded: no order was staged"
    told = {
        "held": f"open: order {order} is held",
        "waiting": f"waiting: order {order} waits for a decision or a fill",
        "closed": f"order {order} is closed; the next run draws the lesson",
    }
    return told.get(fate, f"not traded: order {order} {fate}")


def _lesson(rows: Table, told: Document, lesson: Document) -> None:
    tone = FINDING_TONE[lesson["finding"]]
    rows.add_row("predicted", f"{lesson['expected']:+.2f} of worst case, {lesson['win_chance']:.0%} to win")
    moved = "" if lesson["price_move"] is None else f" · price {lesson['price_move']:+.1%}"
    sigmas = "" if lesson["move_in_sigmas"] is None else f" ({lesson['move_in_sigmas']:+.1f} sigma)"
    vol = "" if lesson["vol_change"] is None else f" · implied volatility {100 * lesson['vol_change']:+.1f} points"
    rows.add_row(
        "happened",
        f"{lesson['outcome']:+.2f} of worst case, {usd(lesson['profit'], sign=True)}{moved}{sigmas}{vol}, "
        f"known {moment(lesson['known_at'])}",
    )
    rows.add_row("finding", f"[{tone}]{lesson['finding']}[/] [dim]{FINDING_WORDS[lesson['finding']]}[/]")
    rows.add_row("lesson", Text(lesson["text"]))
    rows.add_row(
        "standing",
        f"{told['layer']} layer, importance {told['importance']:.2f} (surprise {lesson['surprise']:.1f} sigma), "
        f"recency {told['recency']:.2f}; cited: {told['useful']} borne out, {told['useless']} not",
    )


def _parts(parts: Document, profit: float) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim")
    for name in (*PARTS, "profit"):
        table.add_column(name, justify="right", no_wrap=True)
    amounts = [*(parts[name] for name in PARTS), profit]
    table.add_row(*("unknown" if amount is None else usd(amount, sign=True, cents=False) for amount in amounts))
    return table


def _view(row: Document) -> str:
    vol = "" if row["vol_view"] == "none" else f", vol {row['vol_view']}"
    return f"{toned(row['verdict'])}{vol}"
