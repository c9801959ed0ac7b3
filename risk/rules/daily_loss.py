"""Hard limit 1: a bad day ends new trading."""

import math
from typing import Literal

from domain.record import Record
from domain.risk import Check
from risk.view import RiskView


class DailyLossRule(Record):
    """Loss since the prior session's close (adjusted for cash flows, unrealised included) must stay below the limit."""

    rule: Literal["daily_loss"] = "daily_loss"

    def check(self, view: RiskView) -> Check | None:
        """At the limit counts as reached. Does not apply to closing orders."""
        if view.closing:
            return None
        nlv, baseline = view.portfolio.nlv, view.portfolio.baseline_nlv
        change = math.nan if nlv is None or not 0 < baseline < math.inf else (nlv - baseline) / baseline
        loss = max(0.0, -change) if math.isfinite(change) else None
        return view.finding(
            self.rule,
            measured=loss,
            limit=view.hard.daily_loss,
            unit="share of baseline NLV",
            passed=loss is not None and loss < view.hard.daily_loss,
            hard=True,
            detail=f"baseline {baseline:,.2f} USD, now {'unknown' if nlv is None else f'{nlv:,.2f} USD'}",
        )
