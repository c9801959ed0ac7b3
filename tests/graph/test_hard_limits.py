"""One run for each hard limit: a desk that breaks it and no other is vetoed, on record and in `desk audit why`."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from app.services.story import Steps, path_of, tale_of
from domain.audit import AuditRow
from domain.book import Baseline, SharePosition
from domain.order import Sizing, SizingCap
from domain.record import canonical_json
from domain.risk import TradingState
from domain.sessions import NEW_YORK
from graph.nodes import strategy_selector
from risk import allocator
from risk.registry import HARD_RULES
from risk.sizing import UnitBudget
from tests.factories import exposure
from tests.support.fakes import flat_desk, only
from tests.support.scripted import BULL


def broken(limit, market):
    """A desk at the market's instant, in good order but for one hard limit of JPM."""
    desk = flat_desk(market)
    book, today = desk.book, market.as_of.astimezone(NEW_YORK).date().isoformat()
    other = {"ticker": "KO", "sector": "consumer_staples", "opened_on": "2024-12-30", "worst_case": Decimal(10)}
    shares = SharePosition(
        ticker="JPM", quantity=30, average_price=Decimal(200), mark=170.0, mark_source="close"
    )  # 5,100 USD
    changes = {
        "trading_state": {"trading_state": TradingState.HALTED, "trading_state_reason": "ann: lunch"},
        "nlv_known": {"book": book.model_copy(update={"nlv_as_of": market.as_of - timedelta(seconds=61)})},
        "daily_loss": {"baseline": Baseline(session=market.as_of.date(), nlv=Decimal("103092.79"), source="close")},
        "position_at_risk": {"book": book.model_copy(update={"shares": (shares,)})},
        "sector_exposure": {
            "exposures": (exposure(**other | {"sector": "financials", "worst_case": Decimal("15000.01")}),)
        },
        "free_margin": {"exposures": (exposure(**other, margin=Decimal("80000.01")),)},
        "contracts_per_order": {"contracts_today": {"JPM": 10}},
        "defined_risk": {},
    }
    assert today == "2025-01-02"
    return desk.model_copy(update=changes[limit])


def without_cover(found):
    """What the search found, its long legs torn off."""
    if not isinstance(found, tuple):
        return found
    return tuple(
        item.model_copy(update={"legs": tuple(leg for leg in item.legs if leg.quantity < 0)})
        for item in found
        if any(leg.quantity < 0 for leg in item.legs)
    )


def one_unit():
    """A size that asks no cap."""
    caps = (SizingCap(name="test", units=1, detail="as the test says"),)
    return Sizing(units=1, binding="test", caps=caps, budget=Decimal(0))


def why(audit, ticker):
    """The steps that `desk audit why` tells, from the rows that the run wrote."""
    rows = [
        AuditRow(
            seq=seq, logged_at="2025-01-02T15:00:00Z", code_version="test", payload_hash="", previous_hash="", hash="",
            entry=entry.model_copy(update={"output": json.loads(canonical_json(entry.output))}),
        )
        for seq, entry in enumerate(audit.rows.values())
    ]  # fmt: skip
    return path_of(tale_of(Steps(rows), ticker))


@pytest.mark.parametrize("limit", [rule.rule for rule in HARD_RULES])
async def test_a_desk_that_breaks_one_hard_limit_is_vetoed_by_it_and_by_no_other(
    world, market, settings, limit, monkeypatch
):
    market = replace(only(market, "JPM"), sectors={"JPM": "financials", "SPY": "index"})
    if limit == "defined_risk":
        search = strategy_selector.candidates
        monkeypatch.setattr(strategy_selector, "candidates", lambda *a, **k: without_cover(search(*a, **k)))
    if limit == "position_at_risk":  # sizing counts what is held too, and would leave the gate nothing to refuse
        monkeypatch.setattr(
            strategy_selector, "unit_budget", lambda view, rules: UnitBudget(2_000.0, "as the test says")
        )
        monkeypatch.setattr(allocator, "size", lambda *a, **k: one_unit())
    desk = world({"*": BULL}, desk=broken(limit, market), market=market, settings=settings)
    state = await desk.run()
    (outcome,) = state["outcomes"]
    assert outcome.step == "vetoed", outcome
    assert not desk.orders.staged
    thesis = state["theses"]["JPM"]
    decision = thesis if not thesis.approved else state["allocations"]["JPM"].decision
    beside = ["trading_state"] if limit == "daily_loss" else []  # such a day also makes the desk reduce
    assert [check.name for check in decision.vetoes if check.hard] == [*beside, limit]
    logged = desk.audit.of("risk_gate" if not thesis.approved else "allocator")
    recorded = logged["JPM", "thesis" if not thesis.approved else "allocation"]
    assert decision == (recorded["decision"] if isinstance(recorded, dict) else recorded.decision)
    last = why(desk.audit, "JPM")[-1]
    assert last["stopped"]
    assert last["step"] in ("risk_gate", "final_checks")
    assert limit in last["said"]


async def test_a_desk_in_good_order_passes_all_of_them(world, market, settings):
    market = replace(only(market, "JPM"), sectors={"JPM": "financials"})
    desk = world({"*": BULL}, market=market, settings=settings)
    state = await desk.run()
    assert [item.step for item in state["outcomes"]] == ["staged"]
    decision = state["allocations"]["JPM"].decision
    assert {check.name for check in decision.checks if check.hard} == {rule.rule for rule in HARD_RULES}
