"""From a move of the index to the move of every name, by beta, and to the book's P&L."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from domain.units import Floats
from risk.revaluation import RiskBook, Scenarios, revalue_lines
from risk.stress.unpriced import fixed_losses

LOWEST = -0.95  # a name falls by no more, however large its beta


class Shocks(NamedTuple):
    """Moves of the market, each (n,): index, 30-day volatility (both relative), rate (decimal), calendar days."""

    spot: Floats
    vol: Floats
    rate: Floats
    days: Floats


def profits(
    book: RiskBook, shocks: Shocks, betas: Mapping[str, float], *, stand_ins: Sequence[float]
) -> dict[str, Floats]:
    """P&L in USD by underlying, each (n,); keys ascending.

    A name moves by its beta times the index's move. One whose beta is unknown moves by the stand-in that hurts most,
    chosen for it alone and anew for every shock. Volatility moves alike for all names, which overstates it for single
    stocks: theirs rise by less than the index's in a crash. No structure loses more than its worst case, whatever a
    shocked surface says of its legs; what cannot be repriced stands there. Raises `Refused` if that has no bound.
    """
    found: dict[str, Floats] = {}
    for stand_in in stand_ins:
        for ticker, profit in _by_ticker(book, revalue_lines(book, _scenarios(book, shocks, betas, stand_in))).items():
            found[ticker] = np.minimum(found.get(ticker, profit), profit)
    for loss in fixed_losses(book):
        found[loss.ticker] = found.get(loss.ticker, np.zeros(len(shocks.spot))) - loss.usd
    return dict(sorted(found.items()))


def _by_ticker(book: RiskBook, lines: Floats) -> dict[str, Floats]:
    """P&L of lines (n, n_lines) summed by structure, each no lower than its worst case, then by underlying."""
    columns: dict[tuple[str, str], list[int]] = {}
    for column, line in enumerate(book.lines):
        columns.setdefault((line.ticker, line.key), []).append(column)
    found = {ticker: np.zeros(len(lines)) for ticker in book.tickers}
    for (ticker, _), of_structure in columns.items():
        worst = book.lines[of_structure[0]].worst_case
        profit = lines[:, of_structure].sum(axis=1)
        found[ticker] += profit if worst is None else np.maximum(profit, -worst)
    return found


def total(found: Mapping[str, Floats], size: int) -> Floats:
    """Sum over underlyings, (size,); nothing held makes nothing."""
    return np.asarray(np.sum([np.zeros(size), *found.values()], axis=0))


def without_beta(book: RiskBook, betas: Mapping[str, float]) -> tuple[str, ...]:
    """Names that move by a stand-in, ascending."""
    return tuple(ticker for ticker in book.tickers if ticker not in betas)


def _scenarios(book: RiskBook, shocks: Shocks, betas: Mapping[str, float], stand_in: float) -> Scenarios:
    beta = np.array([betas.get(ticker, stand_in) for ticker in book.tickers])
    return Scenarios(
        tickers=book.tickers,
        spot=np.maximum(shocks.spot[:, None] * beta, LOWEST),
        vol=np.repeat(shocks.vol[:, None], len(beta), axis=1),
        rate=shocks.rate,
        days=shocks.days,
    )
