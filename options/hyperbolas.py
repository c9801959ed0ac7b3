"""Slices of total variance that are sums of hyperbolas: raw SVI is one, a bent slice two.

Raw SVI bends once. Index smiles in stress bend twice on the call side, and no raw slice then lies inside quotes a tenth
of a volatility point wide. A second hyperbola, of either sign, brings it inside; wings stay straight, so Lee's bound
(2004) and the proofs over all strikes carry over (`options.kernels.bend_proof`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from domain.units import Floats
from options.kernels import bend_proof
from options.svi_forms import RawSvi


@dataclass(frozen=True, slots=True)
class BentSvi:
    """w(k) = a + Σ c·(k − m) + b·√((k − m)² + σ²) over two hyperbolas or more, b and c of either sign.

    Methods take `k` = ln(K/F) of any shape and answer in that shape, as `options.svi.RawSvi` does.
    """

    numbers: tuple[float, ...]  # a, then b, c, m, σ of each hyperbola

    def total_variance(self, k: ArrayLike) -> Floats:
        """w(k) = σ_imp²·τ."""
        return np.asarray(self.curve(k)[0])

    def slope(self, k: ArrayLike) -> Floats:
        """dw/dk."""
        return np.asarray(self.curve(k)[1])

    def curvature(self, k: ArrayLike) -> Floats:
        """d²w/dk²."""
        return np.asarray(self.curve(k)[2])

    def curve(self, k: ArrayLike) -> Floats:
        """w, dw/dk and d²w/dk² along the first axis, shape `(3, …)`."""
        at = np.asarray(k, dtype=np.float64)
        out = np.empty((3, at.size))
        bend_proof.curve(np.array(self.numbers), at.ravel(), out)
        return out.reshape(3, *at.shape)

    def durrleman(self, k: ArrayLike) -> Floats:
        """g(k) = (1 − k·w'/2w)² − w'²/4·(1/w + 1/4) + w''/2: negative where a butterfly costs less than nothing."""
        at = np.asarray(k, dtype=np.float64)
        w, slope, curvature = self.curve(at)
        return np.asarray((1.0 - 0.5 * at * slope / w) ** 2 - 0.25 * slope**2 * (1.0 / w + 0.25) + 0.5 * curvature)

    def vol(self, k: ArrayLike, tau: float) -> Floats:
        """Implied volatility (decimal) at an expiry `tau` years away."""
        return np.asarray(np.sqrt(self.total_variance(k) / tau))


Slice = RawSvi | BentSvi
_NOTHING = (0.0, 0.0, 0.0, 1.0)


def numbers_of(piece: Slice, size: int = 9) -> Floats:
    """(a, then b, c, m, σ of each hyperbola), shape `(size,)` or longer: a hyperbola too few is nothing."""
    if isinstance(piece, BentSvi):
        found = np.array(piece.numbers)
    else:
        found = np.array([piece.a, piece.b, piece.b * piece.rho, piece.m, piece.sigma])
    return np.concatenate([found, np.tile(_NOTHING, max(size - len(found), 0) // 4)])


def mixed(one: Slice, other: Slice, share: float) -> Slice:
    """`share` of `other` and the rest of `one`, in total variance: never outside the two."""
    first, second = _times(numbers_of(one), 1.0 - share), _times(numbers_of(other), share)
    return BentSvi((first[0] + second[0], *first[1:], *second[1:]))


def shifted(piece: Slice, rise: float) -> Slice:
    """The slice with `rise` added to its total variance."""
    numbers = numbers_of(piece).tolist()
    return BentSvi((numbers[0] + rise, *numbers[1:]))


def scaled(piece: Slice, share: float) -> Slice:
    """`share` (0 to 1) of the slice's total variance: as free of butterflies as the slice, for g is concave in it."""
    return BentSvi(tuple(_times(numbers_of(piece), share)))


def _times(numbers: Floats, share: float) -> list[float]:
    changed = numbers.copy()
    changed[0] *= share
    changed[1::4] *= share
    changed[2::4] *= share
    return [float(number) for number in changed]


def evaluate(numbers: Floats, k: Floats) -> tuple[Floats, Floats, Floats]:
    """Total variance, slope and curvature at `k`. `numbers` has those of any count of hyperbolas along its last axis;
    its other axes broadcast with `k`.
    """
    parts = np.moveaxis(numbers, -1, 0)
    w, slope, curvature = (np.zeros(np.broadcast_shapes(parts[0].shape, k.shape)) for _ in range(3))
    w += parts[0]
    for first in range(1, len(parts), 4):
        b, c, m, sigma = parts[first : first + 4]
        x = k - m
        q = np.hypot(x, sigma)
        w += c * x + b * q
        slope += c + b * x / q
        curvature += b * (sigma / q) ** 2 / q
    return w, slope, curvature


def wing_slopes(numbers: Floats) -> tuple[Floats, Floats]:
    """dw/d|k| towards −∞ and +∞, along the last axis of `numbers`."""
    b, c = numbers[..., 1::4].sum(axis=-1), numbers[..., 2::4].sum(axis=-1)
    return b - c, b + c


def is_butterfly_free(piece: Slice, *, margin: float = 0.0) -> bool:
    """Whether g ≥ margin and w > 0 for every real k, proved."""
    return bool(bend_proof.is_butterfly_free(_shortest(piece), margin))


def is_calendar_free(near: Slice, far: Slice) -> bool:
    """Whether far(k) ≥ near(k) for every real k, proved; equal slices are."""
    return bool(bend_proof.is_above(_shortest(near), _shortest(far)))


def _shortest(piece: Slice) -> Floats:
    return np.array(piece.numbers) if isinstance(piece, BentSvi) else numbers_of(piece, 5)
