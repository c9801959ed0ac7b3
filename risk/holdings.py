"""What revaluing one holding needs, read from the priced chain of its underlying; or why it cannot be revalued."""

import math
from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

import numpy as np

from domain.contract import Leg, Right
from domain.units import Floats
from options.hyperbolas import numbers_of
from options.priced import ExpirySlice, PricedChain

FLAT = np.array([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0])  # a slice with the same volatility at every strike


class Line(NamedTuple):
    """One holding. Lines of one `key` form one structure, and `worst_case` is that structure's, the same on each of
    its lines: the most it can lose from now on, USD, positive; None where that is unbounded or not known.
    """

    key: str  # order id
    ticker: str
    leg: Leg | None  # None: shares
    quantity: int  # signed contracts, or shares
    worst_case: float | None


class MissingLine(NamedTuple):
    """The first line of a structure that cannot be revalued, and why."""

    line: Line
    reason: str


class Terms(NamedTuple):
    """A line in numbers: prices in USD per share, NaN where shares have no such thing."""

    spot: float
    size: float  # signed: contracts times multiplier, or shares
    is_option: bool
    is_call: bool = False
    european: bool = False
    strike: float = math.nan
    tau: float = math.nan  # years
    forward: float = math.nan
    discount: float = math.nan
    vol: float = math.nan  # decimal
    smile: Floats = FLAT  # `options.hyperbolas.numbers_of` its expiry's slice


def resolve(
    lines: Iterable[Line], priced: Mapping[str, PricedChain], spots: Mapping[str, float]
) -> tuple[list[tuple[Line, Terms]], tuple[MissingLine, ...]]:
    """The lines of whole structures with their terms, in the order given, and the structures that lack some."""
    chains = {ticker: _Slices(chain) for ticker, chain in priced.items()}
    found: list[tuple[Line, Terms]] = []
    missing: dict[str, MissingLine] = {}
    for line in lines:
        chain = chains.get(line.ticker)
        terms = _shares(line, chain, spots) if line.leg is None else _option(line, line.leg, chain)
        if isinstance(terms, str):
            missing.setdefault(line.key, MissingLine(line, terms))
        else:
            found.append((line, terms))
    return [item for item in found if item[0].key not in missing], tuple(missing.values())


class _Slices:
    """A chain's expiries by root and date, each with the numbers of its smile once asked for."""

    def __init__(self, priced: PricedChain) -> None:
        self.priced = priced
        self.pieces = {(piece.root, piece.expiry): piece for piece in priced.slices}
        self._numbers: dict[tuple[str, date], Floats] = {}

    def numbers(self, piece: ExpirySlice) -> Floats:
        """As `Terms.smile`."""
        if piece.smile is None:
            return FLAT
        key = (piece.root, piece.expiry)
        if key not in self._numbers:
            self._numbers[key] = numbers_of(piece.smile.svi)
        return self._numbers[key]


def _shares(line: Line, chain: _Slices | None, spots: Mapping[str, float]) -> Terms | str:
    spot = spots.get(line.ticker, math.nan) if chain is None else chain.priced.spot
    if not 0.0 < spot < math.inf:
        return f"no price of {line.ticker}"
    return Terms(spot=spot, size=float(line.quantity), is_option=False)


def _option(line: Line, leg: Leg, chain: _Slices | None) -> Terms | str:
    if chain is None:
        return f"no chain of {line.ticker}"
    priced, piece = chain.priced, chain.pieces.get((leg.root, leg.expiry))
    row = None if piece is None else _row(leg, piece, priced)
    if piece is None or row is None:
        return f"{leg.symbol} is not in the chain"
    if not priced.chain.standard[row] or priced.chain.multiplier[row] != leg.multiplier:
        return f"{leg.symbol} delivers something else than {leg.multiplier} shares"
    if piece.smile is None:
        vol = float(priced.iv[row])
    else:
        vol = float(piece.smile.vol(math.log(float(leg.strike) / piece.forward)))
    if not vol > 0.0:
        return f"{leg.symbol} has neither a smile nor a volatility of its own"
    return Terms(
        spot=priced.spot,
        size=float(line.quantity * leg.multiplier),
        is_option=True,
        is_call=leg.right is Right.CALL,
        european=leg.european,
        strike=float(leg.strike),
        tau=piece.tau,
        forward=piece.forward,
        discount=piece.discount,
        vol=vol,
        smile=chain.numbers(piece),
    )


def _row(leg: Leg, piece: ExpirySlice, priced: PricedChain) -> int | None:
    chain, rows = priced.chain, piece.rows
    alike = (chain.strike[rows] == float(leg.strike)) & (chain.is_call[rows] == (leg.right is Right.CALL))
    return next((int(row) for row in rows[alike] if chain.symbol[row] == leg.symbol), None)
