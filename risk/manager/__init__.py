"""Rules for what is held and what is ordered: composable, registered by hand, pure.

A rule looks at a `RiskContext` and gives a `RiskDecision`; `RiskManager` asks every rule and merges the answers.
"""

from risk.manager.composition import AllOf, AnyOf, FirstOf, Prioritised, all_of, any_of, first_of, prioritised
from risk.manager.context import Features, MarketFacts, PortfolioFacts, PositionFacts, RiskContext
from risk.manager.decision import HOLD, OrderRule, OrderVerdict, RiskDecision, RiskRule, merge
from risk.manager.manager import PositionCheck, RiskManager

__all__ = [
    "HOLD",
    "AllOf",
    "AnyOf",
    "Features",
    "FirstOf",
    "MarketFacts",
    "OrderRule",
    "OrderVerdict",
    "PortfolioFacts",
    "PositionCheck",
    "PositionFacts",
    "Prioritised",
    "RiskContext",
    "RiskDecision",
    "RiskManager",
    "RiskRule",
    "all_of",
    "any_of",
    "first_of",
    "merge",
    "prioritised",
]
