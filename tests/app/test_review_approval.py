"""Approval: the order is looked at afresh, exactly one reviewer wins, and every step is in the audit log."""

import asyncio
import dataclasses
from datetime import timedelta
from decimal import Decimal

import pytest

from app.services.book import account_book
from app.services.recheck import recheck
from app.services.review import approve, desk_of, orders_waiting, reject, shown
from app.services.review_edit import edit
from domain.errors import Refused, UsageError
from domain.order import OrderState
from domain.risk import TradingState
from tests.support.orders import order
from tests.support.staging import OPENING, desk_at, stage_closing, stage_opening

FIVE_MINUTES = timedelta(minutes=5)


def refused(code):
    return pytest.raises(Refused, check=lambda error: error.code == code)


async def kinds(desk, order):
    rows = await desk.audit.rows(order.run_id)
    return [(row.entry.kind.split(" refused ")[0], row.entry.author) for row in rows if row.entry.node == "review"]


def measured(checks, name):
    return next(check.measured for check in checks if check.name == name)


async def halt(desk, state=TradingState.HALTED):
    await desk.switches.set_trading(state, at=OPENING, actor="ann", reason="a test")


async def test_an_approved_order_is_priced_afresh_filled_booked_and_audited(desk, staged):
    done = await approve(desk, staged.order_id[:6], at=None, reviewer="ann", reason="looks right")
    assert done["at"] == "2025-01-02T14:40:00Z"  # five minutes after the run
    assert done["recheck"]["fresh"]["spot"] != done["recheck"]["staged"]["spot"]
    assert done["recheck"]["snapshot_id"] != staged.snapshot_id
    assert (await desk.snapshots.get(done["recheck"]["snapshot_id"])).as_of == OPENING + FIVE_MINUTES
    execution = done["execution"]
    assert (execution["state"], execution["units"]) == ("filled", 2)
    assert "half-spread" in execution["reason"]
    book = await account_book(desk)
    assert book["cash"] == pytest.approx(100_000 + execution["cash"])
    assert {position["quantity"] for position in book["positions"]} == {2, -2}
    assert await kinds(desk, staged) == [("approve v1", "human"), ("fill v1", "rule")]
    row = (await desk.audit.rows(staged.run_id))[0]
    assert row.entry.ticker == staged.order_id
    assert row.entry.inputs["snapshot"] == done["recheck"]["snapshot_id"]
    assert (row.entry.output["reviewer"], row.entry.output["reason"]) == ("ann", "looks right")
    assert len(row.entry.output["recheck"]["checks"]) == len(staged.checks)
    assert (await desk.audit.verify()).sound


async def test_of_two_reviewers_exactly_one_wins_and_one_fill_is_made(desk, staged):
    other = dataclasses.replace(desk)
    results = await asyncio.gather(
        approve(desk, staged.order_id, at=None, reviewer="ann"),
        approve(other, staged.order_id, at=None, reviewer="bob"),
        return_exceptions=True,
    )
    lost = [result for result in results if isinstance(result, Refused)]
    assert len(lost) == 1
    assert lost[0].code in ("lost_race", "not_staged")
    assert len(await desk.orders.fills(staged.order_id)) == 1
    assert (await desk.audit.verify()).sound


async def test_an_order_that_was_edited_meanwhile_is_not_approved_unseen(desk, staged):
    at = OPENING + FIVE_MINUTES
    await edit(desk, staged.order_id, at=at, reviewer="bob", contracts=1)
    with refused("lost_race"):
        await desk.orders.approve(staged.order_id, at=at, reviewer="ann", version=1)
    assert (await approve(desk, staged.order_id, at=None, reviewer="ann"))["execution"]["units"] == 1


async def test_a_lapsed_order_becomes_expired_and_is_refused(desk, staged):
    late = staged.expires_at
    with refused("expired"):
        await approve(desk, staged.order_id, at=late, reviewer="ann")
    assert (await desk.orders.get(staged.order_id)).state is OrderState.EXPIRED
    assert await kinds(desk, staged) == [("expire v1", "rule")]
    with refused("not_staged"):
        await reject(desk, staged.order_id, at=late, reviewer="ann", reason="too late")


async def test_listing_expires_what_is_due_and_shows_the_rest_only_when_asked(desk, staged):
    assert [order["order_id"] for order in (await orders_waiting(desk, everything=False, at=None))["orders"]] == [
        staged.order_id
    ]
    later = await orders_waiting(desk, everything=False, at=staged.expires_at)
    assert (later["expired"], later["orders"]) == ([staged.order_id], [])
    everything = await orders_waiting(desk, everything=True, at=staged.expires_at)
    assert [order["state"] for order in everything["orders"]] == ["expired"]
    assert await kinds(desk, staged) == [("expire v1", "rule")]


