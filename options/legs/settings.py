"""Settings of the leg optimiser: the `legs` section of config/strategies.yaml."""

from decimal import Decimal

from pydantic import Field, field_validator

from domain.errors import DataError
from domain.record import Record
from options.strategies import PROPOSABLE, AnyStructure, Structure, structure_named


class GreekLimits(Record):
    """Most that one unit's Greeks may be per USD of its maximum loss, either sign. None: no limit."""

    gamma: float | None = Field(default=None, gt=0)  # USD change of delta per 1 % move
    vega: float | None = Field(default=None, gt=0)  # USD per volatility point
    theta: float | None = Field(default=None, gt=0)  # USD per calendar day


class LegSettings(Record):
    """Costs, ticks, liquidity and preference limits, and each structure's search window.

    Structures not listed keep their defaults. Amounts are USD per share unless they say otherwise.
    """

    structures: tuple[AnyStructure, ...] = ()
    fee_per_contract: Decimal = Field(default=Decimal("0.65"), ge=0)  # USD per contract per side
    slippage: float = Field(default=0.5, ge=0, le=1)  # share of the mid-to-natural gap that may be conceded
    tick: Decimal = Field(default=Decimal("0.01"), gt=0)
    tick_by_root: dict[str, Decimal] = {}
    min_open_interest: float = Field(default=10, ge=0)  # contracts a leg, where open interest is known
    open_interest_share: float = Field(default=0.02, gt=0, le=1)  # executable share where sizes are unknown
    volume_share: float = Field(default=0.1, gt=0, le=1)
    max_leg_spread: float = Field(default=0.5, gt=0)  # bid/ask spread of a leg over its mid ...
    leg_spread_floor: float = Field(default=0.10, ge=0)  # ... unless the spread is this narrow anyway
    max_spread_of_loss: float = Field(default=0.15, gt=0)  # mid-to-natural gap over the loss at stake
    min_credit_of_width: float = Field(default=0.10, ge=0, lt=1)  # credit structures: worst credit over worst gap
    greeks: GreekLimits = GreekLimits()
    min_pop: float = Field(default=0.20, ge=0, lt=1)
    model_doubt: float = Field(default=0.01, ge=0, lt=0.05)  # probability given to the maximum loss, model or not
    sharpe: float = Field(default=0.5, ge=0)  # drift over volatility that a full price score stands for
    max_drift: float = Field(default=0.25, ge=0)  # annual, decimal

    @field_validator("structures")
    @classmethod
    def _each_once(cls, value: tuple[AnyStructure, ...]) -> tuple[AnyStructure, ...]:
        names = [structure.strategy for structure in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"structures listed twice: {', '.join(twice)}")
        return value

    def structure(self, name: str) -> Structure:
        """The structure with its configured window. Raises `ConfigError` for an unknown name."""
        return structure_named(name, (*self.structures, *PROPOSABLE))

    def tick_of(self, root: str) -> Decimal:
        """Price increment of a root's combinations, USD per share."""
        return self.tick_by_root.get(root, self.tick)


def drift_from_score(price_score: float, forecast_vol: float, settings: LegSettings) -> float:
    """Annual physical drift that a composite price score stands for, decimal.

    drift = score · sharpe · forecast_vol, bounded by ±`max_drift`: a full score claims a fixed reward per unit of
    risk and no more. A verdict may only zero this drift or reject the trade. Raises `DataError` outside [−1, 1] or
    for a volatility that is not positive.
    """
    if not -1 <= price_score <= 1 or not 0 < forecast_vol < float("inf"):
        raise DataError(
            f"No drift follows from score {price_score} and forecast volatility {forecast_vol}.",
            remedy="The score lies in [-1, 1] and the volatility is a positive decimal.",
        )
    drift = price_score * settings.sharpe * forecast_vol
    return max(-settings.max_drift, min(settings.max_drift, drift))
