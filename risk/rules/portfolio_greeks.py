"""Greeks of the whole book after the trade."""

from typing import Literal

from domain.record import Record
from domain.regime import Regime
from domain.risk import Check
from risk.view import RiskView, dollar_greeks


class PortfolioGreekRule(Record):
    """|one dollar Greek of the book after the trade| ÷ NLV ≤ the regime's limit."""

    rule: Literal["portfolio_greek"] = "portfolio_greek"
    greek: Literal["delta", "gamma", "vega", "theta"]
    limit: dict[Regime, float]  # share of NLV; units of each Greek as in `risk.view.DollarGreeks`

    def check(self, view: RiskView) -> Check | None:
        """Final pass only; an order that brings the Greek nearer to zero passes even above the limit."""
        if view.closing or view.order is None:
            return None
        name, limit = f"portfolio_{self.greek}", self.limit.get(view.regime)
        if limit is None:
            return view.finding(
                name, measured=None, limit=None, unit="share of NLV", passed=False,
                detail=f"no limit is set for {view.regime}",
            )  # fmt: skip
        book = view.portfolio.greeks
        if book is None:
            return view.finding(
                name, measured=None, limit=limit, unit="share of NLV", passed=False,
                detail="Greeks of a held structure are unknown: no usable quote",
            )  # fmt: skip
        before = getattr(book, self.greek)
        after = before + getattr(dollar_greeks(view.order), self.greek)
        check = view.share_of_nlv(name, abs(after), limit, detail=f"{before:+,.2f} → {after:+,.2f} USD")
        if not check.passed and check.measured is not None and abs(after) < abs(before):
            return check.model_copy(update={"passed": True, "detail": f"{check.detail}: nearer to zero"})
        return check
