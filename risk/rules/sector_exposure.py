"""Hard limit 3: worst-case loss per sector."""

from typing import Literal

from domain.record import Record
from domain.risk import Check
from risk.view import RiskView


class SectorExposureRule(Record):
    """Worst-case loss of all structures in the order's sector ≤ the hard limit of NLV; unknown is its own bucket."""

    rule: Literal["sector_exposure"] = "sector_exposure"

    def check(self, view: RiskView) -> Check | None:
        """Thesis pass measures the sector as it stands."""
        if view.closing:
            return None
        sector = view.facts.sector
        present = view.portfolio.worst_case_by_sector.get(sector, 0.0)
        added = float(view.order.candidate.max_loss) * view.order.units if view.order else 0.0
        return view.share_of_nlv(
            self.rule,
            present + added,
            view.hard.sector_exposure,
            detail=f"sector {sector}: {present:,.2f} USD held" + (f" + {added:,.2f} USD" if view.order else ""),
            hard=True,
        )
