"""Conventions of value in one place.

Inside: volatility and returns are decimals, vega per 1.00 of volatility, theta and charm per year, rho per
1.00 of rate, time in years ACT/365 to the second. People read points and days; the converters say so by name.
"""

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
from numpy.typing import NDArray

DAYS_PER_YEAR = 365
SECONDS_PER_YEAR = DAYS_PER_YEAR * 86_400
TRADING_DAYS_PER_YEAR = 252
CENT = Decimal("0.01")

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Days = NDArray[np.datetime64]
Instants = NDArray[np.datetime64]


def to_datetime64(instant: datetime) -> np.datetime64:
    """UTC instant as `datetime64[s]`."""
    return np.datetime64(instant.astimezone(UTC).replace(tzinfo=None), "s")


def from_datetime64(instant: np.datetime64) -> datetime:
    """`datetime64` (read as UTC) as an aware `datetime`, to the second."""
    return datetime.fromtimestamp(int(instant.astype("datetime64[s]").astype(np.int64)), tz=UTC)


def year_fraction(as_of: datetime, expires_at: Instants) -> Floats:
    """Years from `as_of` to each `expires_at` (shape `(n,)`, `datetime64[s]` UTC), ACT/365; negative once expired."""
    seconds = (expires_at.astype("datetime64[s]") - to_datetime64(as_of)).astype(np.float64)
    return np.asarray(seconds / SECONDS_PER_YEAR, dtype=np.float64)


def vega_per_point(vega: float) -> float:
    """Vega per one volatility point (0.01) from vega per 1.00."""
    return vega / 100.0


def theta_per_day(theta: float) -> float:
    """Theta per calendar day from theta per year."""
    return theta / DAYS_PER_YEAR


def dollars(amount: float | Decimal) -> Decimal:
    """Round to cents, half to even. Raises `ValueError` for NaN or infinity."""
    value = amount if isinstance(amount, Decimal) else Decimal(repr(float(amount)))
    if not value.is_finite():
        raise ValueError(f"{amount} is not an amount of money")
    return value.quantize(CENT, rounding=ROUND_HALF_EVEN)
