"""Hard limit 6: no naked short option."""

from typing import Literal

from domain.record import Record
from domain.risk import Check
from risk.naked import fill_sequence, only_reduces, uncovered, uncovered_words, worst_moment
from risk.view import RiskView


class DefinedRiskRule(Record):
    """No short option is uncovered at any moment of the order's life, proven from its legs and not from its name.

    An opening order stands on its own: nothing that is held may cover it. A closing one may trade nothing but what its
    structure holds, and may uncover nothing that this structure covers; see `risk.naked`.
    """

    rule: Literal["defined_risk"] = "defined_risk"

    def check(self, view: RiskView) -> Check | None:
        """Final pass only."""
        if view.order is None:
            return None
        candidate, sequence = view.order.candidate, fill_sequence(view.order.candidate.legs, view.order.units)
        if not view.closing:
            naked = worst_moment((), sequence)
            bounded = f"loss bounded at {candidate.max_loss} USD per unit"
            return self._finding(
                view, naked, True, f"{candidate.strategy}: {uncovered_words(sequence) if naked else bounded}"
            )
        held = view.portfolio.held(order_id=view.closes)
        naked = worst_moment(held, sequence) - uncovered(held)
        if not only_reduces(held, sequence):
            return self._finding(view, naked, False, f"closes more than {view.closes or 'the book'} holds")
        left = f"after closing this much of {view.closes}, {uncovered_words((*held, *sequence))}"
        return self._finding(
            view, naked, True, left if naked > 0 else f"closes part or all of {view.closes}, shorts first"
        )

    def _finding(self, view: RiskView, naked: int, possible: bool, detail: str) -> Check:
        limit = view.hard.naked_short_options
        return view.finding(
            self.rule,
            measured=float(naked),
            limit=float(limit),
            unit="uncovered short options",
            passed=possible and naked <= limit,
            hard=True,
            detail=detail,
        )
