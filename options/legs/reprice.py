"""Given legs on a fresh chain: the re-check at approval, and the order that closes them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

import numpy as np
from numpy.typing import NDArray

from domain.contract import Leg
from domain.errors import UsageError
from domain.order import Candidate
from domain.units import CENT
from options.legs.candidate import NoCandidate, View, build, leg_of, position_greeks
from options.legs.outcomes import slice_index
from options.legs.quotes import TICK_SLACK, net_quotes, units_executable
from options.legs.search import forecast, unusable
from options.legs.settings import LegSettings
from options.payoff import is_defined_risk
from options.priced import ExpirySlice, PricedChain
from options.strategies.enumeration import tradable


def reprice(
    legs: tuple[Leg, ...],
    priced: PricedChain,
    *,
    strategy: str,
    family: str,
    spot: float,
    drift: float,
    forecast_vol: float,
    settings: LegSettings,
    as_of: datetime,
    reason: str = "Re-priced on fresh quotes.",
) -> Candidate | NoCandidate:
    """The same legs priced anew, expected value included.

    Preferences (minimum POP, positive EV, widths) are not applied: the caller compares `expected_value` and the
    limits with what was staged. Refuses when a leg has no clean quote or the risk cannot be bounded.
    """
    refused = unusable(priced, spot=spot, forecast_vol=forecast_vol, as_of=as_of)
    if refused:
        return refused
    rows = _rows(legs, priced)
    if isinstance(rows, NoCandidate):
        return rows
    dirty = [legs[i].symbol for i in np.flatnonzero(~tradable(priced)[rows])]
    if dirty:
        return NoCandidate("leg_flagged", f"No clean quote for {', '.join(dirty)}.", {"legs": float(len(dirty))})
    if not is_defined_risk(legs):
        return NoCandidate("unbounded", f"This {strategy} has a short option that nothing covers.")
    slices = [priced.slices[position] for position in slice_index(priced)[rows] if position >= 0]
    smiling = [item for item in slices if item.smile is not None]
    if len(smiling) < len(legs):
        return NoCandidate("no_smile", "An expiry has too few good quotes to be valued.", {"legs": float(len(legs))})
    front = _front(legs, smiling)
    distribution = forecast(front, spot=spot, drift=drift, forecast_vol=forecast_vol)
    quantities = tuple(leg.quantity for leg in legs)
    return build(
        priced,
        rows,
        quantities,
        front,
        distribution,
        strategy=strategy,
        family=family,
        spot=spot,
        view=View(drift, forecast_vol),
        settings=settings,
        reason=reason,
    )


def closing(
    legs: tuple[Leg, ...],
    priced: PricedChain,
    *,
    strategy: str,
    family: str,
    settings: LegSettings,
    as_of: datetime,
    reason: str,
    urgency: float | None = None,
) -> Candidate | NoCandidate:
    """The order that reverses `legs`, `intent="close"`, per unit.

    Closing ends risk, so amounts mean cash: `max_loss` is the most it can cost (a debit at the worst acceptable
    premium plus closing fees; at least the fees, at least one cent), the single outcome is the cash at that
    premium after fees, and `cvar95` equals `max_loss`. `urgency` replaces `settings.slippage` (1 crosses every
    spread). A leg that nobody bids for may be given away; one without an ask, or crossed, is refused. The worst
    premium is rounded to the tick against us: a way out that misses by half a cent is none.
    """
    if priced.chain.as_of > as_of:
        late = (priced.chain.as_of - as_of).total_seconds() / 60
        return NoCandidate("future_chain", f"The chain was taken {late:.0f} min after the run.", {"minutes": late})
    rows = _rows(legs, priced)
    if isinstance(rows, NoCandidate):
        return rows
    chain, quantities = priced.chain, -np.array([leg.quantity for leg in legs], dtype=np.float64)
    bid, ask = chain.bid[rows], chain.ask[rows]
    unquoted = [legs[i].symbol for i in np.flatnonzero(~((bid >= 0) & (ask > 0) & (ask >= bid)))]
    if unquoted:
        return NoCandidate("leg_not_quoted", f"No usable quote for {', '.join(unquoted)}.", {})
    slippage = settings.slippage if urgency is None else urgency
    tick = settings.tick_of(legs[0].root)
    net = net_quotes(priced, rows[None, :], quantities, tick=tick, slippage=slippage)
    multiplier = legs[0].multiplier
    conceded = np.where((quantities < 0) & (bid == 0), 1.0, slippage) * np.abs(quantities) * (ask - bid) / 2
    worst_ticks = np.floor((net.mid[0] - conceded.sum()) / float(tick) + TICK_SLACK)
    limit, worst = int(net.limit_ticks[0]) * tick, int(min(worst_ticks, net.limit_ticks[0])) * tick
    fees = settings.fee_per_contract * sum(abs(leg.quantity) for leg in legs)
    cash = worst * multiplier - fees
    cost = max(-cash, fees, CENT).quantize(CENT, rounding=ROUND_CEILING)
    greeks = [getattr(priced, name)[rows] for name in ("delta", "gamma", "vega", "theta", "rho")]
    if not np.isfinite(greeks).all():
        return NoCandidate("no_greeks", "A leg can be closed but not valued: it has neither volatility nor smile.", {})
    return Candidate(
        ticker=priced.ticker,
        intent="close",
        strategy=strategy,
        family=family,
        legs=tuple(leg_of(priced, int(row), -leg.quantity) for row, leg in zip(rows, legs, strict=True)),
        spot=priced.spot,
        limit_per_share=limit,
        worst_per_share=worst,
        natural_per_share=Decimal(repr(round(float(net.natural[0]), 6))),
        fees=fees,
        max_loss=cost,
        max_profit=max(limit * multiplier - fees, Decimal(0)).quantize(CENT),
        payoff_basis="exact",
        breakevens=(),
        pop=1.0 if cash > 0 else 0.0,
        expected_value=float(cash),
        cvar95=float(cost),
        score=float(cash) / float(cost),
        outcomes=((1.0, float(cash)),),
        greeks=position_greeks(priced, rows, quantities, multiplier),
        margin=Decimal(0),
        liquidity=int(units_executable(priced, rows[None, :], quantities, settings)[0]),
        first_expiry=min(leg.expiry for leg in legs),
        last_expiry=max(leg.expiry for leg in legs),
        drift=0.0,
        forecast_vol=0.0,
        reason=reason,
        breakdown={"mid_per_share": float(net.mid[0]), "slippage": slippage},
    )


def _rows(legs: Sequence[Leg], priced: PricedChain) -> NDArray[np.int64] | NoCandidate:
    """Chain rows of the legs, shape `(legs,)`; refuses unknown symbols and changed multipliers."""
    if not legs:
        raise UsageError("There are no legs to price.", remedy="Give the legs of one structure.")
    place = {str(symbol): row for row, symbol in enumerate(priced.chain.symbol)}
    missing = [leg.symbol for leg in legs if leg.symbol not in place]
    if missing:
        return NoCandidate("leg_not_quoted", f"The chain does not hold {', '.join(missing)}.", {})
    rows = np.array([place[leg.symbol] for leg in legs], dtype=np.int64)
    now = priced.chain.multiplier[rows]
    for leg, multiplier in zip(legs, now, strict=True):
        if multiplier != leg.multiplier:
            detail = f"{leg.symbol} now has multiplier {multiplier:g}, not {leg.multiplier}."
            return NoCandidate("multiplier_changed", detail, {"was": float(leg.multiplier)})
    return rows


def _front(legs: Sequence[Leg], slices: Sequence[ExpirySlice]) -> ExpirySlice:
    """The expiry at which outcomes are valued: where the short legs end, or the first one of long-only structures."""
    short = [item for leg, item in zip(legs, slices, strict=True) if leg.quantity < 0]
    return min(short or slices, key=lambda item: item.expires_at)
