"""What dealers who hedge their options must trade. Who is dealer is an assumption, named in `convention`.

* Gamma: dealers long gamma trade against every move and damp it (implied volatility rich: BEARISH), short gamma they
  chase it (BULLISH): Ni, Pearson, Poteshman & White 2021; Baltussen, Da, Lammers & Martens 2021. Conviction with
  |net| / gross gamma, less where the published figure has the other sign.
* Vanna: as implied volatility returns to its mean, dealers' delta changes by vanna × the change, and they trade that
  away. Reversion by a first-order autoregression (Stein 1989).
* Charm: as time passes, delta decays and hedges are undone, visibly around expirations (Golez & Jackwerth 2012). Under
  the default convention that is buying on most days, hence no news; it speaks only in the last days before a monthly
  expiration.
* Pin: `signals.dealers.pin`; a damped last mile, BEARISH on volatility.

A flow's strength is the move of the underlying, in per cent, that would make dealers trade as much if none of their
gamma cancelled. Both flows are on the price axis: BULLISH when dealers must buy.
"""

import math

from agents.flow.view import Found, View, poorly_fitted
from domain.market import DIX, GEX, Series
from domain.signals import Direction, MetaValue
from domain.units import DAYS_PER_YEAR, TRADING_DAYS_PER_YEAR
from options.exposure import delta_drift, gamma_roots, max_pain, walls
from signals.claim import lean, ramp
from signals.dealers import days_to_next_session, expected_vol_change, monthly_expiry, pin
from signals.history import Refusal, recent_series, share_below
from signals.volatility import iv_history

NOISE = 1e-9
NAMED = 5  # expiries named in a signal
TENOR_DAYS = 30


def dealer_gamma(view: View) -> Found:
    """Net gamma exposure, its zero, its walls and where it expires."""
    unfit = view.unfit(view.priced.gamma)
    if unfit:
        return view.abstain(unfit, "dealer gamma")
    flow, priced, gamma = view.flow, view.priced, view.exposure.gamma
    share = gamma.total / gamma.gross
    # Where calls and puts cancel everywhere the sign of the total is rounding noise, and so would any root be.
    roots = gamma_roots(priced, flow.gamma_convention) if abs(share) > NOISE else ()
    root = min(roots, key=lambda level: (abs(level - priced.spot), level), default=None)
    call_wall, put_wall = walls(priced)
    published = _published(view, share)
    conviction = min(ramp(abs(share), start=flow.gamma_share, full=flow.gamma_full), flow.cap)
    side = Direction.NEUTRAL
    if conviction > 0:
        side = Direction.BEARISH if share > 0 else Direction.BULLISH
    heaviest = sorted(gamma.by_expiry.items(), key=lambda item: (-abs(item[1]), item[0]))[:NAMED]
    figures: dict[str, MetaValue] = {
        "net_gamma_usd_per_1pct": gamma.total,
        "gross_gamma_usd_per_1pct": gamma.gross,
        "net_share_of_gross": share,
        "net_gamma_by_expiry": tuple(f"{day}: {usd / gamma.gross:+.1%} of gross" for day, usd in sorted(heaviest)),
        "zero_gamma_usd": root,
        "zero_gamma_levels": len(roots),
        "spot_over_zero_gamma_decimal": priced.spot / root - 1.0 if root else None,
        "spot_over_zero_gamma_daily_sd": _daily_deviations(view, root),
        "call_wall_usd": call_wall,
        "put_wall_usd": put_wall,
        "convention": flow.gamma_convention,
        **published,
    }
    kept = flow.disagreement_discount if published.get("published_gex_contradicts") else 1.0
    return view.claim("dealer_long_gamma" if share >= 0 else "dealer_short_gamma", side, conviction * kept, figures)


def vanna_flow(view: View) -> Found:
    """What dealers trade as implied volatility returns to its mean over the claim's horizon."""
    unfit = view.unfit(view.priced.vanna)
    if unfit:
        return view.abstain(unfit, "vanna flow")
    flow, history, vanna = view.flow, view.settings.history, view.exposure.vanna
    iv = _atm_vol(view)
    if not math.isfinite(iv):
        refusal = Refusal("no_atm", f"no {TENOR_DAYS}-day at-the-money volatility can be read off the chain")
        return view.abstain(refusal, "vanna flow")
    proxies = view.settings.vol.vix_proxies
    past = iv_history(view.snapshot.market, view.priced.ticker, iv, history, vix_proxies=proxies)
    if isinstance(past, Refusal):
        return view.abstain(past, "vanna flow")
    days = view.settings.edges["vanna_flow"].horizon_days
    change = expected_vol_change(
        past.value,
        past.current,
        sessions=max(round(days * TRADING_DAYS_PER_YEAR / DAYS_PER_YEAR), 1),
        min_days=history.min_days,
        window_days=history.window_days,
    )
    if isinstance(change, Refusal):
        return view.abstain(change, "vanna flow")
    bought = -vanna.total * change.expected * 100.0
    figures: dict[str, MetaValue] = {
        "vanna_usd_per_vol_point": vanna.total,
        "hedge_usd_per_vol_point_up": -vanna.total,
        "iv_decimal": past.current,
        "iv_mean_decimal": change.mean,
        "iv_source": past.source,
        "expected_iv_change_points": change.expected * 100.0,
        "iv_change_sd_points": change.deviation * 100.0,
        "iv_daily_persistence": change.persistence,
        "flow_days": days,
    }
    return _hedging(view, "vanna_flow", bought / days, figures, start=flow.vanna_flow, full=flow.vanna_full)


