"""Iron condor: sell a put spread below and a call spread above; paid for a quiet market."""

from typing import Literal

from pydantic import Field

from options.priced import PricedChain
from options.strategies.enumeration import condors, expiries, stacked, usd, verticals
from options.strategies.structure import (
    CALL,
    FLAT,
    NOT_CRISIS,
    PUT,
    DeltaRange,
    GreekSigns,
    LegTemplate,
    Rows,
    Structure,
    WidthRange,
)


class IronCondor(Structure):
    """Short strangle inside a long, wider one of equal wings."""

    family = "short_volatility"
    template = (
        LegTemplate(PUT, 1, level=0),
        LegTemplate(PUT, -1, level=1),
        LegTemplate(CALL, -1, level=2),
        LegTemplate(CALL, 1, level=3),
    )
    signs = GreekSigns(delta=0, gamma=-1, vega=-1, theta=1)
    shape = "limited loss, limited gain"
    premium = "credit"
    margin = "strike_gap"
    directions = frozenset({FLAT})
    vol_views = frozenset({"short"})
    regimes = NOT_CRISIS

    strategy: Literal["iron_condor"] = "iron_condor"
    width: WidthRange = (0.002, 0.04)
    sold_delta: DeltaRange = (0.1, 0.3)
    bought_delta: DeltaRange = (0.01, 0.25)
    balance: float = Field(default=0.08, gt=0, le=1)  # how far the sold deltas may differ
    max_abs_delta: float = Field(default=0.1, gt=0)

    def search(self, priced: PricedChain) -> Rows:
        window: dict[str, tuple[float, float]] = {
            "width": usd(self.width, priced.spot),
            "bought_delta": self.bought_delta,
            "sold_delta": self.sold_delta,
        }
        return stacked(
            [
                condors(
                    verticals(at.puts, at.puts, rise=1, **window),
                    verticals(at.calls, at.calls, rise=-1, **window),
                    priced,
                    same_body=False,
                    balance=self.balance,
                )
                for at in expiries(priced, self.dte)
            ],
            4,
        )
