"""docs/position-rules.md is true: its code runs, its YAML loads, its tables name every rule, model and parameter."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from risk.manager import RiskManager
from risk.manager.rule_sets import RuleSets
from risk.manager.rules import OrderRule, PositionRule
from risk.manager.slippage import Slippage

PAGE = (Path(__file__).parents[2] / "docs" / "position-rules.md").read_text(encoding="utf-8")
RULES: tuple[Any, ...] = (*get_args(PositionRule), *get_args(OrderRule))
MODELS: tuple[Any, ...] = get_args(get_args(Slippage)[0])


def blocks(language: str) -> list[str]:
    """Fenced blocks of the page, in its order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def named(kind: Any, tag: str) -> str:
    """A rule's or model's name in YAML."""
    (name,) = get_args(kind.model_fields[tag].annotation)
    return name


def test_the_worked_example_runs_from_top_to_bottom_and_its_assertions_hold(capsys: pytest.CaptureFixture[str]):
    code = blocks("python")
    assert len(code) == 4
    assert sum(block.count("assert ") for block in code) >= 8
    exec("\n".join(code), {"__name__": "page"})  # noqa: S102 - the page's own code is what is tested
    assert capsys.readouterr().out == "IV rank 85% has reached 80%\n"


def test_its_settings_load_and_make_a_manager():
    (text,) = blocks("yaml")
    rules = RuleSets.model_validate(yaml.safe_load(text))
    manager = rules.manager({"iron_condor": "short_volatility", "long_straddle": "long_volatility"})
    assert isinstance(manager, RiskManager)
    assert len(rules.strategies["iron_condor"]) == 3


@pytest.mark.parametrize("kind", RULES, ids=lambda kind: named(kind, "rule"))
def test_every_rule_stands_in_the_catalogue_with_its_parameters(kind: Any):
    line = next(line for line in PAGE.splitlines() if re.match(rf"(\| |Around others: )`{named(kind, 'rule')}`", line))
    for parameter in kind.model_fields.keys() - {"rule"}:
        assert f"`{parameter}" in line, parameter


@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: named(kind, "model"))
def test_every_slippage_model_stands_in_its_table_with_its_parameters(kind: Any):
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{named(kind, 'model')}`"))
    for parameter in kind.model_fields.keys() - {"model"}:
        assert f"`{parameter}`" in line, parameter
