"""Dealers' exposure implied by open interest, under a stated guess at which side they hold.

Signs: > 0 where dealers' own delta grows. Long gamma they sell rises and buy falls, which damps moves; whatever their
delta gains by vanna or charm they sell. `options.holdings` says which rows count.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from domain.errors import DataError
from domain.units import DAYS_PER_YEAR, Floats
from options.holdings import (
    DEFAULT_CONVENTION,
    Convention,
    GammaCurve,
    Holdings,
    Profile,
    counted,
    delta_usd,
    greeks_usd,
    held,
    holdings,
    shares,
)
from options.priced import PricedChain

__all__ = [
    "DEFAULT_CONVENTION",
    "Convention",
    "Dynamics",
    "Exposure",
    "Exposures",
    "Profile",
    "Walls",
    "charm_exposure",
    "delta_drift",
    "exposure_profile",
    "exposures",
    "gamma_exposure",
    "gamma_profile",
    "gamma_roots",
    "max_pain",
    "vanna_exposure",
    "walls",
    "zero_gamma",
]

Dynamics = Literal["sticky_strike", "sticky_moneyness"]
_SEARCH = 0.25  # zero gamma is looked for within this share of spot, either side
_SEARCH_POINTS = 193
_BEND = 3.0  # the search looks ten times closer at spot than at its ends
_CLOSER = 33  # further levels looked at where the profile dips towards zero between two of them
_NOTHING = 1e-12  # of the profile's largest value: what is smaller is rounding, not exposure
_ROOT_ERROR = 1e-4  # USD


@dataclass(frozen=True, slots=True, eq=False)
class Exposure:
    """USD under `unit` and `convention`. `by_strike` (USD per share → USD) and `by_expiry` ascend and each add up to
    `total`; `gross` is the sum without signs.
    """

    by_strike: Mapping[float, float]
    by_expiry: Mapping[date, float]
    total: float
    gross: float
    unit: str
    convention: Convention


class Exposures(NamedTuple):
    """What dealers' delta gains, in USD: as spot rises 1 %; as volatility rises one point; as a calendar day passes."""

    gamma: Exposure
    vanna: Exposure
    charm: Exposure


class Walls(NamedTuple):
    """Strikes (USD per share) with the most call and the most put gamma; None without open interest on that side."""

    call: float | None
    put: float | None


def exposures(priced: PricedChain, convention: Convention = DEFAULT_CONVENTION) -> Exposures:
    """Gamma, vanna and charm exposure by strike, by expiry and in total, at today's spot.

    Γ·S²·0.01, vanna·S·0.01 and charm·S/365, each times open interest × multiplier × dealer sign.
    """
    rows = counted(priced)
    usd = shares(priced, rows, convention) * priced.spot
    grouped = _grouped(priced, rows)
    return Exposures(
        gamma=grouped(priced.gamma[rows] * usd * priced.spot * 0.01, "USD per 1 % move", convention),
        vanna=grouped(priced.vanna[rows] * usd * 0.01, "USD of delta per volatility point", convention),
        charm=grouped(priced.charm[rows] * usd / DAYS_PER_YEAR, "USD of delta per calendar day", convention),
    )


def gamma_exposure(priced: PricedChain, convention: Convention = DEFAULT_CONVENTION) -> Exposure:
    """USD that dealers must trade against each 1 % move: Γ · open interest · multiplier · S² · 0.01 · dealer sign."""
    return exposures(priced, convention).gamma


def vanna_exposure(priced: PricedChain, convention: Convention = DEFAULT_CONVENTION) -> float:
    """Change of dealers' delta in USD per volatility point up: vanna · 0.01 · open interest · multiplier · S · sign."""
    return exposures(priced, convention).vanna.total


def charm_exposure(priced: PricedChain, convention: Convention = DEFAULT_CONVENTION) -> float:
    """Change of dealers' delta in USD per calendar day passed: charm / 365 · open interest · multiplier · S · sign."""
    return exposures(priced, convention).charm.total


def delta_drift(priced: PricedChain, days: float, convention: Convention = DEFAULT_CONVENTION) -> Exposure:
    """Change of dealers' delta in USD over the next `days` calendar days if nothing but time passes: charm added up.

    Unlike charm × days it stays bounded where contracts end on the way: their delta goes to 1 or 0 and no further.
    """
    book = holdings(priced, convention)
    usd = delta_usd(book, days) - delta_usd(book)
    return _grouped(priced, counted(priced))(usd, f"USD of delta over {days:g} calendar days", convention)


def gamma_profile(
    priced: PricedChain,
    spots: ArrayLike,
    convention: Convention = DEFAULT_CONVENTION,
    *,
    dynamics: Dynamics = "sticky_strike",
    threads: int | None = None,
) -> Floats:
    """Total gamma exposure, USD per 1 % move, were the underlying at each of `spots` (USD per share, shape `(m,)`).

    Gamma is re-evaluated at each spot; forwards move with it. `sticky_strike`: every contract keeps its volatility.
    `sticky_moneyness`: the smile moves along, σ·smile(ln(K/F′))/smile(ln(K/F)); a contract of an expiry without a smile
    keeps its volatility. Raises `DataError` unless spots are positive numbers.
    """
    book = holdings(priced, convention)
    if dynamics not in get_args(Dynamics):
        raise DataError(f"There are no dynamics {dynamics!r}.", remedy=f"Known are {', '.join(get_args(Dynamics))}.")
    if dynamics == "sticky_strike":
        return GammaCurve(book, threads=threads)(spots)
    moved = _moving_smile(priced, book)
    levels = np.atleast_1d(np.asarray(spots, dtype=np.float64))
    return np.array([GammaCurve(moved(level), threads=threads)(level)[0] for level in levels])


