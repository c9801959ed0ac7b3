"""Rules that move a stop or a target: exact levels in USD of profit per unit, where they begin, and what they lack."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.regime import Regime
from risk.manager.decision import HOLD, RiskDecision, RiskRule
from risk.manager.rules.atr_trail import AtrTrailRule
from risk.manager.rules.break_even import BreakEvenRule
from risk.manager.rules.by_regime import ByRegimeRule
from risk.manager.rules.exit_dte import ExitDteRule
from risk.manager.rules.moves import effect_of
from risk.manager.rules.stop_loss import StopLossRule
from risk.manager.rules.take_profit import TakeProfitRule
from risk.manager.rules.tightening_trail import Step, TighteningTrailRule
from risk.manager.rules.trailing_stop import TrailingStopRule
from risk.manager.rules.volatility_levels import VolatilityLevelsRule
from tests.support.positions import context

# One ATR of 10 USD is 2 % of 500: per unit it costs 2,000 × 0.02 + 50 × 100 × 0.0004 = 42 and earns 38 USD.
LONG_GAMMA = {"delta": 0.0, "gamma": 200.0}
SHARES = {"quantity": 100, "delta": 50_000.0, "gamma": 0.0, "entry_price": -480.0}
TIGHTENING = TighteningTrailRule(steps=(Step(mfe=0.5, give_back=0.5), Step(mfe=1, give_back=0.25)))

LEVELS: list[tuple[RiskRule, dict[str, Any], float | None, float | None, str]] = [
    (TrailingStopRule(by="amount", distance=30), {}, 20.0, None, "30.00 USD behind the best profit +50.00"),
    (
        # Bought back for 87.50 at the stop, a quarter more than at the best.
        TrailingStopRule(by="share", distance=0.25), {}, 32.5, None, "25% behind the best value -70.00 USD",
    ),
    (
        # A long call for 300, seen at 400, is left at 300.
        TrailingStopRule(by="share", distance=0.25), {"entry_price": -300.0, "high_water": 400.0}, 0.0, None,
        "25% behind the best value +400.00 USD",
    ),
    (
        TrailingStopRule(by="amount", distance=30, after_r=0.125), {}, 20.0, None,
        "30.00 USD behind the best profit +50.00",
    ),
    (AtrTrailRule(multiple=1), {}, 8.0, None, "1 ATR cost 42.00 USD behind the best profit +50.00"),
    # Two ranges: 2,000 × 0.04 + 50 × 100 × 0.0016 = 88.
    (AtrTrailRule(multiple=2), {}, -38.0, None, "2 ATR cost 88.00 USD behind the best profit +50.00"),
    (AtrTrailRule(multiple=3), SHARES, 20.0, None, "3 ATR cost 30.00 USD behind the best profit +50.00"),
    (TIGHTENING, {"mfe": 200.0}, 100.0, None, "gives back at most 50% of the best profit +200.00 USD"),
    (TIGHTENING, {"mfe": 399.99}, 199.995, None, "gives back at most 50% of the best profit +399.99 USD"),
    (TIGHTENING, {"mfe": 400.0}, 300.0, None, "gives back at most 25% of the best profit +400.00 USD"),
    (
        TighteningTrailRule(measure="max_profit", steps=(Step(mfe=0.5, give_back=0.4),)), {}, 30.0, None,
        "gives back at most 40% of the best profit +50.00 USD",
    ),
    (
        # Where profit is open-ended the stake takes the place of the maximum profit.
        TighteningTrailRule(measure="max_profit", steps=(Step(mfe=0.125, give_back=0.4),)), {"unit_max_profit": None},
        30.0, None, "gives back at most 40% of the best profit +50.00 USD",
    ),
    (BreakEvenRule(after=0.125), {}, 0.0, None, "best profit was 0.12 R"),
    (BreakEvenRule(after=0.5, measure="max_profit", buffer=2.6), {}, 2.6, None, "best profit was 0.50 of the maximum"),
    (VolatilityLevelsRule(stop=1), {}, -42.0, None, "one ATR move is 10.00 USD a share"),
    (VolatilityLevelsRule(target=1), {}, None, 38.0, "one ATR move is 10.00 USD a share"),
    (VolatilityLevelsRule(stop=2, target=1), {"delta": -4_000.0}, -88.0, 38.0, "one ATR move is 10.00 USD a share"),
    (VolatilityLevelsRule(stop=2, target=3), SHARES, -20.0, 30.0, "one ATR move is 10.00 USD a share"),
    # Long gamma loses on no move, and short gamma without delta earns on none: that side has no level.
    (VolatilityLevelsRule(stop=1, target=1), LONG_GAMMA, None, 2.0, "one ATR move is 10.00 USD a share"),
    (
        VolatilityLevelsRule(stop=1, target=1), {"delta": 0.0, "gamma": -200.0}, -2.0, None,
        "one ATR move is 10.00 USD a share",
    ),
    (
        # 500 × 0.2 × √(9.125 / 365) is 15.81 USD, 3.1623 % of the price: 63.25 + 5 USD.
        VolatilityLevelsRule(measure="iv", stop=1, days=9.125), {"atr": None}, -(2_000 * math.sqrt(0.001) + 5.0), None,
        "one IV move is 15.81 USD a share",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "facts", "stop", "target", "words"), LEVELS)
def test_levels_lie_where_the_arithmetic_puts_them(
    rule: RiskRule, facts: dict[str, Any], stop: float | None, target: float | None, words: str
):
    decision = rule.evaluate(context(**facts))
    assert not decision.should_exit
    assert decision.update_stop == (None if stop is None else pytest.approx(stop, abs=1e-9))
    assert decision.update_target == (None if target is None else pytest.approx(target, abs=1e-9))
    assert (decision.rule, decision.reason) == (rule.rule, words)


@pytest.mark.parametrize(
    ("rule", "facts"),
    [
        (TrailingStopRule(by="amount", distance=30, after_r=0.125), {"mfe": 49.99}),
        (TIGHTENING, {"mfe": 199.99}),
        (BreakEvenRule(after=0.125), {"mfe": 49.99}),
        (BreakEvenRule(after=0.5, measure="max_profit"), {"mfe": 49.99}),
        (AtrTrailRule(), LONG_GAMMA),
        (VolatilityLevelsRule(stop=1), LONG_GAMMA),
        (VolatilityLevelsRule(target=1), {"delta": 0.0}),
    ],
)
def test_a_rule_whose_hour_has_not_come_holds(rule: RiskRule, facts: dict[str, Any]):
    assert rule.evaluate(context(**facts)) == HOLD


@pytest.mark.parametrize(
    ("rule", "facts", "unknown"),
    [
        (TrailingStopRule(by="amount", distance=30), {"mfe": None}, ("mfe",)),
        (TrailingStopRule(by="share", distance=0.3), {"high_water": None}, ("high_water",)),
        (TrailingStopRule(by="share", distance=0.3), {"entry_price": None}, ("entry_price",)),
        (TrailingStopRule(distance=0.3, after_r=1), {"mfe": None}, ("mfe",)),
        (TrailingStopRule(distance=0.3, after_r=1), {"unit_max_loss": None}, ("unit_max_loss",)),
        (AtrTrailRule(), {"atr": None}, ("atr",)),
        (AtrTrailRule(), {"mfe": None, "delta": None}, ("delta", "mfe")),
        (AtrTrailRule(), {"gamma": None, "price": None}, ("gamma", "price")),
        (AtrTrailRule(), {"price": 0.0}, ("price",)),
        (TIGHTENING, {"mfe": None}, ("mfe",)),
        (TIGHTENING, {"unit_max_loss": None}, ("unit_max_loss",)),
        (BreakEvenRule(measure="max_profit"), {"mfe": None}, ("mfe",)),
        (BreakEvenRule(measure="max_profit"), {"unit_max_profit": 0.0}, ("unit_max_profit",)),
        (BreakEvenRule(measure="max_profit"), {"unit_max_profit": None, "unit_max_loss": None}, ("unit_max_loss",)),
        (VolatilityLevelsRule(stop=1), {"atr": None}, ("atr",)),
        (VolatilityLevelsRule(measure="iv", stop=1), {"iv": None}, ("iv",)),
        (VolatilityLevelsRule(measure="iv", target=1), {"price": None}, ("price",)),
        (VolatilityLevelsRule(measure="iv", target=1), {"gamma": None}, ("gamma",)),
    ],
)
def test_a_level_is_never_guessed(rule: RiskRule, facts: dict[str, Any], unknown: tuple[str, ...]):
    decision = rule.evaluate(context(**facts))
    assert not decision.updates
    assert (decision.rule, decision.unknown) == (rule.rule, unknown)


@given(delta=st.floats(-1e6, 1e6), gamma=st.floats(-1e5, 1e5), points=st.floats(0, 100), more=st.floats(1, 3))
def test_a_loss_is_the_worse_and_a_gain_the_better_of_both_directions(
    delta: float, gamma: float, points: float, more: float
):
    facts = context(delta=delta, gamma=gamma, quantity=1)
    effect = effect_of(facts, points)
    x = points / 500
    outcomes = [delta * side * x + 50 * gamma * x * x for side in (1, -1)]
    assert effect.loss == pytest.approx(max(0.0, -min(outcomes)), abs=1e-6, rel=1e-9)
    assert effect.gain == pytest.approx(max(0.0, *outcomes), abs=1e-6, rel=1e-9)
    if gamma <= 0:
        assert effect_of(facts, points * more).loss >= effect.loss - 1e-6


@given(mfe=st.lists(st.floats(0, 2_000), min_size=2, max_size=10).map(sorted))
def test_a_tightening_trail_never_lowers_its_stop_as_the_best_profit_grows(mfe: list[float]):
    stops = [TIGHTENING.evaluate(context(mfe=best)).update_stop for best in mfe]
    given_stops = [stop for stop in stops if stop is not None]
    assert given_stops == sorted(given_stops)
    assert all(stop <= best for stop, best in zip(stops, mfe, strict=True) if stop is not None)


CALM, WILD = TakeProfitRule(share=0.5), TakeProfitRule(share=0.25)
BY_REGIME = ByRegimeRule(rules={Regime.LOW_VOL: CALM, Regime.CRISIS: WILD})


@pytest.mark.parametrize(
    ("regime", "profit", "leaves"),
    [
        (Regime.LOW_VOL, 49.0, False), (Regime.LOW_VOL, 50.0, True), (Regime.CRISIS, 24.0, False),
        (Regime.CRISIS, 25.0, True), (Regime.NEUTRAL, 99.0, False),
    ],
)  # fmt: skip
def test_each_regime_has_its_own_parameters(regime: Regime, profit: float, leaves: bool):
    decision = BY_REGIME.evaluate(context(regime=regime, unit_profit=profit))
    assert decision.should_exit == leaves
    assert (decision == HOLD) != leaves
    assert decision.reason.startswith(f"{regime}: +") == leaves


def test_a_regime_without_a_rule_of_its_own_is_asked_of_the_other():
    rule = BY_REGIME.model_copy(update={"otherwise": StopLossRule(share=0.1)})
    decision = rule.evaluate(context(regime=Regime.HIGH_VOL, unit_profit=-40.0))
    assert (decision.should_exit, decision.rule) == (True, "stop_loss")
    assert decision.reason == "high_vol: -80.00 USD is 10% of the maximum loss"


def test_an_unknown_regime_takes_away_no_protection_and_is_recorded():
    rule = BY_REGIME.model_copy(update={"otherwise": StopLossRule(share=0.1)})
    strictest = rule.evaluate(context(regime=None, unit_profit=25.0))
    assert (strictest.should_exit, strictest.limit, strictest.unknown) == (True, 0.25, ("regime",))
    stopped = rule.evaluate(context(regime=None, unit_profit=-40.0))
    assert (stopped.should_exit, stopped.rule, stopped.unknown) == (True, "stop_loss", ("regime",))
    kept = rule.evaluate(context(regime=None, unit_profit=24.0))
    assert (kept.should_exit, kept.unknown, kept.reason) == (False, ("regime",), "regime unknown")
    assert BY_REGIME.evaluate(context(regime=None, unit_profit=24.0)).unknown == ("regime",)


def test_what_a_rule_inside_a_regime_does_not_know_stays_on_record():
    decision = BY_REGIME.evaluate(context(regime=Regime.CRISIS, unit_profit=None))
    assert decision == RiskDecision.hold("take_profit", "crisis: unit_profit unknown", unknown=["unit_profit"])


def test_rules_per_regime_are_read_from_plain_data():
    data = {
        "rule": "by_regime",
        "rules": {"crisis": {"rule": "exit_dte", "days": 30}},
        "otherwise": {"rule": "exit_dte", "days": 7},
    }
    parsed = ByRegimeRule.model_validate(data)
    assert parsed == ByRegimeRule(rules={Regime.CRISIS: ExitDteRule(days=30)}, otherwise=ExitDteRule(days=7))
    with pytest.raises(ValidationError, match=r"Input should be 'low_vol', 'neutral', 'high_vol' or 'crisis'"):
        ByRegimeRule.model_validate({"rules": {"crash": {"rule": "exit_dte", "days": 30}}})
    with pytest.raises(ValidationError, match="does not match any of the expected tags: 'stop_loss', 'take_profit'"):
        ByRegimeRule.model_validate({"rules": {"crisis": {"rule": "stop_los", "share": 0.5}}})


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        (TrailingStopRule, {"by": "share", "distance": 1.0}, "decimal below 1"),
        (TrailingStopRule, {"distance": 0}, "greater than 0"),
        (TighteningTrailRule, {"steps": [{"mfe": 1, "give_back": 1.0}]}, "less than 1"),
        (TighteningTrailRule, {"steps": [{"mfe": 0, "give_back": 0.5}]}, "greater than 0"),
        (TighteningTrailRule, {"steps": ()}, "at least 1"),
        (
            TighteningTrailRule, {"steps": [{"mfe": 1, "give_back": 0.5}, {"mfe": 1, "give_back": 0.2}]},
            "ascend in mfe and give back less",
        ),
        (
            TighteningTrailRule, {"steps": [{"mfe": 1, "give_back": 0.5}, {"mfe": 2, "give_back": 0.5}]},
            "ascend in mfe and give back less",
        ),
        (VolatilityLevelsRule, {"days": 5}, "needs stop, target or both"),
        (VolatilityLevelsRule, {"stop": 0}, "greater than 0"),
        (ByRegimeRule, {"rules": {}}, "at least 1"),
    ],
)  # fmt: skip
def test_levels_that_make_no_sense_are_refused_at_load(kind: Any, fields: dict[str, Any], words: str):
    with pytest.raises(ValidationError, match=words):
        kind(**fields)


def test_a_stock_of_one_dollar_has_a_price():
    effect = effect_of(context(price=1.0, delta=100.0, gamma=0.0, quantity=1), 0.1)
    assert effect == (pytest.approx(10.0), pytest.approx(10.0))
