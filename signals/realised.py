"""Realised volatility from daily bars: five estimators, and the forecast that pricing uses.

All take prices in USD per share, ascending in time along the last axis, shape `(n,)` or `(names, n)`, and give the
rolling annualised volatility (decimal, 252 days a year) of the last `window` bars in the same shape: warm-up entries
are NaN, never zero. NaN, infinity, a non-positive price or a high below a low raises `DataError`: a hole is not a quiet
day.
"""

import numpy as np

from domain.errors import DataError
from domain.market import Bars
from domain.units import TRADING_DAYS_PER_YEAR, Floats
from signals.history import Refusal

FORECAST_WINDOWS = (10, 20, 30)
FORECAST_IMPLIED_WEIGHT = 0.5


def close_to_close(*, closes: Floats, window: int) -> Floats:
    """Sample standard deviation (mean removed, n − 1) of `window` log returns; Hull, Options, Futures, ch. 15."""
    _check(window, closes)
    returns = np.diff(np.log(closes))
    return _annual(_rolling_variance(returns, window), closes.shape)


def parkinson(*, highs: Floats, lows: Floats, window: int) -> Floats:
    """Range estimator, Parkinson (1980): mean of ln(H/L)² / (4 ln 2). Blind to overnight gaps."""
    _check(window, highs, lows)
    _ordered(highs, lows)
    return _annual(_rolling_mean(np.log(highs / lows) ** 2 / (4.0 * np.log(2.0)), window), highs.shape)


def garman_klass(*, opens: Floats, highs: Floats, lows: Floats, closes: Floats, window: int) -> Floats:
    """Garman & Klass (1980): mean of ½ ln(H/L)² − (2 ln 2 − 1) ln(C/O)². Blind to overnight gaps."""
    _check(window, opens, highs, lows, closes)
    _ordered(highs, lows, opens, closes)
    daily = 0.5 * np.log(highs / lows) ** 2 - (2.0 * np.log(2.0) - 1.0) * np.log(closes / opens) ** 2
    return _annual(_rolling_mean(daily, window), closes.shape)


def rogers_satchell(*, opens: Floats, highs: Floats, lows: Floats, closes: Floats, window: int) -> Floats:
    """Rogers & Satchell (1991): mean of ln(H/C) ln(H/O) + ln(L/C) ln(L/O); unbiased under drift."""
    _check(window, opens, highs, lows, closes)
    _ordered(highs, lows, opens, closes)
    return _annual(_rolling_mean(_rogers_satchell_daily(opens, highs, lows, closes), window), closes.shape)


def yang_zhang(*, opens: Floats, highs: Floats, lows: Floats, closes: Floats, window: int) -> Floats:
    """Yang & Zhang (2000): overnight variance + k · open-to-close variance + (1 − k) · Rogers-Satchell with
    k = 0.34 / (1.34 + (n + 1)/(n − 1)); unbiased under drift and opening gaps. The first bar only lends its close.
    """
    _check(window, opens, highs, lows, closes)
    _ordered(highs, lows, opens, closes)
    overnight = np.log(opens[..., 1:] / closes[..., :-1])
    session = np.log(closes[..., 1:] / opens[..., 1:])
    ranged = _rogers_satchell_daily(opens[..., 1:], highs[..., 1:], lows[..., 1:], closes[..., 1:])
    k = 0.34 / (1.34 + (window + 1) / (window - 1))
    variance = (
        _rolling_variance(overnight, window)
        + k * _rolling_variance(session, window)
        + (1.0 - k) * _rolling_mean(ranged, window)
    )
    return _annual(variance, closes.shape)


def has_ranges(bars: Bars) -> bool:
    """Whether every bar has open, high and low, so that the range estimators apply."""
    return bool(np.isfinite(bars.open).all() and np.isfinite(bars.high).all() and np.isfinite(bars.low).all())


