"""Level: where today's 30-day volatility stands in its year."""

from agents.vol_surface.view import HORIZON_DAYS, Found, View
from domain.signals import Direction, MetaValue
from signals.claim import ramp
from signals.history import Refusal
from signals.volatility import iv_percentile, iv_rank


def level(view: View) -> Found:
    """`iv_rich` or `iv_cheap`: the IV rank beyond its bounds, against the extreme."""
    vol, history = view.settings.vol, view.history
    if isinstance(history, Refusal):
        return view.abstain(history, "IV rank")
    if not history.proxy and (poor := view.poor(view.tenors[0])):
        return view.abstain(poor, "IV rank")
    span = {"min_days": view.settings.history.min_days, "window_days": view.settings.history.window_days}
    rank = iv_rank(history.value, history.current, **span)
    if isinstance(rank, Refusal):
        return view.abstain(rank, "IV rank")
    share = iv_percentile(history.value, history.current, **span)
    if isinstance(share, Refusal):
        return view.abstain(share, "IV percentile")
    if rank > vol.rank_high:
        edge, side, conviction = "iv_rich", Direction.BEARISH, ramp(rank, start=vol.rank_high, full=1.0)
    elif rank < vol.rank_low:
        edge, side, conviction = "iv_cheap", Direction.BULLISH, ramp(rank, start=vol.rank_low, full=0.0)
    else:
        edge, side, conviction = ("iv_rich" if rank >= 0.5 else "iv_cheap"), Direction.NEUTRAL, 0.0
    figures: dict[str, MetaValue] = {
        "iv_rank": rank,
        "iv_percentile": share,
        "ranked_iv_decimal": history.current,
        "history_days": min(len(history.value), view.settings.history.window_days),
        "history_source": history.source,
        "history_is_proxy": history.proxy,
    }
    return view.claim(edge, side, conviction * view.trust(HORIZON_DAYS), (f"series:{history.source}",), figures)
