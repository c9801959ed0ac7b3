"""Hard limit 4: a share of NLV stays free of margin."""

from typing import Literal

from domain.record import Record
from domain.risk import Check
from risk.view import RiskView


class FreeMarginRule(Record):
    """(NLV − margin of all structures, this order's included) ÷ NLV ≥ the hard limit; see `risk.margins`."""

    rule: Literal["free_margin"] = "free_margin"

    def check(self, view: RiskView) -> Check | None:
        """Thesis pass asks for the present margin. Does not apply to closing orders, which free margin."""
        if view.closing:
            return None
        found, limit = view.portfolio.margin_bound(view.order), view.hard.free_margin
        if found.usd is None:
            return view.finding(
                self.rule, measured=None, limit=limit, unit="share of NLV", passed=False, hard=True,
                detail=f"margin has no bound: {found.refused}",
            )  # fmt: skip
        free = (view.portfolio.nlv or 0.0) - found.usd
        detail = f"margin bound {found.usd:,.2f} USD"
        return view.share_of_nlv(self.rule, free, limit, detail=detail, hard=True, at_least=True)
