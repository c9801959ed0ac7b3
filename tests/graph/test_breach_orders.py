"""A book beyond its limits: every run proposes the smallest trade that brings it back, and a person decides."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from domain.book import Baseline
from domain.market import MarketData
from domain.order import Exit, OrderState, OrderView
from domain.regime import Regime
from domain.risk import TradingState
from tests.graph.test_exits import due, holding
from tests.support.fakes import MemoryOrders, World, only
from tests.support.scripted import BULL, WEAK, ScriptedDebate

NAMES = ("JPM", "XOM")


@pytest.fixture(scope="module")
async def spreads(market: MarketData, settings):
    """Bullish structures on two names that earlier runs staged, by ticker."""
    found = {}
    for name in NAMES:
        world = World(market=only(market, name), settings=settings, debate=ScriptedDebate({"*": BULL}), run_id=name)
        await world.run()
        (found[name],) = world.orders.staged.values()
    return found


def delta_of(desk, ticker):
    return next(e.greeks.delta for e in desk.exposures if e.ticker == ticker)


def limited(settings, usd, nlv):
    """The settings with `usd` of dollar delta allowed, and no bound on the SPX delta."""
    shares = {"delta": usd / nlv, "spx_delta": 100.0}
    soft = tuple(
        rule.model_copy(update={"limit": dict.fromkeys(Regime, shares[rule.greek])})
        if rule.rule == "portfolio_greek" and rule.greek in shares
        else rule
        for rule in settings.risk.soft
    )
    return settings.model_copy(update={"risk": settings.risk.model_copy(update={"soft": soft})})


async def test_closing_what_is_held_restores_a_limit_before_anything_new_is_bought(world, market, settings, spreads):
    order = spreads["JPM"]
    held = holding(market, settings, order)
    tight = limited(settings, abs(delta_of(held, "JPM")) * 0.4, float(held.book.nlv))
    desk = world({"*": WEAK}, settings=tight, desk=held)
    state = await desk.run()
    (leaving,) = state["exits"]
    assert isinstance(leaving, Exit)
    assert (leaving.closes, leaving.reason.rule) == (order.order_id, "breach")
    assert abs(leaving.reason.measured) > leaving.reason.limit
    assert leaving.held == order.units
    assert state["repairs"] == []
    assert desk.audit.of("manage")["*", "breach"] == leaving
    (staged,) = desk.orders.staged.values()
    assert staged.closes == order.order_id
    assert staged.thesis.text.startswith("breach: Restores delta ")


async def test_a_limit_that_no_closing_restores_gets_a_new_trade_and_it_is_staged(world, market, settings, spreads):
    held = holding(market, settings, *spreads.values())
    deltas = [delta_of(held, name) for name in NAMES]
    assert min(deltas) > 0 or max(deltas) < 0
    tight = limited(settings, min(map(abs, deltas)) * 0.8, float(held.book.nlv))
    desk = world({"*": WEAK}, settings=tight, desk=held)
    state = await desk.run()
    (repair,) = state["repairs"]
    assert state["exits"] == []
    assert repair.candidate.purpose == "repair"
    allocation = state["allocations"][f"{repair.candidate.ticker} restore"]
    assert allocation.accepted, allocation.decision
    assert (allocation.sized.units, allocation.sized.sizing.binding) == (repair.units, "restores")
    (staged,) = [order for order in desk.orders.staged.values() if order.sized.candidate.purpose == "repair"]
    assert staged.units == repair.units
    assert staged.closes is None
    assert staged.thesis.engine == "rules"
    assert staged.thesis.text.startswith("breach: Restores delta ")
    assert staged.thesis.invalidation == "the limits that it restores hold without it"
    spot = repair.candidate.spot
    after = sum(deltas) + repair.units * repair.candidate.greeks.delta * spot
    assert abs(after) <= min(map(abs, deltas)) * 0.8 * (1 + 1e-9)


async def test_while_halted_a_new_trade_is_vetoed_and_says_so(world, market, settings, spreads):
    halted = {"trading_state": TradingState.HALTED, "trading_state_reason": "as the test says"}
    held = holding(market, settings, *spreads.values(), **halted)
    tight = limited(settings, min(abs(delta_of(held, name)) for name in NAMES) * 0.8, float(held.book.nlv))
    desk = world({"*": WEAK}, settings=tight, desk=held, orders=MemoryOrders(TradingState.HALTED))
    state = await desk.run()
    (repair,) = state["repairs"]
    decision = state["allocations"][f"{repair.candidate.ticker} restore"].decision
    assert {veto.name for veto in decision.vetoes} == {"trading_state"}
    assert desk.orders.staged == {}


async def test_what_leaves_anyway_needs_no_repair(world, market, settings, spreads):
    order = spreads["JPM"]
    held = holding(market, settings, order)
    tight = limited(settings, abs(delta_of(held, "JPM")) * 0.4, float(held.book.nlv))
    desk = world({"*": WEAK}, settings=due(tight, order.sized.candidate.strategy), desk=held)
    state = await desk.run()
    assert [leaving.reason.rule for leaving in state["exits"]] == ["exit_dte"]
    assert desk.audit.of("manage")["*", "breach"] == "Every limit holds."


async def test_a_limit_that_nothing_restores_is_said_and_what_has_no_quotes_is_left_alone(
    world, market, settings, spreads
):
    held = holding(market, settings, *spreads.values())
    impossible = limited(settings, 1e-6, float(held.book.nlv))
    desk = world({"*": WEAK}, settings=impossible, desk=held)
    state = await desk.run()
    assert state["exits"] == state["repairs"] == []
    assert desk.audit.of("manage")["*", "breach"].startswith("No single closing, long option or vertical")
    gone = {name: chain for name, chain in market.chains.items() if name not in NAMES}
    blind = world({"*": WEAK}, settings=impossible, desk=held, market=replace(market, chains=gone))
    await blind.run()
    assert blind.audit.of("manage")["*", "breach"].startswith(("Every limit holds", "No single closing"))


def lost(held, share):
    """As if the prior session had closed with so much more that `share` of it is lost."""
    nlv = held.book.nlv / (1 - Decimal(share))
    return held.model_copy(update={"baseline": Baseline(session=date(2026, 1, 2), nlv=nlv, source="prior close")})


async def test_a_day_at_the_loss_limit_proposes_closings_that_take_the_direction_away(world, market, settings, spreads):
    orders = spreads.values()
    held = holding(market, settings, *orders)
    steep = settings.model_copy(update={"breach": settings.breach.model_copy(update={"flat": 0.0})})
    desk = world({"*": BULL}, settings=steep, desk=lost(held, "0.03"))
    state = await desk.run()
    assert {leaving.closes for leaving in state["exits"]} == {order.order_id for order in orders}
    for order in orders:
        leaving = desk.audit.of("manage")[f"{order.ticker} {order.order_id}", "position"]
        assert (leaving.reason.rule, leaving.reason.measured) == ("daily_loss", pytest.approx(0.03))
        assert "Flattens SPX delta" in leaving.reason.detail
    staged = list(desk.orders.staged.values())
    assert {order.closes for order in staged} == {order.order_id for order in orders}
    assert all(order.thesis.text.startswith("daily_loss: Flattens SPX delta ") for order in staged)


async def test_short_of_the_loss_limit_nothing_is_flattened(world, market, settings, spreads):
    held = holding(market, settings, *spreads.values())
    desk = world({"*": WEAK}, settings=settings, desk=lost(held, "0.0299"))
    state = await desk.run()
    assert state["exits"] == []
    assert ("*", "flattening") not in desk.audit.of("manage")


async def test_what_an_approved_order_is_closing_is_not_made_up_for(world, market, settings, spreads):
    first, second = spreads.values()
    closing = first.model_copy(update={"order_id": "O-closing", "closes": first.order_id})
    going = OrderView(order=closing, state=OrderState.APPROVED, changed_at=market.as_of)
    held = holding(market, settings, first, second, closings=(going,))
    alone = abs(delta_of(held, second.ticker)) * 3.5  # whatever its beta below 3.5, the other is flat enough by itself
    calm = settings.model_copy(
        update={"breach": settings.breach.model_copy(update={"flat": alone / float(held.book.nlv)})}
    )
    desk = world({"*": WEAK}, settings=calm, desk=lost(held, "0.05"))
    state = await desk.run()
    assert state["exits"] == []
    assert "is flat enough" in desk.audit.of("manage")["*", "flattening"]


def of_units(order, units):
    sizing = order.sized.sizing.model_copy(update={"units": units})
    return order.model_copy(update={"sized": order.sized.model_copy(update={"sizing": sizing})})


def flat_at(settings, share):
    return settings.model_copy(update={"breach": settings.breach.model_copy(update={"flat": share})})


async def test_of_a_structure_that_is_partly_leaving_the_rest_still_counts(world, market, settings, spreads):
    order = of_units(spreads["JPM"], 8)
    closing = of_units(order, 1).model_copy(update={"order_id": "O-closing", "closes": order.order_id})
    going = OrderView(order=closing, state=OrderState.APPROVED, changed_at=market.as_of)
    held = holding(market, settings, order, closings=(going,))
    tight = limited(settings, abs(delta_of(held, "JPM")) * 0.9, float(held.book.nlv))
    desk = world({"*": WEAK}, settings=flat_at(tight, 0.0), desk=lost(held, "0.05"))
    state = await desk.run()
    assert state["exits"] == []  # an approved closing must not be crossed by another
    assert desk.audit.of("manage")["*", "flattening"].startswith("No closing brings the SPX delta of +")
    assert desk.audit.of("manage")["*", "breach"] == "Every limit holds."


async def test_flattening_and_a_broken_limit_close_one_structure_by_one_order(world, market, settings, spreads):
    order = of_units(spreads["JPM"], 8)
    held = holding(market, settings, order)
    delta, nlv = abs(delta_of(held, "JPM")), float(held.book.nlv)
    both = flat_at(limited(settings, delta * 0.3, nlv), 0.8 * delta / nlv)
    alone = world({"*": WEAK}, settings=both, desk=held)
    (breach,) = (await alone.run())["exits"]
    desk = world({"*": WEAK}, settings=both, desk=lost(held, "0.05"))
    (leaving,) = (await desk.run())["exits"]
    assert (leaving.units, leaving.held) == (breach.units, 8)
    assert leaving.reason.rule == "daily_loss"
    assert "; breach: Restores delta " in leaving.reason.detail
    (staged,) = desk.orders.staged.values()
    assert (staged.units, staged.sized.candidate.purpose) == (breach.units, "repair")


async def test_a_run_takes_back_what_an_earlier_one_proposed_against_broken_limits(world, market, settings, spreads):
    held = holding(market, settings, *spreads.values())
    orders = MemoryOrders()
    lossy = world({"*": WEAK}, settings=flat_at(settings, 0.0), desk=lost(held, "0.03"), orders=orders, run_id="before")
    await lossy.run()
    assert len(orders.staged) == len(NAMES)
    recovered = world({"*": WEAK}, settings=settings, desk=held, orders=orders, run_id="after")
    await recovered.run()
    assert orders.staged == {}
