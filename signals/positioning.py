"""Who holds and trades which options: put/call ratios and unusual volume."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.market import Chain, Series
from domain.sessions import NEW_YORK
from domain.units import DAYS_PER_YEAR, Bools, year_fraction
from signals.history import Refusal, share_below


@dataclass(frozen=True, slots=True)
class PutCall:
    """Totals of a chain in contracts; a ratio is None where no call is known."""

    call_volume: float
    put_volume: float
    call_oi: float
    put_oi: float

    @property
    def volume_ratio(self) -> float | None:
        """Put over call volume."""
        return self.put_volume / self.call_volume if self.call_volume > 0 else None

    @property
    def oi_ratio(self) -> float | None:
        """Put over call open interest."""
        return self.put_oi / self.call_oi if self.call_oi > 0 else None


@dataclass(frozen=True, slots=True, eq=False)
class Unusual:
    """Rows of one right whose volume dwarfs open interest. `rows` indexes the chain, largest volume first;
    `share` is their part of all volume of both rights, in [0, 1].
    """

    rows: NDArray[np.int64]
    contracts: float
    share: float
    top_ratio: float  # volume over open interest of the largest row; open interest 0 counts as 1


def put_call(chain: Chain) -> PutCall:
    """Put/call totals over all standard rows; unknown (NaN) volume or open interest adds nothing."""
    calls, puts = chain.is_call & chain.standard, ~chain.is_call & chain.standard
    return PutCall(
        call_volume=float(np.nansum(chain.volume[calls])),
        put_volume=float(np.nansum(chain.volume[puts])),
        call_oi=float(np.nansum(chain.open_interest[calls])),
        put_oi=float(np.nansum(chain.open_interest[puts])),
    )


def put_call_history(puts: Series, calls: Series, *, ratio_max: float) -> Series | Refusal:
    """Daily put/call ratio of one ticker from its series of puts and calls, of volume or of open interest."""
    day, left, right = np.intersect1d(puts.day, calls.day, assume_unique=True, return_indices=True)
    traded = calls.value[right] > 0
    if not traded.any():
        return Refusal("no_history", f"{puts.name} and {calls.name} share no day with calls")
    left, right = left[traded], right[traded]
    joined = Series(
        name=f"{puts.name}/{calls.name}",
        unit="ratio",
        day=day[traded],
        known_at=np.maximum(puts.known_at[left], calls.known_at[right]),
        value=puts.value[left] / calls.value[right],
    )
    return plausible(joined, ratio_max=ratio_max)


def plausible(ratios: Series, *, ratio_max: float) -> Series | Refusal:
    """Put/call ratios within (0, `ratio_max`]. An absurd last value is refused, for it is the one that would speak;
    absurd earlier ones (11.00 where 1.1 was meant) are dropped.
    """
    fine = (ratios.value > 0) & (ratios.value <= ratio_max)
    if not fine[-1]:
        numbers = {"ratio": float(ratios.value[-1]), "ratio_max": ratio_max}
        return Refusal("absurd_value", f"{ratios.name} stands at {ratios.value[-1]:.2f} on {ratios.day[-1]}", numbers)
    return Series(ratios.name, ratios.unit, ratios.day[fine], ratios.known_at[fine], ratios.value[fine])


def unusual(
    chain: Chain, *, calls: bool, volume_to_oi: float, min_contracts: int, min_expiry_days: int
) -> Unusual | Refusal:
    """Rows of one right with volume above `volume_to_oi` × open interest and of at least `min_contracts`.

    Open interest is the previous night's, so volume above it means positions opened or turned over today. Rows about
    to expire are left out: same-day options trade many times their open interest every day. Rows whose open interest
    is unknown cannot be judged. Refuses a chain without any volume, or without any open interest.
    """
    if not np.nansum(chain.volume) > 0:
        return Refusal("no_volume", f"no volume is known in the chain of {chain.ticker}")
    if not np.nansum(chain.open_interest) > 0:
        return Refusal("no_open_interest", f"no open interest is known in the chain of {chain.ticker}")
    days = year_fraction(chain.as_of, chain.expires_at) * DAYS_PER_YEAR
    side: Bools = chain.is_call == calls
    judged = chain.standard & (days >= min_expiry_days) & np.isfinite(chain.open_interest) & np.isfinite(chain.volume)
    hit = side & judged & (chain.volume > volume_to_oi * chain.open_interest) & (chain.volume >= min_contracts)
    rows = np.flatnonzero(hit)
    rows = rows[np.lexsort((chain.symbol[rows], -chain.volume[rows]))]
    contracts = float(chain.volume[rows].sum())
    top = float(chain.volume[rows[0]] / max(chain.open_interest[rows[0]], 1.0)) if len(rows) else 0.0
    whole = float(np.nansum(chain.volume[chain.standard & (days >= min_expiry_days)]))
    return Unusual(rows=rows, contracts=contracts, share=contracts / whole if whole > 0 else 0.0, top_ratio=top)


class Standing(NamedTuple):
    """Where a size stands in its own past: share of days below it, in [0, 1], and its multiple of the median day."""

    percentile: float
    over_median: float


def standing(today: float, history: Series, as_of: datetime, *, min_days: int, window_days: int) -> Standing | Refusal:
    """Today's contracts against the days before today in `history`. During a session today is not over yet, so what is
    found is a lower bound. Refuses a short history and one without any trading.
    """
    past = history.value[history.day < np.datetime64(as_of.astimezone(NEW_YORK).date())]
    share = share_below(past, today, min_days=min_days, window_days=window_days)
    if isinstance(share, Refusal):
        return share
    median = float(np.median(past[-window_days:]))
    if not median > 0:
        return Refusal("flat_history", f"{history.name} is 0 on half of its days or more", {"median": median})
    return Standing(share, today / median)
