"""No one strategy type may own the book's time decay."""

from typing import Literal

from pydantic import Field

from domain.record import Record
from domain.regime import Regime
from domain.risk import Check
from risk.view import RiskView, dollar_greeks


class ThetaConcentrationRule(Record):
    """|θ of the type| ÷ max(Σ|θ|, the regime's theta limit) ≤ `limit`, so that a first trade
    is not 100 % of nothing.
    """

    rule: Literal["theta_concentration"] = "theta_concentration"
    limit: float = Field(default=0.30, gt=0, le=1)
    theta_limit: dict[Regime, float]  # USD per day as a share of NLV

    def check(self, view: RiskView) -> Check | None:
        """Final pass only."""
        if view.closing or view.order is None:
            return None
        strategy = view.order.candidate.strategy
        share_limit, nlv = self.theta_limit.get(view.regime), view.portfolio.nlv
        if share_limit is None or nlv is None:
            return view.finding(
                self.rule, measured=None, limit=self.limit, unit="share of theta", passed=False,
                detail="NLV is unknown" if nlv is None else f"no theta limit is set for {view.regime}",
            )  # fmt: skip
        added = dollar_greeks(view.order).theta
        per_type = {strategy: added}
        for exposure in view.portfolio.exposures:
            per_type[exposure.strategy] = per_type.get(exposure.strategy, 0.0) + exposure.theta / 365
        floor = share_limit * nlv
        total = max(sum(abs(theta) for theta in per_type.values()), floor)
        share = abs(per_type[strategy]) / total if total > 0 else 0.0
        return view.finding(
            self.rule,
            measured=share,
            limit=self.limit,
            unit="share of theta",
            passed=share <= self.limit,
            detail=f"{strategy} {per_type[strategy]:+.2f} of {total:.2f} USD per day",
        )