async def test_a_price_worse_than_the_loss_was_reckoned_at_is_refused(desk):
    def dearer(found):
        return found.model_copy(
            update={"limit_per_share": found.limit_per_share + 5, "worst_per_share": found.worst_per_share + 5}
        )

    order = await stage_opening(desk, doctor=dearer)
    with refused("price_moved") as error:
        await approve(desk, order.order_id, at=None, reviewer="ann")
    assert error.value.measured < error.value.limit == float(order.sized.candidate.worst_per_share)
    assert (await desk.orders.get(order.order_id)).state is OrderState.STAGED
    assert await kinds(desk, order) == [("approve v1", "human")]


async def test_an_order_whose_edge_is_gone_is_refused_with_the_figure(desk):
    order = await stage_opening(desk, doctor=lambda found: found.model_copy(update={"drift": -found.drift}))
    with refused("edge_gone") as error:
        await approve(desk, order.order_id, at=None, reviewer="ann")
    assert error.value.measured <= error.value.limit == 0
    await_again = approve(desk, order.order_id, at=None, reviewer="ann")
    with refused("edge_gone"):
        await await_again
    assert len(await kinds(desk, order)) == 1  # the same attempt twice is one row


async def test_legs_that_are_quoted_no_longer_are_refused_by_name(desk):
    def unlisted(found):
        leg = found.legs[0].model_copy(update={"symbol": "JPM   250221C00001000"})
        return found.model_copy(update={"legs": (leg, *found.legs[1:])})

    order = await stage_opening(desk, doctor=unlisted)
    with refused("leg_not_quoted") as error:
        await approve(desk, order.order_id, at=None, reviewer="ann")
    assert "JPM   250221C00001000" in str(error.value)


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
async def test_no_opening_is_approved_while_trading_is_not_active(desk, staged, state):
    await halt(desk, state)
    with refused("trading_state"):
        await approve(desk, staged.order_id, at=None, reviewer="ann")
    assert (await desk.orders.get(staged.order_id)).state is OrderState.STAGED


async def test_the_order_under_test_is_counted_once_not_twice(desk):
    order = await stage_opening(desk, units=3)
    share = measured(order.checks, "var_budget")
    assert 0 < share <= 0.02
    done = await approve(desk, order.order_id, at=None, reviewer="ann")
    again = next(check for check in done["recheck"]["checks"] if check["name"] == "var_budget")
    assert again["measured"] == pytest.approx(share, rel=0.1)  # counted twice it would be twice that


async def test_orders_staged_before_count_at_their_worst_and_later_ones_do_not(desk):
    first = await stage_opening(desk, units=1)
    second = await stage_opening(desk, units=1, name="two", ticker="XOM", strategy="bear_put_spread")
    assert await desk.orders.staged_after(first.order_id) == (second.order_id,)
    seen = await recheck(desk, first, at=OPENING + FIVE_MINUTES)
    alone = seen.decision.checks
    assert measured(alone, "max_positions") == 1
    done = await approve(desk, second.order_id, at=None, reviewer="ann")
    again = {check["name"]: check["measured"] for check in done["recheck"]["checks"]}
    assert again["max_positions"] == 2
    assert again["free_margin"] == pytest.approx(
        measured(alone, "free_margin") - float(second.sized.candidate.margin) / 100_000, abs=2e-4
    )
    assert await desk.state.exposed_tickers(OPENING) == ("JPM", "XOM")
    both = (await recheck(desk, first, at=OPENING + FIVE_MINUTES)).decision.checks
    assert measured(both, "max_positions") == 2
    assert measured(both, "free_margin") < measured(alone, "free_margin")


async def test_a_closing_order_passes_the_reduced_checks_and_realises(desk, staged):
    await approve(desk, staged.order_id, at=None, reviewer="ann")
    later = OPENING + timedelta(hours=3)
    close = await stage_closing(desk, staged, at=later)
    seen = await shown(desk, close.order_id, at=None)
    assert seen["payoff"]["prices"] == []
    await halt(desk, TradingState.REDUCING)
    done = await approve(desk, close.order_id, at=None, reviewer="ann")
    assert done["execution"]["state"] == "filled"
    book = await account_book(desk)
    assert (book["positions"], book["worst_case"], book["unrealised"]) == ([], 0.0, 0.0)
    assert book["nlv"] == book["cash"] == pytest.approx(100_000 + book["realised"] - book["fees"])
    # Filled a quarter of the half-spread below the mid that the limit is.
    assert seen["book"]["realised_at_limit"] == pytest.approx(book["realised"], abs=40)


