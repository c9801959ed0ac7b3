"""What the strategy selector needs to know about one ticker's volatility, read from the analysts' own figures."""

import math
from collections.abc import Iterable

from domain.market import MarketData
from domain.record import Record
from domain.signals import Direction, Signal
from options.measures import atm_vol_at, forward_vol
from options.priced import ExpirySlice, PricedChain
from options.selector import Skew, Term
from signals.history import Refusal, recent_bars
from signals.realised import FORECAST_WINDOWS, forecast_vol
from signals.settings import SignalSettings

NEAR_DAYS, FAR_DAYS = 30.0, 60.0
YEAR_DAYS = 365.0


class Stance(Record):
    """Volatility of one ticker at one instant; None where it is not known. Volatilities are annual decimals."""

    atm_iv: float
    forecast_vol: float
    iv_premium: float  # atm_iv − forecast_vol
    iv_rank: float | None
    term: Term | None
    skew: Skew | None
    front_over_forward: float | None  # near ATM vol over the forward vol up to the far expiry


class NoStance(Record):
    """Why a ticker cannot be valued."""

    code: str
    detail: str


def read_stance(
    signals: Iterable[Signal], market: MarketData, priced: PricedChain, settings: SignalSettings
) -> Stance | NoStance:
    """The stance on `priced.ticker`. Without an at-the-money volatility or enough bars for a forecast there is none:
    a candidate's odds would be a guess.
    """
    atm_iv = atm_vol_at(priced, NEAR_DAYS)
    if not math.isfinite(atm_iv):
        return NoStance(code="no_atm", detail="no 30-day at-the-money volatility can be read off the chain")
    bars = recent_bars(
        market.bars.get(priced.ticker), priced.ticker, market.as_of, max_gap_days=settings.history.max_gap_days,
        max_age_days=settings.history.max_age_days, min_bars=max(FORECAST_WINDOWS) + 1,
    )  # fmt: skip
    if isinstance(bars, Refusal):
        return NoStance(code="no_forecast_vol", detail=f"no volatility forecast: {bars.detail}")
    expected = forecast_vol(bars, atm_iv)
    edges = {s.edge_type: s for s in signals if s.ticker == priced.ticker and s.source == "vol_surface"}
    return Stance(
        atm_iv=atm_iv,
        forecast_vol=expected,
        iv_premium=atm_iv - expected,
        iv_rank=_iv_rank(edges),
        term=_term(edges),
        skew=_skew(edges),
        front_over_forward=_front_over_forward(priced),
    )


def _iv_rank(edges: dict[str, Signal]) -> float | None:
    for edge in ("iv_rich", "iv_cheap"):
        if edge in edges and isinstance(rank := edges[edge].metadata.get("iv_rank"), float):
            return rank
    return None


def _term(edges: dict[str, Signal]) -> Term | None:
    named: dict[str, Term] = {"term_contango": "contango", "term_backwardation": "backwardation"}
    for edge, term in named.items():
        if edge in edges:
            return "flat" if edges[edge].direction is Direction.NEUTRAL else term
    return None


def _skew(edges: dict[str, Signal]) -> Skew | None:
    named: dict[str, Skew] = {"skew_puts_rich": "puts_rich", "skew_calls_rich": "calls_rich"}
    for edge, skew in named.items():
        if edge in edges:
            return "normal" if edges[edge].direction is Direction.NEUTRAL else skew
    return None


def _front_over_forward(priced: PricedChain) -> float | None:
    """At-the-money volatility of the expiry nearest 30 days over the forward volatility up to the one nearest 60."""
    near, far = _nearest(priced, NEAR_DAYS), _nearest(priced, FAR_DAYS)
    if near is None or far is None or far.tau <= near.tau:
        return None
    bought = forward_vol(near, far)
    return near.atm_vol / bought if math.isfinite(bought) and bought > 0 else None


def _nearest(priced: PricedChain, days: float) -> ExpirySlice | None:
    smiling = [piece for piece in priced.slices if piece.smile is not None]
    return min(smiling, key=lambda piece: abs(piece.tau * YEAR_DAYS - days), default=None)
