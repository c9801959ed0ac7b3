"""One sector may lose only so much."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domain.record import Record
from portfolio.exposure import UNKNOWN_SECTOR
from risk.manager.decision import OrderVerdict
from risk.manager.rules.room import fitting

if TYPE_CHECKING:
    from domain.order import SizedCandidate
    from risk.manager.context import PortfolioFacts


class MaxSectorRule(Record):
    """Worst-case loss in the sector of the order's underlying, the order included, at most `share` of equity.

    Underlyings whose sector nobody knows share a bucket of their own.
    """

    rule: Literal["max_sector"] = "max_sector"
    share: float = Field(gt=0)  # decimal

    def admit(self, order: "SizedCandidate", portfolio: "PortfolioFacts") -> OrderVerdict:
        """As many units as fit."""
        sector = portfolio.sector_of.get(order.candidate.ticker, UNKNOWN_SECTOR)
        return fitting(
            self.rule,
            asked=order.units,
            used=portfolio.exposure_by_sector.get(sector, 0.0),
            per_unit=float(order.candidate.max_loss),
            share=self.share,
            equity=portfolio.equity,
            what=f"worst case in sector {sector}",
        )
