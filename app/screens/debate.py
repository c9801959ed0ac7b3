"""The debate, measured: ablation, verdict shares, calibration."""

from collections import Counter
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from app.screens.costs import dollars
from app.screens.words import moment, toned

WHAT = {
    "debate": "as configured",
    "order swapped": "the other side opens",
    "single judge": "nobody argues",
    "rules": "no model",
    "masked": "mask the other way",
}
VERDICTS = ("bull", "bear", "inconclusive")
BAR = 20
WIDE = 100  # columns from which the words beside the figures fit


def show_ablation(console: Console, document: dict[str, Any]) -> None:
    """A row a variant; below it what to read from them."""
    names = document["models"]
    models = f" · {names['advocate']} argue, {names['judge']} judges" if names else ""
    console.print(
        f"[bold]Ablation[/] on {document['account']}: {document['cases']} debated tickers of {len(document['runs'])} "
        f"runs, each argued {document['repeats']} times · engine {document['engine']}{models}",
        highlight=False,
    )
    verdicts = Table(box=box.SIMPLE_HEAD, padding=0, header_style="dim")
    verdicts.add_column("variant", no_wrap=True)
    for name in ("bull", "bear", "inc.", "agrees", "itself", "conf.", "Δ", "object."):
        verdicts.add_column(name, justify="right", no_wrap=True)
    prices = Table(box=box.SIMPLE_HEAD, padding=0, header_style="dim")
    prices.add_column("variant", no_wrap=True)
    for name in ("calls", "tokens", "USD", "each", "median s", "max s", "struck", "fell"):
        prices.add_column(name, justify="right", no_wrap=True)
    wide = console.width >= WIDE
    if wide:
        prices.add_column("", style="dim")
    for row in document["variants"]:
        own = row["self_agreement"]
        verdicts.add_row(
            row["variant"], *(f"{row['shares'][name]:.0%}" for name in VERDICTS), f"{row['agreement']:.0%}",
            "–" if own is None else f"{own:.0%}", f"{row['confidence']:.2f}", f"{row['confidence_change']:.2f}",
            str(row["objections"] or "–"),
        )  # fmt: skip
        prices.add_row(
            row["variant"], f"{row['calls']:,}", f"{row['tokens']:,}", dollars(row["usd"]),
            dollars(row["usd"] / row["trials"]), f"{row['seconds_median']:.2f}", f"{row['seconds_slowest']:.2f}",
            str(row["struck"] or "–"), str(row["fell_back"] or "–"), *([WHAT[row["variant"]]] if wide else []),
        )  # fmt: skip
    console.print(verdicts)
    console.print(prices)
    console.print(
        "[dim]agrees: same verdict as `debate`, case by case; itself: repeats of one case agree; Δ: change of "
        "confidence; fell: back to the rules. A single judge that agrees and is cheaper says the "
        "debate is not worth its cost; an order that changes verdicts says the last word decides.[/]"
    )
    because: Counter[str] = sum((Counter(row["fell_because"]) for row in document["variants"]), Counter())
    if because:
        console.print(
            f"[yellow]Rules spoke in {because.total()} debates that models were to hold ("
            f"{', '.join(f'{code} {count}' for code, count in because.most_common())}): those say nothing of the models.[/]"
        )
    if document["engine"] == "rules":
        console.print(
            "[dim]By rules neither order nor repeats can change a verdict: this shows the measure, not a model.[/]"
        )


def show_verdicts(console: Console, document: dict[str, Any]) -> None:
    """Shares lately and before, by engine; the alarm if there is one."""
    if not document["engines"]:
        console.print("No debate yet. [bold]desk run[/] holds some.")
        return
    for name, drift in document["engines"].items():
        table = Table(
            box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim", title_justify="left",
            title=f"[bold]{name}[/]: last {drift['recent']} debates, and {drift['base']} before",
        )  # fmt: skip
        table.add_column("verdict", no_wrap=True)
        for head in ("lately", "before", "z"):
            table.add_column(head, justify="right")
        table.add_column("")
        for shift in drift["shifts"]:
            filled = round(shift["recent"] * BAR)
            table.add_row(
                toned(shift["verdict"]), f"{shift['recent']:.0%}", f"{shift['base']:.0%}" if drift["base"] else "–",
                f"{shift['z']:+.1f}" if drift["judged"] else "–",
                f"{'█' * filled}[dim]{'░' * (BAR - filled)}[/]" + (" [bold red]alarm[/]" if shift["alarming"] else ""),
            )  # fmt: skip
        console.print(table)
        if not drift["judged"]:
            console.print("[dim]Too few debates to compare (debate.yaml, alarm.least).[/]")
    if document["alarm"]:
        console.print(
            f"[bold red]Alarm[/] {document['alarm']}. Look at what changed: prompts, models, signals "
            "('desk audit show last'); 'desk debate ablate' tells which."
        )


def show_calibration(console: Console, document: dict[str, Any]) -> None:
    """Scores by voice, then each curve."""
    console.print(
        f"[bold]Calibration[/] on {document['account']}: {document['forecasts']} forecasts on positions closed by "
        f"{moment(document['as_of'])}",
        highlight=False,
    )
    if not document["voices"]:
        console.print("[dim]No position with a directional or volatility thesis is closed yet: nothing to score.[/]")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim")
    table.add_column("voice", no_wrap=True)
    for name in ("forecasts", "right", "Brier", "log score", "skill", "weight"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in document["voices"]:
        table.add_row(
            f"{row['kind']} {row['name']}", str(row["count"]), f"{row['hits'] / row['count']:.0%}",
            f"{row['brier']:.3f}", f"{row['log_score']:.3f}", f"{row['skill']:+.2f}",
            "–" if row["factor"] is None else f"×{row['factor']:.2f}",
        )  # fmt: skip
    console.print(table)
    curve = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim")
    curve.add_column("voice", no_wrap=True)
    for name in ("foretold", "n", "mean", "came true", "95 % interval"):
        curve.add_column(name, justify="right", no_wrap=True)
    for row in document["voices"]:
        for number, point in enumerate(row["curve"]):
            curve.add_row(
                "" if number else f"{row['kind']} {row['name']}", f"{point['low']:.0%}–{point['high']:.0%}",
                str(point["count"]), f"{point['probability']:.0%}", f"{point['rate']:.0%}",
                f"{point['rate_low']:.0%}–{point['rate_high']:.0%}",
            )  # fmt: skip
    console.print(curve)
    console.print(
        "[dim]Always saying one half scores Brier 0.250, log 0.693; lower is better. weight: what the aggregator "
        "multiplies the source's word with.[/]"
    )
