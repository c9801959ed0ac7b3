"""American quotes as a surface needs them: volatilities net of early exercise, and pairs that obey put-call parity."""

from dataclasses import replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from domain.market import Chain
from domain.units import Bools, Floats, year_fraction
from options import american, black
from options.black import ImpliedVol, IvStatus
from options.parity import Forward
from options.settings import ChainSettings

_FEW = 512  # rows for which starting threads costs more than it saves
_SMALL = 0.1  # of volatility: a correction for early exercise that one Newton step takes to 1e-4 of volatility
_ROWS_A_PAIR = 3  # looked at, a pair and a half: some strikes lack a side


def implied_vol(
    chain: Chain, *, price: Floats, forward: Floats, discount: Floats, tau: Floats, american_rows: Bools
) -> ImpliedVol:
    """Volatility of every row's `price` (USD per share), American where `american_rows`, else European; shape `(n,)`.

    Rate and continuous yield are those that `discount` and `forward` imply from the chain's spot. Out of the money,
    where early exercise is worth little, it is one Newton step from the European volatility.
    """
    found = black.implied_vol(
        price=price, forward=forward, strike=chain.strike, tau=tau, discount=discount, is_call=chain.is_call
    )
    rows = np.flatnonzero(american_rows & np.isfinite(price) & (tau > 0) & np.isfinite(forward))
    if not len(rows):
        return found
    vol, status = found.vol.copy(), found.status.copy()
    outside = rows[(chain.is_call[rows] == (chain.strike[rows] >= forward[rows])) & np.isfinite(vol[rows])]
    terms = _spot_terms(chain, outside, forward, discount, tau)
    worth = american.price(vol=vol[outside], threads=_threads(outside), **terms)
    vega = black.greeks(vol=vol[outside], **terms).vega
    with np.errstate(divide="ignore", invalid="ignore"):
        step = (price[outside] - worth) / vega
    sound = np.abs(step) <= _SMALL * vol[outside]
    vol[outside[sound]] += step[sound]
    rest = np.setdiff1d(rows, outside[sound], assume_unique=True)
    terms = _spot_terms(chain, rest, forward, discount, tau)
    vol[rest], status[rest] = american.implied_vol(price=price[rest], threads=_threads(rest), **terms)
    return ImpliedVol(vol, status)


def without_early_exercise(
    chain: Chain, forwards: list[Forward], *, spot: float, usable: Bools, settings: ChainSettings
) -> Chain:
    """The chain with the value of early exercise taken off bid and ask of the American rows that parity reads.

    Parity holds for European values only: an in-the-money put's right to be exercised lowers the forward that it seems
    to imply. `forwards` and `spot` are an earlier reading, biased so; the values taken off depend on them but little.
    Both rights of a strike are valued at the volatility of the one out of the money.
    """
    chosen = [_near(chain, found, usable, settings) for found in forwards if not chain.european[found.rows].all()]
    if not chosen:
        return chain
    rows = np.concatenate(chosen)
    forward, discount = np.full(len(chain), np.nan), np.full(len(chain), np.nan)
    for found in forwards:
        forward[found.rows], discount[found.rows] = found.forward, found.discount
    part, forward, discount = replace(chain.rows(rows), spot=spot), forward[rows], discount[rows]
    tau, mid = year_fraction(chain.as_of, part.expires_at), 0.5 * (part.bid + part.ask)
    vol = _of_the_strike(part, forward, discount, tau, mid)
    terms = _spot_terms(part, np.arange(len(rows)), forward, discount, tau)
    european = black.price(vol=vol, **terms)
    premium = np.nan_to_num(
        np.maximum(american.price(vol=vol, threads=_threads(rows), **terms) - european, 0.0), nan=0.0
    )
    bid, ask = chain.bid.copy(), chain.ask.copy()
    bid[rows] -= premium
    ask[rows] -= premium
    return replace(chain, bid=bid, ask=ask)


def _of_the_strike(part: Chain, forward: Floats, discount: Floats, tau: Floats, mid: Floats) -> Floats:
    """Volatility of each row's expiry and strike, from its out-of-the-money side; NaN without one."""
    outside = part.is_call == (part.strike >= forward)
    implied = implied_vol(
        part,
        price=np.where(outside, mid, np.nan),
        forward=forward,
        discount=discount,
        tau=tau,
        american_rows=~part.european,
    )
    _, at = np.unique(np.stack([tau, part.strike]), axis=1, return_inverse=True)
    known = implied.status == IvStatus.OK
    with np.errstate(invalid="ignore"):
        sums = np.bincount(at, weights=np.where(known, implied.vol, 0.0))
        return np.asarray((sums / np.bincount(at, weights=known))[at])


def _near(chain: Chain, found: Forward, usable: Bools, settings: ChainSettings) -> NDArray[np.int64]:
    rows = found.rows[usable[found.rows] & ~chain.european[found.rows]]
    nearest = np.lexsort((chain.symbol[rows], np.abs(chain.strike[rows] - found.forward)))
    return rows[nearest[: _ROWS_A_PAIR * settings.american_parity_pairs]]


class _SpotTerms(TypedDict):
    spot: float
    strike: Floats
    tau: Floats
    rate: Floats
    dividend_yield: Floats
    is_call: Bools


def _spot_terms(chain: Chain, rows: NDArray[np.int64], forward: Floats, discount: Floats, tau: Floats) -> _SpotTerms:
    t = tau[rows]
    rate = -np.log(discount[rows]) / t
    return {
        "spot": chain.spot,
        "strike": chain.strike[rows],
        "tau": t,
        "rate": rate,
        "dividend_yield": rate - np.log(forward[rows] / chain.spot) / t,
        "is_call": chain.is_call[rows],
    }


def _threads(rows: NDArray[np.int64]) -> int | None:
    return 1 if len(rows) <= _FEW else None
