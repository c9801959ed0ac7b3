"""The puts that a hedge may use: out of the money by a share of spot, within days to expiry, cleanly quoted."""

from datetime import date
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from domain.units import DAYS_PER_YEAR, Floats
from options.priced import PricedChain
from options.strategies.enumeration import tradable, within
from risk.hedge.settings import HedgeSettings

Rows = NDArray[np.int64]


class PutWindow(NamedTuple):
    """What puts inside the window cost: the median of their mids, in USD per share, over `puts` quotes."""

    puts: int
    median_mid: float
    multiplier: int
    lowest_strike: float
    highest_strike: float
    first_expiry: date
    last_expiry: date


def out_of_the_money(priced: PricedChain) -> Floats:
    """How far each strike lies below spot, as a share of spot, shape `(n,)`; negative above it."""
    return np.asarray(1.0 - priced.chain.strike / priced.spot)


def window_puts(priced: PricedChain, settings: HedgeSettings) -> Rows:
    """Rows of the puts inside the OTM and DTE window, both inclusive: clean quote, standard deliverable, known size."""
    inside = tradable(priced) & ~priced.chain.is_call
    inside &= within(out_of_the_money(priced), settings.otm)
    inside &= within(priced.tau * DAYS_PER_YEAR, settings.dte)
    return np.flatnonzero(inside)


def put_window(priced: PricedChain, settings: HedgeSettings) -> PutWindow | str:
    """The window's puts in figures, or one sentence on why there are none to speak of."""
    rows, chain = window_puts(priced, settings), priced.chain
    if not len(rows):
        return (
            f"{priced.ticker} quotes no clean put {settings.otm[0]:.0%} to {settings.otm[1]:.0%} below "
            f"{priced.spot:,.2f} with {settings.dte[0]:g} to {settings.dte[1]:g} days to go"
        )
    sizes = np.unique(chain.multiplier[rows])
    if len(sizes) > 1:
        return f"the puts of {priced.ticker} in the window have different multipliers"
    return PutWindow(
        puts=len(rows),
        median_mid=float(np.median(priced.mid[rows])),
        multiplier=int(sizes[0]),
        lowest_strike=float(chain.strike[rows].min()),
        highest_strike=float(chain.strike[rows].max()),
        first_expiry=_day(chain.expiry[rows].min()),
        last_expiry=_day(chain.expiry[rows].max()),
    )


def representative_put(priced: PricedChain, settings: HedgeSettings) -> int | None:
    """Row of the put whose mid is the window's (lower) median; of equal mids the first symbol. None: empty window."""
    rows = window_puts(priced, settings)
    if not len(rows):
        return None
    order = rows[np.lexsort((priced.chain.symbol[rows], priced.mid[rows]))]
    return int(order[(len(order) - 1) // 2])


def _day(value: np.datetime64) -> date:
    return cast("date", value.astype("datetime64[D]").astype(object))
