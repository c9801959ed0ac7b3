"""Where implied volatility stands in its own past, and what it pays over realised volatility."""

from dataclasses import dataclass

import numpy as np

from domain.market import MarketData, Series, iv30
from domain.units import Days, Floats
from signals.history import Refusal, age_days, recent_series, share_below, trailing
from signals.settings import HistorySettings

VIX = "VIX"
VIX3M = "VIX3M"


@dataclass(frozen=True, slots=True, eq=False)
class IvHistory:
    """Daily 30-day implied volatility (decimal), shape `(n,)`, ascending. `source` is the series it came from;
    `proxy` says that it is another underlying's, and `current` (decimal) is on the same footing as `value`.
    """

    day: Days
    value: Floats
    current: float
    source: str
    proxy: bool


def iv_rank(history: Floats, current: float, *, min_days: int, window_days: int) -> float | Refusal:
    """Position of `current` in the range of the last `window_days` of `history` and itself, in [0, 1].

    `history` shape `(n,)`, decimal implied (never realised) volatility, without today. Refuses a short history and
    one that never moved; raises `ValueError` on NaN.
    """
    past = trailing(history, current, min_days=min_days, window_days=window_days)
    if isinstance(past, Refusal):
        return past
    low, high = min(float(past.min()), current), max(float(past.max()), current)
    if high <= low:
        return Refusal("flat_history", f"implied volatility stood at {low} throughout", {"level": low})
    return (current - low) / (high - low)


def iv_percentile(history: Floats, current: float, *, min_days: int, window_days: int) -> float | Refusal:
    """Share of the last `window_days` of `history` strictly below `current`, in [0, 1]; refuses a short history."""
    return share_below(history, current, min_days=min_days, window_days=window_days)


def iv_history(
    market: MarketData, ticker: str, current: float, settings: HistorySettings, *, vix_proxies: tuple[str, ...]
) -> IvHistory | Refusal:
    """The ticker's own 30-day IV history with `current` (its ATM IV now, decimal), else, for `vix_proxies`, the VIX.

    The VIX carries the whole smile and lies above the at-the-money volatility, so as a proxy it is compared with
    its own last value and never with `current`.
    """
    own = _usable(market, iv30(ticker), settings)
    if isinstance(own, Series):
        # A row stamped today would compare today with itself.
        past = own.day < np.datetime64(market.as_of.date())
        if int(past.sum()) >= settings.min_days:
            return IvHistory(own.day[past], own.value[past], current, own.name, proxy=False)
    if ticker in vix_proxies:
        vix = _usable(market, VIX, settings)
        if isinstance(vix, Refusal):
            return vix
        points = vix.value / 100.0
        return IvHistory(vix.day[:-1], points[:-1], float(points[-1]), VIX, proxy=True)
    if isinstance(own, Refusal):
        return own
    numbers = {"days": float(len(own)), "days_needed": float(settings.min_days)}
    return Refusal("short_history", f"{own.name}: fewer than {settings.min_days} days before today", numbers)


def variance_premium(iv_day: Days, implied: Floats, rv_day: Days, realised: Floats) -> tuple[Days, Floats]:
    """Variance risk premium as a series: implied² − realised² (annual variance) on the days both are known.

    `implied` and `realised` are decimal volatilities, shapes `(n,)` and `(m,)`; NaN days of `realised` (warm-up) drop
    out. Realised is trailing, so each value was knowable on its day (Bollerslev, Tauchen & Zhou 2009).
    """
    warm = np.isfinite(realised)
    day, left, right = np.intersect1d(iv_day, rv_day[warm], assume_unique=True, return_indices=True)
    return day, np.asarray(implied[left] ** 2 - realised[warm][right] ** 2, dtype=np.float64)


def vix_term(market: MarketData, *, max_gap_days: int, max_age_days: int) -> float | Refusal:
    """VIX / VIX3M on the last day both are known: the VIX has rows on holidays that the others lack. Below 1 the
    market is in contango. Refuses what is missing, stale or not positive.
    """
    found: list[Series] = []
    for name in (VIX, VIX3M):
        series = recent_series(
            market.series.get(name), name, market.as_of, max_gap_days=max_gap_days, max_age_days=max_age_days
        )
        if isinstance(series, Refusal):
            return series
        found.append(series)
    near, far = found
    _, left, right = np.intersect1d(near.day, far.day, assume_unique=True, return_indices=True)
    if not len(left) or age_days(near.day[left], market.as_of) > max_age_days:
        return Refusal("stale_history", "VIX and VIX3M share no recent day", {"max_age_days": float(max_age_days)})
    short, long = float(near.value[left[-1]]), float(far.value[right[-1]])
    if not (short > 0 and long > 0):
        return Refusal("absurd_value", "VIX or VIX3M is not positive", {"vix": short, "vix3m": long})
    return short / long


def _usable(market: MarketData, name: str, settings: HistorySettings) -> Series | Refusal:
    found = recent_series(
        market.series.get(name),
        name,
        market.as_of,
        max_gap_days=settings.max_gap_days,
        max_age_days=settings.max_age_days,
        min_days=settings.min_days + 1,
    )
    if isinstance(found, Series) and not (found.value > 0).all():
        bad = float((found.value <= 0).sum())
        return Refusal("absurd_history", f"{name} holds {bad:.0f} values that are not positive", {"bad_days": bad})
    return found
