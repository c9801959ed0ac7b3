"""Settings of the hedge: what is bought, how much of it, and what it may cost. `config/hedge.yaml`."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from domain.record import Record
from options.strategies.structure import Days, DeltaRange, WidthRange


def _below_one(value: float) -> float:
    if not value < 1:
        raise ValueError(f"a decimal share lies below 1 (0.05 is five percent), not {value}")
    return value


Share = Annotated[float, Field(ge=0), AfterValidator(_below_one)]
"""A share of something as a decimal: 0.08 is eight percent."""


class StressTarget(Record):
    """Lose at most `max_loss` of the protected value when the index moves by `spot`, whatever volatility does of what
    `vol` lists. Moves are relative and decimal; `vol` are changes of 30-day at-the-money volatility.
    """

    spot: float = Field(default=-0.20, gt=-1, lt=0)
    vol: tuple[float, ...] = Field(default=(0.0, 0.5), min_length=1)
    max_loss: Share = 0.08

    @field_validator("vol")
    @classmethod
    def _positive_vols(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if min(value) <= -1:
            raise ValueError(f"a volatility cannot lose all of itself or more: {min(value)}")
        return value


class BreachSettings(Record):
    """Where a restoring trade is looked for."""

    dte: Days = (20, 75)  # calendar days
    delta: DeltaRange = (0.10, 0.55)  # absolute, of every option of the trade
    width: WidthRange = (0.005, 0.08)  # verticals: distance of strikes, share of spot
    max_units: int = Field(default=10, ge=1, le=10)
    fee_per_contract: Decimal = Field(default=Decimal("0.65"), ge=0)  # USD a contract a side
    confidence: float = Field(default=0.95, gt=0.5, lt=1)  # of the VaR limit
    flat: Share = 0.05  # of NLV: the SPX delta that is left at most when the daily loss limit flattens the book


class HedgeSettings(Record):
    """Puts of `otm` and `dte` protect the portfolio; `ratio_per_contract` says how many, `monthly_budget` for how much.

    `otm` is the distance of the strike below spot as a share of spot, divided once and only here.
    """

    ratio_per_contract: Decimal = Field(default=Decimal(50_000), gt=0)  # USD of portfolio for each contract
    weights: dict[str, Decimal] = {"SPY": Decimal("0.6"), "QQQ": Decimal("0.4")}
    otm: WidthRange = (0.05, 0.15)
    dte: Days = (30, 90)  # calendar days, inclusive
    spread_width: WidthRange = (0.03, 0.12)  # put spreads: long less short strike, share of spot
    least_delta: Share = 0.08  # absolute delta of a put that is bought by delta or by stress: below, it is a lottery
    roll_dte: int = Field(default=21, ge=0)  # calendar days left at which a hedge is due to be rolled
    monthly_budget: Decimal = Field(default=Decimal(1_000), ge=0)  # USD of premium a New York calendar month
    delta_share: float = Field(default=0.5, gt=0, le=1)  # share of the beta-weighted delta to be taken away
    stress: StressTarget = StressTarget()
    portfolio_beta: float = Field(default=1.0, gt=0)  # of a portfolio that is only a sum of money
    fee_per_contract: Decimal = Field(default=Decimal("0.65"), ge=0)  # USD a contract a side
    breach: BreachSettings = BreachSettings()

    @field_validator("weights")
    @classmethod
    def _usable_weights(cls, value: dict[str, Decimal]) -> dict[str, Decimal]:
        if any(weight < 0 for weight in value.values()):
            raise ValueError("weights must not be negative")
        return dict(sorted(value.items()))

    @model_validator(mode="after")
    def _otm_means_below_spot(self) -> Self:
        if self.otm[1] >= 1:
            raise ValueError("a put's strike cannot lie 100 % or more below spot")
        if self.spread_width[1] <= 0:
            raise ValueError("a put spread needs a width")
        return self
