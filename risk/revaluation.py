"""A book in full: every option repriced in every scenario, shares moved with their underlying.

`options.moves` says how one contract is revalued. What cannot be revalued is not left out: its structure stands at its
worst case in every scenario, once, and is named in `RiskBook.missing`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.errors import DataError
from domain.units import Bools, Floats
from options.moves import Contracts, Moves, Repricer, repricer
from options.priced import PricedChain
from risk.holdings import FLAT, Line, MissingLine, Terms, resolve

__all__ = [
    "Line", "MissingLine", "RiskBook", "Scenarios", "Sensitivities", "assembled", "covering", "revalue",
    "revalue_lines", "risk_book", "sensitivities",
]  # fmt: skip

_COLUMNS = ("is_option", "size", "strike", "tau", "forward", "discount", "vol", "is_call", "european")
_BUMP = 0.005  # relative move over which sensitivities are taken
_VOL_BUMP = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class RiskBook:
    """Lines ready to be revalued, in the order given, without those of missing structures. Arrays over lines have shape
    `(n_lines,)`; prices are USD per share; NaN where shares have no such thing.
    """

    lines: tuple[Line, ...]
    tickers: tuple[str, ...]  # of those lines, ascending
    spot: Floats  # (n_u,) USD per share
    underlying: NDArray[np.int64]  # index into `tickers`
    is_option: Bools
    size: Floats  # signed: contracts times multiplier, or shares
    strike: Floats
    tau: Floats  # years
    forward: Floats
    discount: Floats
    vol: Floats  # decimal
    is_call: Bools
    european: Bools
    smile: Floats  # (n_lines, 9): `options.hyperbolas.numbers_of` its expiry's slice
    value: Floats  # now, by the formula that revalues it
    missing: tuple[MissingLine, ...]
    repricer: Repricer

    @property
    def keys(self) -> tuple[str, ...]:
        """Order id of each line."""
        return tuple(line.key for line in self.lines)

    @property
    def worst_case(self) -> float | None:
        """Most the whole book can lose, missing structures included, USD; None if any structure has no bound."""
        return _worst((*self.lines, *(item.line for item in self.missing)))

    @property
    def missing_worst_case(self) -> float | None:
        """What missing structures lose in every scenario, USD; None if any has no bound."""
        return _worst(item.line for item in self.missing)

    @property
    def missing_names(self) -> tuple[str, ...]:
        """What stands at its worst case, in words, ascending."""
        return tuple(sorted(f"{item.line.ticker} {item.line.key}: {item.reason}" for item in self.missing))

    def without(self, tickers: Iterable[str], reason: str) -> "RiskBook":
        """The book with every structure of `tickers` missing, for `reason`."""
        gone = set(tickers)
        lost: dict[str, MissingLine] = {}
        for line in self.lines:
            if line.ticker in gone:
                lost.setdefault(line.key, MissingLine(line, reason))
        if not lost:
            return self
        kept = [(line, self._terms(row)) for row, line in enumerate(self.lines) if line.key not in lost]
        return assembled(kept, (*self.missing, *lost.values()))

    def _terms(self, row: int) -> Terms:
        own = {name: getattr(self, name)[row] for name in Terms._fields if name != "spot"}
        return Terms(spot=float(self.spot[self.underlying[row]]), **own)


@dataclass(frozen=True, slots=True, eq=False)
class Scenarios:
    """Joint moves of several underlyings; columns belong to `tickers`. Raises `DataError` on a move that cannot be."""

    tickers: tuple[str, ...]
    spot: Floats  # (n_s, n_u) relative moves, decimal, above −1
    vol: Floats  # (n_s, n_u) relative change of 30-day at-the-money volatility, decimal, at least −1
    rate: Floats  # (n_s,) parallel shift, decimal
    days: Floats  # (n_s,) calendar days passed
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # how they came about, where that is not plain

    def __post_init__(self) -> None:
        shape = (len(self.rate), len(self.tickers))
        if self.spot.shape != shape or self.vol.shape != shape or self.days.shape != shape[:1]:
            raise DataError(f"Scenarios of {shape[0]} rows and {shape[1]} tickers need arrays of that shape.")
        arrays = (self.spot, self.vol, self.rate, self.days)
        sound = all(np.isfinite(array).all() for array in arrays)
        if not (sound and (self.spot > -1.0).all() and (self.vol >= -1.0).all() and (self.days >= 0.0).all()):
            raise DataError(
                "A scenario moves a price to nothing or below, or is not a number.",
                remedy="Give spot moves above -1, volatility moves of at least -1 and days of at least 0, all finite.",
            )

    def __len__(self) -> int:
        return len(self.rate)


class Sensitivities(NamedTuple):
    """What `revalue` shows for small moves, per underlying `(n_u,)` in the order of the book's tickers; USD."""

    delta: Floats  # per 1.00 of relative spot move
    gamma: Floats  # second derivative likewise
    vega: Floats  # per 1.00 of relative change of 30-day volatility
    theta: float  # of one calendar day, the whole book


def risk_book(
    lines: Iterable[Line], priced: Mapping[str, PricedChain], *, spots: Mapping[str, float] | None = None
) -> RiskBook:
    """Lines on the priced chains of their underlyings. `spots` gives the price of underlyings without a chain.

    An option is valued on its expiry's smile, so that spreads stay within their strikes in every scenario; what its
    mark is worth beyond that stays as it is. Without a smile its row's own volatility holds at every strike. A
    structure is missing whole if one of its lines has no chain, row, volatility or price, or another deliverable than
    the standard one. Raises `DataError` on a worst case that is no amount.
    """
    given = tuple(lines)
    for line in given:
        if line.worst_case is not None and not 0.0 <= line.worst_case < math.inf:
            raise DataError(f"{line.key} of {line.ticker} has a worst case of {line.worst_case} USD.")
    return assembled(*resolve(given, priced, spots or {}))


