"""Call calendar: sell the near month, own the far one at one strike; time decays faster in front."""

from typing import Literal

from pydantic import Field

from options.priced import PricedChain
from options.strategies.enumeration import calendar_pairs, calendars, stacked
from options.strategies.structure import (
    CALL,
    CALM,
    EVERY_VOL_VIEW,
    FLAT,
    Days,
    DeltaRange,
    GreekSigns,
    LegTemplate,
    Rows,
    Structure,
)


class CallCalendar(Structure):
    """Short the front call, long the back call of the same strike."""

    family = "calendar"
    template = (LegTemplate(CALL, -1), LegTemplate(CALL, 1, "back"))
    signs = GreekSigns(delta=0, gamma=-1, vega=1, theta=1)
    shape = "limited loss, limited gain"
    premium = "debit"
    margin = "paid_in_full"
    directions = frozenset({FLAT})
    vol_views = EVERY_VOL_VIEW
    regimes = CALM

    strategy: Literal["call_calendar"] = "call_calendar"
    dte: Days = (14, 45)
    gap: Days = (20, 60)  # days from front to back expiry
    delta: DeltaRange = (0.35, 0.65)
    max_abs_delta: float = Field(default=0.15, gt=0)

    def search(self, priced: PricedChain) -> Rows:
        pairs = calendar_pairs(priced, front=self.dte, gap=self.gap)
        return stacked([calendars(near.calls, far.calls, delta=self.delta) for near, far in pairs], 2)
