"""No one strategy type may own the book's time decay."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from domain.record import Record
from domain.regime import Regime
from domain.risk import Check
from domain.units import theta_per_day
from portfolio.exposure import OPEN
from risk.ranges import Range
from risk.view import RiskView, dollar_greeks


class ThetaConcentrationRule(Record):
    """|θ of the type| ÷ max(Σ|θ|, the regime's theta limit) ≤ `limit`, so that a first trade is not 100 % of nothing.

    What is on its way counts where it raises the share and not where it lowers it. Other types may stand above the
    limit, as the market moved them, but this order may not lift them there.
    """

    rule: Literal["theta_concentration"] = "theta_concentration"
    limit: float = Field(default=0.30, gt=0, le=1)
    theta_limit: dict[Regime, float]  # USD per day as a share of NLV

    def check(self, view: RiskView) -> Check | None:
        """Final pass only, and not of a hedge: protection decays."""
        if view.closing or view.hedging or view.order is None:
            return None
        share_limit, nlv = self.theta_limit.get(view.regime), view.portfolio.nlv
        if share_limit is None or nlv is None:
            return view.finding(
                self.rule, measured=None, limit=self.limit, unit="share of theta", passed=False,
                detail="NLV is unknown" if nlv is None else f"no theta limit is set for {view.regime}",
            )  # fmt: skip
        own, floor, before = view.order.candidate.strategy, share_limit * nlv, _per_type(view)
        added = before.get(own, Range()).with_possible(dollar_greeks(view.order).theta)
        after = {**before, own: added}
        lifted = [
            name
            for name in sorted(before)
            if name != own and max(self.limit, _share(before, name, floor)) < _share(after, name, floor)
        ]
        worst = max([own, *lifted], key=lambda name: _share(after, name, floor))
        share = _share(after, worst, floor)
        return view.finding(
            self.rule,
            measured=share,
            limit=self.limit,
            unit="share of theta",
            passed=share <= self.limit,
            detail=f"{worst} {after[worst].largest:,.2f} of {_total(after, worst, floor):,.2f} USD per day",
        )


def _per_type(view: RiskView) -> dict[str, Range]:
    """USD per day of each strategy type."""
    found: dict[str, Range] = {}
    for exposure in view.portfolio.exposures:
        before, theta = found.get(exposure.strategy, Range()), theta_per_day(exposure.theta)
        found[exposure.strategy] = before.with_sure(theta) if exposure.state == OPEN else before.with_possible(theta)
    return found


def _total(types: Mapping[str, Range], name: str, floor: float) -> float:
    others = sum(theta.smallest for other, theta in types.items() if other != name)
    return max(types[name].largest + others, floor)


def _share(types: Mapping[str, Range], name: str, floor: float) -> float:
    total = _total(types, name, floor)
    return types[name].largest / total if total > 0 else 0.0
