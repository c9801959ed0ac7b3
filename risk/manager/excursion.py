"""What a position went through, as a fold: every step takes an `Excursion` and gives the next.

Fills set the baseline, marks move the extremes, levels only tighten. Each step is idempotent: the same fill is the
caller's to count once, the same mark or level seen twice changes nothing. The extremes are those of the marks that
were seen: between two ticks anything may have happened.
"""

from datetime import datetime
from typing import NamedTuple

from domain.excursion import Excursion


def opened(
    order_id: str, *, at: datetime, entry_price: float, unit_risk: float, units: int, before: Excursion | None = None
) -> Excursion:
    """The baseline once `units` in all are open at `entry_price` (average premium, USD per unit, cash received > 0).

    A further opening fill moves the average, and with it every profit seen so far: the extremes move along.
    """
    if before is None:
        return Excursion(
            order_id=order_id, at=at, opened_at=at, entry_price=entry_price, unit_risk=unit_risk, opened_units=units
        )
    shift = entry_price - before.entry_price
    return before.model_copy(
        update={
            "at": max(at, before.at),
            "entry_price": entry_price,
            "opened_units": units,
            "mfe": max(before.mfe + shift, 0.0),
            "mae": min(before.mae + shift, 0.0),
        }
    )


def reduced(excursion: Excursion, *, at: datetime, closed_units: int) -> Excursion:
    """Once `closed_units` in all are closed. What was seen, and the levels, stay."""
    return excursion.model_copy(update={"at": max(at, excursion.at), "closed_units": closed_units})


def marked(excursion: Excursion, *, at: datetime, unit_value: float, unit_profit: float) -> Excursion:
    """Once the structure was seen at `unit_value` and `unit_profit`, USD per unit."""
    high, low = excursion.high_water, excursion.low_water
    return excursion.model_copy(
        update={
            "at": max(at, excursion.at),
            "mfe": max(excursion.mfe, unit_profit),
            "mae": min(excursion.mae, unit_profit),
            "high_water": unit_value if high is None else max(high, unit_value),
            "low_water": unit_value if low is None else min(low, unit_value),
        }
    )


class Levels(NamedTuple):
    """Profit per unit, in USD, at which a position is left, and the rules that set it. None: no level."""

    stop: float | None = None
    stop_rule: str = ""
    target: float | None = None
    target_rule: str = ""

    def tightened(self, *, stop: float | None, stop_rule: str, target: float | None, target_rule: str) -> "Levels":
        """With the higher stop and the nearer target; of equal ones the older stays."""
        nearer = self
        if stop is not None and (self.stop is None or stop > self.stop):
            nearer = nearer._replace(stop=stop, stop_rule=stop_rule)
        if target is not None and (self.target is None or target < self.target):
            nearer = nearer._replace(target=target, target_rule=target_rule)
        return nearer


def levels_of(excursion: Excursion) -> Levels:
    """The levels kept with it."""
    return Levels(excursion.stop, excursion.stop_rule, excursion.target, excursion.target_rule)


def levelled(excursion: Excursion, levels: Levels, *, at: datetime) -> Excursion:
    """With `levels` as far as they are tighter than the kept ones; a level never moves away again."""
    kept = levels_of(excursion)
    now = kept.tightened(**levels._asdict())
    return excursion if now == kept else excursion.model_copy(update={"at": max(at, excursion.at), **now._asdict()})
