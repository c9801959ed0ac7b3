"""The profit and loss of a staged order over the price of its underlying, for a picture."""

import numpy as np

from domain.contract import Settlement
from domain.errors import DataError
from domain.order import Candidate, StagedOrder
from domain.sessions import expiry_instant
from domain.units import DAYS_PER_YEAR, Floats
from options.payoff import payoff, pnl_grid

POINTS = 161
DEVIATIONS = 2.0  # of the forecast on either side of spot that the picture shows at least


def payoff_curve(order: StagedOrder) -> dict[str, object]:
    """`prices` (USD per share, ascending) and `pnl` (USD of the whole order) at the first expiry, entered at the worst
    acceptable premium and after all fees, so that it agrees with the order's maximum loss and break-evens.

    Exact where all legs expire together; else later legs are valued by Black's formula at the volatility they were
    chosen at, which `basis` says. A closing order has no curve: it ends the risk.
    """
    candidate = order.sized.candidate
    if candidate.intent == "close":
        return {"basis": "none: this order only closes what is held", "prices": [], "pnl": []}
    prices = _prices(candidate)
    net = float(candidate.worst_per_share) - float(candidate.fees) / candidate.legs[0].multiplier
    if candidate.payoff_basis == "exact":
        basis, unit = f"at expiry {candidate.first_expiry}, exact", payoff(candidate.legs, net, prices)
    else:
        basis = f"model value at the first expiry {candidate.first_expiry}"
        try:
            unit = _before_the_last_expiry(candidate, net, prices)
        except DataError as error:
            return {"basis": f"none: {error.message}", "prices": [], "pnl": []}
    return {
        "basis": f"{basis}, at the worst acceptable price after fees",
        "prices": prices.tolist(),
        "pnl": (unit * order.units).tolist(),
    }


def _before_the_last_expiry(candidate: Candidate, net: float, prices: Floats) -> Floats:
    first = min(expiry_instant(leg.expiry, am_settled=leg.settlement is Settlement.AM) for leg in candidate.legs)
    grid = pnl_grid(
        candidate.legs,
        net_premium_per_share=net,
        spots=prices,
        times=[first],
        vol_shifts=np.zeros(1),
        rate=candidate.breakdown.get("carry", 0.0),  # the forward is what matters; one discount more or less does not
        dividend_yield=0.0,
    )
    return np.asarray(grid[:, 0, 0])


def _prices(candidate: Candidate) -> Floats:
    """A grid that holds every kink: strikes, break-evens, spot, and the forecast's usual range."""
    kinks = [candidate.spot, *candidate.breakevens, *(float(leg.strike) for leg in candidate.legs)]
    years = candidate.breakdown.get("front_dte", 30.0) / DAYS_PER_YEAR
    usual = DEVIATIONS * candidate.forecast_vol * candidate.spot * years**0.5
    low, high = min(*kinks, candidate.spot - usual), max(*kinks, candidate.spot + usual)
    margin = 0.03 * (high - low)
    grid = np.linspace(max(low - margin, 0.0), high + margin, POINTS)
    return np.asarray(np.unique(np.concatenate([grid, kinks])))
