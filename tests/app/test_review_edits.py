"""Rejecting, editing and looking; and what time it is for a reviewer."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.services.instants import account_instant, lapse_instant, review_instant
from app.services.payoff import payoff_curve
from app.services.review import approve, reject, shown
from app.services.review_edit import edit
from app.wiring import market_feed
from domain.errors import Refused, UsageError
from domain.order import OrderState
from tests.support.orders import order as made_order
from tests.support.orders import view as made_view
from tests.support.staging import OPENING, desk_at, stage_opening

MINUTE = timedelta(minutes=1)


def refused(code):
    return pytest.raises(Refused, check=lambda error: error.code == code)


async def test_a_rejection_keeps_name_and_reason_and_is_final(desk, staged):
    with pytest.raises(UsageError, match="needs a reason"):
        await reject(desk, staged.order_id, at=None, reviewer="ann", reason=" ")
    done = await reject(desk, staged.order_id, at=None, reviewer="ann", reason="earnings rumour")
    assert (done["order"]["state"], done["order"]["review_reason"]) == ("rejected", "earnings rumour")
    rows = await desk.audit.rows(staged.run_id)
    assert [(row.entry.kind, row.entry.author) for row in rows] == [("reject v1", "human")]
    with refused("not_staged") as error:
        await approve(desk, staged.order_id, at=None, reviewer="bob")
    assert "rejected since 2025-01-02T14:40:00Z by ann" in str(error.value)


async def test_an_edit_is_a_new_version_with_its_own_checks(desk, staged):
    done = await edit(desk, staged.order_id, at=None, reviewer="ann", contracts=1, reason="half is enough")
    order = done["order"]
    assert (order["version"], order["contracts"], order["sizing"]["binding"]) == (2, 1, "reviewer")
    assert done["changes"] == "contracts 2 → 1"
    assert order["max_loss"] == pytest.approx(float(staged.max_loss) / 2)
    measured = {check["name"]: check["measured"] for check in order["checks"]}
    before = {check.name: check.measured for check in staged.checks}
    assert measured["position_at_risk"] == pytest.approx(before["position_at_risk"] / 2, rel=0.05)
    history = await desk.orders.history(staged.order_id)
    assert [(event.version, event.reviewer) for event in history] == [(1, None), (2, "ann")]
    rows = await desk.audit.rows(staged.run_id)
    assert [row.entry.kind for row in rows] == ["edit v2"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"contracts": 3}, "size_grew"),
        ({"limit": Decimal("-9.99")}, "beyond_worst_price"),
    ],
)
async def test_an_edit_never_grows_the_order_nor_worsens_its_price(desk, staged, change, code):
    with refused(code):
        await edit(desk, staged.order_id, at=None, reviewer="ann", **change)
    assert (await desk.orders.get(staged.order_id)).order == staged


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "changes nothing"),
        ({"contracts": 2}, "changes nothing"),
        ({"contracts": 0}, "no whole number of units"),
        ({"limit": Decimal("-1.005")}, "between ticks"),
        ({"limit": Decimal("NaN")}, "between ticks"),
    ],
)
async def test_an_edit_that_means_nothing_says_so(desk, staged, change, said):
    with pytest.raises(UsageError, match=said):
        await edit(desk, staged.order_id, at=None, reviewer="ann", **change)


async def test_contracts_are_counted_by_the_largest_leg(desk):
    order = await stage_opening(desk, units=2, strategy="call_butterfly", ticker="SPY")
    assert order.sized.contracts == 4
    with pytest.raises(UsageError, match="multiple of 2"):
        await edit(desk, order.order_id, at=None, reviewer="ann", contracts=3)


async def test_an_edit_that_the_checks_refuse_is_not_stored_but_logged(desk, staged):
    from domain.risk import TradingState

    await desk.switches.set_trading(TradingState.HALTED, at=OPENING, actor="ann", reason="a test")
    with refused("trading_state"):
        await edit(desk, staged.order_id, at=None, reviewer="ann", contracts=1)
    assert (await desk.orders.get(staged.order_id)).order.version == 1
    rows = await desk.audit.rows(staged.run_id)
    assert [row.entry.kind.split(" refused ")[0] for row in rows] == ["edit v2"]


async def test_the_picture_agrees_with_max_loss_max_profit_and_break_evens(desk, staged):
    seen = await shown(desk, staged.order_id, at=None)
    prices, pnl = seen["payoff"]["prices"], seen["payoff"]["pnl"]
    assert "exact" in seen["payoff"]["basis"]
    assert min(pnl) == pytest.approx(-seen["max_loss"], abs=0.02)
    assert max(pnl) == pytest.approx(seen["max_profit"], abs=0.02)
    for level in seen["breakevens"]:
        assert pnl[prices.index(level)] == pytest.approx(0, abs=1e-6)
    assert seen["book"]["worst_case_after"] - seen["book"]["worst_case_before"] == pytest.approx(seen["max_loss"])
    assert (seen["lapsed"], seen["fills"]) == (False, [])
    assert (await shown(desk, staged.order_id, at=staged.expires_at))["lapsed"]


async def test_several_expiries_are_drawn_as_a_model_and_stay_above_the_proven_bound(desk):
    order = await stage_opening(desk, strategy="call_calendar", units=1, ticker="SPY")
    curve = payoff_curve(order)
    assert "model value at the first expiry" in curve["basis"]
    assert min(curve["pnl"]) >= -float(order.max_loss) - 0.02
    assert max(curve["pnl"]) > 0
    without = order.sized.candidate.legs[0].model_copy(update={"iv": None})
    candidate = order.sized.candidate.model_copy(update={"legs": (without, *order.sized.candidate.legs[1:])})
    blind = order.model_copy(update={"sized": order.sized.model_copy(update={"candidate": candidate})})
    assert payoff_curve(blind)["basis"].startswith("none: ")


async def test_the_simulated_clock_never_runs_back(desk, staged):
    view = await desk.orders.get(staged.order_id)
    assert await review_instant(desk, view) == OPENING + 5 * MINUTE
    assert await review_instant(desk, view, OPENING + 90 * MINUTE) == OPENING + 90 * MINUTE
    with pytest.raises(UsageError, match="is before that"):
        await review_instant(desk, view, OPENING - MINUTE)
    other = await stage_opening(desk, strategy="bear_put_spread", name="later", ticker="XOM", at=OPENING + 60 * MINUTE)
    assert await review_instant(desk, view) == other.staged_at
    with pytest.raises(UsageError, match="is past"):
        await review_instant(desk, view, OPENING + 10 * MINUTE)
    assert await account_instant(desk) == other.staged_at


async def test_a_late_order_is_not_approved_after_the_close_by_default(desk):
    close = datetime(2025, 1, 2, 21, 0, tzinfo=UTC)
    late = made_order(at=close - 2 * MINUTE)
    assert await review_instant(desk, made_view(late)) == close


async def test_an_account_without_any_past_stands_at_the_beginning(desk, desk_home, database, engine):
    assert await account_instant(desk) == OPENING
    recorded = desk_at(
        desk_home, database, engine, feed=market_feed(desk.configuration, "recorded", desk.clock, desk.closing)
    )
    assert await account_instant(recorded) == desk.clock.now()
    assert await lapse_instant(recorded) is None


class StubFeed:
    def __init__(self, name):
        self.name = name


async def test_a_live_feed_knows_only_now(desk_home, database, engine):
    live = desk_at(desk_home, database, engine, feed=StubFeed("cboe"))
    view = made_view(made_order(at=OPENING - MINUTE))
    assert await review_instant(live, view) == live.clock.now() == await account_instant(live)
    with pytest.raises(UsageError, match="no other time than now"):
        await review_instant(live, view, OPENING)


async def test_a_recorded_order_is_judged_on_the_latest_recording_before(
    desk, monkeypatch, desk_home, database, engine
):
    from types import SimpleNamespace

    from feeds.library import MarketLibrary

    staged = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
    captured = [staged - MINUTE, staged + 30 * MINUTE]
    rows = [SimpleNamespace(as_of=at, ticker="SPY", quoted=True) for at in captured]
    monkeypatch.setattr(MarketLibrary, "captures", lambda self, until: tuple(r for r in rows if r.as_of <= until))
    recorded = desk_at(desk_home, database, engine, feed=StubFeed("recorded"))
    view = made_view(made_order(at=staged))
    assert await review_instant(recorded, view) == staged
    assert await review_instant(recorded, view, staged + 29 * MINUTE) == staged
    assert await review_instant(recorded, view, staged + 45 * MINUTE) == captured[1]
    elsewhere = made_view(made_order(at=staged, ticker="QQQ"))
    assert await review_instant(recorded, elsewhere, staged + 45 * MINUTE) == staged


def test_the_states_that_wait_are_those_that_can_still_change():
    from app.services.review import ENDED, WAITING
    from domain.order import TRANSITIONS

    assert all(TRANSITIONS[state] for state in WAITING)
    assert not any(TRANSITIONS[state] for state in ENDED)
    assert OrderState.STAGED in WAITING
