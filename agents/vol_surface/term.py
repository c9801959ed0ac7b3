"""Term: does the curve pay the seller or the buyer of volatility."""

import math

from agents.vol_surface.view import Found, View
from domain.signals import Direction, MetaValue
from signals.claim import ramp
from signals.history import Refusal
from signals.volatility import forward_vols, vix_term


def term(view: View) -> Found:
    """`term_contango` or `term_backwardation`: the slope of event-free constant maturities, read by kind of underlying
    and, for an index, against the VIX term structure.
    """
    vol = view.settings.vol
    reach = [(days, level) for days, level in zip(view.tenors, view.atm, strict=True) if math.isfinite(level)]
    if len(reach) < 2:
        refusal = Refusal("no_term", "fewer than two constant maturities can be read off the chain")
        return view.abstain(refusal, "term structure")
    far_days, far = reach[-1]
    if poor := view.poor(view.tenors[0], far_days):
        return view.abstain(poor, "term structure")
    slope = far / view.iv - 1.0
    index = view.ticker in vol.index_like
    edge = "term_contango" if slope >= 0 else "term_backwardation"
    rich = (edge == "term_contango") == index
    side = Direction.NEUTRAL if abs(slope) < vol.flat_slope else Direction.BEARISH if rich else Direction.BULLISH
    conviction = ramp(abs(slope), start=vol.flat_slope, full=vol.full_slope) * view.trust(far_days)
    market, ages = view.snapshot.market, view.settings.history
    found = vix_term(market, max_gap_days=ages.max_gap_days, max_age_days=ages.max_age_days)
    ratio = None if isinstance(found, Refusal) else found
    contradicted = index and ratio is not None and (ratio - 1.0) * slope > 0 and abs(ratio - 1.0) >= vol.vix_flat
    figures: dict[str, MetaValue] = {
        "term_slope_decimal": slope,
        "term_far_days": far_days,
        **{f"forward_iv_{a}d_{b}d_decimal": value for (a, b), value in forward_vols(reach).items()},
        "vix_over_vix3m": ratio,
        "vix_term_contradicts": contradicted,
        "read_as": "index" if index else "single name",
    }
    evidence = ("series:VIX", "series:VIX3M") if ratio is not None else ()
    return view.claim(edge, side, conviction * (vol.disagreement_discount if contradicted else 1.0), evidence, figures)
