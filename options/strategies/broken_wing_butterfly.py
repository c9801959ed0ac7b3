"""Broken-wing put butterfly: the lower wing is wider, which pays for the upper one."""

from typing import Literal

from pydantic import Field

from options.priced import PricedChain
from options.strategies.enumeration import butterflies, expiries, stacked, usd
from options.strategies.structure import (
    BULL,
    FLAT,
    NOT_CRISIS,
    PUT,
    DeltaRange,
    GreekSigns,
    LegTemplate,
    Ratios,
    Rows,
    Structure,
    WidthRange,
)


class BrokenWingButterfly(Structure):
    """Long one put above, short two at the body, long one further below."""

    family = "butterfly"
    template = (LegTemplate(PUT, 1, level=0), LegTemplate(PUT, -2, level=1), LegTemplate(PUT, 1, level=2))
    wings = "unequal"
    signs = GreekSigns(delta=0, gamma=-1, vega=-1, theta=0)
    shape = "limited loss, limited gain"
    premium = "either"
    margin = "strike_gap"
    directions = frozenset({BULL, FLAT})
    vol_views = frozenset({"short", "none"})
    regimes = NOT_CRISIS

    strategy: Literal["broken_wing_butterfly"] = "broken_wing_butterfly"
    upper_width: WidthRange = (0.005, 0.04)
    body_delta: DeltaRange = (0.3, 0.5)
    lower_over_upper: Ratios = (1.25, 3.0)  # how much wider the lower wing is
    max_abs_delta: float = Field(default=0.35, gt=0)

    def search(self, priced: PricedChain) -> Rows:
        upper = usd(self.upper_width, priced.spot)
        return stacked(
            [
                butterflies(at.puts, body=self.body_delta, upper_width=upper, lower_over_upper=self.lower_over_upper)
                for at in expiries(priced, self.dte)
            ],
            3,
        )
