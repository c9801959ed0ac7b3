"""The riskless curve, read from published Treasury yields."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import ArrayLike

from domain.errors import DataError
from domain.market import YIELD_YEARS, Series
from domain.units import Floats

MAX_AGE_DAYS = 10  # a tenor last published longer ago than this (long weekends included) is not today's curve
MAX_YIELD_PERCENT = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class RateCurve:
    """Zero rates at `years` (ascending, shape `(m,)`, m ≥ 1), continuously compounded decimals.

    Linear between the tenors, flat beyond them.
    """

    years: Floats
    rates: Floats

    def rate(self, tau: ArrayLike) -> Floats:
        """Continuously compounded rate to `tau` years, any shape."""
        return np.asarray(np.interp(np.asarray(tau, dtype=np.float64), self.years, self.rates), dtype=np.float64)

    def discount(self, tau: ArrayLike) -> Floats:
        """Value today of 1 USD paid in `tau` years: exp(−r·τ)."""
        return np.asarray(np.exp(-self.rate(tau) * np.asarray(tau, dtype=np.float64)))


def rate_curve(series: Mapping[str, Series], *, as_of: datetime | None = None) -> RateCurve | None:
    """Curve from the latest constant-maturity Treasury yields (`DGS1MO` … `DGS30`) in `series`.

    A published yield y (percent a year) is bond-equivalent, compounded twice a year; the rate is r = 2·ln(1 + y/200).
    Par yields are read as zero rates: exact to the first coupon at six months, a few basis points off at two years.
    Given `as_of`, only rows known by then count, and tenors more than `MAX_AGE_DAYS` old are left out; without it the
    age is measured from the newest tenor. None when no tenor is left. Raises `DataError` on an absurd yield.
    """
    known = {
        name: series[name] if as_of is None else series[name].known_by(as_of) for name in YIELD_YEARS if name in series
    }
    known = {name: history for name, history in known.items() if len(history)}
    if not known:
        return None
    newest = np.datetime64(as_of.date()) if as_of else max(history.day[-1] for history in known.values())
    years, rates = [], []
    for name, history in known.items():
        percent = float(history.value[-1])
        if not abs(percent) <= MAX_YIELD_PERCENT:
            raise DataError(
                f"{name} of {history.day[-1]} is {percent} percent a year, outside ±{MAX_YIELD_PERCENT:.0f}.",
                remedy="Correct or drop that row of the yield file.",
            )
        if newest - history.day[-1] <= np.timedelta64(MAX_AGE_DAYS, "D"):
            years.append(YIELD_YEARS[name])
            rates.append(2.0 * np.log1p(percent / 200.0))
    return RateCurve(np.array(years), np.array(rates)) if years else None