def revalue(book: RiskBook, scenarios: Scenarios, *, threads: int | None = None) -> Floats:
    """P&L of the whole book in each scenario, USD, shape `(n_s,)`; the same for every number of threads.

    Missing structures, and those whose underlying the scenarios say nothing about, stand at minus their worst case:
    −∞ where that has no bound.
    """
    covered = covering(book, scenarios)
    moves, shares = _moves(covered, scenarios), ~covered.is_option
    total = covered.repricer.total(moves, threads=threads)
    if shares.any():
        held = np.bincount(covered.underlying[shares], (covered.size * covered.value)[shares], len(covered.tickers))
        total = total + moves.spot @ held
    lost = covered.missing_worst_case
    return total - (math.inf if lost is None else lost)


def revalue_lines(book: RiskBook, scenarios: Scenarios, *, threads: int | None = None) -> Floats:
    """P&L of each line of `book.lines` in each scenario, USD, shape `(n_s, n_lines)`.

    Without the book's missing structures, which have no line here. Raises `DataError` unless the scenarios cover every
    ticker of the book.
    """
    if absent := sorted(set(book.tickers) - set(scenarios.tickers)):
        raise DataError(f"The scenarios say nothing about {', '.join(absent)}.")
    moves = _moves(book, scenarios)
    out = moves.spot[:, book.underlying] * (book.size * book.value)
    out[:, book.is_option] = book.repricer.each(moves, threads=threads)
    return out


def covering(book: RiskBook, scenarios: Scenarios) -> RiskBook:
    """The book with the structures missing of whose underlying the scenarios say nothing."""
    return book.without(set(book.tickers) - set(scenarios.tickers), "no scenarios for its underlying")


def sensitivities(book: RiskBook) -> Sensitivities:
    """First and second derivatives of the revaluation, over ±0.5 % of spot and ±1 % of volatility; without missing
    lines.
    """
    count = len(book.tickers)
    spot, vol, days = np.zeros((5, count)), np.zeros((5, count)), np.zeros(5)
    spot[:2] = [[-_BUMP], [_BUMP]]
    vol[2:4] = [[-_VOL_BUMP], [_VOL_BUMP]]
    days[4] = 1.0
    pnl = revalue_lines(book, Scenarios(book.tickers, spot, vol, np.zeros(5), days), threads=1)
    down, up, calm, wild, _ = (np.bincount(book.underlying, row, count) for row in pnl)
    return Sensitivities(
        delta=(up - down) / (2 * _BUMP),
        gamma=(up + down) / _BUMP**2,
        vega=(wild - calm) / (2 * _VOL_BUMP),
        theta=float(pnl[4].sum()),
    )


def assembled(found: Sequence[tuple[Line, Terms]], missing: tuple[MissingLine, ...] = ()) -> RiskBook:
    """The book of lines whose terms are known; what `risk_book` ends with."""
    tickers = tuple(sorted({line.ticker for line, _ in found}))
    place = {ticker: index for index, ticker in enumerate(tickers)}
    spots = {line.ticker: terms.spot for line, terms in found}
    columns = {name: [getattr(terms, name) for _, terms in found] for name in Terms._fields}
    kinds = {name: np.bool_ if name in ("is_option", "is_call", "european") else np.float64 for name in _COLUMNS}
    arrays: dict[str, Any] = {name: np.array(columns[name], dtype=kind) for name, kind in kinds.items()}
    underlying = np.array([place[line.ticker] for line, _ in found], dtype=np.int64)
    spot = np.array([spots[ticker] for ticker in tickers], dtype=np.float64)
    smile, is_option = _rectangular(columns["smile"]), arrays.pop("is_option")
    contracts = Contracts(underlying=underlying, spot=spot[underlying], smile=smile, **arrays)
    prepared = repricer(Contracts._make(array[is_option] for array in contracts))
    value = spot[underlying]
    value[is_option] = prepared.value
    return RiskBook(
        lines=tuple(line for line, _ in found),
        tickers=tickers,
        spot=spot,
        underlying=underlying,
        smile=smile,
        value=value,
        missing=missing,
        repricer=prepared,
        is_option=is_option,
        **arrays,
    )


def _rectangular(slices: Sequence[Floats]) -> Floats:
    """Slices of as many hyperbolas each: one too few is nothing."""
    width = max((len(numbers) for numbers in slices), default=len(FLAT))
    out = np.tile(np.r_[0.0, np.tile([0.0, 0.0, 0.0, 1.0], (width - 1) // 4)], (len(slices), 1))
    for row, numbers in enumerate(slices):
        out[row, : len(numbers)] = numbers
    return out


def _moves(book: RiskBook, scenarios: Scenarios) -> Moves:
    """The columns of the book's tickers."""
    place = {ticker: column for column, ticker in enumerate(scenarios.tickers)}
    columns = [place[ticker] for ticker in book.tickers]
    return Moves(scenarios.spot[:, columns], scenarios.vol[:, columns], scenarios.rate, scenarios.days)


def _worst(lines: Iterable[Line]) -> float | None:
    """Worst cases of the structures, each counted once."""
    by_key: dict[str, float | None] = {}
    for line in lines:
        known = by_key.get(line.key, 0.0)
        by_key[line.key] = None if known is None or line.worst_case is None else max(known, line.worst_case)
    amounts = [amount for amount in by_key.values() if amount is not None]
    return math.fsum(amounts) if len(amounts) == len(by_key) else None
