"""Where implied volatility stands in its own past, what it pays over realised volatility, and what quotes it badly."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.market import MarketData, Series, iv30
from domain.units import Bools, Days, Floats
from options.priced import ExpirySlice, PricedChain
from signals.history import Refusal, age_days, recent_series, share_below, trailing
from signals.settings import HistorySettings, ResidualSettings

VIX = "VIX"
VIX3M = "VIX3M"
UNIT_ROOT_T = -2.57  # Dickey & Fuller (1979), 10 %, with a constant: less negative is no sign of mean reversion


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


class PremiumSeries(NamedTuple):
    """Today's variance premium in its own past: annual variance (decimal²), percentile in [0, 1], z in deviations.

    `half_life_sessions` is how fast a first-order autoregression returns to the mean; None where the series shows no
    reversion that chance could not.
    """

    now: float
    mean: float
    z_score: float
    percentile: float
    half_life_sessions: float | None
    days: int


def premium_in_its_past(past: Floats, now: float, *, min_days: int, window_days: int) -> PremiumSeries | Refusal:
    """Where the premium `now` stands among the last `window_days` of `past`, shape `(n,)`, today not included.

    Refuses a short series and one that never moved; raises `ValueError` on NaN.
    """
    share = share_below(past, now, min_days=min_days, window_days=window_days)
    if isinstance(share, Refusal):
        return share
    window = past[-window_days:]
    mean, deviation = float(window.mean()), float(window.std(ddof=1))
    if not deviation > 0:
        return Refusal("flat_history", f"the variance premium stood at {mean} throughout", {"level": mean})
    return PremiumSeries(now, mean, (now - mean) / deviation, share, half_life(window), len(window))


def half_life(series: Floats) -> float | None:
    """Observations in which a deviation from the mean halves, ln 2 / −ln φ of x₁ = a + φ·x₀ + ε by least squares.

    `series` shape `(n,)`, n ≥ 3, finite. None unless 0 < φ < 1 and a unit root is rejected (Dickey & Fuller 1979).
    """
    before, change = series[:-1] - series[:-1].mean(), np.diff(series)
    power = float(before @ before)
    if len(before) < 3 or not power > 0:
        return None
    pull = float(before @ change) / power
    left = change - change.mean() - pull * before
    error = math.sqrt(float(left @ left) / (len(before) - 2) / power)
    phi = 1.0 + pull
    if not 0 < phi < 1 or not pull < UNIT_ROOT_T * error:
        return None
    return math.log(2.0) / -math.log(phi)


def forward_vols(levels: Sequence[tuple[int, float]]) -> Mapping[tuple[int, int], float | None]:
    """Volatility (decimal) between consecutive constant maturities (days, decimal); None where variance falls."""
    found: dict[tuple[int, int], float | None] = {}
    for (near, low), (far, high) in pairwise(levels):
        gained = high**2 * far - low**2 * near
        found[near, far] = math.sqrt(gained / (far - near)) if gained >= 0 else None
    return found


class OffSurface(NamedTuple):
    """A quote that does not contain the fitted value. `points` (0.01 of volatility) and `spreads` from the fit to the
    mid, > 0 rich; `gain` in USD per share is what meeting the quote and the fit would leave after the fee.
    """

    symbol: str
    points: float
    spreads: float
    gain: float


class OffSurfaces(NamedTuple):
    """Quotes off the surface, largest gain first; how many were judged or too thin; expiries left out for their fit."""

    quotes: tuple[OffSurface, ...]
    judged: int
    thin: int
    poor: tuple[date, ...]


def off_surface(priced: PricedChain, settings: ResidualSettings, *, fee_per_contract: float) -> OffSurfaces | Refusal:
    """Out-of-the-money quotes whose bid or ask lies beyond the fitted surface by more than the fee (USD per contract).

    Thin quotes (little open interest, wide, far out) are left out, and so are expiries whose fit is poor or misses so
    many quotes that the model, not a quote, is off. Refuses a chain without a fitted quote on a fit to be believed.
    """
    if priced.surface is None:
        return Refusal("no_surface", f"no expiry of {priced.ticker} has a fitted smile")
    residuals, chain = priced.surface.residuals, priced.chain
    poor = [piece for piece in priced.slices if not _believed(piece, settings)]
    rows = np.flatnonzero(np.isfinite(residuals.spreads))
    rows = rows[chain.is_call[rows] == (priced.k[rows] >= 0)]
    for piece in poor:
        rows = np.setdiff1d(rows, piece.rows)
    points, spreads = residuals.vol_points[rows], residuals.spreads[rows]
    with np.errstate(divide="ignore", invalid="ignore"):
        width = np.where(spreads == 0, 0.0, points / spreads)
    thick = _thick(priced, rows, settings) & (width <= settings.max_spread_points)
    if not thick.any():
        numbers = {"fitted_quotes": float(len(rows)), "poor_expiries": float(len(poor))}
        return Refusal("no_quotes", f"no quote of {priced.ticker} is both fitted well and thick enough", numbers)
    gain = (np.abs(points) - 0.5 * width) * 0.01 * priced.vega[rows] - fee_per_contract / chain.multiplier[rows]
    beyond = np.flatnonzero(thick & residuals.mispriced[rows] & (gain > 0))
    order = beyond[np.lexsort((chain.symbol[rows[beyond]], -gain[beyond]))]
    quotes = tuple(
        OffSurface(str(chain.symbol[rows[at]]), float(points[at]), float(spreads[at]), float(gain[at])) for at in order
    )
    judged = int(np.count_nonzero(thick))
    return OffSurfaces(quotes, judged, len(rows) - judged, tuple(piece.expiry for piece in poor))


def _believed(piece: ExpirySlice, settings: ResidualSettings) -> bool:
    quality = None if piece.smile is None else piece.smile.quality
    return quality is not None and not quality.poor and quality.inside_share >= settings.min_inside_share


def _thick(priced: PricedChain, rows: NDArray[np.int64], settings: ResidualSettings) -> Bools:
    chain = priced.chain
    held = np.where(np.isfinite(chain.open_interest[rows]), chain.open_interest[rows], chain.volume[rows])
    near = np.abs(priced.delta[rows]) >= settings.min_delta
    return np.asarray(near & (np.nan_to_num(held, nan=0.0) >= settings.min_interest))


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
