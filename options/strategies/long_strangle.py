"""Long strangle: a bigger move either way, bought cheaper and further out."""

from typing import Literal

from pydantic import Field

from options.priced import PricedChain
from options.strategies.enumeration import expiries, stacked, strangles
from options.strategies.structure import (
    CALL,
    EVERY_REGIME,
    FLAT,
    PUT,
    Days,
    DeltaRange,
    GreekSigns,
    LegTemplate,
    Rows,
    Structure,
)


class LongStrangle(Structure):
    """Long a put below and a call above the market."""

    family = "long_volatility"
    template = (LegTemplate(PUT, 1, level=0), LegTemplate(CALL, 1, level=1))
    signs = GreekSigns(delta=0, gamma=1, vega=1, theta=-1)
    shape = "limited loss, open gain"
    premium = "debit"
    margin = "paid_in_full"
    directions = frozenset({FLAT})
    vol_views = frozenset({"long"})
    regimes = EVERY_REGIME

    strategy: Literal["long_strangle"] = "long_strangle"
    dte: Days = (30, 90)
    delta: DeltaRange = (0.15, 0.4)
    balance: float = Field(default=0.08, gt=0, le=1)  # how far the two deltas may differ
    max_abs_delta: float = Field(default=0.15, gt=0)

    def search(self, priced: PricedChain) -> Rows:
        return stacked(
            [
                strangles(at.puts, at.calls, delta=self.delta, same_strike=False, balance=self.balance)
                for at in expiries(priced, self.dte)
            ],
            2,
        )