def exposure_profile(
    priced: PricedChain,
    spots: ArrayLike,
    convention: Convention = DEFAULT_CONVENTION,
    *,
    threads: int | None = None,
) -> Profile:
    """Gamma, vanna and charm exposure at each of `spots` in one pass, sticky strike; units as in `exposures`."""
    return greeks_usd(holdings(priced, convention), spots, threads=threads)


def zero_gamma(priced: PricedChain, convention: Convention = DEFAULT_CONVENTION) -> float | None:
    """Level of the underlying (USD per share, to 0.001) where total gamma exposure changes sign; None when it does not
    within 25 % of spot. Of several levels, the nearest to spot.

    A root of the re-evaluated total over spot, not the strike with the smallest bar.
    """
    roots = gamma_roots(priced, convention)
    return min(roots, key=lambda root: (abs(root - priced.spot), root), default=None)


def gamma_roots(priced: PricedChain, convention: Convention = DEFAULT_CONVENTION) -> tuple[float, ...]:
    """All levels within 25 % of spot where total gamma exposure changes sign, ascending; see `zero_gamma`."""
    curve = GammaCurve(holdings(priced, convention))
    spots = priced.spot * (1.0 + _SEARCH * np.sinh(_BEND * np.linspace(-1, 1, _SEARCH_POINTS)) / np.sinh(_BEND))
    profile = curve(spots)
    dips = _dips(profile)
    if len(dips):
        closer = np.linspace(spots[dips - 1], spots[dips + 1], _CLOSER)[1:-1].ravel()
        spots, first = np.unique(np.concatenate([spots, closer]), return_index=True)
        profile = np.concatenate([profile, curve(closer)])[first]
    alive = np.abs(profile) > _NOTHING * np.abs(profile).max()
    spots, negative = spots[alive], profile[alive] < 0
    changes = np.flatnonzero(negative[:-1] != negative[1:])
    return tuple(
        curve.root(spots[left], spots[left + 1], rises=bool(negative[left]), error=_ROOT_ERROR) for left in changes
    )


def max_pain(priced: PricedChain, expiry: date) -> float | None:
    """Strike (USD per share) at which the options dated `expiry`, all roots, would pay their holders least.

    Of equals the lowest; None without open interest.
    """
    chain = priced.chain
    listed = (chain.expiry == np.datetime64(expiry)) & held(priced)
    if not listed.any():
        return None
    strikes = np.unique(chain.strike[listed])
    size = (chain.open_interest * chain.multiplier)[listed]
    gain = np.where(chain.is_call[listed], 1.0, -1.0) * (strikes[:, None] - chain.strike[listed])
    return float(strikes[np.argmin(np.maximum(gain, 0.0) @ size)])


def walls(priced: PricedChain) -> Walls:
    """Strikes where call gamma and put gamma, each in USD over all expiries, are largest; of equals the lowest."""
    rows = counted(priced)
    calls = rows[priced.chain.is_call[rows]]
    puts = rows[~priced.chain.is_call[rows]]
    return Walls(_heaviest(priced, calls), _heaviest(priced, puts))


def _heaviest(priced: PricedChain, rows: NDArray[np.int64]) -> float | None:
    if len(rows) == 0:
        return None
    strikes, at = np.unique(priced.chain.strike[rows], return_inverse=True)
    weight = np.bincount(at, weights=priced.gamma[rows] * np.abs(shares(priced, rows, DEFAULT_CONVENTION)))
    return float(strikes[np.argmax(weight)])


def _grouped(priced: PricedChain, rows: NDArray[np.int64]) -> Callable[[Floats, str, Convention], Exposure]:
    """Adds up figures of `rows` by strike and by expiry; the sorting is done once for all of them."""
    strikes, at_strike = np.unique(priced.chain.strike[rows], return_inverse=True)
    expiries, at_expiry = np.unique(priced.chain.expiry[rows], return_inverse=True)
    days = expiries.astype("datetime64[D]").tolist()

    def grouped(usd: Floats, unit: str, convention: Convention) -> Exposure:
        by_strike = np.bincount(at_strike, weights=usd, minlength=len(strikes)).tolist()
        by_expiry = np.bincount(at_expiry, weights=usd, minlength=len(days)).tolist()
        return Exposure(
            by_strike=dict(zip(strikes.tolist(), by_strike, strict=True)),
            by_expiry=dict(zip(days, by_expiry, strict=True)),
            total=float(usd.sum()),
            gross=float(np.abs(usd).sum()),
            unit=unit,
            convention=convention,
        )

    return grouped


def _moving_smile(priced: PricedChain, book: Holdings) -> Callable[[float], Holdings]:
    """The holdings with the volatilities they would have, by moneyness, with the underlying elsewhere."""
    rows = counted(priced)
    smiles = [
        (place, piece.smile, piece.smile.vol(book.k[place]))
        for piece in priced.slices
        if piece.smile is not None and len(place := np.flatnonzero(np.isin(rows, piece.rows)))
    ]

    def moved(spot: float) -> Holdings:
        vol = book.vol.copy()
        for place, smile, before in smiles:
            vol[place] *= smile.vol(book.k[place] - np.log(spot / book.spot)) / before
        return replace(book, vol=vol)

    return moved


def _dips(profile: Floats) -> NDArray[np.int64]:
    """Inner points nearer to zero than both neighbours and of their sign: two roots may hide beside them."""
    size, sign = np.abs(profile), np.sign(profile)
    near = (size[1:-1] <= size[:-2]) & (size[1:-1] <= size[2:]) & (size[1:-1] > 0)
    alike = (sign[1:-1] == sign[:-2]) & (sign[1:-1] == sign[2:])
    return np.flatnonzero(near & alike) + 1
