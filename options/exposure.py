"""Dealers' exposure implied by open interest, under a stated guess at which side they hold.

Nobody publishes dealers' books: every figure here rests on a `Convention`, which travels with the number. Open interest
is the previous night's. Rows count when they have open interest, a standard deliverable, a known multiplier and Greeks
(at their own volatility, or the smile's), whether or not their quote is good.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from domain.units import DAYS_PER_YEAR, Bools, Floats
from options.priced import PricedChain
from options.surface import row_vols

Convention = Literal["dealers_long_calls_short_puts", "dealers_short_calls_long_puts", "dealers_short_all"]
DEFAULT_CONVENTION: Convention = "dealers_long_calls_short_puts"
_SIGNS: Mapping[str, tuple[float, float]] = {  # calls, puts
    "dealers_long_calls_short_puts": (1.0, -1.0),
    "dealers_short_calls_long_puts": (-1.0, 1.0),
    "dealers_short_all": (-1.0, -1.0),
}
_SEARCH = 0.25  # zero gamma is looked for within this share of spot, either side
_SEARCH_POINTS = 201
_ROOT_ERROR = 0.001  # USD


@dataclass(frozen=True, slots=True, eq=False)
class GammaExposure:
    """USD that dealers must trade per 1 % move of the underlying; > 0 damps moves, < 0 feeds them.

    `by_strike` (USD per share → USD) and `by_expiry` ascend and each add up to `total`.
    """

    by_strike: Mapping[float, float]
    by_expiry: Mapping[date, float]
    total: float
    convention: Convention


class Walls(NamedTuple):
    """Strikes (USD per share) with the most call and the most put gamma; None without open interest on that side."""

    call: float | None
    put: float | None


def gamma_exposure(priced: PricedChain, convention: Convention = DEFAULT_CONVENTION) -> GammaExposure:
    """Γ · open interest · multiplier · S² · 0.01 · dealer sign, by strike, by expiry and in total."""
    rows = _counted(priced)
    usd = priced.gamma[rows] * _contracts(priced, rows, convention) * priced.spot**2 * 0.01
    strikes, at_strike = np.unique(priced.chain.strike[rows], return_inverse=True)
    expiries, at_expiry = np.unique(priced.chain.expiry[rows], return_inverse=True)
    by_strike = np.bincount(at_strike, weights=usd, minlength=len(strikes))
    by_expiry = np.bincount(at_expiry, weights=usd, minlength=len(expiries))
    return GammaExposure(
        by_strike=dict(zip(strikes.tolist(), by_strike.tolist(), strict=True)),
        by_expiry=dict(zip(expiries.astype("datetime64[D]").tolist(), by_expiry.tolist(), strict=True)),
        total=float(usd.sum()),
        convention=convention,
    )


def gamma_profile(priced: PricedChain, spots: ArrayLike, convention: Convention = DEFAULT_CONVENTION) -> Floats:
    """Total gamma exposure, USD per 1 % move, were the underlying at each of `spots` (USD per share, shape `(m,)`).

    Gamma is re-evaluated at each spot; every contract keeps its volatility (sticky strike), forwards move with spot.
    """
    return _repriced(priced, convention)(np.atleast_1d(np.asarray(spots, dtype=np.float64)))


def _repriced(priced: PricedChain, convention: Convention) -> Callable[[Floats], Floats]:
    """`gamma_profile` of one chain: what does not move with spot is worked out once."""
    rows = _counted(priced)
    s = row_vols(priced.iv, priced.k, priced.slices)[rows] * np.sqrt(priced.tau[rows])
    d1 = -priced.k[rows] / s + 0.5 * s
    carried = priced.discount[rows] * priced.forward[rows] / priced.spot
    weight = _contracts(priced, rows, convention) * carried * 0.01 / (s * np.sqrt(2.0 * np.pi))

    def profile(at: Floats) -> Floats:
        moved = d1 + np.log(at / priced.spot)[:, None] / s
        return np.asarray(at * (np.exp(-0.5 * moved * moved) @ weight))

    return profile


def zero_gamma(priced: PricedChain, convention: Convention = DEFAULT_CONVENTION) -> float | None:
    """Level of the underlying (USD per share, to 0.01) where total gamma exposure changes sign; None when it does not
    within 25 % of spot. Of several levels, the nearest to spot.

    A root of the re-evaluated total over spot, not the strike with the smallest bar.
    """
    from scipy.optimize import brentq

    repriced = _repriced(priced, convention)

    def total(spot: float) -> float:
        return float(repriced(np.array([spot]))[0])

    spots = priced.spot * np.linspace(1.0 - _SEARCH, 1.0 + _SEARCH, _SEARCH_POINTS)
    profile = repriced(spots)
    spots, signs = spots[profile != 0], np.sign(profile[profile != 0])
    changes = np.flatnonzero(signs[:-1] != signs[1:])
    roots = [float(brentq(total, spots[left], spots[left + 1], xtol=_ROOT_ERROR)) for left in changes]
    return min(roots, key=lambda root: (abs(root - priced.spot), root), default=None)


def vanna_exposure(priced: PricedChain, convention: Convention = DEFAULT_CONVENTION) -> float:
    """Change of dealers' delta in USD per volatility point up: vanna · 0.01 · open interest · multiplier · S · sign."""
    rows = _counted(priced)
    return float(np.sum(priced.vanna[rows] * _contracts(priced, rows, convention)) * priced.spot * 0.01)


