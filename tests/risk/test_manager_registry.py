"""The registry of rules: every file is in it, every rule can be named in YAML, and none says two things at once."""

from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import risk.manager.rules
from domain.regime import Regime
from risk.manager.decision import OrderRule as OrderRuleProtocol
from risk.manager.decision import RiskRule
from risk.manager.rule_sets import RuleSets
from risk.manager.rules import OrderRule, PositionRule
from risk.manager.rules.by_regime import ByRegimeRule
from tests.support.positions import context

FOLDER = Path(risk.manager.rules.__file__).parent
PARTS = {"__init__", "plain", "missing", "moves", "progress", "room"}  # what rules share; all other files are rules
POSITION_RULES: tuple[Any, ...] = get_args(PositionRule)
ORDER_RULES: tuple[Any, ...] = get_args(OrderRule)
PARAMETERS: dict[str, dict[str, Any]] = {
    "stop_loss": {"share": 0.5}, "take_profit": {"share": 0.5}, "credit_loss": {"multiple": 2}, "exit_dte": {"days": 7},
    "time_exit": {"bars": 5}, "session_exit": {"minutes": 15}, "trailing_stop": {"distance": 0.25},
    "tightening_trail": {"steps": [{"mfe": 0.5, "give_back": 0.5}]}, "volatility_levels": {"stop": 2, "target": 3},
    "scale_out": {"rungs": [{"at": 0.5, "fraction": 0.5}]}, "max_drawdown": {"share": 0.1, "flatten": True},
    "max_daily_loss": {"share": 0.02, "flatten": True}, "by_regime": {"rules": {"crisis": {"rule": "chandelier"}}},
}  # fmt: skip


def made(kind: Any) -> Any:
    """A rule of this kind with ordinary parameters."""
    return kind.model_validate(PARAMETERS.get(tag(kind), {}))


def tag(kind: Any) -> str:
    """Its name in YAML."""
    (name,) = get_args(kind.model_fields["rule"].annotation)
    return name


def test_every_file_is_one_rule_and_every_rule_is_registered_under_the_name_of_its_file():
    files = {path.stem for path in FOLDER.glob("*.py")} - PARTS
    registered = {tag(kind): kind.__module__.rpartition(".")[2] for kind in (*POSITION_RULES, *ORDER_RULES)}
    assert set(registered) == files
    assert all(name == module for name, module in registered.items())


@pytest.mark.parametrize("kind", POSITION_RULES)
def test_position_rules_are_rules(kind: Any):
    assert isinstance(made(kind), RiskRule)


@pytest.mark.parametrize("kind", ORDER_RULES)
def test_order_rules_say_nothing_about_positions(kind: Any):
    rule = kind(multiple=2) if tag(kind) == "max_leverage" else kind(share=0.5)
    assert isinstance(rule, OrderRuleProtocol)
    assert not isinstance(rule, RiskRule)


@pytest.mark.parametrize("kind", POSITION_RULES)
def test_a_rule_can_be_named_in_a_settings_file_and_written_back(kind: Any):
    rule = made(kind)
    (read,) = RuleSets.model_validate(
        {"default": yaml.safe_load(yaml.safe_dump([rule.model_dump(mode="json")]))}
    ).default
    assert read == rule


unknowns = st.sets(
    st.sampled_from(
        ["unit_profit", "unit_max_loss", "unit_max_profit", "mfe", "high_water", "entry_price", "delta", "gamma", "atr",
         "iv", "price", "regime", "first_expiry_at", "entry_time", "entry_theta", "equity"]
    )
)  # fmt: skip


@given(
    gone=unknowns, profit=st.floats(-500, 500), mfe=st.floats(0, 500), delta=st.floats(-1e5, 1e5),
    gamma=st.floats(-1e4, 1e4), price=st.floats(1, 1_000), regime=st.sampled_from(list(Regime)),
)  # fmt: skip
def test_every_rule_answers_whatever_is_known_and_answers_the_same_twice(
    gone: set[str], profit: float, mfe: float, delta: float, gamma: float, price: float, regime: Regime
):
    facts = {"unit_profit": profit, "mfe": mfe, "delta": delta, "gamma": gamma, "price": price, "regime": regime}
    seen = context(**{**facts, **dict.fromkeys(gone)})
    for kind in POSITION_RULES:
        rule = made(kind)
        decision = rule.evaluate(seen)
        assert decision == rule.evaluate(seen)
        assert not (decision.should_exit and decision.updates)
        if not decision.silent and kind is not ByRegimeRule:
            assert decision.rule == rule.rule
            assert decision.reason


@given(gone=unknowns)
def test_what_a_rule_calls_unknown_is_unknown(gone: set[str]):
    seen = context(**dict.fromkeys(gone))
    derived = {
        "dte": "first_expiry_at", "premium": "entry_price", "drawdown": "equity", "daily_loss": "equity",
    }  # fmt: skip
    for kind in POSITION_RULES:
        for name in made(kind).evaluate(seen).unknown:
            assert derived.get(name, name) in gone


def test_what_is_left_out_in_a_settings_file_means_what_the_page_says():
    defaults = {
        tag(kind): {
            name: field.default
            for name, field in kind.model_fields.items()
            if name != "rule" and not field.is_required() and field.default is not None
        }
        for kind in (*POSITION_RULES, *ORDER_RULES)
    }
    assert {name: found for name, found in defaults.items() if found} == {
        "stop_loss": {"of": "max_loss"},
        "take_profit": {"of": "max_profit"},
        "exit_dte": {"leg": "first"},
        "trailing_stop": {"by": "share", "after_r": 0.0},
        "atr_trail": {"multiple": 3.0},
        "chandelier": {"multiple": 3.0},
        "tightening_trail": {"measure": "r"},
        "volatility_levels": {"measure": "atr", "days": 1.0},
        "scale_out": {"measure": "max_profit"},
        "break_even": {"after": 1.0, "measure": "r", "buffer": 0.0},
        "theta_shortfall": {"multiple": 2.0, "days": 5.0},
        "max_drawdown": {"flatten": False},
        "max_daily_loss": {"flatten": False},
        "max_correlated": {"threshold": 0.7},
    }
