"""The share of an option's half-spread that is paid, by moneyness and time to expiry."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from risk.manager.slippage.trade import Trade


class OptionsSpreadSlippage(Record):
    """Paid share of the half-spread: least at the money, more in the wings and in the last days.

    fraction = min(most, money + wing·|ln(K/F)| + expiry·max(0, 1 − dte/expiry_days)). At-the-money quotes are
    leaned upon by many and can be worked; far strikes and expiring contracts are taken as they are quoted. The levels
    are judged, not fitted: `money` and `most` span what Muravyev and Pearson (2020) report from patient traders (under
    0.4 of the half-spread) to a plain crossing (1).
    """

    model: Literal["options_spread"] = "options_spread"
    money: float = Field(default=0.4, ge=0, le=5)
    wing: float = Field(default=3.0, ge=0)  # added per 1.00 of |ln(K/F)|
    expiry: float = Field(default=0.3, ge=0)  # added on the last day
    expiry_days: float = Field(default=7.0, gt=0)  # calendar days from which the surcharge grows
    most: float = Field(default=1.0, ge=0, le=5)

    def fraction(self, *, log_moneyness: float, dte: float) -> float:
        """Share of the half-spread that is paid."""
        surcharge = self.expiry * max(0.0, 1 - dte / self.expiry_days)
        return min(self.most, self.money + self.wing * abs(log_moneyness) + surcharge)

    def cost(self, trade: Trade) -> float:
        """USD per share."""
        k, dte = trade.known("log_moneyness", self.model), trade.known("dte", self.model)
        return self.fraction(log_moneyness=k, dte=dte) * trade.half_spread
