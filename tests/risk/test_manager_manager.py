"""The manager: asks every rule, keeps levels, takes notice of fills, and continues where another left off."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.excursion import Excursion
from risk.manager import (
    HOLD,
    MarketFacts,
    OrderVerdict,
    PortfolioFacts,
    PositionFacts,
    RiskContext,
    RiskDecision,
    RiskManager,
)
from tests.factories import sized
from tests.risk.test_manager_decision import DECISIONS
from tests.support.orders import HOUR, NOON, fill, order

AT = datetime(2026, 2, 12, 15, 10, tzinfo=UTC)
PAST = Excursion(
    order_id="O-1", at=AT - HOUR, opened_at=AT - HOUR, entry_price=120.0, unit_risk=380.0, opened_units=3
)  # fmt: skip


@dataclass(frozen=True)
class Says:
    """Always the same, about any position."""

    decision: RiskDecision

    def evaluate(self, context: RiskContext) -> RiskDecision:
        return self.decision


@dataclass(frozen=True)
class Admits:
    """At most so many units."""

    units: int
    rule: str = "at_most"

    def admit(self, order, portfolio) -> OrderVerdict:
        return OrderVerdict(units=min(self.units, order.units), asked=order.units, rule=self.rule, reason="as said")


@dataclass(frozen=True)
class SaysAndAdmits(Admits):
    """About both."""

    def evaluate(self, context: RiskContext) -> RiskDecision:
        return RiskDecision.exit(self.rule, "both")


def context(profit: float | None = 20.0, **position) -> RiskContext:
    given = {"key": "O-1", "as_of": AT, "ticker": "SPY", "strategy": "iron_condor", "unit_profit": profit, **position}
    return RiskContext(market=MarketFacts(as_of=AT), position=PositionFacts(**given))


def stop(level, rule="trail"):
    return Says(RiskDecision.levels(rule, "as told", stop=level))


def target(level, rule="aim"):
    return Says(RiskDecision.levels(rule, "as told", target=level))


def test_without_rules_nothing_is_said_and_nothing_changes():
    manager = RiskManager(excursions=[PAST])
    assert not manager.watches
    assert not manager.judges
    assert manager.check_position_exits([context()]) == ()
    assert manager.excursions == (PAST,)
    assert manager.validate_order(sized(3), PortfolioFacts()) == OrderVerdict(units=3, asked=3)


def test_positions_are_answered_by_key_however_they_come():
    manager = RiskManager([Says(RiskDecision.exit("leave", "now"))])
    pictures = [context(key=key) for key in ("O-2", "O-3", "O-1")]
    answers = {tuple(check.key for check in manager.check_position_exits(order)) for order in permutations(pictures)}
    assert answers == {("O-1", "O-2", "O-3")}


@given(st.lists(DECISIONS, max_size=4), st.sampled_from([-60.0, 0.0, 25.0, 40.0, None]))
def test_the_order_of_registration_never_shows_and_asking_twice_changes_nothing(decisions, profit):
    picture, answers = context(profit), []
    for rules in permutations([Says(decision) for decision in decisions]):
        manager = RiskManager(rules, excursions=[PAST])
        checks = manager.check_position_exits([picture])
        answers.append((tuple(check.model_copy(update={"said": ()}) for check in checks), manager.excursions))
        left = manager.excursions
        again = manager.check_position_exits([picture])
        assert manager.excursions == left
        assert [c.decision.should_exit for c in again] == [c.decision.should_exit for c in checks]
    assert all(answer == answers[0] for answer in answers)


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=1, max_size=6))
def test_levels_only_ever_tighten(moves):
    manager = RiskManager(excursions=[PAST])
    for low, high in moves:
        manager.register_rule(stop(low))
        manager.register_rule(target(high))
        before = manager.excursions[0]
        manager.check_position_exits([context(None)])
        now = manager.excursions[0]
        assert before.stop is None or (now.stop is not None and now.stop >= before.stop)
        assert before.target is None or (now.target is not None and now.target <= before.target)
    assert now.stop == max(low for low, _ in moves)
    assert now.target == min(high for _, high in moves)


@pytest.mark.parametrize(
    ("profit", "rule"),
    [(10.01, ""), (10.0, "trail"), (9.99, "trail"), (49.99, ""), (50.0, "aim"), (50.01, "aim"), (None, "")],
)
def test_a_level_is_reached_exactly_at_it_whether_kept_or_set_just_now(profit, rule):
    kept = replace(context(profit).position, stop=10.0, stop_rule="trail", target=50.0, target_rule="aim")
    just_set = RiskManager([stop(10.0), target(50.0)]).check_position_exits([context(profit)])
    shown = RiskManager([Says(HOLD)]).check_position_exits([replace(context(profit), position=kept)])
    excursion = PAST.model_copy(update={"stop": 10.0, "stop_rule": "trail", "target": 50.0, "target_rule": "aim"})
    stored = RiskManager([Says(HOLD)], excursions=[excursion]).check_position_exits([context(profit)])
    for (check,) in (just_set, shown, stored):
        assert (check.decision.should_exit, check.decision.exit_fraction) == (bool(rule), 1.0 if rule else 0.0)
        assert (check.stop, check.target) == (10.0, 50.0)
        if rule:
            assert (check.decision.rule, check.decision.measured) == (rule, profit)
            assert check.decision.limit == (10.0 if rule == "trail" else 50.0)


def test_levels_without_a_name_are_called_what_they_are():
    manager = RiskManager([Says(HOLD)])
    (low,) = manager.check_position_exits([context(5.0, stop=5.0)])
    (high,) = manager.check_position_exits([context(5.0, target=5.0)])
    assert (low.decision.rule, high.decision.rule) == ("stop", "target")
    assert low.decision.reason == "profit of +5.00 USD a unit is at or below the stop of +5.00"
    assert high.decision.reason == "profit of +5.00 USD a unit is at or above the target of +5.00"


def test_a_level_set_beside_a_partial_exit_is_kept_for_what_remains():
    manager = RiskManager([stop(-5.0), Says(RiskDecision.exit("ladder", "half", fraction=0.5))], excursions=[PAST])
    (check,) = manager.check_position_exits([context()])
    assert (check.decision.rule, check.decision.exit_fraction, check.decision.update_stop) == ("ladder", 0.5, None)
    assert (check.stop, manager.excursions[0].stop, manager.excursions[0].stop_rule) == (-5.0, -5.0, "trail")
    assert manager.excursions[0].at == AT


def test_a_level_reached_just_now_leaves_whole_though_another_rule_would_leave_half():
    manager = RiskManager([stop(20.0), Says(RiskDecision.exit("ladder", "half", fraction=0.5))])
    (check,) = manager.check_position_exits([context(20.0)])
    assert (check.decision.rule, check.decision.exit_fraction) == ("trail", 1.0)


def test_what_tightens_nothing_is_no_news():
    kept = PAST.model_copy(update={"stop": 0.0, "stop_rule": "break_even", "target": 90.0})
    manager = RiskManager([stop(-5.0), target(95.0)], excursions=[kept])
    (check,) = manager.check_position_exits([context()])
    assert (check.decision, check.kept_because) == (HOLD, "no exit rule applies")
    assert manager.excursions == (kept,)
    (nearer,) = RiskManager([stop(-5.0), target(80.0)], excursions=[kept]).check_position_exits([context()])
    assert (nearer.decision.update_stop, nearer.decision.update_target) == (None, 80.0)
    assert (nearer.stop, nearer.target) == (0.0, 80.0)


def test_why_a_position_is_kept_says_what_moved_and_what_nobody_could_judge():
    blind = Says(RiskDecision.hold("atr_trail", unknown=["atr", "mfe"]))
    (check,) = RiskManager([stop(1.0), target(60.0), blind]).check_position_exits([context()])
    assert check.kept_because == (
        "stop moved to +1.00 USD a unit; target moved to +60.00 USD a unit (trail: as told); atr_trail not judged, "
        "atr, mfe unknown"
    )
    assert [decision.rule for decision in check.said] == ["trail", "aim", "atr_trail"]


def test_rules_for_some_strategies_are_asked_of_no_other():
    manager = RiskManager()
    manager.register_rule(Says(RiskDecision.exit("leave", "now")), strategies=["iron_condor"])
    manager.register_rule(Admits(1), strategies=["iron_condor"])
    condor, spread = context(key="O-1"), context(key="O-2", strategy="bull_put_spread")
    assert [check.key for check in manager.check_position_exits([condor, spread])] == ["O-1"]
    assert manager.validate_order(sized(3), PortfolioFacts()).units == 3
    assert manager.validate_order(sized(3, strategy="iron_condor"), PortfolioFacts()).units == 1
    manager.register_rule(Says(RiskDecision.exit("later", "now")))
    assert len(manager.check_position_exits([condor, spread])) == 2


def test_priority_decides_between_exits():
    half = Says(RiskDecision.exit("half", "some", fraction=0.5))
    manager = RiskManager([Says(RiskDecision.exit("whole", "all"))])
    manager.register_rule(half, priority=1)
    assert manager.check_position_exits([context()])[0].decision.rule == "half"


@given(st.integers(1, 9), st.lists(st.integers(0, 12), max_size=4))
def test_an_order_is_shrunk_to_the_smallest_answer_and_never_enlarged(units, answers):
    manager = RiskManager([Admits(answer, rule=f"rule_{answer}") for answer in answers])
    verdict = manager.validate_order(sized(units), PortfolioFacts())
    assert verdict.units == min([units, *answers])
    assert verdict.asked == units
    assert verdict.refused == (0 in answers)


def test_a_closing_order_is_never_shrunk_and_ties_go_to_the_first_name():
    manager = RiskManager([Admits(0, rule="b"), SaysAndAdmits(0, rule="a")])
    assert manager.validate_order(sized(2), PortfolioFacts()).rule == "a"
    assert manager.validate_order(sized(2, intent="close"), PortfolioFacts()) == OrderVerdict(units=2, asked=2)
    assert manager.watches
    assert manager.judges
    assert manager.check_position_exits([context()])[0].decision.rule == "a"


def test_only_rules_can_be_registered():
    manager = RiskManager()
    for stranger in ("stop_loss", Says, Admits):
        with pytest.raises(TypeError, match="is no rule"):
            manager.register_rule(stranger)
    with pytest.raises(TypeError, match="a priority has no say"):
        manager.register_rule(Admits(1), priority=1)
    manager.register_rule(SaysAndAdmits(1), priority=1)


def test_fills_set_the_baseline_move_it_count_units_out_and_forget_what_is_flat():
    manager, opening = RiskManager(), order("open", units=3)
    first = manager.record_fill(fill(opening, 4.05, 2.55, units=1, fees="1.30"), opening)
    assert first == Excursion(
        order_id="open", at=NOON, opened_at=NOON, entry_price=150.0, unit_risk=862.6, opened_units=1
    )  # fmt: skip
    manager.record_mark("open", at=NOON + HOUR, unit_value=-110.0, unit_profit=40.0)
    second = manager.record_fill(fill(opening, 4.35, 2.55, at=NOON + 2 * HOUR, units=2, fill_id="open/2"), opening)
    assert (second.entry_price, second.opened_units, second.opened_at) == (170.0, 3, NOON)
    assert (second.mfe, second.mae, second.high_water) == (60.0, 0.0, -110.0)
    closing = order("close", closes="open", units=2, at=NOON + 3 * HOUR)
    part = manager.record_fill(fill(closing, 3.05, 2.05, at=NOON + 3 * HOUR), closing)
    assert (part.closed_units, part.held_units, part.mfe) == (2, 1, 60.0)
    with pytest.raises(ValueError, match="closes 2 units of open, of which 1 are held"):
        manager.record_fill(fill(closing, 3.05, 2.05, fill_id="close/2"), closing)
    last = manager.record_fill(fill(closing, 3.05, 2.05, units=1, fill_id="close/3"), closing)
    assert (last.held_units, manager.excursions) == (0, ())
    with pytest.raises(ValueError, match="of which 0 are held"):
        manager.record_fill(fill(closing, 3.05, 2.05, fill_id="close/4"), closing)
    with pytest.raises(KeyError):
        manager.record_mark("open", at=NOON, unit_value=0.0, unit_profit=0.0)


def test_another_manager_continues_from_what_the_first_left():
    rules = [stop(-30.0), target(80.0)]
    whole, opening = RiskManager(rules), order("open", units=2)
    parts = RiskManager(rules)
    for step, profit in enumerate((10.0, -20.0, 35.0, 5.0)):
        at = NOON + timedelta(hours=step)
        if step == 0:
            for manager in (whole, parts):
                manager.record_fill(fill(opening, 4.05, 2.55, at=at), opening)
        stored = [Excursion.model_validate_json(item.model_dump_json()) for item in parts.excursions]
        parts = RiskManager(rules, excursions=stored)
        for manager in (whole, parts):
            manager.record_mark("open", at=at, unit_value=profit - 150, unit_profit=profit)
            manager.check_position_exits([context(profit, key="open", as_of=at)])
        assert parts.excursions == whole.excursions
    (left,) = parts.excursions
    assert (left.mfe, left.mae, left.stop, left.target) == (35.0, -20.0, -30.0, 80.0)
    assert Decimal(repr(left.entry_price)) == 150
