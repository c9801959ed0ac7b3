"""Rules about orders as one more cap in sizing: it binds only below the others, and the gate judges what is left."""

from dataclasses import replace

import pytest

from domain.book import StrategyRecord
from domain.order import Exit, ExitReason
from risk.allocator import allocate, allocate_exit
from risk.manager import OrderVerdict
from tests.factories import candidate, portfolio, risk_settings, view

SETTINGS = risk_settings()
RECORD = StrategyRecord(strategy="bull_put_spread", closed=40, wins=36, average_win=0.4, average_loss=0.8)


def allocated(admit=None):
    found, _ = allocate(
        [("SPY", [candidate()])], portfolio(), lambda ticker, held: view(ticker=ticker, order=None, portfolio=held),
        (RECORD,), SETTINGS, lambda order: "O-1", None, admit,
    )  # fmt: skip
    return found[0]


def at_most(units):
    def admit(order, question):
        assert question.ticker == order.candidate.ticker == "SPY"
        return OrderVerdict(units=min(units, order.units), asked=order.units, rule="max_position", reason="as told")

    return admit


def test_a_smaller_answer_binds_and_a_larger_one_is_only_on_record():
    free = allocated()
    full = free.sized.sizing.caps
    caps = min(cap.units for cap in full)
    assert caps > 1
    one = allocated(at_most(1))
    assert (one.sized.units, one.sized.sizing.binding) == (1, "max_position")
    assert one.sized.sizing.caps[:-1] == full
    assert (one.sized.sizing.caps[-1].units, one.sized.sizing.caps[-1].detail) == (1, "as told")
    roomy = allocated(at_most(caps))
    assert (roomy.sized.units, roomy.sized.sizing.binding) == (free.sized.units, free.sized.sizing.binding)
    assert len(roomy.sized.sizing.caps) == len(full) + 1


def test_nothing_left_is_no_decision_of_the_gate_and_nothing_to_judge_is_not_asked():
    none = allocated(at_most(0))
    assert (none.sized.units, none.decision) == (0, None)
    blind = replace(portfolio(), nlv=None)

    def never(order, question):
        raise AssertionError("a size of nothing was put before the rules")

    found, _ = allocate(
        [("SPY", [candidate()])], blind, lambda ticker, held: view(ticker=ticker, order=None, portfolio=held),
        (RECORD,), SETTINGS, lambda order: "O-1", None, never,
    )  # fmt: skip
    assert found[0].sized.units == 0


@pytest.mark.parametrize(
    ("held", "words"),
    [(None, "closes all 2 units held"), (2, "closes all 2 units held"), (5, "closes 2 of 5 units held")],
)
def test_a_closing_order_says_how_much_of_what_is_held_it_closes(held, words):
    reason = ExitReason(rule="scale_out", measured=None, limit=None, detail="rung 1")
    leaving = Exit(closes="O-1", units=2, held=held, candidate=candidate(intent="close"), reason=reason)
    (cap,) = allocate_exit(view(order=None), leaving, SETTINGS).sized.sizing.caps
    assert (cap.units, cap.detail) == (2, words)
