"""The gate: all rules that apply are evaluated and recorded, then any failure vetoes."""

from dataclasses import replace

from domain.risk import RiskDecision
from risk.registry import HARD_RULES
from risk.settings import RiskSettings
from risk.view import RiskView


def decide(view: RiskView, settings: RiskSettings) -> RiskDecision:
    """Thesis pass (`view.order` is None) or final pass (the sized order, after the trade).

    Pure; the same view gives the same decision. Never changes the order: a smaller size is a new question.
    """
    view = replace(view, hard=settings.hard)
    found = [rule.check(view) for rule in (*HARD_RULES, *settings.soft)]
    checks = tuple(check for check in found if check is not None)
    return RiskDecision(
        ticker=view.ticker, stage=view.stage, approved=all(check.passed for check in checks), checks=checks
    )
