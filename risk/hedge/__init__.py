"""Hedging: how much protection, of what, at what cost, when to roll it, and what mends a broken limit."""

from risk.hedge.budget import BudgetCheck, HedgeBudget, HedgeCost, month_of
from risk.hedge.contracts import allocate_contracts, calculate_contract_count
from risk.hedge.settings import HedgeSettings, StressTarget
from risk.hedge.sizer import HedgeShare, HedgeSize, HedgeSizer

__all__ = [
    "BudgetCheck",
    "HedgeBudget",
    "HedgeCost",
    "HedgeSettings",
    "HedgeShare",
    "HedgeSize",
    "HedgeSizer",
    "StressTarget",
    "allocate_contracts",
    "calculate_contract_count",
    "month_of",
]
