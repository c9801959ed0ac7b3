"""A closed trade's profit by Greek: those of its entry times what moved until its exit.

dV ≈ Δ·dS + ½·Γ·dS² + Θ·dt + ν·dσ (Taylor; Hull, "Options, Futures, and Other Derivatives", on the Greek letters). The
change of volatility is that of the legs, found by inverting their own fills at both ends with Black's formula on the
spot; the error of leaving carry out is alike at both ends and mostly cancels. What remains is `rest`.
"""

from typing import NamedTuple

import numpy as np

from domain.contract import Right, Settlement
from domain.experience import Attribution, ClosedTrade
from domain.sessions import expiry_instant
from domain.units import Bools, Floats, to_datetime64, year_fraction
from options.black import IvStatus, greeks, implied_vol


class LegVols(NamedTuple):
    """Implied volatility of a trade's legs: its vega-weighted `change` (decimal), and what that was worth (USD)."""

    change: float
    worth: float


def price_move(trade: ClosedTrade) -> float | None:
    """Return of the underlying from entry to exit: the spot at the last closing order, else the settlement price."""
    start, end = trade.opening.sized.candidate.spot, _spot_at_exit(trade)
    return None if end is None or start <= 0 or end <= 0 else end / start - 1.0


def leg_vols(trade: ClosedTrade) -> LegVols | None:
    """None unless every leg was traded at both ends at prices that have an implied volatility."""
    entry, leaving = _prices(trade, entering=True), _prices(trade, entering=False)
    legs, end = trade.opening.sized.candidate.legs, _spot_at_exit(trade)
    symbols = [leg.symbol for leg in legs]
    if trade.settlements or end is None or not set(symbols) <= entry.keys() & leaving.keys():
        return None
    strike = np.array([float(leg.strike) for leg in legs])
    is_call = np.array([leg.right is Right.CALL for leg in legs])
    expires = np.array(
        [to_datetime64(expiry_instant(leg.expiry, am_settled=leg.settlement is Settlement.AM)) for leg in legs]
    )
    start, before, after = trade.opening.sized.candidate.spot, trade.opened_at, trade.known_at
    first = _vols(entry, symbols, start, strike, year_fraction(before, expires), is_call)
    last = _vols(leaving, symbols, end, strike, year_fraction(after, expires), is_call)
    if first is None or last is None:
        return None
    each = greeks(
        forward=start, discount=1.0, strike=strike, tau=year_fraction(before, expires), vol=first, is_call=is_call
    )
    contracts = np.array([leg.quantity * leg.multiplier * trade.units for leg in legs], dtype=np.float64)
    weights = np.abs(each.vega * contracts)
    if not weights.sum() > 0:
        return None
    change = float(np.average(last - first, weights=weights))
    return LegVols(change=change, worth=float(np.sum(each.vega * contracts * (last - first))))


def attribution(trade: ClosedTrade, *, move: float | None, vols: LegVols | None) -> Attribution:
    """Parts of the profit after fees, USD; they add up to it."""
    candidate = trade.opening.sized.candidate
    held = candidate.greeks.scaled(trade.units)
    step = None if move is None else move * candidate.spot
    years = float(year_fraction(trade.opened_at, np.array([to_datetime64(trade.known_at)]))[0])
    fees = -float(sum(fill.fees for fill in trade.fills))
    delta = None if step is None else held.delta * step
    gamma = None if step is None else 0.5 * held.gamma * step * step
    theta, vega = held.theta * years, None if vols is None else vols.worth
    explained = sum(part for part in (delta, gamma, theta, vega, fees) if part is not None)
    rest = float(trade.profit) - explained
    return Attribution(delta=delta, gamma=gamma, theta=theta, vega=vega, fees=fees, rest=rest)


def _spot_at_exit(trade: ClosedTrade) -> float | None:
    if trade.settlements:
        return float(max(trade.settlements, key=lambda price: (price.known_at, price.expiry)).price)
    spots = {order.order_id: order.sized.candidate.spot for order in trade.closings}
    return next((spots[fill.order_id] for fill in reversed(trade.fills) if fill.order_id in spots), None)


def _prices(trade: ClosedTrade, *, entering: bool) -> dict[str, float]:
    """Average price a share by symbol, of the fills that opened the trade or of those that closed it."""
    own = trade.opening.order_id
    parts = [part for fill in trade.fills if (fill.order_id == own) is entering for part in fill.legs]
    symbols = sorted({part.symbol for part in parts})
    return {
        symbol: float(
            np.average(
                [float(part.price) for part in parts if part.symbol == symbol],
                weights=[abs(part.quantity) for part in parts if part.symbol == symbol],
            )
        )
        for symbol in symbols
    }


def _vols(
    prices: dict[str, float], symbols: list[str], spot: float, strike: Floats, tau: Floats, is_call: Bools
) -> Floats | None:
    found = implied_vol(
        price=np.array([prices[symbol] for symbol in symbols]), forward=spot, discount=1.0, strike=strike, tau=tau,
        is_call=is_call,
    )  # fmt: skip
    return found.vol if bool((found.status == IvStatus.OK).all()) else None
