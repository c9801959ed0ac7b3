"""Greeks of the whole book after the trade."""

from typing import Literal, get_args

from domain.record import Record
from domain.regime import Regime
from domain.risk import Check
from risk.view import RiskView

Greek = Literal["delta", "gamma", "vega", "theta", "spx_delta"]
GREEKS: tuple[Greek, ...] = get_args(Greek)


class PortfolioGreekRule(Record):
    """|one dollar Greek of the book after the trade| ÷ NLV ≤ the regime's limit, whatever of what is on its way gets
    filled. `spx_delta` is the delta weighted by beta: USD of SPX that move as the book does.
    """

    rule: Literal["portfolio_greek"] = "portfolio_greek"
    greek: Greek
    limit: dict[Regime, float]  # share of NLV; units of each Greek as in `domain.risk.DollarGreeks`

    def check(self, view: RiskView) -> Check | None:
        """Final pass only; an order that brings the Greek nearer to zero passes even above the limit."""
        if view.closing or view.order is None:
            return None
        name, limit = f"portfolio_{self.greek}", self.limit.get(view.regime)
        before = view.portfolio.greek(self.greek)
        after = view.portfolio.greek(self.greek, view.order)
        filled = view.portfolio.greek(self.greek, view.order, sure=True)
        if limit is None or before is None or after is None or filled is None:
            return view.finding(
                name, measured=None, limit=limit, unit="share of NLV", passed=False,
                detail=f"no limit is set for {view.regime}"
                if limit is None
                else "Greeks of a held structure are unknown: no usable quote",
            )  # fmt: skip
        check = view.share_of_nlv(name, after.largest, limit, detail=f"{before} → {filled} USD")
        if not check.passed and check.measured is not None and filled.largest < before.largest:
            return check.model_copy(update={"passed": True, "detail": f"{check.detail}: nearer to zero"})
        return check
