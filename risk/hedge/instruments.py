"""Everything that a hedge may buy on one underlying: the window's puts, and put spreads below them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from domain.contract import Leg
from domain.units import DAYS_PER_YEAR, Floats
from options.legs.candidate import leg_of
from options.priced import PricedChain
from options.strategies.enumeration import tradable, within
from risk.hedge.settings import HedgeSettings
from risk.hedge.window import Rows, out_of_the_money, window_puts
from risk.revaluation import Line, Scenarios, revalue_lines, risk_book

NO_LEG = -1


@dataclass(frozen=True, slots=True, eq=False)
class Instruments:
    """Structures that bring protection, one a row; arrays `(n,)` per unit, USD unless they say otherwise.

    `cost` crosses the spread and pays the fees of opening. `pnl` `(n_s, n)` is what one unit bought at that cost makes
    in each stress scenario. `delta` is beta-weighted.
    """

    priced: PricedChain
    rows: Rows  # (n, 2): bought, sold or NO_LEG
    cost: Floats
    mid: Floats
    delta: Floats
    pnl: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def legs(self, index: int) -> tuple[Leg, ...]:
        """The contracts of one unit."""
        return legs_of(self.priced, self.rows[index])

    def symbols(self, index: int) -> tuple[str, ...]:
        """OCC symbols of those contracts, by which equals are ordered."""
        return tuple(str(self.priced.chain.symbol[row]) for row in self.rows[index] if row != NO_LEG)

    def strategy(self, index: int) -> str:
        """Name of the structure in the registry."""
        return "long_put" if self.rows[index, 1] == NO_LEG else "bear_put_spread"

    @property
    def dte(self) -> Floats:
        """Calendar days to expiry."""
        return np.asarray(self.priced.tau[self.rows[:, 0]] * DAYS_PER_YEAR)

    @property
    def otm(self) -> Floats:
        """Distance of the bought strike below spot, share of spot."""
        return out_of_the_money(self.priced)[self.rows[:, 0]]


class Choice(NamedTuple):
    """One instrument and how many units of it."""

    place: int  # row of the instruments
    units: int


def structures(priced: PricedChain, settings: HedgeSettings) -> Rows:
    """Rows `(n, 2)` of every put in the window, and of every spread of one with a lower put of the same root, expiry
    and multiplier within `spread_width`, bought for a debit. What is bought has `least_delta`.
    """
    puts, chain = window_puts(priced, settings), priced.chain
    puts = puts[np.abs(priced.delta[puts]) >= settings.least_delta]
    found = [np.stack([puts, np.full(len(puts), NO_LEG)], axis=1)]
    usable = tradable(priced) & ~chain.is_call
    for piece in priced.slices:
        bought = puts[np.isin(puts, piece.rows)]
        sold = piece.rows[usable[piece.rows]]
        width = (chain.strike[bought][:, None] - chain.strike[sold][None, :]) / priced.spot
        fits = within(width, settings.spread_width) & (width > 0)
        fits &= chain.multiplier[bought][:, None] == chain.multiplier[sold][None, :]
        fits &= chain.ask[bought][:, None] > chain.bid[sold][None, :]
        i, j = np.nonzero(fits)
        found.append(np.stack([bought[i], sold[j]], axis=1))
    return np.concatenate(found)


def instruments(
    priced: PricedChain, rows: Rows, *, beta: float, scenarios: Scenarios, settings: HedgeSettings
) -> Instruments:
    """`rows` (as of `structures`) in figures. `beta` is the underlying's to SPX; `scenarios` must cover it."""
    mid, cost = net(priced, rows, priced.mid, priced.mid), unit_costs(priced, rows, settings.fee_per_contract)
    each = row_pnl(priced, np.unique(rows[rows != NO_LEG]), scenarios)
    pnl = each[:, rows[:, 0]] - np.where(rows[:, 1] != NO_LEG, each[:, rows[:, 1]], 0.0)
    return Instruments(
        priced=priced,
        rows=rows,
        cost=cost,
        mid=mid,
        delta=beta * priced.spot * net(priced, rows, priced.delta, priced.delta),
        pnl=pnl - (cost - mid),
    )


def unit_costs(priced: PricedChain, rows: Rows, fee: Decimal) -> Floats:
    """USD to open one unit of each of `rows` now, `(n,)`: bought at the ask, sold at the bid, `fee` a contract."""
    fees = float(fee) * np.where(rows[:, 1] != NO_LEG, 2, 1)
    return net(priced, rows, priced.chain.ask, priced.chain.bid) + fees


def legs_of(priced: PricedChain, row: Rows) -> tuple[Leg, ...]:
    """The contracts of one unit of a row `(2,)`."""
    bought, sold = int(row[0]), int(row[1])
    long = leg_of(priced, bought, 1)
    return (long,) if sold == NO_LEG else (long, leg_of(priced, sold, -1))


def cheapest(found: Instruments, needs: Floats, effects: Floats) -> Choice | None:
    """The instrument and the units that bring at least `needs` `(m,)` by `effects` `(m, n)` a unit, for the least cost
    a day of protection; of equals the fewest units, then the first symbols. None: nothing here can.

    By the day, because a hedge is kept: what costs half and lasts a third is dear.
    """
    short = needs > 0
    if not short.any():
        return Choice(0, 0) if len(found) else None
    with np.errstate(divide="ignore", invalid="ignore"):
        units = np.ceil(needs[short][:, None] / effects[short] - 1e-9)
    units = np.where(effects[short] > 0, units, np.inf).max(axis=0, initial=1.0)
    total = units * found.cost / found.dte
    able = np.flatnonzero(np.isfinite(total))
    if not len(able):
        return None
    best = able[total[able] == total[able].min()]
    index = min(best, key=lambda i: (units[i], found.symbols(int(i))))
    return Choice(int(index), int(units[index]))


def bounded(cost: float) -> Decimal:
    """USD to the cent."""
    return Decimal(repr(round(cost, 2))).quantize(Decimal("0.01"))


def net(priced: PricedChain, rows: Rows, long: Floats, short: Floats) -> Floats:
    """Multiplier × (`long` of what is bought − `short` of what is sold), `(n,)`."""
    sold = np.where(rows[:, 1] != NO_LEG, short[rows[:, 1]], 0.0)
    return np.asarray(priced.chain.multiplier[rows[:, 0]] * (long[rows[:, 0]] - sold))


def row_pnl(priced: PricedChain, rows: Rows, scenarios: Scenarios) -> Floats:
    """P&L of one long contract of each of `rows` in each scenario, USD, as columns of shape `(n_s, len(chain))`; 0 for
    rows that were not asked for.
    """
    lines = [Line(str(row), priced.ticker, leg_of(priced, int(row), 1), 1, None) for row in rows]
    book = risk_book(lines, {priced.ticker: priced})
    out = np.full((len(scenarios), len(priced.chain)), np.nan)
    out[:, [int(key) for key in book.keys]] = revalue_lines(book, scenarios)
    return out