async def test_while_halted_a_closing_order_may_be_staged_but_not_approved(desk, staged):
    await approve(desk, staged.order_id, at=None, reviewer="ann")
    await halt(desk)
    close = await stage_closing(desk, staged, at=OPENING + timedelta(hours=1))
    with refused("halted"):
        await approve(desk, close.order_id, at=None, reviewer="ann")
    assert await kinds(desk, close) == [("approve v1", "human")]


async def test_an_order_that_cannot_fill_within_its_limit_is_cancelled_in_words(desk, staged):
    better = staged.limit_per_share + Decimal("0.50")
    await edit(desk, staged.order_id, at=None, reviewer="ann", limit=better)
    done = await approve(desk, staged.order_id, at=None, reviewer="ann")
    assert (done["execution"]["state"], done["execution"]["fills"]) == ("cancelled", [])
    assert "no fill within the limit" in done["execution"]["reason"]
    assert await kinds(desk, staged) == [("edit v2", "human"), ("approve v2", "human"), ("fill v2", "rule")]


async def test_large_is_refused_for_an_order_that_does_not_need_it(desk, staged):
    with refused("not_large"):
        await approve(desk, staged.order_id, at=None, reviewer="ann", large=True, reason="hedge")
    assert (await desk.orders.get(staged.order_id)).state is OrderState.STAGED


async def stage_hedge(desk, units=11):
    """A hedge on a cheap underlying, with a budget to pay it: beyond ten contracts, within every other limit."""
    await desk.hedging.set_limit(Decimal(2_500), at=OPENING, actor="ann", reason="eleven contracts")
    return await stage_opening(
        desk, units=units, ticker="PFE", doctor=lambda found: found.model_copy(update={"purpose": "hedge"})
    )


async def test_a_hedge_beyond_ten_contracts_is_approved_only_as_large_with_a_reason(desk):
    hedge = await stage_hedge(desk)
    with pytest.raises(UsageError, match="needs a reason"):
        await approve(desk, hedge.order_id, at=None, reviewer="ann", large=True, reason=" ")
    with refused("contracts_per_order") as error:
        await approve(desk, hedge.order_id, at=None, reviewer="ann", reason="tail risk")
    assert (error.value.measured, error.value.limit) == (11, 10)
    assert "--large --reason" in str(error.value)
    assert (await desk.orders.get(hedge.order_id)).state is OrderState.STAGED
    done = await approve(desk, hedge.order_id, at=None, reviewer="ann", large=True, reason="tail risk")
    assert done["execution"]["state"] in ("filled", "cancelled")
    (row,) = [row for row in await desk.audit.rows(hedge.run_id) if row.entry.kind == "approve v1"]
    assert row.entry.output["override"] == {
        "rule": "contracts_per_order", "measured": 11, "limit": 10, "reason": "tail risk",
    }  # fmt: skip
    assert (row.entry.output["reviewer"], row.entry.author) == ("ann", "human")
    assert [kind for kind, _ in await kinds(desk, hedge)] == ["approve v1", "approve v1", "fill v1"]  # refused first
    assert (await desk.audit.verify()).sound


async def test_a_trade_is_never_approved_as_large_whatever_the_reason(desk, staged):
    await desk.orders.stage(order("beside", ticker=staged.ticker, units=8, at=OPENING, run_id=staged.run_id))
    await desk.orders.approve("beside", at=OPENING, reviewer="bob")
    strict = dataclasses.replace(desk, configuration=within_nine(desk.configuration))
    with refused("contracts_per_order") as error:
        await approve(strict, staged.order_id, at=None, reviewer="ann", large=True, reason="I want to")
    assert (error.value.measured, error.value.limit) == (10, 9)
    assert "only a hedge" in str(error.value)


def within_nine(configuration):
    risk = configuration.graph.risk
    hard = risk.hard.model_copy(update={"contracts_per_order": 9})
    graph = configuration.graph.model_copy(update={"risk": risk.model_copy(update={"hard": hard})})
    return dataclasses.replace(configuration, graph=graph)


async def test_an_order_is_found_in_whichever_account_holds_it(desk, staged, engine, database):
    from app.wiring import market_feed

    recorded = desk_at(
        desk.home, database, engine, feed=market_feed(desk.configuration, "recorded", desk.clock, desk.closing)
    )
    assert (await desk_of(recorded, staged.order_id[:5])).account == "simulated"
    assert await desk_of(desk, staged.order_id) is desk
    with pytest.raises(UsageError, match="There is no order 'O-NOBODY'"):
        await desk_of(desk, "O-NOBODY")