def best_estimate(bars: Bars, *, window: int) -> tuple[Floats, str]:
    """Yang-Zhang where the bars have ranges, close-to-close where only closes are known, with the one used."""
    if has_ranges(bars):
        prices = {"opens": bars.open, "highs": bars.high, "lows": bars.low, "closes": bars.close}
        return yang_zhang(**prices, window=window), "yang_zhang"
    return close_to_close(closes=bars.close, window=window), "close_to_close"


def latest(volatility: Floats, *, window: int) -> float | Refusal:
    """Last value of a rolling volatility, or the refusal that says how many bars are missing."""
    if len(volatility) and np.isfinite(volatility[-1]):
        return float(volatility[-1])
    numbers = {"days": float(len(volatility)), "days_needed": float(window + 1)}
    return Refusal("short_history", f"{len(volatility)} bars, {window + 1} needed for {window}-day volatility", numbers)


def forecast_vol(bars: Bars, implied: float) -> float:
    """Volatility (annual, decimal) expected over the next month: the physical measure for candidates' odds.

    Half implied, half realised, blended in variance. Realised is the mean of the 10-, 20- and 30-day variances
    (Yang-Zhang, or close-to-close without ranges). Equal weights because estimated ones rarely beat them (Bates &
    Granger 1969; Poon & Granger 2003 on combining implied with historical). `bars` must already be cut to what is
    known and unbroken (`signals.history.recent_bars`). Raises `DataError` on short bars or an absurd `implied`.
    """
    if not (np.isfinite(implied) and implied > 0):
        raise DataError(f"Implied volatility {implied} of {bars.ticker} is not a positive number.")
    needed = max(FORECAST_WINDOWS) + 1
    if len(bars) < needed:
        raise DataError(
            f"{bars.ticker} has {len(bars)} daily bars; a volatility forecast needs {needed}.",
            remedy="Import a longer price history.",
        )
    realised = np.mean([best_estimate(bars, window=window)[0][-1] ** 2 for window in FORECAST_WINDOWS])
    blend = FORECAST_IMPLIED_WEIGHT * implied**2 + (1.0 - FORECAST_IMPLIED_WEIGHT) * realised
    return float(np.sqrt(blend))


def _rogers_satchell_daily(opens: Floats, highs: Floats, lows: Floats, closes: Floats) -> Floats:
    up = np.log(highs / closes) * np.log(highs / opens)
    down = np.log(lows / closes) * np.log(lows / opens)
    return np.asarray(up + down, dtype=np.float64)


def _rolling_mean(values: Floats, window: int) -> Floats:
    if values.shape[-1] < window:
        return values[..., :0]
    return np.asarray(np.lib.stride_tricks.sliding_window_view(values, window, axis=-1).mean(axis=-1), dtype=np.float64)


def _rolling_variance(values: Floats, window: int) -> Floats:
    if values.ndim > 1:  # name by name: the deviations of every window at once would fill the memory
        return np.stack([_rolling_variance(each, window) for each in values])
    if len(values) < window:
        return np.empty(0)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(values, window).var(axis=1, ddof=1), dtype=np.float64)


def _annual(variance: Floats, shape: tuple[int, ...]) -> Floats:
    """Annualised volatility, right-aligned behind NaN warm-up to `shape`."""
    full = np.full(shape, np.nan)
    count = variance.shape[-1]
    if count:
        # Garman-Klass can fall a rounding error below zero on a bar without range.
        full[..., -count:] = np.sqrt(np.maximum(variance, 0.0) * TRADING_DAYS_PER_YEAR)
    return full


def _check(window: int, *columns: Floats) -> None:
    if window < 2:
        raise DataError(f"A volatility window of {window} bars is too short.", remedy="Use 2 or more.")
    for column in columns:
        if column.shape != columns[0].shape:
            raise DataError("Price columns differ in length.")
        if not (np.isfinite(column).all() and (column > 0).all()):
            raise DataError("Prices for realised volatility must be finite and positive.", remedy="Mend the bars.")


def _ordered(highs: Floats, lows: Floats, *inside: Floats) -> None:
    if not all((lows <= prices).all() and (prices <= highs).all() for prices in (highs, *inside)):
        raise DataError("A bar's open or close lies outside its low and high, or its high below its low.")
