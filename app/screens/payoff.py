"""A picture of profit and loss over the price of the underlying, drawn with block characters."""

from collections.abc import Sequence

import numpy as np
from rich.text import Text

HEIGHT = 11
WIDTH = 64
EIGHTHS = " ▁▂▃▄▅▆▇█"


def picture(prices: Sequence[float], pnl: Sequence[float], spot: float, breakevens: Sequence[float]) -> Text:
    """Columns of P&L (USD of the whole order) over `prices` (USD, ascending); spot and break-evens on the axis."""
    grid = np.linspace(prices[0], prices[-1], WIDTH)
    values = np.interp(grid, prices, pnl)
    top, bottom = max(float(values.max()), 0.0), min(float(values.min()), 0.0)
    span = (top - bottom) or 1.0
    rows_up = max(1, min(HEIGHT - 1, round(HEIGHT * top / span))) if top > 0 else 0
    rows_down = HEIGHT - rows_up if bottom < 0 else 0
    unit = max(top / rows_up if rows_up else 0.0, -bottom / rows_down if rows_down else 0.0) or 1.0
    text = Text()
    for row in range(rows_up, 0, -1):
        text.append(_label(row * unit if row == rows_up else None))
        text.append("".join(_block(value / unit - (row - 1)) for value in values) + "\n", style="green")
    text.append(_label(0.0))
    text.append_text(_axis(grid, spot, breakevens))
    for row in range(1, rows_down + 1):
        text.append(_label(-row * unit if row == rows_down else None))
        text.append("".join("█" if -value / unit >= row - 0.5 else " " for value in values) + "\n", style="red")
    text.append(f"{'':>11}{grid[0]:<{WIDTH // 2},.2f}{grid[-1]:>{WIDTH - WIDTH // 2},.2f}\n", style="dim")
    marks = "   ".join(f"◆ {level:,.2f}" for level in breakevens)
    text.append(f"{'':>11}▲ spot {spot:,.2f}   {marks}\n", style="cyan")
    return text


def _axis(grid: np.ndarray, spot: float, breakevens: Sequence[float]) -> Text:
    line = ["─"] * WIDTH
    for level in breakevens:
        if grid[0] <= level <= grid[-1]:
            line[int(np.argmin(np.abs(grid - level)))] = "◆"
    if grid[0] <= spot <= grid[-1]:
        line[int(np.argmin(np.abs(grid - spot)))] = "▲"
    return Text("".join(line) + "\n", style="cyan")


def _block(filled: float) -> str:
    return EIGHTHS[int(min(max(filled, 0.0), 1.0) * 8 + 0.5)]


def _label(amount: float | None) -> str:
    return f"{'' if amount is None else f'{amount:+,.0f}':>10} "
