"""Many structures at once: entry price, fees, worst case, and P&L over prices at the front expiry."""

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

    def take(self, keep: NDArray[np.int64]) -> "Batch":
        """The batch restricted to the structures at the positions `keep`."""
        quotes = NetQuotes(
            self.quotes.mid[keep],
            self.quotes.natural[keep],
            self.quotes.limit_ticks[keep],
            self.quotes.worst_ticks[keep],
            self.quotes.tick,
        )
        columns = (self.multiplier[keep], self.fees, self.width[keep], self.shortfall[keep], self.max_loss[keep])
        return Batch(self.rows[keep], self.quantities, self.front, quotes, *columns)


def batch(priced: PricedChain, rows: Rows, quantities: Floats, front: ExpirySlice, settings: LegSettings) -> Batch:
    """Price `rows` (n ≥ 1, all with the same rights column by column) at the quotes and bound their loss."""
    chain = priced.chain
    tick = settings.tick_of(front.root)
    quotes = net_quotes(priced, rows, quantities, tick=tick, slippage=settings.slippage)
    worst = worst_intrinsic(strikes=chain.strike[rows], is_call=chain.is_call[rows[0]], quantities=quantities)
    shortfall = shortfalls(priced, rows, front) @ np.maximum(quantities, 0.0)
    multiplier = chain.multiplier[rows[:, 0]]
    fees = 2 * float(settings.fee_per_contract) * float(np.abs(quantities).sum())
    max_loss = multiplier * (shortfall - worst - quotes.worst) + fees
    return Batch(rows, quantities, front, quotes, multiplier, fees, -worst, shortfall, max_loss)


class Outcomes:
    """P&L of a batch at given prices, USD per unit: each contract is valued once, however many structures hold it.

    Values at the front expiry are discounted to today, when the premium changes hands: otherwise interest alone
    would make paid-for structures look good.
    """

    def __init__(self, priced: PricedChain, batch: Batch, prices: Floats, settings: LegSettings) -> None:
        """`prices` has shape `(m,)`, USD per share at the front expiry."""
        held, self._place = np.unique(batch.rows, return_inverse=True)
        later = contract_values(priced, held, batch.front, prices, slippage=settings.slippage)
        self._values = later * min(batch.front.discount, 1.0)
        self._place = self._place.reshape(batch.rows.shape)
        self._batch = batch

    def mean(self) -> Floats:
        """Mean P&L over equally likely prices, shape `(n,)`; linear in the legs, so no matrix is needed."""
        held = self._batch
        value = self._values.mean(axis=1)[self._place] @ held.quantities
        return np.asarray(held.multiplier * (held.quotes.worst + value) - held.fees)

    def matrix(self, keep: NDArray[np.int64]) -> Floats:
        """P&L of the structures at positions `keep`, shape `(len(keep), m)`."""
        held = self._batch
        pnl = np.tile(held.quotes.worst[keep][:, None], self._values.shape[1])
        for column, quantity in enumerate(held.quantities):
            pnl += quantity * self._values[self._place[keep, column]]
        pnl *= held.multiplier[keep][:, None]
        pnl -= held.fees
        return pnl
