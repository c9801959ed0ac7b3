"""Margin as the gate counts it: nothing may lean on what can go away.

Regulation T per structure, its own legs matched at the least margin. Structures do not lend each other cover, though a
broker would let them: any of them may be closed, cancelled or never filled, and what is left must still be within the
limit. Only shares are matched together with the options on them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from domain.book import Book
from domain.contract import Leg
from domain.order import SizedCandidate
from domain.risk import Exposure
from portfolio.exposure import OPEN
from portfolio.margin import MarginSettings, MarginStatement, reg_t, requirement_of_book

Key = tuple[str, str]  # order id and state: what is held of an order and what still works of it are two


class MarginBound(NamedTuple):
    """Margin in USD; None where it has no bound, and `refused` says why."""

    usd: float | None
    refused: str = ""


@dataclass(frozen=True, eq=False)
class BookMargins:
    """Margins of one book. A structure that is not in `own` counts as it was staged."""

    own: Mapping[Key, float]  # USD per unit of each structure by itself
    shares: MarginStatement | None  # of underlyings of which shares are held; None: there are none
    spots: Mapping[str, float]  # USD per share
    settings: MarginSettings

    def bound(self, exposures: Iterable[Exposure], order: SizedCandidate | None) -> MarginBound:
        """Margin once all of `exposures`, and `order`, are filled."""
        stock = {} if self.shares is None else self.shares.by_underlying
        total = 0.0
        for ticker, requirement in stock.items():
            if requirement.bound is None:
                return MarginBound(None, f"{ticker}: {requirement.refused}")
            total += float(requirement.bound)
        for exposure in exposures:
            if exposure.state != OPEN or exposure.ticker not in stock:
                own = self.own.get(key_of(exposure))
                total += float(exposure.margin) if own is None else exposure.units * own
        return MarginBound(total + (0.0 if order is None else self.of_order(order)))

    def of_order(self, order: SizedCandidate) -> float:
        """Margin of an order by itself, USD: as its legs are quoted, or at its worst price if that binds more."""
        candidate = order.candidate
        quoted = self.of_contracts(candidate.ticker, [(leg, leg.quantity) for leg in candidate.legs], {}) or 0.0
        return order.units * max(quoted, float(candidate.margin))

    def with_exposure(self, exposure: Exposure, order: SizedCandidate) -> "BookMargins":
        """With `order`, now on its way as `exposure`."""
        own = {**self.own, key_of(exposure): self.of_order(order) / order.units}
        return BookMargins(own, self.shares, self.spots, self.settings)

    def of_contracts(
        self, ticker: str, contracts: Iterable[tuple[Leg, int]], marks: Mapping[str, float]
    ) -> float | None:
        """Margin of contracts (leg, signed count) by themselves, USD; None where nothing bounds it. `marks` are USD per
        share by symbol; the legs' own quotes stand in.
        """
        found = reg_t(contracts, spot=self.spots.get(ticker), marks=marks, rates=self.settings.rates(ticker))
        return None if found.bound is None else float(found.bound)


def book_margins(
    book: Book, exposures: Iterable[Exposure], spots: Mapping[str, float], settings: MarginSettings
) -> BookMargins:
    """Margins of everything held, staged or working. `spots` are USD per share by ticker."""
    stock = {held.ticker for held in book.shares}
    held = book.model_copy(update={"positions": tuple(p for p in book.positions if p.ticker in stock)})
    shares = requirement_of_book(held, spots, settings=settings) if stock else None
    empty = BookMargins({}, shares, spots, settings)
    marks = {position.leg.symbol: position.mark for position in book.positions if position.mark is not None}
    own: dict[Key, float] = {}
    for exposure in exposures:
        contracts = [(leg, leg.quantity) for leg in exposure.legs]
        known = marks if exposure.state == OPEN else {}
        margin = empty.of_contracts(exposure.ticker, contracts, known) if contracts else None
        if margin is not None:
            most = margin if exposure.state == OPEN else max(margin, float(exposure.margin))
            own[key_of(exposure)] = most / exposure.units
    return BookMargins(own, shares, spots, settings)


def key_of(exposure: Exposure) -> Key:
    """Which structure it is."""
    return exposure.order_id, exposure.state


UNKNOWN_MARGINS = BookMargins(own={}, shares=None, spots={}, settings=MarginSettings())
