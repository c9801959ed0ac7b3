"""What a rule may say, and how many answers become one whatever the order in which they came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.manager import HOLD, OrderVerdict, RiskDecision, merge

LEVELS = st.sampled_from([-50.0, 0.0, 25.0, 25.5])
NAMES = st.sampled_from(["atr_trail", "break_even", "stop_loss"])
WORDS = st.sampled_from(["", "as it should", "once more"])
NUMBERS = st.sampled_from([None, 0.0, 0.5])
UNKNOWN = st.sets(st.sampled_from(["atr", "dte", "mfe"]))
EXITS = st.builds(
    RiskDecision, should_exit=st.just(True), exit_fraction=st.sampled_from([0.25, 0.5, 1.0]), reason=WORDS, rule=NAMES,
    measured=NUMBERS, limit=NUMBERS, priority=st.integers(-1, 1), unknown=UNKNOWN.map(sorted),
)  # fmt: skip
UPDATES = st.builds(
    RiskDecision, update_stop=st.none() | LEVELS, update_target=st.none() | LEVELS, reason=WORDS, rule=NAMES,
    priority=st.integers(-1, 1), unknown=UNKNOWN.map(sorted),
)  # fmt: skip
HOLDS = st.builds(RiskDecision.hold, NAMES, WORDS, unknown=UNKNOWN)
DECISIONS = EXITS | UPDATES | HOLDS


@given(DECISIONS, DECISIONS, DECISIONS)
def test_merging_knows_no_order_no_grouping_and_no_repetition(one, two, three):
    assert merge([one, two]) == merge([two, one])
    assert merge([merge([one, two]), three]) == merge([one, merge([two, three])])
    assert merge([one, one]) == merge([one])
    assert merge([one, HOLD]) == merge([one])
    assert merge([merge([one, two])]) == merge([one, two])


@given(st.lists(DECISIONS, max_size=6))
def test_an_exit_beats_every_update_and_else_the_tightest_stop_and_nearest_target_win(decisions):
    merged = merge(decisions)
    exits = [decision for decision in decisions if decision.should_exit]
    assert merged.should_exit == bool(exits)
    assert set(merged.unknown) == {name for decision in decisions for name in decision.unknown}
    if exits:
        highest = max(decision.priority for decision in exits)
        assert merged.priority == highest
        assert merged.exit_fraction == max(d.exit_fraction for d in exits if d.priority == highest)
        assert (merged.update_stop, merged.update_target) == (None, None)
    else:
        stops = [decision.update_stop for decision in decisions if decision.update_stop is not None]
        targets = [decision.update_target for decision in decisions if decision.update_target is not None]
        assert merged.update_stop == max(stops, default=None)
        assert merged.update_target == min(targets, default=None)


def test_the_name_is_that_of_whoever_decided():
    low, high = RiskDecision.levels("low", "a", stop=1.0), RiskDecision.levels("high", "b", stop=2.0)
    near, far = RiskDecision.levels("near", "c", target=5.0), RiskDecision.levels("far", "d", target=9.0)
    assert (merge([low, high]).rule, merge([far, near]).rule, merge([near, low]).rule) == ("high", "near", "low")
    part = RiskDecision.exit("part", "a", fraction=0.5)
    whole = RiskDecision.exit("whole", "b", measured=3.0, limit=2.0)
    assert merge([part, whole]) == whole
    first = part.model_copy(update={"priority": 1})
    assert merge([first, whole]) == first
    tied = RiskDecision.exit("another", "b")
    assert merge([whole, tied]).rule == "another"
    assert merge([RiskDecision.hold("quiet"), RiskDecision.hold("loud", "not yet")]).rule == "loud"
    assert merge([RiskDecision.hold("b"), RiskDecision.hold("a")]).rule == "a"
    assert merge([]) == HOLD


def test_what_cannot_be_meant_cannot_be_built():
    with pytest.raises(ValueError, match="above 0, and nothing else does"):
        RiskDecision(should_exit=True)
    with pytest.raises(ValueError, match="above 0, and nothing else does"):
        RiskDecision(exit_fraction=0.5)
    with pytest.raises(ValueError, match="no stop and no target"):
        RiskDecision(should_exit=True, exit_fraction=1.0, update_stop=0.0)
    with pytest.raises(ValueError, match="less than or equal to 1"):
        RiskDecision.exit("rule", "too much", fraction=1.01)
    with pytest.raises(ValueError, match="never enlarge it: 3 of 2"):
        OrderVerdict(units=3, asked=2)
    assert not OrderVerdict(units=2, asked=2).refused
    assert OrderVerdict(units=0, asked=2).refused


def test_a_hold_that_lacks_something_says_so_and_is_not_silent():
    lacking = RiskDecision.hold("atr_trail", unknown=["mfe", "atr", "atr"])
    assert (lacking.reason, lacking.unknown, lacking.silent) == ("atr, mfe unknown", ("atr", "mfe"), False)
    assert RiskDecision.hold("rule", "why", unknown=["atr"]).reason == "why"
    assert RiskDecision.hold("rule", "not yet").silent
    assert HOLD.silent
    assert not RiskDecision.levels("rule", "", target=1.0).silent
    assert not RiskDecision.exit("rule", "").silent
