"""Risk settings: hard limits that can only be tightened, soft rules per regime, and sizing."""

from typing import Self

from pydantic import Field, model_validator

from domain.record import Record
from domain.regime import Regime
from domain.risk import HardLimits
from risk.registry import REQUIRED_SOFT_RULES, SoftRule


class SizingSettings(Record):
    """Half-Kelly with a Beta prior on the live record, and caps per regime."""

    kelly_fraction: float = Field(default=0.5, gt=0, le=0.5)
    prior_wins: float = Field(default=2.0, gt=0)
    prior_losses: float = Field(default=2.0, gt=0)
    regime_cap: dict[Regime, float]  # worst-case loss of one order, share of NLV
    correlation_penalty: float = Field(default=0.5, ge=0, le=1)  # share of the Kelly stake lost at mean ρ = 1


class RiskSettings(Record):
    """`config/risk_matrix.yaml`."""

    hard: HardLimits = HardLimits()
    soft: tuple[SoftRule, ...]
    sizing: SizingSettings
    correlation_window: int = Field(default=60, ge=20)
    minimum_returns: int = Field(default=60, ge=60)

    @model_validator(mode="after")
    def _no_rule_left_out(self) -> Self:
        missing = REQUIRED_SOFT_RULES - {rule.rule for rule in self.soft}
        if missing:
            raise ValueError(f"risk rules missing from the list: {', '.join(sorted(missing))}")
        return self

    def families(self, regime: Regime) -> frozenset[str]:
        """Strategy families that every family rule permits in `regime`."""
        allowed = [set(rule.allowed.get(regime, ())) for rule in self.soft if rule.rule == "regime_family"]
        return frozenset(set.intersection(*allowed))
