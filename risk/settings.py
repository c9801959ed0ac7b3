"""Risk settings: hard limits that can only be tightened, soft rules per regime, and sizing."""

from typing import Self

from pydantic import Field, model_validator

from domain.record import Record
from domain.regime import Regime
from domain.risk import HardLimits
from portfolio.margin import MarginSettings
from risk.registry import REQUIRED_SOFT_RULES, SoftRule
from risk.rules.portfolio_greeks import GREEKS
from risk.sizing.settings import SizingSettings


class RiskSettings(Record):
    """`config/risk_matrix.yaml`."""

    hard: HardLimits = HardLimits()
    soft: tuple[SoftRule, ...]
    sizing: SizingSettings
    correlation_window: int = Field(default=60, ge=20)
    minimum_returns: int = Field(default=60, ge=60)
    margin: MarginSettings = MarginSettings()
    var_window: int = Field(default=250, ge=60)  # joint daily scenarios of the VaR budget

    @model_validator(mode="after")
    def _no_rule_left_out(self) -> Self:
        missing = REQUIRED_SOFT_RULES - {rule.rule for rule in self.soft}
        if missing:
            raise ValueError(f"risk rules missing from the list: {', '.join(sorted(missing))}")
        lacking = set(GREEKS) - {rule.greek for rule in self.soft if rule.rule == "portfolio_greek"}
        if lacking:
            raise ValueError(f"portfolio_greek rules missing from the list: {', '.join(sorted(lacking))}")
        return self

    def families(self, regime: Regime) -> frozenset[str]:
        """Strategy families that every family rule permits in `regime`."""
        allowed = [set(rule.allowed.get(regime, ())) for rule in self.soft if rule.rule == "regime_family"]
        return frozenset(set.intersection(*allowed))
