"""How far a held structure has gone for and against its holder, and the levels at which it is left."""

from pydantic import Field

from domain.record import Instant, Record


class Excursion(Record):
    """What one structure went through up to `at`. Amounts are USD per unit, profit before fees; `mfe` ≥ 0 and
    `mae` ≤ 0 are the best and worst profit seen, `high_water` and `low_water` the extremes of its value (> 0: closing
    brings cash). None: never seen with usable quotes.
    """

    order_id: str
    at: Instant  # of the last mark, fill or level
    opened_at: Instant
    entry_price: float  # premium, cash received > 0
    unit_risk: float = Field(gt=0)  # maximum loss at entry: one R
    opened_units: int = Field(ge=1)
    closed_units: int = Field(default=0, ge=0)
    mfe: float = Field(default=0.0, ge=0)
    mae: float = Field(default=0.0, le=0)
    high_water: float | None = None
    low_water: float | None = None
    stop: float | None = None  # profit per unit at or below which it is left
    stop_rule: str = ""
    target: float | None = None  # profit per unit at or above which it is left
    target_rule: str = ""

    @property
    def held_units(self) -> int:
        """Units not closed yet."""
        return self.opened_units - self.closed_units
