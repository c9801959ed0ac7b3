"""What the audit screens say about things that a quiet first run does not have."""

from rich.console import Console

from app.screens.audit import show_replay, show_story, show_why
from app.screens.tale import tale
from app.services.story import path_of

CHECK = {
    "name": "var_budget",
    "stage": "final",
    "measured": 0.03,
    "limit": 0.02,
    "unit": "share of NLV",
    "passed": False,
    "detail": "bound: [worst] case",
}
CLAIM = {
    "id": "bull-1-1",
    "side": "bull",
    "strength": 0.4,
    "text": "up [it] goes",
    "evidence_ids": ["technical/SPY/trend@1"],
    "struck": None,
}
DEBATE = {
    "verdict": "inconclusive",
    "cause": "conflict",
    "confidence": 0.0,
    "vol_view": "none",
    "conflict": 0.6,
    "engine": "rules",
    "fell_back": "bull round 1: timeout",
    "claims": [CLAIM, {**CLAIM, "struck": "unknown evidence"}],
}
EXIT = {"reason": {"rule": "profit_target", "measured": 0.6, "limit": 0.5, "detail": "60 % of the credit is earned"}}
CLOSING = {"allocation": {"decision": {"approved": False, "checks": [CHECK]}}, "staged": None}
TALE = {
    "ticker": "SPY",
    "outcome": {"step": "inconclusive", "reason": "evidence conflicts (0.60)"},
    "contracts": 10,
    "signals": [],
    "abstentions": [{"source": "social", "code": "too_few_texts", "ticker": "SPY"}],
    "composite": None,
    "rank": None,
    "lessons": {},
    "memories": [{"text": "SPY on 2025-01-02: bull", "similarity": 0.91}],
    "debate": DEBATE,
    "thesis": {
        "decision": {"approved": True, "stage": "thesis", "checks": []},
        "refused": "inconclusive: evidence conflicts",
    },
    "selection": None,
    "allocation": None,
    "staged": None,
    "held": {"SPY O-1": EXIT, "SPY O-2": "kept: no exit rule applies"},
    "closings": {"SPY close O-1": CLOSING, "SPY close O-2": {**CLOSING, "staged": "staged"}},
}
STORY = {
    "run_id": "r-1",
    "state": "sealed",
    "rows": 3,
    "head_hash": "ab" * 32,
    "snapshot_id": None,
    "code_versions": ["1"],
    "order_id": None,
    "orders": [],
    "reviews": [],
    "last_node": "record",
    "tickers": [TALE],
    "notes": [{"code": "crossed_quotes", "subject": "SPY", "detail": "bid above ask [3]", "count": 12}],
}


def printed(show):
    console = Console(width=120, force_terminal=False)
    with console.capture() as captured:
        show(console)
    return " ".join(captured.get().split())  # however wide the screen


def test_memories_fall_backs_struck_claims_exits_and_notes_are_told():
    said = printed(lambda console: show_story(console, STORY, desk="desk"))
    for words in (
        "recalled",
        "alike 0.91",
        "inconclusive (conflict)",
        "fell back: bull round 1: timeout",
        "1 struck",
        "inconclusive: evidence conflicts",
        "SPY O-1 profit_target: 60 % of the credit is earned",
        "SPY O-2 kept: no exit rule applies",
        "SPY close O-1 bound: [worst] case",
        "SPY close O-2 staged",
        "SPY crossed_quotes bid above ask [3] ×12",
    ):
        assert words in said
    full = printed(lambda console: console.print(tale(TALE, [], [], in_full=True)))
    assert "unknown evidence" in full
    assert "up [it] goes" in full


def test_a_refused_selection_and_a_refused_approval_are_told():
    selection = {
        "candidates": [],
        "choices": [{"strategy": "long_call"}],
        "misses": {"long_call": "no strike"},
        "refused": "no_candidate: long_call: no strike",
    }
    said = printed(lambda console: console.print(tale({**TALE, "selection": selection}, [], [], in_full=True)))
    assert "no_candidate: long_call: no strike" in said
    assert "long call: no strike" in said
    path = path_of({**TALE, "thesis": {**TALE["thesis"], "refused": None}, "selection": selection})
    assert (path[-1]["step"], path[-1]["stopped"]) == ("strategy_selector", True)
    order = {
        "order_id": "O-9",
        "version": 1,
        "strategy": "long_call",
        "units": 1,
        "limit_per_share": -1.2,
        "max_loss": 121.3,
        "state": "staged",
        "closes": "O-1",
        "history": [{}],
        "fills": [],
    }
    review = {"ticker": "O-9", "kind": "approve v1 refused ab12", "seq": 77}
    said = printed(lambda console: console.print(tale(TALE, [order], [review], in_full=False)))
    assert "closes O-1" in said
    assert "approve v1 refused ab12 row 77" in said


def test_why_tells_what_is_held():
    document = {
        "answer": "SPY was not traded.",
        "run_id": "r-1",
        "as_of": "2025-01-02T14:35:00Z",
        "path": path_of(TALE),
        "orders": [{"order_id": "O-1", "state": "filled", "strategy": "iron_condor"}],
        "held": TALE["held"],
    }
    said = printed(lambda console: show_why(console, document))
    for words in (
        "abstained: social too_few_texts",
        "inconclusive (conflict)",
        "order O-1 filled",
        "held SPY O-1: profit_target: 60 % of the credit is earned",
    ):
        assert words in said


def test_a_replay_within_tolerance_says_how_far_figures_moved():
    place = {
        "node": "flow",
        "ticker": "SPY",
        "kind": "reading",
        "path": "output[0]",
        "recorded": "1.0",
        "replayed": "1.1",
        "relative": 2e-16,
    }
    report = {
        "run_id": "r-1",
        "verdict": "within_tolerance",
        "largest_relative": 2e-16,
        "steps": 9,
        "seconds": 0.5,
        "altered": (),
        "missing_calls": (),
        "differences": [place],
        "differing": 3,
        "notes": ["code changed: 1 then, 2 now"],
    }
    said = printed(lambda console: show_replay(console, report, desk="desk"))
    assert "Every decision is the same; figures differ by at most 2.0e-16 relative." in said
    assert "and 2 more places" in said
    assert "code changed: 1 then, 2 now" in said
