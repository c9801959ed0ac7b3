"""Margin of a whole account, underlying by underlying, before and after an order."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from math import inf

from domain.book import Book
from domain.contract import Leg
from portfolio.margin.rates import MarginSettings
from portfolio.margin.requirement import Requirement, reg_t

Contracts = tuple[tuple[Leg, int], ...]


@dataclass(frozen=True, eq=False)
class MarginStatement:
    """`by_underlying` ascends by ticker. Underlyings do not offset each other. Sums are None as soon as one of them is:
    `unknown` names those, `refused` says why, and a limit on the sum fails.
    """

    by_underlying: Mapping[str, Requirement]
    contracts: Mapping[str, Contracts]
    spots: Mapping[str, float]
    marks: Mapping[str, float]
    settings: MarginSettings
    cash: Decimal

    @cached_property
    def total(self) -> Decimal | None:
        """Initial requirement, USD, before the premium of short options."""
        return _sum(requirement.total for requirement in self.by_underlying.values())

    @cached_property
    def maintenance(self) -> Decimal | None:
        """Maintenance requirement, USD."""
        return _sum(requirement.maintenance for requirement in self.by_underlying.values())

    @cached_property
    def bound(self) -> Decimal | None:
        """What of NLV is not free, USD."""
        return _sum(requirement.bound for requirement in self.by_underlying.values())

    @property
    def unknown(self) -> tuple[str, ...]:
        """Tickers without a requirement."""
        return tuple(ticker for ticker, requirement in self.by_underlying.items() if requirement.refused)

    @property
    def refused(self) -> str:
        """Why, one sentence; "" where every requirement is known."""
        return "; ".join(f"{ticker}: {self.by_underlying[ticker].refused}" for ticker in self.unknown)

    @property
    def notes(self) -> tuple[str, ...]:
        """Values that were unknown and taken at their bound."""
        return tuple(note for requirement in self.by_underlying.values() for note in requirement.notes)

    def after(
        self, ticker: str, contracts: Iterable[tuple[Leg, int]], *, spot: float | None = None
    ) -> "MarginStatement":
        """The statement once `contracts` (leg, signed count) of `ticker` are filled as well. `spot` stands in where the
        statement has none. Only that underlying is matched anew.
        """
        traded = (*self.contracts.get(ticker, ()), *contracts)
        new = {ticker: spot} if spot is not None and 0 < spot < inf else {}
        spots = {**new, **self.spots}
        then = replace(self, contracts={**self.contracts, ticker: traded}, spots=spots)
        shares = {name: requirement.shares for name, requirement in self.by_underlying.items() if requirement.shares}
        if self.settings.account == "cash":  # the pledges of one underlying leave less for the next
            return requirement_of(
                then.contracts, shares=shares, spots=spots, marks=self.marks, settings=self.settings, cash=self.cash
            )
        anew = _one(ticker, traded, shares.get(ticker, 0), spots, self.marks, self.settings, Decimal(0))
        return replace(then, by_underlying=dict(sorted({**self.by_underlying, ticker: anew}.items())))


def requirement_of(
    contracts: Mapping[str, Iterable[tuple[Leg, int]]],
    *,
    shares: Mapping[str, int] | None = None,
    spots: Mapping[str, float],
    marks: Mapping[str, float] | None = None,
    settings: MarginSettings | None = None,
    cash: Decimal = Decimal(0),
) -> MarginStatement:
    """Statement of `contracts` (leg, signed count) and signed `shares` by ticker. Prices are USD per share: `spots` by
    ticker, `marks` by OCC symbol; what is missing, or a spot that is none, is bounded or refused as `reg_t` says.
    `cash` counts in cash accounts only, where puts pledge it, tickers ascending.
    """
    settings, stock, marks = settings or MarginSettings(), shares or {}, marks or {}
    spots = {ticker: spot for ticker, spot in spots.items() if 0 < spot < inf}  # NaN, not quoted, is not above 0 either
    held = {ticker: tuple(own) for ticker, own in contracts.items()}
    left, found = cash, {}
    for ticker in sorted(held.keys() | stock.keys()):
        own = held.get(ticker, ())
        found[ticker] = _one(ticker, own, stock.get(ticker, 0), spots, marks, settings, left)
        left -= found[ticker].pledged
    return MarginStatement(found, held, spots, marks, settings, cash)


def requirement_of_book(
    book: Book, spots: Mapping[str, float], *, settings: MarginSettings | None = None
) -> MarginStatement:
    """`requirement_of` for what `book` holds, at its own marks."""
    held: dict[str, list[tuple[Leg, int]]] = defaultdict(list)
    for position in book.positions:
        held[position.ticker].append((position.leg, position.quantity))
    shares: dict[str, int] = defaultdict(int)
    for stock in book.shares:
        shares[stock.ticker] += stock.quantity
    marks = {position.leg.symbol: position.mark for position in book.positions if position.mark is not None}
    return requirement_of(held, shares=shares, spots=spots, marks=marks, settings=settings, cash=book.cash)


def _one(
    ticker: str,
    contracts: Contracts,
    shares: int,
    spots: Mapping[str, float],
    marks: Mapping[str, float],
    settings: MarginSettings,
    cash: Decimal,
) -> Requirement:
    return reg_t(
        contracts,
        shares=shares,
        spot=spots.get(ticker),
        cash=cash,
        marks=marks,
        rates=settings.rates(ticker),
        account=settings.account,
    )


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total
