"""The picture of a book under stress: shocks of history, the spot and volatility matrix, and time."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.screens.plots import BLUE, GREY, INK, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Document = dict[str, Any]
LOSS, GAIN = "#c2413b", "#2f8f5b"


def save_picture(found: Document, path: Path) -> None:
    """Draw the document of `desk stress` and write it to `path` (.png, .svg, .pdf); equal documents give equal bytes."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(14.0, 5.2), dpi=120, layout="constrained")
        bars, matrix, time = figure.subplots(1, 3, width_ratios=(1.0, 1.25, 1.1))
        _shocks(bars, found)
        _matrix(matrix, found["grid"])
        _time(time, found["grid"])
        order = f" with {found['order']}" if found["order"] else ""
        figure.suptitle(f"{found['account']} book{order} under stress, {found['at']}", x=0.01, ha="left", fontsize=12)
        dateless = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
        figure.savefig(path, metadata=dateless.get(path.suffix.lower().lstrip(".")))


def _shocks(axes: "Axes", found: Document) -> None:
    names = [item["name"].replace("_", " ") for item in found["scenarios"]]
    profit = [item["pnl"] for item in found["scenarios"]]
    axes.barh(names, profit, color=[GAIN if usd >= 0 else LOSS for usd in profit], height=0.6)
    axes.axvline(0.0, color=INK, linewidth=0.8)
    axes.invert_yaxis()
    axes.set_title("history, at once (USD)", loc="left")


def _matrix(axes: "Axes", grid: Document) -> None:
    now = np.array(grid["book"][0])
    reach = max(float(np.abs(now).max()), 1.0)
    axes.imshow(now, cmap="RdYlGn", vmin=-reach, vmax=reach, alpha=0.65, aspect="auto", origin="lower")
    for row, line in enumerate(now):
        for column, usd in enumerate(line):
            axes.text(column, row, f"{usd:,.0f}", ha="center", va="center", fontsize=6.5, color=INK)
    axes.set_xticks(range(len(grid["spot"])), [f"{move:+.0%}" for move in grid["spot"]])
    axes.set_yticks(range(len(grid["vol"])), [f"{move:+.0%}" for move in grid["vol"]])
    axes.grid(visible=False)
    axes.set_xlabel("index move, names by beta")
    axes.set_ylabel("30-day volatility, relative")
    axes.set_title("P&L now (USD)", loc="left")


def _time(axes: "Axes", grid: Document) -> None:
    still, spot = grid["vol"].index(0.0), 100.0 * np.array(grid["spot"])
    shades = np.linspace(1.0, 0.35, len(grid["days"]))
    for place, (days, shade) in enumerate(zip(grid["days"], shades, strict=True)):
        label = "now" if days == 0 else f"in {days} days"
        axes.plot(
            spot, grid["book"][place][still], color=BLUE, alpha=float(shade), marker="o", markersize=3, label=label
        )
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    axes.set_xlabel("index move (%)")
    axes.set_title("P&L as time passes, volatility as it is (USD)", loc="left")
    axes.legend()
