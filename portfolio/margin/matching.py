"""The matching of options and shares that is charged least: an integer programme, exact.

A way to hold things together is either a `Holding`, a few contracts or shares at a fixed charge a unit, or a spread:
all the short options of one expiry that go into it with as many long ones of the same right, charged what they would
pay out at the worst price. Spreads of one expiry are charged no more together than apart, because the greatest loss of
a sum is at most the sum of the greatest losses; so each expiry needs one, and butterflies, condors and boxes need no
naming to be found. Shorts that expire on different days are not put into one spread, though the rule allows it: its
payout counts all legs at one price, and between two expiries the price may move. That errs on the high side. (Rudd and
Schroeder 1982, "The calculation of minimum margin", for spreads of two legs as a transport problem.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.units import Floats
from portfolio.margin import ways
from portfolio.margin.lots import Lot
from portfolio.margin.rates import Basis
from portfolio.margin.rules import worst_price
from portfolio.margin.ways import Holding, Terms

FRACTION = 1e-6  # of a contract that is rounding
MOST_NODES = 500  # of branch and bound: a limit that, unlike time, is the same on every machine


class Spread(NamedTuple):
    """Contracts (position in the account's lots, signed count) charged together, USD, at the `price` that is worst."""

    contracts: tuple[tuple[int, int], ...]
    price: Decimal
    charge: Decimal


@dataclass(frozen=True, slots=True)
class Matching:
    """Units of each holding, the spreads, and long contracts left alone. `above_least` is 0 where the charge is proven
    the least there is, else by how much at most (USD) it exceeds that.
    """

    holdings: tuple[tuple[Holding, int], ...]
    spreads: tuple[Spread, ...]
    alone: tuple[tuple[int, int], ...]
    charge: Decimal
    above_least: float


@lru_cache(maxsize=4096)
def cheapest(lots: tuple[Lot, ...], shares: int, terms: Terms, basis: Basis) -> Matching | None:
    """The matching charged least; None where some short option or share cannot be held in this account at all. Answers
    are remembered: an account asked about twice, with one order more, is matched anew only where the order is.
    """
    if not any(lot.quantity < 0 for lot in lots) and not shares:
        return _matching(lots, (), (), np.zeros(0, dtype=np.int64), [], 0.0)
    return _solved(lots, shares, terms, tuple(ways.holdings(lots, shares, terms, basis)), ways.pools(lots, terms))


def _solved(
    lots: Sequence[Lot], shares: int, terms: Terms, holdings: Sequence[Holding], pools: Sequence[Sequence[int]]
) -> Matching | None:
    from scipy.optimize import LinearConstraint, milp

    placed = [(pool, n) for pool, members in enumerate(pools) for n in members]
    if not holdings and not placed:
        return None
    first, last = len(holdings), len(holdings) + len(placed)  # columns: holdings, contracts in pools, charges of pools
    width = last + len(pools)
    rows = np.zeros((len(lots) + 2, width))
    for column, holding in enumerate(holdings):
        for n in holding.lots:
            rows[n, column] = 1.0
        rows[-2, column], rows[-1, column] = holding.shares, float(holding.pledge)
    for column, (_, n) in enumerate(placed, start=first):
        rows[n, column] = 1.0
    held = np.array([*(abs(lot.quantity) for lot in lots), abs(shares), 0.0])
    least = np.where([*(lot.quantity < 0 for lot in lots), True, False], held, 0.0)
    held[-1] = float(max(terms.cash, Decimal(0)))
    payouts, balances = _pool_rows(lots, pools, placed, first, last)
    limits = LinearConstraint(  # one block: each costs as much to hand over as the small programme to solve
        np.vstack([rows, payouts, balances]),
        np.concatenate([least, np.full(len(payouts), -np.inf), np.zeros(len(balances))]),
        np.concatenate([held, np.zeros(len(payouts)), np.zeros(len(balances))]),
    )
    charges = np.array([*(float(holding.charge) for holding in holdings), *np.zeros(len(placed)), *np.ones(len(pools))])
    whole = np.arange(width) < last
    found = milp(charges, constraints=limits)  # in fractions: mostly whole at its corners, and ten times as quick
    if found.x is not None and np.abs(found.x - np.rint(found.x))[whole].max() > FRACTION:
        found = milp(
            charges,
            constraints=limits,
            integrality=whole.astype(np.int64),
            options={"mip_rel_gap": 0.0, "node_limit": MOST_NODES},
        )
    if found.x is None:
        return None
    counts = np.rint(found.x[:last]).astype(np.int64)
    gap = 0.0 if found.status == 0 else float(found.fun - found.mip_dual_bound)
    return _matching(lots, holdings, pools, counts[:first], list(zip(placed, counts[first:], strict=True)), gap)


def _pool_rows(
    lots: Sequence[Lot], pools: Sequence[Sequence[int]], placed: Sequence[tuple[int, int]], first: int, last: int
) -> tuple[Floats, Floats]:
    """Of each pool: payout at each of its strikes less its charge (≤ 0), and longs less shorts of each right (= 0)."""
    width = last + len(pools)
    payouts, balances = [], []
    for pool, members in enumerate(pools):
        columns = {n: first + at for at, (own, n) in enumerate(placed) if own == pool}
        for price in sorted({lots[n].strike for n in members}):
            row = np.zeros(width)
            row[last + pool] = -1.0
            for n, column in columns.items():
                row[column] = -np.sign(lots[n].quantity) * float(lots[n].intrinsic(price)) * lots[n].multiplier
            payouts.append(row)
        for right in (True, False):
            row = np.zeros(width)
            for n, column in columns.items():
                row[column] = np.sign(lots[n].quantity) * (lots[n].is_call is right)
            balances.append(row)
    return np.array(payouts).reshape(-1, width), np.array(balances).reshape(-1, width)


def _matching(
    lots: Sequence[Lot],
    holdings: Sequence[Holding],
    pools: Sequence[Sequence[int]],
    units: NDArray[np.int64],
    placed: Sequence[tuple[tuple[int, int], np.int64]],
    gap: float,
) -> Matching:
    """The answer in whole contracts, its charge added up exactly from them."""
    chosen = tuple((holding, int(count)) for holding, count in zip(holdings, units, strict=True) if count)
    free = {n: lot.quantity for n, lot in enumerate(lots) if lot.quantity > 0}
    spreads = []
    for pool in range(len(pools)):
        inside = [(n, int(count) * (1 if lots[n].quantity > 0 else -1)) for (own, n), count in placed if own == pool]
        contracts = tuple((n, count) for n, count in inside if count)
        if contracts:
            spreads.append(Spread(contracts, *worst_price([(lots[n], count) for n, count in contracts])))
    for n, count in (part for spread in spreads for part in spread.contracts):
        if count > 0:
            free[n] -= count
    for holding, count in chosen:
        for n in holding.lots:
            if n in free:
                free[n] -= count
    return Matching(
        holdings=chosen,
        spreads=tuple(spreads),
        alone=tuple((n, count) for n, count in free.items() if count),
        charge=sum((h.charge * count for h, count in chosen), Decimal(0))
        + sum((s.charge for s in spreads), Decimal(0)),
        above_least=max(gap, 0.0),
    )
