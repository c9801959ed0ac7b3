"""How many units of a candidate: every cap is computed and recorded, the smallest wins."""

from risk.sizing.dynamic import DynamicSizer
from risk.sizing.kelly import KellySizer, kelly_stake, record_stake
from risk.sizing.parity import parity_shares, risk_parity
from risk.sizing.settings import RiskParity, SizingSettings
from risk.sizing.units import UnitBudget, position_limit, size, unit_budget

__all__ = [
    "DynamicSizer",
    "KellySizer",
    "RiskParity",
    "SizingSettings",
    "UnitBudget",
    "kelly_stake",
    "parity_shares",
    "position_limit",
    "record_stake",
    "risk_parity",
    "size",
    "unit_budget",
]
