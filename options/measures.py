"""What is read off the smiles of a priced chain: constant maturities, skew, forward volatility, row volatilities."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from domain.units import DAYS_PER_YEAR, Floats
from options.priced import ExpirySlice, PricedChain

EXTRAPOLATION = 0.25  # a constant maturity may lie this share of itself outside the listed expiries


class Skew(NamedTuple):
    """25-delta measures, decimals: risk reversal σ(25Δ call) − σ(25Δ put); butterfly their mean − σ(ATM)."""

    risk_reversal: float
    butterfly: float


def atm_vol_at(priced: PricedChain, days: float) -> float:
    """At-the-money-forward volatility (decimal) at a constant maturity of `days` calendar days.

    Linear in total variance between the two listed expiries around it. Outside the listed range the nearest expiry's
    volatility stands when it lies within 25 % of `days` (`EXTRAPOLATION`); otherwise NaN.
    """
    return _at_maturity(priced, days, lambda piece: piece.atm_vol)


def vol_at_delta(piece: ExpirySlice, delta: float) -> float:
    """Volatility (decimal) where the forward delta, N(d₁) of a call or N(d₁) − 1 of a put, equals `delta`.

    NaN without a smile, or where the strike lies beyond its quotes: that would be a guess.
    """
    if piece.smile is None:
        return float("nan")
    d1 = float(ndtri(delta if delta > 0 else 1.0 + delta))
    reach = abs(d1) + 2.0
    z = np.linspace(-reach, reach, 801)
    k = z * piece.atm_vol * np.sqrt(piece.tau)
    s = piece.smile.vol(k) * np.sqrt(piece.tau)
    falling = -k / s + 0.5 * s
    strike = float(np.interp(-d1, -falling, k))
    if not piece.smile.k_low <= strike <= piece.smile.k_high:
        return float("nan")
    return float(piece.smile.vol(strike))


def risk_reversal_25(piece: ExpirySlice) -> float:
    """σ(25Δ call) − σ(25Δ put), decimal; negative when puts are dearer. NaN where either is beyond the smile."""
    return vol_at_delta(piece, 0.25) - vol_at_delta(piece, -0.25)


def butterfly_25(piece: ExpirySlice) -> float:
    """Mean of the 25-delta volatilities minus the at-the-money-forward one, decimal; NaN as `risk_reversal_25`."""
    return 0.5 * (vol_at_delta(piece, 0.25) + vol_at_delta(piece, -0.25)) - piece.atm_vol


def skew_at(priced: PricedChain, days: float) -> Skew:
    """25-delta risk reversal and butterfly (decimals) at a constant maturity of `days` calendar days.

    Each of the three volatilities is interpolated in total variance as in `atm_vol_at`; NaN likewise.
    """
    call = _at_maturity(priced, days, lambda piece: vol_at_delta(piece, 0.25))
    put = _at_maturity(priced, days, lambda piece: vol_at_delta(piece, -0.25))
    return Skew(call - put, 0.5 * (call + put) - atm_vol_at(priced, days))


def forward_vol(near: ExpirySlice, far: ExpirySlice) -> float:
    """At-the-money volatility (decimal) between two expiries: √((σ₂²τ₂ − σ₁²τ₁)/(τ₂ − τ₁)).

    NaN when `far` is not later or total variance falls between them (calendar arbitrage, or an event in `near`).
    """
    gained = far.atm_vol**2 * far.tau - near.atm_vol**2 * near.tau
    if not (far.tau > near.tau and gained >= 0):
        return float("nan")
    return float(np.sqrt(gained / (far.tau - near.tau)))


def row_vols(iv: Floats, k: Floats, slices: tuple[ExpirySlice, ...]) -> Floats:
    """Volatility each row is valued at, shape `(n,)`: its own `iv`, else its smile's; NaN where it has neither."""
    vols = iv.copy()
    for piece in slices:
        if piece.smile is not None:
            missing = piece.rows[~np.isfinite(iv[piece.rows])]
            vols[missing] = piece.smile.vol(k[missing])
    return vols


def _at_maturity(priced: PricedChain, days: float, measure: Callable[[ExpirySlice], float]) -> float:
    target = days / DAYS_PER_YEAR
    points = sorted((piece.tau, measure(piece)) for piece in _around(priced, target))
    points = [(tau, vol) for tau, vol in points if np.isfinite(vol)]
    if not points:
        return float("nan")
    tau, vol = np.array(points).T
    if not tau[0] * (1.0 - EXTRAPOLATION) <= target <= tau[-1] * (1.0 + EXTRAPOLATION):
        return float("nan")
    if target <= tau[0] or target >= tau[-1]:
        return float(vol[0] if target <= tau[0] else vol[-1])
    return float(np.sqrt(np.interp(target, tau, vol**2 * tau) / target))


def _around(priced: PricedChain, target: float) -> list[ExpirySlice]:
    """The nearest three expiries with a smile on either side of `target` years."""
    fitted = [piece for piece in priced.slices if piece.smile is not None]
    return [p for p in fitted if p.tau <= target][-3:] + [p for p in fitted if p.tau > target][:3]
