"""Skew: the 25-delta risk reversal in its own past, and the butterfly beside it."""

import math

import numpy as np

from agents.vol_surface.view import Found, View
from domain.market import butterfly25, skew25
from domain.signals import Direction, MetaValue
from signals.claim import ramp
from signals.history import Refusal, recent_series, share_below


def skew(view: View) -> Found:
    """`skew_puts_rich` or `skew_calls_rich`: the risk reversal in a tail of its history."""
    from options.measures import skew_at

    days = view.tenors[0]
    if poor := view.poor(days):
        return view.abstain(poor, "skew")
    reversal, butterfly = skew_at(view.priced, days)
    if not (math.isfinite(reversal) and math.isfinite(butterfly)):
        refusal = Refusal("no_skew", f"no {days}-day 25-delta volatilities can be read off the chain")
        return view.abstain(refusal, "skew")
    now = {"risk_reversal_25d_decimal": reversal, "butterfly_25d_decimal": butterfly}
    placed = _placed(view, skew25(view.ticker), reversal)
    if isinstance(placed, Refusal):
        return view.abstain(Refusal(placed.code, placed.detail, {**placed.numbers, **now}), "skew percentile")
    share, days_known = placed
    bend = _placed(view, butterfly25(view.ticker), butterfly)
    low, high = view.settings.vol.percentile_low, view.settings.vol.percentile_high
    edge = "skew_puts_rich" if share < 0.5 else "skew_calls_rich"
    extreme = share <= low or share >= high
    conviction = max(ramp(share, start=low, full=0.0), ramp(share, start=high, full=1.0))
    side = Direction.BEARISH if extreme else Direction.NEUTRAL
    figures: dict[str, MetaValue] = {
        **now,
        "risk_reversal_percentile": share,
        "butterfly_percentile": None if isinstance(bend, Refusal) else bend[0],
        "history_days": days_known,
    }
    return view.claim(edge, side, conviction, (f"series:{skew25(view.ticker)}",), figures)


def _placed(view: View, name: str, now: float) -> tuple[float, int] | Refusal:
    """Percentile of `now` in the named series before today, and the days that it was placed among."""
    chosen = view.settings.history
    series = recent_series(
        view.snapshot.market.series.get(name),
        name,
        view.snapshot.as_of,
        max_gap_days=chosen.max_gap_days,
        max_age_days=chosen.max_age_days,
    )
    if isinstance(series, Refusal):
        return series
    past = series.value[series.day < np.datetime64(view.snapshot.as_of.date())]
    share = share_below(past, now, min_days=chosen.min_days, window_days=chosen.window_days)
    return share if isinstance(share, Refusal) else (share, min(len(past), chosen.window_days))
