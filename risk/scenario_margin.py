"""Portfolio margin of a book that can be revalued: the OCC's grid of prices on moved smiles."""

from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from domain.errors import DataError
from domain.units import Floats
from portfolio.margin import MarginSettings, PortfolioClass, PortfolioMargin, least_of, portfolio_margin
from portfolio.margin.grid import Group
from risk.revaluation import RiskBook, Scenarios, revalue_lines

SMALL_CAPS = frozenset({"MRUT", "RUT"})


def scenario_margin(
    book: RiskBook, settings: MarginSettings, *, vol_moves: tuple[float, ...] = (0.0,)
) -> PortfolioMargin:
    """Portfolio margin of everything in `book`, USD. Funds count as shares, as in Regulation T, on the high side.

    `vol_moves` beyond (0.0,), relative changes of 30-day volatility, ask more than the OCC does. Raises `DataError`
    where a line cannot be revalued: strategy rules must do there.
    """
    if book.missing:
        raise DataError(
            f"Portfolio margin needs every position revalued; {', '.join(book.missing_names)} cannot be.",
            remedy="Regulation T counts there.",
        )
    classes = [
        PortfolioClass(ticker=ticker, group=group_of(ticker, settings), least=_least(book, ticker))
        for ticker in book.tickers
    ]

    def reprice(ticker: str, price: Floats, vol: Floats) -> Floats:
        place = book.tickers.index(ticker)
        spots, vols = np.zeros((2, len(price), len(book.tickers)))
        spots[:, place], vols[:, place] = price, vol
        moved = Scenarios(book.tickers, spots, vols, np.zeros(len(price)), np.zeros(len(price)))
        return np.asarray(revalue_lines(book, moved)[:, book.underlying == place].sum(axis=1))

    return portfolio_margin(classes, reprice, vol_moves=vol_moves)


def group_of(ticker: str, settings: MarginSettings) -> Group:
    """How far prices of `ticker` are moved, and what offsets it."""
    if ticker not in settings.broad_indices:
        return "equity"
    return "small_cap_index" if ticker in SMALL_CAPS else "broad_index"


def _least(book: RiskBook, ticker: str) -> Decimal:
    """The floor for the contracts of one underlying; shares have none."""
    return least_of(
        (line.quantity, line.leg.multiplier, Decimal(repr(float(value))))
        for line, value in zip(book.lines, book.value, strict=True)
        if line.ticker == ticker and line.leg is not None
    )


def charges(found: PortfolioMargin) -> Mapping[str, Decimal]:
    """USD charged by product group: its tickers, joined."""
    return {" ".join(charge.tickers): charge.requirement for charge in found.charges}