def charm_flow(view: View) -> Found:
    """What dealers trade as time passes: to the next session, and until monthly expiration."""
    unfit = view.unfit(view.priced.charm)
    if unfit:
        return view.abstain(unfit, "charm flow")
    flow, as_of = view.flow, view.snapshot.as_of
    expiration = monthly_expiry(as_of)
    days = (expiration - as_of).total_seconds() / 86_400.0
    night = days_to_next_session(as_of)
    drift = delta_drift(view.priced, days, flow.gamma_convention)
    figures: dict[str, MetaValue] = {
        "charm_usd_per_day": view.exposure.charm.total,
        "hedge_usd_to_next_session": -delta_drift(view.priced, night, flow.gamma_convention).total,
        "next_session_days": night,
        "hedge_usd_to_monthly_expiry": -drift.total,
        "monthly_expiry": str(expiration.date()),
        "days_to_monthly_expiry": days,
    }
    start, full = flow.charm_flow, flow.charm_full
    near = days <= flow.charm_days
    return _hedging(view, "charm_flow", -drift.total / days, figures, start=start, full=full, speaks=near)


def pinning(view: View) -> Found:
    """Whether an expiry at hand holds spot at a strike."""
    flow, spot = view.flow, view.priced.spot
    found = pin(view.priced, convention=flow.gamma_convention, max_days=flow.pin_days)
    if isinstance(found, Refusal):
        return view.abstain(found, "pin")
    if poorly_fitted(found.piece):
        numbers = {"days_to_expiry": found.piece.tau * DAYS_PER_YEAR}
        return view.abstain(Refusal("poor_fit", f"the smile of {found.piece.expiry} is badly fitted", numbers), "pin")
    distance = abs(found.strike / spot - 1.0)
    closeness = max(1.0 - distance / flow.pin_distance, 0.0)
    conviction = min(ramp(found.risk, start=flow.pin_risk, full=flow.pin_full), flow.cap) * closeness
    figures: dict[str, MetaValue] = {
        "pin_strike_usd": found.strike,
        "pin_risk": found.risk,
        "open_interest_share": found.concentration,
        "gamma_share": found.gamma_share,
        "time_share": found.time_share,
        "distance_decimal": distance,
        "days_to_expiry": found.piece.tau * DAYS_PER_YEAR,
        "max_pain_usd": max_pain(view.priced, found.piece.expiry),
        "convention": flow.gamma_convention,
    }
    return view.claim("pin", Direction.BEARISH if conviction > 0 else Direction.NEUTRAL, conviction, figures)


def _hedging(
    view: View,
    edge: str,
    bought: float,
    figures: dict[str, MetaValue],
    *,
    start: float,
    full: float,
    speaks: bool = True,
) -> Found:
    """A claim on the price from the USD a day that dealers must buy (> 0) or sell."""
    worth = bought / view.exposure.gamma.gross
    share = bought / view.turnover if view.turnover else None
    conviction = ramp(abs(worth), start=start, full=full)
    if not speaks or (share is not None and abs(share) < view.flow.least_turnover):
        conviction = 0.0
    figures |= {
        "hedge_usd_per_day": bought,
        "hedge_share_of_turnover_decimal": share,
        "hedge_worth_move_pct": worth,
        "convention": view.flow.gamma_convention,
    }
    return view.claim(edge, lean(bought) if conviction > 0 else Direction.NEUTRAL, conviction, figures)


def _atm_vol(view: View) -> float:
    from options.measures import atm_vol_at

    return atm_vol_at(view.priced, TENOR_DAYS)


def _daily_deviations(view: View, level: float | None) -> float | None:
    """ln(spot / level) in standard deviations of one session at the 30-day at-the-money volatility."""
    iv = _atm_vol(view)
    if level is None or not (math.isfinite(iv) and iv > 0):
        return None
    return math.log(view.priced.spot / level) / (iv / math.sqrt(TRADING_DAYS_PER_YEAR))


def _published(view: View, share: float) -> dict[str, MetaValue]:
    """The published gamma and off-exchange short share of the S&P 500, for what they speak for."""
    if view.priced.ticker not in view.flow.market_wide:
        return {}
    chosen, market = view.settings.history, view.snapshot.market
    figures: dict[str, MetaValue] = {}
    for name in (GEX, DIX):
        series = recent_series(
            market.series.get(name),
            name,
            market.as_of,
            max_gap_days=chosen.max_gap_days,
            max_age_days=chosen.max_age_days,
        )
        if isinstance(series, Series):
            now, word = float(series.value[-1]), f"published_{name.lower()}"
            below = share_below(series.value[:-1], now, min_days=chosen.min_days, window_days=chosen.window_days)
            figures[f"{word}_usd" if name == GEX else f"{word}_share"] = now
            figures[f"{word}_percentile"] = None if isinstance(below, Refusal) else below
            if name == GEX:
                figures["published_gex_contradicts"] = now * share < 0
    return figures
