"""What a debate's branch is handed: the checkpoint keeps it whole, once for every ticker debated."""

from langgraph.types import Send

from domain.signals import AnalystReport, RankedTicker
from graph.build import debates_or_gate
from tests.support.debate_cases import composite, signal


def test_a_branch_carries_only_the_signals_its_composite_rests_on_in_the_order_of_the_sources():
    spy = [signal("flow", "unusual_calls"), signal("technical", "trend")]
    others = [signal("flow", "unusual_calls", ticker=f"SIM{number:03d}") for number in range(200)]
    reports = {
        "technical": AnalystReport(source="technical", signals=(spy[1],)),
        "flow": AnalystReport(source="flow", signals=(spy[0], *others, signal("flow", "unusual_puts"))),
    }
    ranking = [RankedTicker(ticker="SPY", rank=1, edge=0.5, debated=True, reason="")]
    state = {
        "run": None, "snapshot_id": "S", "ranking": ranking, "composites": {"SPY": composite(spy, [0.2, 0.1])},
        "reports": reports, "memories": {},
    }  # fmt: skip
    (branch,) = debates_or_gate(state)
    assert isinstance(branch, Send)
    assert branch.arg["signals"] == spy
    assert "reports" not in branch.arg
