"""Hard limit 4: a share of NLV stays free of margin."""

from typing import Literal

from domain.record import Record
from domain.risk import Check
from risk.view import RiskView


class FreeMarginRule(Record):
    """(NLV − margin bound by all structures and this order) ÷ NLV ≥ the hard limit."""

    rule: Literal["free_margin"] = "free_margin"

    def check(self, view: RiskView) -> Check | None:
        """Does not apply to closing orders, which free margin."""
        if view.closing:
            return None
        bound = view.portfolio.margin
        if view.order:
            bound += float(view.order.candidate.margin) * view.order.units
        free = (view.portfolio.nlv or 0.0) - bound
        return view.share_of_nlv(
            self.rule, free, view.hard.free_margin, detail=f"margin bound {bound:,.2f} USD", hard=True, at_least=True
        )