def charm_exposure(priced: PricedChain, convention: Convention = DEFAULT_CONVENTION) -> float:
    """Change of dealers' delta in USD per calendar day passed: charm / 365 · open interest · multiplier · S · sign."""
    rows = _counted(priced)
    return float(np.sum(priced.charm[rows] * _contracts(priced, rows, convention)) * priced.spot / DAYS_PER_YEAR)


def max_pain(priced: PricedChain, expiry: date) -> float | None:
    """Strike (USD per share) at which the options dated `expiry`, all roots, would pay their holders least.

    Of equals the lowest; None without open interest.
    """
    chain = priced.chain
    listed = (chain.expiry == np.datetime64(expiry)) & _held(priced)
    if not listed.any():
        return None
    strikes = np.unique(chain.strike[listed])
    size = (chain.open_interest * chain.multiplier)[listed]
    gain = np.where(chain.is_call[listed], 1.0, -1.0) * (strikes[:, None] - chain.strike[listed])
    return float(strikes[np.argmin(np.maximum(gain, 0.0) @ size)])


def walls(priced: PricedChain) -> Walls:
    """Strikes where call gamma and put gamma, each in USD over all expiries, are largest; of equals the lowest."""
    rows = _counted(priced)
    calls = rows[priced.chain.is_call[rows]]
    puts = rows[~priced.chain.is_call[rows]]
    return Walls(_heaviest(priced, calls), _heaviest(priced, puts))


def _heaviest(priced: PricedChain, rows: NDArray[np.int64]) -> float | None:
    if len(rows) == 0:
        return None
    chain = priced.chain
    strikes, at = np.unique(chain.strike[rows], return_inverse=True)
    weight = np.bincount(at, weights=priced.gamma[rows] * chain.open_interest[rows] * chain.multiplier[rows])
    return float(strikes[np.argmax(weight)])


def _held(priced: PricedChain) -> Bools:
    chain = priced.chain
    known = np.isfinite(chain.open_interest) & np.isfinite(chain.multiplier) & np.isfinite(chain.strike)
    return np.asarray(known & (chain.open_interest > 0) & chain.standard)


def _counted(priced: PricedChain) -> NDArray[np.int64]:
    return np.flatnonzero(_held(priced) & np.isfinite(priced.gamma))


def _contracts(priced: PricedChain, rows: NDArray[np.int64], convention: Convention) -> Floats:
    """Signed shares that dealers hold by options: open interest × multiplier × sign."""
    call, put = _SIGNS[convention]
    chain = priced.chain
    return np.asarray(np.where(chain.is_call[rows], call, put) * chain.open_interest[rows] * chain.multiplier[rows])
