"""The net price of a combination at the quotes: mid, natural, limit and the worst price still acceptable.

All in USD per share, credit positive, vectorised over structures: `rows` has shape `(n, legs)`.
"""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from domain.units import Bools, Floats
from options.legs.settings import LegSettings
from options.priced import PricedChain
from options.strategies import Rows

TICK_SLACK = 1e-6  # of a tick: forgives binary noise in sums of quotes


@dataclass(frozen=True, slots=True, eq=False)
class NetQuotes:
    """Net premiums, each shape `(n,)`. `limit` and `worst` are whole numbers of `tick`."""

    mid: Floats
    natural: Floats
    limit_ticks: Floats
    worst_ticks: Floats
    tick: Decimal

    @property
    def worst(self) -> Floats:
        """Worst acceptable premium."""
        return self.worst_ticks * float(self.tick)

    @property
    def limit(self) -> Floats:
        """Limit premium: mid, to the nearest tick; half-way between two, as often with mids, the better one for us."""
        return self.limit_ticks * float(self.tick)


def net_quotes(priced: PricedChain, rows: Rows, quantities: Floats, *, tick: Decimal, slippage: float) -> NetQuotes:
    """Net quotes of combinations. The worst price concedes `slippage` of the gap from mid to natural, rounded to the
    tick on our side, so that never more than that share is given away.
    """
    bid, ask = priced.chain.bid[rows], priced.chain.ask[rows]
    mid = -((bid + ask) / 2) @ quantities
    natural = -(np.where(quantities > 0, ask, bid) @ quantities)
    limit = np.floor(mid / float(tick) + 0.5 + TICK_SLACK)
    worst = np.ceil((mid - slippage * (mid - natural)) / float(tick) - TICK_SLACK)
    return NetQuotes(mid, natural, limit, np.minimum(worst, limit), tick)


def contracts_executable(priced: PricedChain, settings: LegSettings) -> tuple[Floats, Floats]:
    """Contracts of each row that can be bought at the ask and sold at the bid, each shape `(n,)`.

    The quoted size; without sizes a share of the day's volume or of open interest, whichever is larger; 0 where
    nothing is known.
    """
    chain = priced.chain
    by_interest = settings.open_interest_share * np.nan_to_num(chain.open_interest)
    by_volume = settings.volume_share * np.nan_to_num(chain.volume)
    likely = np.maximum(by_interest, by_volume)
    buyable, sellable = (np.where(np.isnan(size), likely, size) for size in (chain.ask_size, chain.bid_size))
    return buyable, sellable


def units_executable(priced: PricedChain, rows: Rows, quantities: Floats, settings: LegSettings) -> Floats:
    """Whole units that `contracts_executable` allows, shape `(n,)`."""
    buyable, sellable = contracts_executable(priced, settings)
    contracts = np.where(quantities > 0, buyable[rows], sellable[rows])
    return np.asarray(np.floor(contracts / np.abs(quantities)).min(axis=1))


def liquid(priced: PricedChain, settings: LegSettings) -> Bools:
    """Rows whose spread and open interest are acceptable, shape `(n,)`. Unknown open interest passes only where sizes
    are quoted.
    """
    chain = priced.chain
    narrow = priced.spread <= settings.max_leg_spread * priced.mid
    narrow |= priced.spread <= settings.leg_spread_floor + 1e-9
    unknown = np.isnan(chain.open_interest) & np.isfinite(chain.bid_size)
    return np.asarray(narrow & (unknown | (chain.open_interest >= settings.min_open_interest)))
