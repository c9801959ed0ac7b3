"""Long call: a directional view that wants volatility to rise and pays for time."""

from typing import Literal

from options.priced import PricedChain
from options.strategies.enumeration import expiries, singles, stacked
from options.strategies.structure import (
    BULL,
    CALL,
    EVERY_REGIME,
    Days,
    DeltaRange,
    GreekSigns,
    LegTemplate,
    Rows,
    Structure,
)


class LongCall(Structure):
    """Buy one call; the loss ends at the premium."""

    family = "long_option"
    template = (LegTemplate(CALL, 1),)
    signs = GreekSigns(delta=1, gamma=1, vega=1, theta=-1)
    shape = "limited loss, open gain"
    premium = "debit"
    margin = "paid_in_full"
    directions = frozenset({BULL})
    vol_views = frozenset({"long", "none"})
    regimes = EVERY_REGIME

    strategy: Literal["long_call"] = "long_call"
    dte: Days = (30, 90)
    delta: DeltaRange = (0.35, 0.65)

    def search(self, priced: PricedChain) -> Rows:
        return stacked([singles(at.calls, self.delta) for at in expiries(priced, self.dte)], 1)
