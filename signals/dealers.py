"""What dealers who hedge options must trade as volatility and time move, and where they pin the underlying.

All rests on an assumed side (`options.holdings.Convention`). Dealers trade against whatever their own delta gains.
"""

import calendar
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.market import Bars
from domain.sessions import NEW_YORK, expiry_instant, session_after
from domain.units import DAYS_PER_YEAR, Bools, Floats
from options.holdings import Convention, counted, shares
from options.priced import ExpirySlice, PricedChain
from signals.history import Refusal, trailing


class VolChange(NamedTuple):
    """Forecast change of a volatility and its standard deviation, decimals; `mean` is where it returns to, and
    `persistence` the share of a distance from it that is left after one session.
    """

    expected: float
    deviation: float
    mean: float
    persistence: float


@dataclass(frozen=True, slots=True)
class Pin:
    """The strike of one expiry most likely to hold the underlying. Shares in [0, 1]; `risk` is their product."""

    piece: ExpirySlice
    strike: float  # USD per share
    concentration: float  # the strike's share of the expiry's open interest
    gamma_share: float  # dealers' long gamma at the strike over the expiry's gross gamma
    time_share: float  # 1 at expiry, 0 at the horizon

    @property
    def risk(self) -> float:
        return self.concentration * self.gamma_share * self.time_share


def expected_vol_change(
    history: Floats, current: float, *, sessions: int, min_days: int, window_days: int
) -> VolChange | Refusal:
    """Where implied volatility is on its way to: xₜ₊₁ = mean + b·(xₜ − mean) by least squares over daily `history`
    (shape `(n,)`, decimal, without today), from `current`, `sessions` ahead.

    Implied volatility reverts (Stein 1989). Least squares see more reversion in a short history than there is; b is
    corrected for that (Kendall 1954: by (1 + 3b)/n) and held in [0, 1]: at 1 nothing is expected. Refuses a short
    history and one that never moved.
    """
    past = trailing(history, current, min_days=min_days, window_days=window_days)
    if isinstance(past, Refusal):
        return past
    mean = float(past.mean())
    before, after = past[:-1] - mean, past[1:] - mean
    if not float(before @ before) > 0:
        return Refusal("flat_history", f"implied volatility stood at {mean} throughout", {"level": mean})
    slope = float(before @ after) / float(before @ before)
    b = min(max(slope + (1.0 + 3.0 * slope) / len(before), 0.0), 1.0)
    noise = float(np.std(after - b * before, ddof=1))
    return VolChange(
        expected=(b**sessions - 1.0) * (current - mean),
        deviation=noise * float(np.sqrt(sum(b ** (2 * step) for step in range(sessions)))),
        mean=mean,
        persistence=b,
    )


def monthly_expiry(as_of: datetime) -> datetime:
    """Close of the next third Friday (the session before, if that is a holiday): standard monthly expiration."""
    first = as_of.astimezone(NEW_YORK).date().replace(day=1)
    this_month = _third_friday(first)
    return this_month if this_month > as_of else _third_friday((first + timedelta(days=32)).replace(day=1))


def days_to_next_session(as_of: datetime) -> int:
    """Calendar days from the New York day of `as_of` to the session after it: 1 on most days, 3 over a weekend."""
    today: date = as_of.astimezone(NEW_YORK).date()
    return (session_after(today) - today).days


def average_turnover(bars: Bars | None, as_of: datetime, *, days: int) -> float | None:
    """Mean of close × volume over the last `days` bars known at `as_of`, USD a day; None where any is unknown."""
    known = bars.known_by(as_of) if bars is not None else None
    if known is None or len(known) < days:
        return None
    traded = (known.close * known.volume)[-days:]
    return float(traded.mean()) if bool(np.all(np.isfinite(traded) & (traded > 0))) else None


def poor_share(priced: PricedChain, greek: Floats, poor: Bools) -> float:
    """Share of dealers' gross exposure by `greek` (a column of `priced`) that lies on `poor` rows, in [0, 1]."""
    rows = counted(priced)
    size = np.abs(greek[rows] * shares(priced, rows, "dealers_short_all"))
    whole = float(size.sum())
    return float(size[poor[rows]].sum()) / whole if whole > 0 else 0.0


def pin(priced: PricedChain, *, convention: Convention, max_days: float) -> Pin | Refusal:
    """Pin risk = open-interest concentration × gamma × time, at the strike of the heaviest near expiry where dealers
    are longest gamma.

    Dealers long gamma at a strike sell above it and buy below, and the more the nearer expiry is (Avellaneda & Lipkin
    2003; Ni, Pearson & Poteshman 2005 on optionable stocks; Golez & Jackwerth 2012 on index futures). Refuses when no
    expiry with open interest lies within `max_days` calendar days, or dealers are long gamma nowhere in it.
    """
    near = [piece for piece in priced.slices if piece.tau * DAYS_PER_YEAR <= max_days]
    if not near:
        numbers = {"days": priced.slices[0].tau * DAYS_PER_YEAR, "max_days": max_days} if priced.slices else {}
        return Refusal("no_near_expiry", f"no expiry lies within {max_days:g} days", numbers)
    held = counted(priced)
    books = [(piece, np.intersect1d(held, piece.rows, assume_unique=True)) for piece in near]
    piece, rows = max(books, key=lambda book: _gross_gamma(priced, book[1]))
    strikes, at = np.unique(priced.chain.strike[rows], return_inverse=True)
    net = np.bincount(at, weights=priced.gamma[rows] * shares(priced, rows, convention))
    if not (len(net) and net.max() > 0):
        return Refusal("no_long_gamma", f"dealers are long gamma at no strike of {piece.expiry} under {convention}")
    best = int(np.argmax(net))
    interest = np.bincount(at, weights=priced.chain.open_interest[rows])
    return Pin(
        piece=piece,
        strike=float(strikes[best]),
        concentration=float(interest[best] / interest.sum()),
        gamma_share=float(net[best]) / _gross_gamma(priced, rows),
        time_share=1.0 - piece.tau * DAYS_PER_YEAR / max_days,
    )


def _third_friday(first: date) -> datetime:
    friday = first + timedelta(days=(calendar.FRIDAY - first.weekday()) % 7 + 14)
    return expiry_instant(friday, am_settled=False)


def _gross_gamma(priced: PricedChain, rows: NDArray[np.int64]) -> float:
    return float(np.abs(priced.gamma[rows] * shares(priced, rows, "dealers_short_all")).sum())
