"""Which rules look after what: the narrowest scope speaks alone, and the shipped file leaves as it always did."""

from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from options.strategies import FAMILIES
from risk.manager import Features, MarketFacts, OrderVerdict, PortfolioFacts, PositionFacts, RiskContext
from risk.manager.composition import AnyOf, Prioritised
from risk.manager.rule_sets import RuleSets
from tests.factories import AS_OF, sized

SHIPPED = RuleSets.model_validate(
    yaml.safe_load((Path(__file__).parents[2] / "config" / "position_rules.yaml").read_text())
)
LIMITS = {  # take profit, stop loss, days to expiry
    "long_call": (1.0, 0.5, 14), "long_put": (1.0, 0.5, 14), "bull_call_spread": (0.5, 0.6, 7),
    "bear_put_spread": (0.5, 0.6, 7), "bull_put_spread": (0.5, 0.6, 7), "bear_call_spread": (0.5, 0.6, 7),
    "iron_condor": (0.5, 0.6, 14), "iron_butterfly": (0.25, 0.6, 14), "call_butterfly": (0.4, 0.6, 7),
    "put_butterfly": (0.4, 0.6, 7), "broken_wing_butterfly": (0.4, 0.6, 7), "long_straddle": (0.5, 0.5, 14),
    "long_strangle": (0.5, 0.5, 14), "call_calendar": (0.25, 0.5, 2), "put_calendar": (0.25, 0.5, 2),
    "call_diagonal": (0.3, 0.5, 2), "put_diagonal": (0.3, 0.5, 2), "call_ratio_backspread": (1.0, 0.6, 14),
    "put_ratio_backspread": (1.0, 0.6, 14), "long_box": None, "short_box": None,
}  # fmt: skip


def context(strategy="iron_condor", **changes) -> RiskContext:
    given = {
        "key": "O-1", "as_of": AS_OF, "strategy": strategy, "family": FAMILIES.get(strategy, "gone"),
        "unit_profit": 0.0, "unit_max_loss": 400.0, "unit_max_profit": 100.0, "entry_price": 100.0,
        "first_expiry_at": AS_OF + timedelta(days=30), "quantity": 2, "opened_quantity": 2,
    }  # fmt: skip
    return RiskContext(
        market=MarketFacts(as_of=AS_OF), position=PositionFacts(**{**given, **changes}), features=Features()
    )  # fmt: skip


def leaves(picture: RiskContext) -> str:
    """The rule of the shipped file by which the structure is left; "" if it is kept."""
    position = picture.position
    (check,) = SHIPPED.manager({position.strategy: position.family}).check_position_exits([picture]) or (None,)
    return check.decision.rule if check is not None and check.decision.should_exit else ""


@pytest.mark.parametrize("strategy", sorted(FAMILIES))
def test_every_structure_is_left_exactly_at_its_limits(strategy):
    limits = LIMITS[strategy]
    if limits is None:
        assert SHIPPED.rules_for(strategy, FAMILIES[strategy]) == ()
        assert leaves(context(strategy, unit_profit=1e9, first_expiry_at=AS_OF)) == ""
        return
    gain, loss, days = limits
    second = timedelta(seconds=1)
    assert leaves(context(strategy, unit_profit=gain * 100)) == "take_profit"
    assert leaves(context(strategy, unit_profit=gain * 100 - 0.01)) == ""
    assert leaves(context(strategy, unit_profit=-loss * 400)) == "stop_loss"
    assert leaves(context(strategy, unit_profit=-loss * 400 + 0.01)) == ""
    due = AS_OF + timedelta(days=days)
    assert leaves(context(strategy, unit_profit=None, first_expiry_at=due)) == "exit_dte"
    assert leaves(context(strategy, unit_profit=None, first_expiry_at=due + second)) == ""


def test_the_narrowest_scope_speaks_alone():
    sets = RuleSets.model_validate(
        {
            "default": [{"rule": "exit_dte", "days": 1}],
            "families": {"short_volatility": [{"rule": "exit_dte", "days": 2}], "calendar": []},
            "strategies": {"iron_condor": [{"rule": "exit_dte", "days": 3}]},
        }
    )
    found = {
        name: [rule.days for rule in sets.rules_for(name, family)]
        for name, family in {**FAMILIES, "withdrawn": "gone"}.items()
    }
    assert (found["iron_condor"], found["iron_butterfly"], found["long_call"]) == ([3], [2], [1])
    assert (found["call_calendar"], found["withdrawn"]) == ([], [1])


def test_a_manager_asks_only_the_rules_of_each_kind_and_the_order_rules_of_all():
    sets = RuleSets.model_validate(
        {
            "families": {"short_volatility": [{"rule": "take_profit", "share": 0.1}]},
            "orders": [{"rule": "max_position", "share": 0.001}, {"rule": "max_drawdown", "share": 0.1}],
        }
    )
    manager = sets.manager({"iron_condor": "short_volatility", "long_call": "long_option"})
    rich = {"unit_profit": 50.0}
    checks = manager.check_position_exits([context(**rich), context("long_call", key="O-2", **rich)])
    assert [check.key for check in checks if check.decision.should_exit] == ["O-1"]
    account = PortfolioFacts(equity=100_000.0, peak_equity=100_000.0)
    assert manager.validate_order(sized(2), account).rule == "max_position"
    assert RuleSets().manager({}).validate_order(sized(2), account) == OrderVerdict(units=2, asked=2)


def test_composites_nest_in_a_file_as_in_python_and_come_back_the_same():
    text = """
    default:
      - rule: any_of
        of:
          - {rule: stop_loss, share: 0.5}
          - {rule: priority, priority: 2, of: {rule: first_of, of: [{rule: exit_dte, days: 3}]}}
    """
    sets = RuleSets.model_validate(yaml.safe_load(text))
    (outer,) = sets.default
    assert isinstance(outer, AnyOf)
    assert isinstance(outer.of[1], Prioritised)
    assert RuleSets.model_validate_json(sets.model_dump_json()) == sets
    late = context(first_expiry_at=AS_OF + timedelta(days=3), unit_profit=-300.0)
    (check,) = sets.manager({"iron_condor": "short_volatility"}).check_position_exits([late])
    assert (check.decision.rule, check.decision.priority) == ("exit_dte", 2)


@pytest.mark.parametrize(("scope", "known"), [("families", "short_volatility"), ("strategies", "iron_condor")])
def test_a_name_that_nothing_bears_is_refused_with_those_that_exist(scope, known):
    with pytest.raises(ValueError, match=rf"{scope} has no anything, condor; known are .*{known}"):
        RuleSets.model_validate({scope: {"condor": [], known: [], "anything": []}})
