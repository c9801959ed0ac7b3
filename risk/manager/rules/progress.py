"""How far a position has come, in the two measures that rules count in."""

from typing import Literal

from risk.manager.context import DIGITS, PositionFacts
from risk.manager.rules.missing import missing

Measure = Literal["r", "max_profit"]
"""Multiples of the risk taken at entry, or shares of the maximum profit (of the stake where profit is open-ended)."""


def profit_in(measure: Measure, position: PositionFacts) -> float | None:
    """Profit now, in `measure`; None where it cannot be told."""
    return position.r if measure == "r" else position.profit_of_max


def best_in(measure: Measure, position: PositionFacts) -> float | None:
    """Best profit seen since entry, in `measure`; None where it cannot be told."""
    if measure == "r" or position.unit_max_profit is None:
        return position.mfe_r
    if position.mfe is None or position.unit_max_profit <= 0:
        return None
    return round(position.mfe / position.unit_max_profit, DIGITS)


def missing_for(measure: Measure, position: PositionFacts, profit: Literal["unit_profit", "mfe"]) -> tuple[str, ...]:
    """Which facts a progress lacked; a base of nothing to divide by counts as not known."""
    base = "unit_max_profit" if measure == "max_profit" and position.unit_max_profit is not None else "unit_max_loss"
    return missing(position, profit) or (base,)
