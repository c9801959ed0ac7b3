"""Sizing by conviction: a stronger signal may use more of the largest position, never more than is left."""

import math
from decimal import Decimal
from typing import Self

from pydantic import Field, model_validator

from domain.errors import DataError
from domain.record import Record

Money = Decimal | int | float


class DynamicSizer(Record):
    """Budget of one opening by the strength of its signal. Exact: `Decimal` throughout, amounts in USD.

    Optional: handed to the allocator, or absent. Live runs and backtests use the same object; it keeps no state, the
    exposure is told afresh at each opening, so that several openings never exceed `max_portfolio_exposure` together.
    """

    min_allocation_fraction: Decimal = Field(default=Decimal("0.3"), ge=0, le=1)
    max_allocation_fraction: Decimal = Field(default=Decimal("1.0"), ge=0, le=1)
    max_portfolio_exposure: Decimal = Field(default=Decimal(5_000), gt=0)  # USD at risk in all positions together
    max_position_size_usd: Decimal = Field(default=Decimal(5_000), gt=0)  # USD at risk in one position

    @model_validator(mode="after")
    def _from_less_to_more(self) -> Self:
        if self.min_allocation_fraction > self.max_allocation_fraction:
            raise ValueError("min_allocation_fraction lies above max_allocation_fraction")
        return self

    def compute_signal_budget(self, signal_score: Money, current_exposure: Money) -> Decimal | None:
        """USD that may be put at risk for a signal of `signal_score`, with `current_exposure` USD at risk already.

        (min + (max − min) · clamp(score, 0, 1)) · `max_position_size_usd`, or what is left under
        `max_portfolio_exposure` if that is less; None when nothing is left: stop opening. Raises `DataError` for a
        score or an exposure that is no finite number, and for a negative exposure.
        """
        score, exposure = _exact(signal_score, "signal score"), _exact(current_exposure, "exposure")
        if exposure < 0:
            raise DataError(f"An exposure of {exposure} USD is negative.", remedy="Worst-case losses are positive.")
        left = self.max_portfolio_exposure - exposure
        if left <= 0:
            return None
        span = self.max_allocation_fraction - self.min_allocation_fraction
        fraction = self.min_allocation_fraction + span * min(Decimal(1), max(Decimal(0), score))
        return min(fraction * self.max_position_size_usd, left)


def _exact(value: Money, name: str) -> Decimal:
    """`value` as the decimal a person would write for it."""
    if isinstance(value, bool) or not math.isfinite(value):
        raise DataError(f"The {name} is {value!r}, no finite number.", remedy="Leave the signal out, or measure again.")
    return value if isinstance(value, Decimal) else Decimal(repr(value))
