"""Put ratio backspread: the near put finances two far ones; a crash is the view."""

from typing import Literal

from domain.regime import Regime
from options.priced import PricedChain
from options.strategies.enumeration import expiries, stacked, usd, verticals
from options.strategies.structure import (
    BEAR,
    PUT,
    Days,
    DeltaRange,
    GreekSigns,
    LegTemplate,
    Rows,
    Structure,
    WidthRange,
)


class PutRatioBackspread(Structure):
    """Short one put near the money, long two further below."""

    family = "backspread"
    template = (LegTemplate(PUT, -1, level=1), LegTemplate(PUT, 2, level=0))
    signs = GreekSigns(delta=0, gamma=1, vega=1, theta=-1)
    shape = "limited loss, limited gain"
    premium = "financed"
    margin = "strike_gap"
    directions = frozenset({BEAR})
    vol_views = frozenset({"long"})
    regimes = frozenset({Regime.HIGH_VOL, Regime.CRISIS})

    strategy: Literal["put_ratio_backspread"] = "put_ratio_backspread"
    dte: Days = (30, 90)
    width: WidthRange = (0.005, 0.15)
    sold_delta: DeltaRange = (0.4, 0.65)
    bought_delta: DeltaRange = (0.2, 0.4)

    def search(self, priced: PricedChain) -> Rows:
        width = usd(self.width, priced.spot)
        return stacked(
            [
                verticals(
                    at.puts,
                    at.puts,
                    rise=1,
                    width=width,
                    bought_delta=self.bought_delta,
                    sold_delta=self.sold_delta,
                )[:, ::-1]
                for at in expiries(priced, self.dte)
            ],
            2,
        )
