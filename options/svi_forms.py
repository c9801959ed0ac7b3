"""Raw SVI, the smile of one expiry in five numbers, and its natural and jump-wings forms.

Total variance is w(k) = a + b·(ρ·(k − m) + √((k − m)² + σ²)) at log-moneyness k = ln(K/F): Gatheral (2004); the other
forms: Gatheral and Jacquier (2014), "Arbitrage-free SVI volatility surfaces", section 3.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from domain.errors import DataError
from domain.units import Floats

_LEAST_SKEW = 1e-8  # ATM skew, of b, below which jump-wings say nothing about m and sigma


@dataclass(frozen=True, slots=True)
class NaturalSvi:
    """w(k) = Δ + ω/2·(1 + ζρ(k − μ) + √((ζ(k − μ) + ρ)² + 1 − ρ²))."""

    delta: float  # total variance
    mu: float  # log-moneyness
    rho: float
    omega: float  # total variance
    zeta: float  # per unit of log-moneyness


@dataclass(frozen=True, slots=True)
class JumpWings:
    """A slice as traders quote it: nearly constant from one expiry to the next."""

    v: float  # at-the-money variance per year, decimal
    psi: float  # at-the-money skew: dσ/dk·√τ
    p: float  # slope of the put wing, dw/d|k| over √w(0)
    c: float  # slope of the call wing
    v_tilde: float  # least variance per year, decimal
    tau: float  # years


@dataclass(frozen=True, slots=True)
class RawSvi:
    """One slice: `a` level, `b` ≥ 0 steepness, `rho` in [−1, 1] tilt, `m` centre, `sigma` > 0 roundness.

    Raises `DataError` where the five numbers are no slice. Whether the slice admits arbitrage is another question:
    see `options.svi.is_butterfly_free`. Methods take `k` of any shape and answer in that shape.
    """

    a: float
    b: float
    rho: float
    m: float
    sigma: float

    def __post_init__(self) -> None:
        numbers = (self.a, self.b, self.rho, self.m, self.sigma)
        if not all(math.isfinite(number) for number in numbers):
            raise DataError(f"An SVI slice needs five finite numbers, not {numbers}.")
        if self.b < 0.0 or not -1.0 <= self.rho <= 1.0 or self.sigma <= 0.0:
            raise DataError(
                f"An SVI slice cannot have b = {self.b:g}, rho = {self.rho:g}, sigma = {self.sigma:g}.",
                remedy="It needs b >= 0, -1 <= rho <= 1 and sigma > 0.",
            )

    def total_variance(self, k: ArrayLike) -> Floats:
        """w(k) = σ_imp²·τ."""
        x = np.asarray(k, dtype=np.float64) - self.m
        return np.asarray(self.a + self.b * (self.rho * x + np.hypot(x, self.sigma)))

    def slope(self, k: ArrayLike) -> Floats:
        """dw/dk."""
        x = np.asarray(k, dtype=np.float64) - self.m
        return np.asarray(self.b * (self.rho + x / np.hypot(x, self.sigma)))

    def curvature(self, k: ArrayLike) -> Floats:
        """d²w/dk²."""
        x = np.asarray(k, dtype=np.float64) - self.m
        return np.asarray(self.b * self.sigma**2 / np.hypot(x, self.sigma) ** 3)

    def durrleman(self, k: ArrayLike) -> Floats:
        """g(k) = (1 − k·w'/2w)² − w'²/4·(1/w + 1/4) + w''/2: negative where a butterfly costs less than nothing."""
        at = np.asarray(k, dtype=np.float64)
        w, slope = self.total_variance(at), self.slope(at)
        return np.asarray(
            (1.0 - 0.5 * at * slope / w) ** 2 - 0.25 * slope**2 * (1.0 / w + 0.25) + 0.5 * self.curvature(at)
        )

    def vol(self, k: ArrayLike, tau: float) -> Floats:
        """Implied volatility (decimal) at an expiry `tau` years away; NaN where total variance is negative."""
        w = self.total_variance(k)
        return np.asarray(np.sqrt(np.where(w >= 0.0, w, np.nan) / tau))

    @property
    def least_variance(self) -> float:
        """The smallest total variance; approached, not reached, where |rho| = 1."""
        return self.a + self.b * self.sigma * math.sqrt((1.0 - self.rho) * (1.0 + self.rho))

    def to_natural(self) -> NaturalSvi:
        """The same slice in natural form. Raises `DataError` where |rho| = 1: it has none."""
        root = math.sqrt((1.0 - self.rho) * (1.0 + self.rho))
        if root == 0.0:
            raise DataError("A slice with |rho| = 1 has no natural form: one of its wings is flat.")
        omega = 2.0 * self.b * self.sigma / root
        return NaturalSvi(
            delta=self.a - 0.5 * omega * root * root,
            mu=self.m + self.rho * self.sigma / root,
            rho=self.rho,
            omega=omega,
            zeta=root / self.sigma,
        )

    @staticmethod
    def from_natural(natural: NaturalSvi) -> "RawSvi":
        """The raw form. Raises `DataError` unless |rho| < 1, omega ≥ 0 and zeta > 0."""
        if not (abs(natural.rho) < 1.0 and natural.omega >= 0.0 and natural.zeta > 0.0):
            raise DataError(f"{natural} is no natural SVI slice.", remedy="It needs |rho| < 1, omega >= 0, zeta > 0.")
        square = (1.0 - natural.rho) * (1.0 + natural.rho)
        return RawSvi(
            a=natural.delta + 0.5 * natural.omega * square,
            b=0.5 * natural.omega * natural.zeta,
            rho=natural.rho,
            m=natural.mu - natural.rho / natural.zeta,
            sigma=math.sqrt(square) / natural.zeta,
        )

    def to_jump_wings(self, tau: float) -> JumpWings:
        """The same slice in jump-wings form. Raises `DataError` for tau ≤ 0 or no variance at the money."""
        radius = math.hypot(self.m, self.sigma)
        w = self.a + self.b * (radius - self.rho * self.m)
        if not (tau > 0.0 and w > 0.0):
            raise DataError(f"Jump-wings need time and variance at the money, not tau = {tau:g} and w(0) = {w:g}.")
        root = math.sqrt(w)
        return JumpWings(
            v=w / tau,
            psi=0.5 * self.b * (self.rho - self.m / radius) / root,
            p=self.b * (1.0 - self.rho) / root,
            c=self.b * (1.0 + self.rho) / root,
            v_tilde=self.least_variance / tau,
            tau=tau,
        )

    @staticmethod
    def from_jump_wings(wings: JumpWings) -> "RawSvi":
        """The raw form. With β = m/√(m² + σ²) = ρ − 2ψ√w/b, the gap between w(0) and the least variance gives the
        size of √(m² + σ²). Raises `DataError`, naming the case, where no slice or many have these wings.
        """
        w = wings.v * wings.tau
        if not (wings.tau > 0.0 and w > 0.0 and wings.p >= 0.0 and wings.c >= 0.0):
            raise DataError(f"{wings} is no slice.", remedy="Jump-wings need tau > 0, v > 0, p >= 0 and c >= 0.")
        root = math.sqrt(w)
        b = 0.5 * root * (wings.c + wings.p)
        if b == 0.0:
            raise DataError("Jump-wings with p = c = 0 are a flat smile: m and sigma cannot be told.")
        rho = (wings.c - wings.p) / (wings.c + wings.p)
        skew = 2.0 * wings.psi * root / b
        beta = rho - skew
        if abs(skew) < _LEAST_SKEW:
            raise DataError("Jump-wings with psi = 0 have their minimum at the money: m and sigma cannot be told.")
        if not (abs(beta) < 1.0 and wings.v > wings.v_tilde):
            raise DataError(
                f"No slice has at-the-money skew {wings.psi:g} with wings {wings.p:g} and {wings.c:g}.",
                remedy="psi must lie between -p/2 and c/2, and v_tilde below v.",
            )
        corner = math.sqrt((1.0 - beta) * (1.0 + beta) * (1.0 - rho) * (1.0 + rho))
        # 1 − ρβ − corner, without its cancellation, is skew²/(1 − ρβ + corner)
        radius = (w - wings.v_tilde * wings.tau) * (1.0 - rho * beta + corner) / (b * skew * skew)
        return RawSvi(
            a=w - b * radius * (1.0 - rho * beta),
            b=b,
            rho=rho,
            m=beta * radius,
            sigma=radius * math.sqrt((1.0 - beta) * (1.0 + beta)),
        )
