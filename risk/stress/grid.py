"""P&L over spot × volatility × time, of the book and of each underlying."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from domain.units import Floats
from risk.revaluation import RiskBook
from risk.stress.moves import Shocks, profits, total
from risk.stress.settings import StressSettings


class Grid(NamedTuple):
    """P&L in USD, shape (n_days, n_vol, n_spot). `spot` moves the index and every name by its beta; `own` are the same
    moves made by each underlying itself.
    """

    spot: tuple[float, ...]
    vol: tuple[float, ...]
    days: tuple[int, ...]
    book: Floats
    own: dict[str, Floats]


def grid(book: RiskBook, betas: Mapping[str, float], settings: StressSettings) -> Grid:
    """The whole matrix; where nothing moves it is 0 but for structures that stand at their worst case."""
    axes = settings.grid
    days, vol, spot = np.meshgrid(
        np.array(axes.days, dtype=np.float64), np.array(axes.vol), np.array(axes.spot), indexing="ij"
    )
    cells = Shocks(spot.ravel(), vol.ravel(), np.zeros(spot.size), days.ravel())
    linked = profits(book, cells, betas, stand_ins=settings.stand_in_betas)
    own = profits(book, cells, dict.fromkeys(book.tickers, 1.0), stand_ins=(1.0,))
    return Grid(
        spot=axes.spot,
        vol=axes.vol,
        days=axes.days,
        book=total(linked, spot.size).reshape(spot.shape),
        own={ticker: profit.reshape(spot.shape) for ticker, profit in own.items()},
    )
