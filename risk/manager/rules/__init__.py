"""Every rule there is, one file each, and the unions by which a settings file names them.

A rule is a frozen record whose fields are its parameters and whose `rule` is its name in YAML. About positions it has
`evaluate(context) -> RiskDecision`, about opening orders `admit(order, portfolio) -> OrderVerdict`. How to write one:
`docs/position-rules.md`.
"""

from risk.manager.rules.by_regime import ByRegimeRule
from risk.manager.rules.plain import PlainOrderRule, PlainPositionRule

PositionRule = PlainPositionRule | ByRegimeRule
OrderRule = PlainOrderRule

__all__ = ["ByRegimeRule", "OrderRule", "PlainOrderRule", "PlainPositionRule", "PositionRule"]
