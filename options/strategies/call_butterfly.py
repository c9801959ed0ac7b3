"""Call butterfly: a cheap bet that the market ends near the body."""

from typing import Literal

from pydantic import Field

from options.priced import PricedChain
from options.strategies.enumeration import butterflies, expiries, stacked, usd
from options.strategies.structure import (
    CALL,
    FLAT,
    NOT_CRISIS,
    DeltaRange,
    GreekSigns,
    LegTemplate,
    Rows,
    Structure,
    WidthRange,
)


class CallButterfly(Structure):
    """Long one call below, short two at the body, long one above; equal wings."""

    family = "butterfly"
    template = (LegTemplate(CALL, 1, level=0), LegTemplate(CALL, -2, level=1), LegTemplate(CALL, 1, level=2))
    wings = "equal"
    signs = GreekSigns(delta=0, gamma=-1, vega=-1, theta=1)
    shape = "limited loss, limited gain"
    premium = "debit"
    margin = "paid_in_full"
    directions = frozenset({FLAT})
    vol_views = frozenset({"short", "none"})
    regimes = NOT_CRISIS

    strategy: Literal["call_butterfly"] = "call_butterfly"
    upper_width: WidthRange = (0.01, 0.06)
    body_delta: DeltaRange = (0.35, 0.65)
    max_abs_delta: float = Field(default=0.15, gt=0)

    def search(self, priced: PricedChain) -> Rows:
        upper = usd(self.upper_width, priced.spot)
        return stacked(
            [
                butterflies(at.calls, body=self.body_delta, upper_width=upper, lower_over_upper=(1, 1))
                for at in expiries(priced, self.dte)
            ],
            3,
        )
