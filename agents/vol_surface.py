"""The vol-surface analyst: is implied volatility rich or cheap, by its own past, its smile, its term and what it pays.

On the volatility axis BULLISH says implied volatility is cheap, BEARISH that it is rich.

* Level: IV rank beyond its bounds, contrarian; conviction rises to 1 at the edge of the 52-week range.
* Skew: a 25-delta risk reversal in its own tail. Whichever wing is named rich is volatility to sell: BEARISH.
* Term: for indices and broad ETFs contango pays the seller and backwardation the buyer of volatility (Simon &
  Campasano 2014 on the VIX basis; Johnson 2017); for single names the inverted front is the rich one and a steep curve
  the cheap one (Vasquez 2017 on equity straddles).
* Premium: implied over realised as a share of implied (Carr & Wu 2009), beyond what is usual.

A measure within its bounds is published as NEUTRAL; one without data abstains by itself. Earnings inside the horizon,
or an unknown calendar, discount level, term and premium: volatility before an event is not rich for being high.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from agents.contract import AnalystContext
from domain.errors import DataError
from domain.market import Bars, skew25
from domain.signals import Abstention, Direction, MetaValue, Signal
from domain.snapshot import MarketSnapshot
from domain.units import Floats
from options.priced import ChainRefusal, PricedChain
from signals.claim import abstain, claim, ramp
from signals.history import Refusal, recent_bars, recent_series, share_below
from signals.realised import best_estimate, close_to_close, has_ranges, latest, parkinson, yang_zhang
from signals.settings import SignalSettings
from signals.volatility import IvHistory, iv_history, iv_percentile, iv_rank, variance_premium, vix_term

NAME = "vol_surface"
HORIZON_DAYS = 30

Found = Signal | Abstention


class VolSurface:
    """Reads the priced chain, its IV and skew history, bars and the VIX family."""

    name = NAME

    def read(self, snapshot: MarketSnapshot, ticker: str, context: AnalystContext) -> list[Found]:
        """See `agents.contract.Analyst`."""
        priced = context.priced(ticker)
        if isinstance(priced, ChainRefusal):
            return [abstain(NAME, ticker, Refusal(priced.code, priced.detail, dict(priced.numbers)))]
        view = _view(snapshot, priced, context.settings)
        if not math.isfinite(view.iv):
            refusal = Refusal("no_atm", f"no {view.tenors[0]}-day at-the-money volatility can be read off the chain")
            return [abstain(NAME, ticker, refusal)]
        return [_level(view), _skew(view), _term(view), _premium(view)]


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """What the measures share."""

    snapshot: MarketSnapshot
    priced: PricedChain
    settings: SignalSettings
    tenors: tuple[int, int, int]
    atm: tuple[float, float, float]  # decimal, by tenor; NaN where the chain does not reach
    history: IvHistory | Refusal
    event: bool | None  # earnings inside the horizon; None: unknown

    @property
    def iv(self) -> float:
        return self.atm[0]

    @property
    def ticker(self) -> str:
        return self.priced.ticker

    @property
    def trust(self) -> float:
        """Conviction kept in view of events."""
        return 1.0 if self.event is False else self.settings.vol.event_discount

    def claim(
        self, edge: str, side: Direction, conviction: float, evidence: tuple[str, ...], figures: Mapping[str, MetaValue]
    ) -> Signal:
        atm = zip(self.tenors, self.atm, strict=True)
        shared = {f"atm_iv_{days}d_decimal": vol if math.isfinite(vol) else None for days, vol in atm}
        stamp = f"{self.priced.chain.as_of:%Y-%m-%dT%H:%M:%SZ}"
        return claim(
            NAME,
            self.ticker,
            edge,
            side,
            conviction,
            as_of=self.snapshot.as_of,
            evidence=(f"chain:{self.ticker}@{stamp}", *evidence),
            figures={**shared, "earnings_within_horizon": self.event, **figures},
            settings=self.settings,
        )


def _view(snapshot: MarketSnapshot, priced: PricedChain, settings: SignalSettings) -> _View:
    from options.surface import atm_vol_at

    near, middle, far = settings.vol.tenors_days
    atm = (atm_vol_at(priced, near), atm_vol_at(priced, middle), atm_vol_at(priced, far))
    return _View(
        snapshot=snapshot,
        priced=priced,
        settings=settings,
        tenors=settings.vol.tenors_days,
        atm=atm,
        history=iv_history(
            snapshot.market, priced.ticker, atm[0], settings.history, vix_proxies=settings.vol.vix_proxies
        )
        if math.isfinite(atm[0])
        else Refusal("no_atm", "no at-the-money volatility"),
        event=_earnings_inside(snapshot, priced.ticker, settings),
    )


def _earnings_inside(snapshot: MarketSnapshot, ticker: str, settings: SignalSettings) -> bool | None:
    if ticker in settings.vol.index_like:
        return False
    if ticker not in snapshot.market.events_known:
        return None
    until = snapshot.as_of + timedelta(days=HORIZON_DAYS)
    return any(
        event.kind == "earnings" and event.ticker == ticker and snapshot.as_of <= event.at <= until
        for event in snapshot.market.events
        if event.known_at <= snapshot.as_of
    )


def _level(view: _View) -> Found:
    vol, history = view.settings.vol, view.history
    if isinstance(history, Refusal):
        return abstain(NAME, view.ticker, history, measure="IV rank")
    span = {"min_days": view.settings.history.min_days, "window_days": view.settings.history.window_days}
    rank = iv_rank(history.value, history.current, **span)
    if isinstance(rank, Refusal):
        return abstain(NAME, view.ticker, rank, measure="IV rank")
    share = iv_percentile(history.value, history.current, **span)
    if isinstance(share, Refusal):
        return abstain(NAME, view.ticker, share, measure="IV percentile")
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
    return view.claim(edge, side, conviction * view.trust, (f"series:{history.source}",), figures)


def _skew(view: _View) -> Found:
    from options.surface import skew_at

    reversal, butterfly = skew_at(view.priced, view.tenors[0])
    if not (math.isfinite(reversal) and math.isfinite(butterfly)):
        refusal = Refusal("no_skew", f"no {view.tenors[0]}-day 25-delta volatilities can be read off the chain")
        return abstain(NAME, view.ticker, refusal, measure="skew")
    chosen, name = view.settings.history, skew25(view.ticker)
    now = {"risk_reversal_25d_decimal": reversal, "butterfly_25d_decimal": butterfly}
    series = recent_series(
        view.snapshot.market.series.get(name),
        name,
        view.snapshot.as_of,
        max_gap_days=chosen.max_gap_days,
        max_age_days=chosen.max_age_days,
    )
    past = np.empty(0)
    share: float | Refusal
    if isinstance(series, Refusal):
        share = series
    else:
        past = series.value[series.day < np.datetime64(view.snapshot.as_of.date())]
        share = share_below(past, reversal, min_days=chosen.min_days, window_days=chosen.window_days)
    if isinstance(share, Refusal):
        refusal = Refusal(share.code, share.detail, {**share.numbers, **now})
        return abstain(NAME, view.ticker, refusal, measure="skew percentile")
    low, high = view.settings.vol.percentile_low, view.settings.vol.percentile_high
    edge = "skew_puts_rich" if share < 0.5 else "skew_calls_rich"
    extreme = share <= low or share >= high
    conviction = max(ramp(share, start=low, full=0.0), ramp(share, start=high, full=1.0))
    side = Direction.BEARISH if extreme else Direction.NEUTRAL
    figures: dict[str, MetaValue] = {
        **now,
        "risk_reversal_percentile": share,
        "history_days": min(len(past), chosen.window_days),
    }
    return view.claim(edge, side, conviction, (f"series:{name}",), figures)


def _term(view: _View) -> Found:
    vol = view.settings.vol
    reach = [(days, level) for days, level in zip(view.tenors, view.atm, strict=True) if math.isfinite(level)]
    if len(reach) < 2:
        refusal = Refusal("no_term", "fewer than two constant maturities can be read off the chain")
        return abstain(NAME, view.ticker, refusal, measure="term structure")
    far_days, far = reach[-1]
    slope = far / view.iv - 1.0
    index = view.ticker in vol.index_like
    edge = "term_contango" if slope >= 0 else "term_backwardation"
    rich = (edge == "term_contango") == index
    side = Direction.NEUTRAL if abs(slope) < vol.flat_slope else Direction.BEARISH if rich else Direction.BULLISH
    conviction = ramp(abs(slope), start=vol.flat_slope, full=vol.full_slope) * view.trust
    market, ages = view.snapshot.market, view.settings.history
    found = vix_term(market, max_gap_days=ages.max_gap_days, max_age_days=ages.max_age_days)
    ratio = None if isinstance(found, Refusal) else found
    contradicted = index and ratio is not None and (ratio - 1.0) * slope > 0 and abs(ratio - 1.0) >= vol.vix_flat
    figures: dict[str, MetaValue] = {
        "term_slope_decimal": slope,
        "term_far_days": far_days,
        "vix_over_vix3m": ratio,
        "vix_term_contradicts": contradicted,
        "read_as": "index" if index else "single name",
    }
    evidence = ("series:VIX", "series:VIX3M") if ratio is not None else ()
    return view.claim(edge, side, conviction * (vol.disagreement_discount if contradicted else 1.0), evidence, figures)


def _premium(view: _View) -> Found:
    vol, chosen = view.settings.vol, view.settings.history
    bars = recent_bars(
        view.snapshot.market.bars.get(view.ticker),
        view.ticker,
        view.snapshot.as_of,
        max_gap_days=chosen.max_gap_days,
        max_age_days=chosen.max_age_days,
        min_bars=max(vol.rv_windows) + 1,
    )
    if isinstance(bars, Refusal):
        return abstain(NAME, view.ticker, bars, measure="variance premium")
    window = vol.rv_windows[1]
    try:
        rolling, estimator = best_estimate(bars, window=window)
        figures = _realised(bars, vol.rv_windows)
    except DataError as error:
        return abstain(NAME, view.ticker, Refusal("bad_bars", str(error)), measure="variance premium")
    realised = latest(rolling, window=window)
    if isinstance(realised, Refusal):
        return abstain(NAME, view.ticker, realised, measure="variance premium")
    premium = (view.iv - realised) / view.iv
    if premium > vol.premium_high:
        side, start, full = Direction.BEARISH, vol.premium_high, vol.premium_high + vol.premium_full
    elif premium < vol.premium_low:
        side, start, full = Direction.BULLISH, vol.premium_low, vol.premium_low - vol.premium_full
    else:
        side, start, full = Direction.NEUTRAL, 0.0, 1.0
    trust = view.trust if side is Direction.BEARISH else 1.0
    figures |= {
        "realised_vol_decimal": realised,
        "realised_estimator": estimator,
        "realised_window_days": window,
        "premium_share_of_iv": premium,
        "variance_premium_decimal2": view.iv**2 - realised**2,
        "variance_premium_percentile": _premium_percentile(view, bars, rolling, realised),
    }
    evidence = (f"bars:{view.ticker}@{bars.day[-1]}",)
    return view.claim("variance_premium", side, ramp(premium, start=start, full=full) * trust, evidence, figures)


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


def _premium_percentile(view: _View, bars: Bars, rolling: Floats, realised: float) -> float | None:
    """Where today's premium stands in its own series; None where implied and realised share too few days."""
    history, chosen = view.history, view.settings.history
    if isinstance(history, Refusal):
        return None
    _, past = variance_premium(history.day, history.value, bars.day, rolling)
    now = history.current**2 - realised**2
    share = share_below(past, now, min_days=chosen.min_days, window_days=chosen.window_days)
    return None if isinstance(share, Refusal) else share
