"""What is held or on its way, as lines to be revalued."""

from collections.abc import Iterable
from decimal import Decimal

from domain.book import Book, SharePosition
from domain.errors import DataError
from domain.risk import Exposure
from portfolio.exposure import OPEN
from portfolio.valuation import structure_profit
from risk.revaluation import Line


def lines_of(exposures: Iterable[Exposure], book: Book) -> tuple[Line, ...]:
    """Options of `exposures`, as if everything on its way were filled, then the shares of `book`.

    The worst case of a structure from now on is the one it was opened with plus what it has gained since, for that can
    be lost again; without a usable quote the gain is not known, and the opening one stands. Long shares can lose their
    value; short ones have no bound. Raises `DataError` for a structure whose contracts are not known.
    """
    options = [line for exposure in exposures for line in _structure(exposure, book)]
    shares = [Line(f"shares of {s.ticker}", s.ticker, None, s.quantity, _shares_worst(s)) for s in book.shares]
    return (*options, *shares)


def _structure(exposure: Exposure, book: Book) -> Iterable[Line]:
    if not exposure.legs:
        raise DataError(f"The contracts of {exposure.order_id} are not known, so it cannot be revalued.")
    held = exposure.state == OPEN
    key = exposure.order_id if held else f"{exposure.order_id} ({exposure.state.replace('_', ' ')})"
    gained = structure_profit(book, exposure.order_id) if held else None
    worst = float(max(Decimal(0), exposure.worst_case + (gained or Decimal(0))))
    return (Line(key, exposure.ticker, leg, leg.quantity, worst) for leg in exposure.legs)


def _shares_worst(shares: SharePosition) -> float | None:
    if shares.mark is None or shares.quantity < 0:
        return None
    return shares.quantity * shares.mark
