"""Premium: what implied variance pays over realised, today and as a series."""

from agents.vol_surface.view import HORIZON_DAYS, Found, View
from domain.errors import DataError
from domain.market import Bars
from domain.signals import Direction, MetaValue
from signals.claim import ramp
from signals.history import Refusal, recent_bars
from signals.realised import best_estimate, close_to_close, has_ranges, latest, parkinson, yang_zhang
from signals.settings import VolSettings
from signals.volatility import PremiumSeries, premium_in_its_past, variance_premium


def premium(view: View) -> Found:
    """`variance_premium`: IV² − RV² in the tails of its own series, or without one as a share of implied volatility."""
    vol, chosen = view.settings.vol, view.settings.history
    if poor := view.poor(view.tenors[0]):
        return view.abstain(poor, "variance premium")
    bars = recent_bars(
        view.snapshot.market.bars.get(view.ticker),
        view.ticker,
        view.snapshot.as_of,
        max_gap_days=chosen.max_gap_days,
        max_age_days=chosen.max_age_days,
        min_bars=max(vol.rv_windows) + 1,
    )
    if isinstance(bars, Refusal):
        return view.abstain(bars, "variance premium")
    window = vol.rv_windows[1]
    try:
        rolling, estimator = best_estimate(bars, window=window)
        figures = _realised(bars, vol.rv_windows)
    except DataError as error:
        return view.abstain(Refusal("bad_bars", str(error)), "variance premium")
    realised = latest(rolling, window=window)
    if isinstance(realised, Refusal):
        return view.abstain(realised, "variance premium")
    share = (view.iv - realised) / view.iv
    series: PremiumSeries | Refusal = Refusal("no_history", "no history of implied volatility")
    history = view.history
    if not isinstance(history, Refusal):
        _, past = variance_premium(history.day, history.value, bars.day, rolling)
        series = premium_in_its_past(
            past, history.current**2 - realised**2, min_days=chosen.min_days, window_days=chosen.window_days
        )
    if isinstance(series, Refusal):
        side, conviction = _by_share(share, vol)
    else:
        side, conviction = _by_series(series, vol)
    figures |= {
        "realised_vol_decimal": realised,
        "realised_estimator": estimator,
        "realised_window_days": window,
        "premium_share_of_iv": share,
        "variance_premium_decimal2": view.iv**2 - realised**2,
        "judged_by": "share of implied volatility" if isinstance(series, Refusal) else "its own series",
        **_past_figures(series),
    }
    trust = view.trust(HORIZON_DAYS) if side is Direction.BEARISH else 1.0
    evidence = [f"bars:{view.ticker}@{bars.day[-1]}"]
    if not isinstance(history, Refusal):
        evidence.append(f"series:{history.source}")
    return view.claim("variance_premium", side, conviction * trust, tuple(evidence), figures)


def _by_series(series: PremiumSeries, vol: VolSettings) -> tuple[Direction, float]:
    """A premium that is high for itself is rich; one that pays nothing at all is not, however rare that is."""
    if series.percentile >= vol.percentile_high and series.now > 0:
        return Direction.BEARISH, ramp(series.percentile, start=vol.percentile_high, full=1.0)
    if series.percentile <= vol.percentile_low:
        return Direction.BULLISH, ramp(series.percentile, start=vol.percentile_low, full=0.0)
    return Direction.NEUTRAL, 0.0


def _by_share(share: float, vol: VolSettings) -> tuple[Direction, float]:
    if share > vol.premium_high:
        return Direction.BEARISH, ramp(share, start=vol.premium_high, full=vol.premium_high + vol.premium_full)
    if share < vol.premium_low:
        return Direction.BULLISH, ramp(share, start=vol.premium_low, full=vol.premium_low - vol.premium_full)
    return Direction.NEUTRAL, 0.0


def _past_figures(series: PremiumSeries | Refusal) -> dict[str, MetaValue]:
    known = None if isinstance(series, Refusal) else series
    return {
        "variance_premium_percentile": known.percentile if known else None,
        "variance_premium_z_score": known.z_score if known else None,
        "variance_premium_mean_decimal2": known.mean if known else None,
        "variance_premium_half_life_sessions": known.half_life_sessions if known else None,
        "variance_premium_series_days": known.days if known else None,
    }


def _realised(bars: Bars, windows: tuple[int, int, int]) -> dict[str, MetaValue]:
    found: dict[str, MetaValue] = {}
    for window in windows:
        found[f"rv_close_{window}d_decimal"] = float(close_to_close(closes=bars.close, window=window)[-1])
        if has_ranges(bars):
            ranges = {"highs": bars.high, "lows": bars.low}
            found[f"rv_parkinson_{window}d_decimal"] = float(parkinson(**ranges, window=window)[-1])
            rolling = yang_zhang(opens=bars.open, closes=bars.close, **ranges, window=window)
            found[f"rv_yang_zhang_{window}d_decimal"] = float(rolling[-1])
    return found
