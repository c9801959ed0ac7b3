"""Rules made of rules: agreement, any voice, the first voice, priority."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.manager import (
    HOLD,
    MarketFacts,
    PositionFacts,
    RiskContext,
    RiskDecision,
    all_of,
    any_of,
    first_of,
    merge,
    prioritised,
)  # fmt: skip
from tests.risk.test_manager_decision import DECISIONS

AT = datetime(2026, 2, 12, 15, 10, tzinfo=UTC)
CONTEXT = RiskContext(market=MarketFacts(as_of=AT), position=PositionFacts(key="O-1", as_of=AT))


@dataclass(frozen=True)
class Says:
    """A rule of one's own that always says the same."""

    decision: RiskDecision

    def evaluate(self, context: RiskContext) -> RiskDecision:
        assert context is CONTEXT
        return self.decision


def said(composite) -> RiskDecision:
    return composite.evaluate(CONTEXT)


EXIT, HALF = Says(RiskDecision.exit("stop", "fell")), Says(RiskDecision.exit("ladder", "rose", fraction=0.5))
LOW, HIGH = (
    Says(RiskDecision.levels("low", "a", stop=1.0)),
    Says(RiskDecision.levels("high", "b", stop=2.0, target=9.0)),
)
QUIET, BLIND = Says(HOLD), Says(RiskDecision.hold("atr_trail", unknown=["atr"]))


@given(st.lists(DECISIONS, min_size=1, max_size=4))
def test_any_of_is_the_merge_and_nesting_changes_nothing(decisions):
    rules = [Says(decision) for decision in decisions]
    assert said(any_of(*rules)) == merge(decisions) == said(any_of(any_of(*rules), rules[0]))


@given(st.lists(DECISIONS, min_size=1, max_size=4))
def test_all_of_exits_only_if_all_do_never_by_more_than_any_and_knows_no_order(decisions):
    rules = [Says(decision) for decision in decisions]
    answer = said(all_of(*rules))
    assert {said(all_of(*order)).model_dump_json() for order in permutations(rules)} == {answer.model_dump_json()}
    unknown = any(decision.unknown for decision in decisions)
    assert answer.should_exit == (not unknown and all(decision.should_exit for decision in decisions))
    assert all(answer.exit_fraction <= decision.exit_fraction for decision in decisions)
    for decision in decisions:
        assert answer.update_stop is None or answer.update_stop <= decision.update_stop
        assert answer.update_target is None or answer.update_target >= decision.update_target


def test_all_of_takes_the_smallest_step_that_all_agree_on():
    assert said(all_of(EXIT, HALF)) == RiskDecision.exit("all_of", "fell and rose", fraction=0.5)
    assert said(all_of(EXIT, QUIET)) == HOLD
    assert said(all_of(EXIT, LOW)) == HOLD
    assert said(all_of(LOW, HIGH)) == RiskDecision.levels("all_of", "a and b", stop=1.0)
    near = Says(RiskDecision.levels("near", "c", target=5.0))
    assert said(all_of(near, HIGH)) == RiskDecision.levels("all_of", "b and c", target=9.0)
    assert said(all_of(near, LOW)) == HOLD
    assert said(all_of(EXIT, BLIND)) == RiskDecision.hold("all_of", unknown=["atr"])


def test_first_of_asks_in_its_order_and_keeps_what_was_not_known_before():
    assert said(first_of(QUIET, LOW, EXIT)) == LOW.decision
    assert said(first_of(HALF, EXIT)) == HALF.decision
    assert said(first_of(BLIND, EXIT)) == EXIT.decision.model_copy(update={"unknown": ("atr",)})
    assert said(first_of(EXIT, BLIND)) == EXIT.decision
    assert said(first_of(QUIET, QUIET)) == HOLD


def test_priority_lets_a_smaller_exit_win():
    assert said(any_of(EXIT, prioritised(HALF, 1))) == HALF.decision.model_copy(update={"priority": 1})
    assert said(any_of(prioritised(EXIT, -1), HALF)) == HALF.decision


def test_only_rules_compose_and_at_least_one():
    for composed in (all_of, any_of, first_of):
        with pytest.raises(TypeError, match="at least one rule"):
            composed()
        with pytest.raises(TypeError, match=r"no rule about positions: it has no evaluate"):
            composed(EXIT, "stop_loss")
    with pytest.raises(TypeError, match="no rule about positions"):
        prioritised(Says, 1)
