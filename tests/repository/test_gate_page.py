"""`docs/gate.md` names every check of the gate, with its passes and whether it is hard, and nothing else."""

import re
from pathlib import Path

from risk.gate import decide
from risk.registry import HARD_RULES
from tests.factories import risk_settings, view

PAGE = Path(__file__).parents[2] / "docs" / "gate.md"


def table():
    """Rows of the page: name → (passes, hard)."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|.*\| (yes|) ?\| [^|]+ \|$", PAGE.read_text(), flags=re.MULTILINE)
    return {name: (passes, hard == "yes") for name, passes, hard in rows}


def test_the_table_is_the_registry():
    settings = risk_settings()
    thesis = {check.name for check in decide(view(stage="thesis", order=None), settings).checks}
    final = {check.name: check.hard for check in decide(view(), settings).checks}
    assert thesis <= final.keys(), "the final pass asks everything"
    assert table() == {name: ("both" if name in thesis else "final", hard) for name, hard in final.items()}
    assert {name for name, hard in final.items() if hard} == {rule.rule for rule in HARD_RULES}


def test_the_figures_of_the_hard_limits_are_the_codes():
    hard, page = risk_settings().hard, PAGE.read_text()
    for figure in (
        f"below {hard.daily_loss:.0%} ", f"| {hard.position_at_risk:.0%}, {hard.position_at_risk_crisis:.0%} in crisis",
        f"| {hard.sector_exposure:.0%}: all", f"at least {hard.free_margin:.0%}", f"| {hard.contracts_per_order} a day",
        f"| {hard.naked_short_options} at every moment",
    ):  # fmt: skip
        assert figure.replace("%", " %") in page, figure
