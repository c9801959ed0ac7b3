"""Call ratio backspread: the near call finances two far ones; a runaway trend is the view."""

from typing import Literal

from domain.regime import Regime
from options.priced import PricedChain
from options.strategies.enumeration import expiries, stacked, usd, verticals
from options.strategies.structure import (
    BULL,
    CALL,
    Days,
    DeltaRange,
    GreekSigns,
    LegTemplate,
    Rows,
    Structure,
    WidthRange,
)


class CallRatioBackspread(Structure):
    """Short one call near the money, long two further above."""

    family = "backspread"
    template = (LegTemplate(CALL, -1, level=0), LegTemplate(CALL, 2, level=1))
    signs = GreekSigns(delta=0, gamma=1, vega=1, theta=-1)
    shape = "limited loss, open gain"
    premium = "financed"
    margin = "strike_gap"
    directions = frozenset({BULL})
    vol_views = frozenset({"long"})
    regimes = frozenset({Regime.HIGH_VOL, Regime.CRISIS})

    strategy: Literal["call_ratio_backspread"] = "call_ratio_backspread"
    dte: Days = (30, 90)
    width: WidthRange = (0.005, 0.15)
    sold_delta: DeltaRange = (0.4, 0.65)
    bought_delta: DeltaRange = (0.2, 0.4)

    def search(self, priced: PricedChain) -> Rows:
        width = usd(self.width, priced.spot)
        return stacked(
            [
                verticals(
                    at.calls,
                    at.calls,
                    rise=-1,
                    width=width,
                    bought_delta=self.bought_delta,
                    sold_delta=self.sold_delta,
                )[:, ::-1]
                for at in expiries(priced, self.dte)
            ],
            2,
        )
