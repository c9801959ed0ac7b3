"""The book may lean only so far to one side."""

import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domain.record import Record
from risk.manager.decision import OrderVerdict
from risk.manager.rules.room import units_within

if TYPE_CHECKING:
    from domain.order import SizedCandidate
    from risk.manager.context import PortfolioFacts


class MaxNetRule(Record):
    """Net delta in USD of underlying, the order included, at most `share` of equity on either side.

    A book already beyond the limit may still be leant back, but not through and past where it stands.
    """

    rule: Literal["max_net"] = "max_net"
    share: float = Field(gt=0)  # decimal

    def admit(self, order: "SizedCandidate", portfolio: "PortfolioFacts") -> OrderVerdict:
        """As many units as fit."""
        equity, net, asked = portfolio.equity, portfolio.net_delta, order.units
        if equity is None or equity <= 0 or net is None:
            lacking = "net delta" if net is None else "equity"
            return OrderVerdict(
                units=0, asked=asked, rule=self.rule, limit=self.share, reason=f"{lacking} unknown or gone"
            )
        each = order.candidate.greeks.delta * order.candidate.spot
        bound = max(self.share * equity, abs(net))
        units = units_within(bound - math.copysign(net, net * each), per_unit=abs(each), asked=asked)
        measured = abs(net + asked * each) / equity
        reason = f"net delta {net:+,.0f} USD {asked * each:+,.0f} is {measured:.1%} of equity, limit {self.share:.1%}"
        return OrderVerdict(
            units=units, asked=asked, rule=self.rule, measured=measured, limit=self.share, reason=reason
        )
