"""Impact that grows with the square root of the share of the day's volume."""

import math
from typing import Literal

from pydantic import Field

from domain.errors import DataError
from domain.record import Record
from risk.manager.slippage.trade import Trade


class VolumeShareSlippage(Record):
    """Spread plus square-root impact: fraction·(ask − bid)/2 + coefficient·σ·√(q/V)·mid.

    σ is the daily volatility of the traded price itself (of the option, not of its underlying), q the quantity and V a
    day's usual volume. Grinold and Kahn, Active Portfolio Management (2nd ed. 1999), chapter 16: trading one day's
    volume costs about one day's volatility, so the coefficient is near 1; Tóth et al. (2011, Physical Review X 1,
    021006) find the same root in futures and shares. Unknown or absent volume raises `DataError`: no bound exists.
    """

    model: Literal["volume_share"] = "volume_share"
    coefficient: float = Field(default=1.0, ge=0)
    fraction: float = Field(default=1.0, ge=0, le=5)  # of the half-spread

    def cost(self, trade: Trade) -> float:
        """USD per share."""
        volume, daily_vol = trade.known("volume", self.model), trade.known("daily_vol", self.model)
        if volume == 0:
            raise DataError("Nothing trades here, so no impact can be told.", remedy="Trade a strike that has volume.")
        impact = self.coefficient * daily_vol * math.sqrt(abs(trade.quantity) / volume)
        return self.fraction * trade.half_spread + impact * trade.mid
