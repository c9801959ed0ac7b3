"""A picture of profit and loss over the price of the underlying, drawn with block characters."""

from collections.abc import Sequence
from math import ceil

import numpy as np
from rich.text import Text

from domain.units import Floats

HEIGHT = 8
WIDTH = 76
NARROWEST = 20
LABEL = 11
EIGHTHS = " ▁▂▃▄▅▆▇█"
TALLEST = 4.0  # times the loss: a profit beyond that is cut off, else the loss could not be seen


def picture(
    prices: Sequence[float], pnl: Sequence[float], spot: float, breakevens: Sequence[float], *, room: int = 100
) -> Text:
    """Columns of P&L (USD of the whole order) over `prices` (USD, ascending); spot and break-evens on the axis. No line
    is longer than `room` characters.
    """
    width = max(min(WIDTH, room - LABEL), NARROWEST)
    grid = np.linspace(prices[0], prices[-1], width)
    values = _columns(grid, np.asarray(prices), np.asarray(pnl))
    top, bottom = max(float(values.max()), 0.0), max(-float(values.min()), 0.0)
    if bottom > 0:
        top = min(top, TALLEST * bottom)
    unit = (top + bottom) / HEIGHT or 1.0
    up, down = ceil(top / unit), ceil(bottom / unit)
    text = Text()
    for row in range(up, 0, -1):
        text.append(_label(top if row == up else None))
        text.append("".join(_rising(value / unit - (row - 1)) for value in values) + "\n", style="green")
    text.append(_label(0.0))
    text.append_text(_axis(grid, spot, breakevens))
    for row in range(1, down + 1):
        text.append(_label(-bottom if row == down else None))
        text.append("".join(_hanging(-value / unit - (row - 1)) for value in values) + "\n", style="red")
    text.append(f"{'':>{LABEL}}{grid[0]:<{width // 2},.2f}{grid[-1]:>{width - width // 2},.2f}\n", style="dim")
    marks = "   ".join(f"◆ break-even {level:,.2f}" for level in breakevens)
    text.append(f"{'':>{LABEL}}▲ spot {spot:,.2f}   {marks}", style="cyan")
    return text


def _columns(grid: Floats, prices: Floats, pnl: Floats) -> Floats:
    """A height for each column: the curve's at its middle, or a peak or trough that lies between two middles."""
    middles = np.interp(grid, prices, pnl)
    heights, half = middles.copy(), (grid[1] - grid[0]) / 2
    for column, middle in enumerate(grid):
        inside = pnl[np.abs(prices - middle) <= half]
        around = middles[max(column - 1, 0) : column + 2]
        if len(inside) and inside.max() > around.max():
            heights[column] = inside.max()
        elif len(inside) and inside.min() < around.min():
            heights[column] = inside.min()
    return heights


def _axis(grid: Floats, spot: float, breakevens: Sequence[float]) -> Text:
    line = ["─"] * len(grid)
    for level, mark in (*((level, "◆") for level in breakevens), (spot, "▲")):
        if grid[0] <= level <= grid[-1]:
            line[int(np.argmin(np.abs(grid - level)))] = mark
    return Text("".join(line) + "\n", style="cyan")


def _rising(filled: float) -> str:
    return EIGHTHS[int(min(max(filled, 0.0), 1.0) * 8 + 0.5)]


def _hanging(filled: float) -> str:
    """Blocks that hang from the top exist in thirds only."""
    return " ▔▀█"[int(min(max(filled, 0.0), 1.0) * 3 + 0.5)]


def _label(amount: float | None) -> str:
    return f"{'' if amount is None else f'{amount:+,.0f}':>{LABEL - 1}} "
