"""The vol-surface analyst: is implied volatility rich or cheap, by its own past, its smile, its term and what it pays.

On the volatility axis BULLISH says implied volatility is cheap, BEARISH that it is rich.

* Level: IV rank beyond its bounds, contrarian; conviction rises to 1 at the edge of the 52-week range.
* Skew: a 25-delta risk reversal in its own tail. Whichever wing is named rich is volatility to sell: BEARISH.
* Term: for indices and broad ETFs contango pays the seller and backwardation the buyer of volatility (Simon &
  Campasano 2014 on the VIX basis; Johnson 2017); for single names the inverted front is the rich one and a steep curve
  the cheap one (Vasquez 2017 on equity straddles).
* Premium: implied over realised variance in the tail of its own series (Carr & Wu 2009; Bollerslev, Tauchen & Zhou
  2009); without a series, as a share of implied beyond what is usual.
* Residuals: executable quotes that do not contain the fitted surface, after fees. Relative value, so capped.
* Parity: conversions, reversals and boxes that lock in a profit (`options.arbitrage`). Says nothing on direction.

A measure within its bounds is published as NEUTRAL; one without data, or on a poor fit, abstains by itself. Known
earnings are taken out of the term structure (`options.events`) before level, term and premium are read; where that
cannot be done, or the calendar is unknown, those claims are discounted: volatility before an event is not rich for
being high.
"""

import math

from agents.contract import AnalystContext
from agents.vol_surface.level import level
from agents.vol_surface.parity import parity
from agents.vol_surface.premium import premium
from agents.vol_surface.residual import residual
from agents.vol_surface.skew import skew
from agents.vol_surface.term import term
from agents.vol_surface.view import NAME, Found, view_of
from domain.snapshot import MarketSnapshot
from options.priced import ChainRefusal
from signals.claim import abstain
from signals.history import Refusal

__all__ = ["NAME", "VolSurface"]


class VolSurface:
    """Reads the priced chain and its surface, its IV and skew history, bars, earnings dates and the VIX family."""

    name = NAME

    def read(self, snapshot: MarketSnapshot, ticker: str, context: AnalystContext) -> list[Found]:
        """See `agents.contract.Analyst`."""
        priced = context.priced(ticker)
        if isinstance(priced, ChainRefusal):
            return [abstain(NAME, ticker, Refusal(priced.code, priced.detail, dict(priced.numbers)))]
        view = view_of(snapshot, priced, context)
        quotes = [residual(view), parity(view)]
        if not math.isfinite(view.iv):
            refusal = Refusal("no_atm", f"no {view.tenors[0]}-day at-the-money volatility can be read off the chain")
            return [abstain(NAME, ticker, refusal), *quotes]
        return [level(view), skew(view), term(view), premium(view), *quotes]
