"""American quotes as a surface needs them: volatilities net of early exercise, and pairs that obey put-call parity."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from domain.market import Chain
from domain.units import Bools, Floats, year_fraction
from options import american, black
from options.black import ImpliedVol
from options.parity import Forward
from options.settings import ChainSettings

_ROWS_A_PAIR = 3  # looked at, a pair and a half: some strikes lack a side


def implied_vol(
    chain: Chain, *, price: Floats, forward: Floats, discount: Floats, tau: Floats, american_rows: Bools
) -> ImpliedVol:
    """Volatility of every row's `price` (USD per share), American where `american_rows`, else European; shape `(n,)`.

    Rate and continuous yield are those that `discount` and `forward` imply from the chain's spot.
    """
    found = black.implied_vol(
        price=np.where(american_rows, np.nan, price),
        forward=forward,
        strike=chain.strike,
        tau=tau,
        discount=discount,
        is_call=chain.is_call,
    )
    rows = np.flatnonzero(american_rows & np.isfinite(price) & (tau > 0) & np.isfinite(forward))
    if not len(rows):
        return found
    rate, dividend_yield = _carry(chain.spot, forward[rows], discount[rows], tau[rows])
    early = american.implied_vol(
        spot=chain.spot,
        strike=chain.strike[rows],
        tau=tau[rows],
        rate=rate,
        dividend_yield=dividend_yield,
        price=price[rows],
        is_call=chain.is_call[rows],
    )
    vol, status = found.vol.copy(), found.status.copy()
    vol[rows], status[rows] = early.vol, early.status
    return ImpliedVol(vol, status)


def without_early_exercise(
    chain: Chain, forwards: list[Forward], *, spot: float, usable: Bools, settings: ChainSettings
) -> Chain:
    """The chain with the value of early exercise taken off bid and ask of the American rows that parity reads.

    Parity holds for European values only: an in-the-money put's right to be exercised lowers the forward that it seems
    to imply. `forwards` and `spot` are a first reading, biased so; the values taken off depend on them but little.
    """
    chosen = [_near(chain, found, usable, settings) for found in forwards if not chain.european[found.rows].all()]
    if not chosen:
        return chain
    rows = np.concatenate(chosen)
    forward, discount = np.full(len(chain), np.nan), np.full(len(chain), np.nan)
    for found in forwards:
        forward[found.rows], discount[found.rows] = found.forward, found.discount
    part = replace(chain.rows(rows), spot=spot)
    tau, mid = year_fraction(chain.as_of, part.expires_at), 0.5 * (part.bid + part.ask)
    terms = {"forward": forward[rows], "discount": discount[rows], "tau": tau}
    implied = implied_vol(part, price=mid, american_rows=~part.european, **terms)
    european = black.price(strike=part.strike, vol=implied.vol, is_call=part.is_call, **terms)
    premium = np.nan_to_num(np.maximum(mid - european, 0.0), nan=0.0)
    bid, ask = chain.bid.copy(), chain.ask.copy()
    bid[rows] -= premium
    ask[rows] -= premium
    return replace(chain, bid=bid, ask=ask)


def _near(chain: Chain, found: Forward, usable: Bools, settings: ChainSettings) -> NDArray[np.int64]:
    rows = found.rows[usable[found.rows] & ~chain.european[found.rows]]
    nearest = np.lexsort((chain.symbol[rows], np.abs(chain.strike[rows] - found.forward)))
    return rows[nearest[: _ROWS_A_PAIR * settings.american_parity_pairs]]


def _carry(spot: float, forward: Floats, discount: Floats, tau: Floats) -> tuple[Floats, Floats]:
    rate = -np.log(discount) / tau
    return rate, rate - np.log(forward / spot) / tau
