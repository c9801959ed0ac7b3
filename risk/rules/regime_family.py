"""Which strategy families a regime permits."""

from typing import Literal

from domain.record import Record
from domain.regime import Regime
from domain.risk import Check
from risk.view import RiskView


class RegimeFamilyRule(Record):
    """Thesis pass: the regime permits at least one family. Final pass: it permits this order's."""

    rule: Literal["regime_family"] = "regime_family"
    allowed: dict[Regime, tuple[str, ...]]

    def check(self, view: RiskView) -> Check | None:
        """A regime that the table does not name permits nothing. Does not apply to closing orders
        and hedges.
        """
        if view.closing or view.hedging:
            return None
        allowed = self.allowed.get(view.regime, ())
        family = view.order.candidate.family if view.order else None
        passed = bool(allowed) if family is None else family in allowed
        if passed:
            detail = f"{view.regime} permits {family or f'{len(allowed)} families'}"
        else:
            detail = f"{view.regime} permits {', '.join(allowed) or 'nothing'}" + (f", not {family}" if family else "")
        return view.finding(
            self.rule,
            measured=None,
            limit=None,
            unit="family",
            passed=passed,
            detail=detail,
        )
