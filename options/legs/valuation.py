"""Structures priced one by one as read off the quotes: entry, fees, worst case, and P&L over prices at front expiry.

`options.legs.evaluation` does the same for millions; this is what a candidate's own figures come from.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.units import Floats
from options.legs.outcomes import contract_values, shortfalls
from options.legs.quotes import NetQuotes, net_quotes
from options.legs.settings import LegSettings
from options.payoff import worst_intrinsic
from options.priced import ExpirySlice, PricedChain
from options.strategies import Rows


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Structures of one type and front expiry. `rows` `(n, legs)`, `quantities` `(legs,)`, the rest `(n,)`.

    `shortfall` and `width` (the worst exercise value, positive) are USD per share, `max_loss` USD per unit at the
    worst premium after fees, `fees` USD per unit for both sides.
    """

    rows: Rows
    quantities: Floats
    front: ExpirySlice
    quotes: NetQuotes
    multiplier: Floats
    fees: float
    width: Floats
    shortfall: Floats
    max_loss: Floats


def batch(
    priced: PricedChain,
    rows: Rows,
    quantities: Floats,
    front: ExpirySlice,
    settings: LegSettings,
    *,
    certain: bool = False,
) -> Batch:
    """Price `rows` (n ≥ 1, all with the same rights column by column) at the quotes and bound their loss. Of structures
    with a `certain` outcome all that is paid, or owed at expiry, counts as at stake.
    """
    chain = priced.chain
    tick = settings.tick_of(front.root)
    quotes = net_quotes(priced, rows, quantities, tick=tick, slippage=settings.slippage)
    worst = worst_intrinsic(strikes=chain.strike[rows], is_call=chain.is_call[rows[0]], quantities=quantities)
    shortfall = shortfalls(priced, rows, front) @ np.maximum(quantities, 0.0)
    multiplier = chain.multiplier[rows[:, 0]]
    fees = 2 * float(settings.fee_per_contract) * float(np.abs(quantities).sum())
    max_loss = multiplier * (shortfall - worst - quotes.worst) + fees
    if certain:
        max_loss = np.maximum(max_loss, multiplier * np.maximum(-quotes.worst, -worst) + fees)
    return Batch(rows, quantities, front, quotes, multiplier, fees, -worst, shortfall, max_loss)


def outcomes(priced: PricedChain, batch: Batch, prices: Floats, settings: LegSettings) -> Floats:
    """P&L of a batch at `prices` `(m,)` of the front expiry, USD per unit, shape `(n, m)`; each contract valued once.

    Values at the front expiry are discounted to today, when the premium changes hands: otherwise interest alone
    would make paid-for structures look good.
    """
    held, place = np.unique(batch.rows, return_inverse=True)
    values = present_values(priced, held, batch.front, prices, settings)
    pnl = np.tile(batch.quotes.worst[:, None], len(prices))
    for column, quantity in enumerate(batch.quantities):
        pnl += quantity * values[place.reshape(batch.rows.shape)[:, column]]
    return np.asarray(pnl * batch.multiplier[:, None] - batch.fees)


def present_values(
    priced: PricedChain, rows: NDArray[np.int64], front: ExpirySlice, prices: Floats, settings: LegSettings
) -> Floats:
    """`contract_values` of `rows`, discounted from the front expiry to today, USD per share, `(len(rows), m)`."""
    later = contract_values(priced, rows, front, prices, slippage=settings.slippage)
    return np.asarray(later * min(front.discount, 1.0))
