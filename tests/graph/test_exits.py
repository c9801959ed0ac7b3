"""What is held comes first: closing orders follow exit rules, whatever the trading state says of openings."""

from dataclasses import replace
from decimal import Decimal

import pytest

from domain.excursion import Excursion
from domain.market import MarketData
from domain.order import OrderState, OrderView, StagedOrder
from domain.record import digest
from domain.risk import TradingState
from domain.snapshot import DeskContext
from execution.paper import fill
from execution.settings import PaperSettings
from graph.deps import GraphSettings, priced_chain
from options.priced import PricedChain
from portfolio.book import fold
from portfolio.exposure import exposures
from portfolio.greeks import book_greeks
from portfolio.valuation import value
from risk.manager.rule_sets import RuleSets
from tests.support.fakes import MemoryOrders, World, flat_desk, only, with_chain
from tests.support.scripted import BEAR, BULL, WEAK, ScriptedDebate

PAPER = PaperSettings(limited_by_size=False)


@pytest.fixture(scope="module")
async def spread(market, settings) -> StagedOrder:
    """A structure on JPM that an earlier run staged."""
    world = World(market=only(market, "JPM"), settings=settings, debate=ScriptedDebate({"*": BULL}), run_id="earlier")
    await world.run()
    (order,) = world.orders.staged.values()
    return order


def holding(market: MarketData, settings: GraphSettings, *orders: StagedOrder, quotes=None, **changes) -> DeskContext:
    """The desk that bought `orders` on `quotes` (the market's own unless given) and still holds them."""
    fills = []
    for order in orders:
        candidate = order.sized.candidate.model_copy(update={"worst_per_share": Decimal(-1_000)})
        patient = order.model_copy(update={"sized": order.sized.model_copy(update={"candidate": candidate})})
        chain = quotes or market.chains[order.ticker]
        fills += fill(patient, key=order.order_id, at=market.as_of, quotes=chain, settings=PAPER)
    book = value(fold(fills, (), orders, starting_cash=Decimal(100_000), as_of=market.as_of), market.chains)
    views = tuple(OrderView(order=order, state=OrderState.FILLED, changed_at=market.as_of) for order in orders)
    priced = {ticker: priced_chain(market, ticker, settings.chain) for ticker in {order.ticker for order in orders}}
    greeks = book_greeks(book, {name: item for name, item in priced.items() if isinstance(item, PricedChain)})
    held = exposures(views, book, market.sectors, greeks=greeks.by_structure())
    return flat_desk(market, **{"open_orders": views, "book": book, "exposures": held, **changes})


def ruled(settings, strategy, *rules):
    """The settings with the rules of one strategy replaced."""
    sets = RuleSets.model_validate({"strategies": {strategy: rules}})
    strategies = {**settings.positions.strategies, **sets.strategies}
    return settings.model_copy(update={"positions": settings.positions.model_copy(update={"strategies": strategies})})


def due(settings, strategy):
    """The settings in which one strategy is left ninety days before expiry, whatever it earned."""
    return ruled(settings, strategy, {"rule": "exit_dte", "days": 90})


async def test_a_structure_that_no_exit_rule_touches_is_kept_and_that_is_logged(world, market, settings, spread):
    desk = world({"*": WEAK}, desk=holding(market, settings, spread))
    state = await desk.run()
    assert state["exits"] == []
    assert desk.audit.of("manage") == {
        (f"JPM {spread.order_id}", "position"): "kept: no exit rule applies",
        ("*", "breach"): "Every limit holds.",
    }


@pytest.mark.parametrize("trading", [TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED])
async def test_an_exit_that_is_due_is_staged_as_a_closing_order_even_when_openings_are_barred(
    world, market, settings, spread, trading
):
    desk = world(
        {"*": BEAR},
        settings=due(settings, spread.sized.candidate.strategy),
        desk=holding(market, settings, spread, trading_state=trading, trading_state_reason="as the test says"),
        orders=MemoryOrders(trading),
    )
    state = await desk.run()
    (closing,) = [order for order in desk.orders.staged.values() if order.closes]
    assert closing.closes == spread.order_id
    assert closing.units == spread.units
    reversed_legs = {leg.symbol: -leg.quantity for leg in spread.sized.candidate.legs}
    assert {leg.symbol: leg.quantity for leg in closing.sized.candidate.legs} == reversed_legs
    assert closing.thesis.text.startswith("exit_dte: ")
    assert "trading_state" in {check.name for check in closing.checks}
    openings = [item.step for item in state["outcomes"]]
    assert ("staged" in openings) == (trading is TradingState.ACTIVE)
    assert (set(openings) == {"vetoed"}) == (trading is not TradingState.ACTIVE)


async def test_a_gain_beyond_its_target_is_taken(world, market, settings, spread):
    chain = market.chains["JPM"]
    cheap = replace(chain, bid=chain.bid * 0.3, ask=chain.ask * 0.3)
    desk = world({"*": WEAK}, desk=holding(market, settings, spread, quotes=cheap))
    state = await desk.run()
    (leaving,) = state["exits"]
    assert leaving.reason.rule == "take_profit"
    assert leaving.reason.measured > leaving.reason.limit
    assert [order.closes for order in desk.orders.staged.values()] == [spread.order_id]


async def test_a_loss_beyond_its_stop_is_cut(world, market, settings, spread):
    chain = market.chains["JPM"]
    dear = replace(chain, bid=chain.bid * 4, ask=chain.ask * 4)
    desk = world({"*": WEAK}, desk=holding(market, settings, spread, quotes=dear))
    (leaving,) = (await desk.run())["exits"]
    assert leaving.reason.rule == "stop_loss"


async def test_an_exit_that_cannot_be_priced_says_why_and_stops_nothing_else(world, market, settings, spread):
    impatient = due(settings, spread.sized.candidate.strategy)
    chain = market.chains["JPM"]
    crossed = with_chain(market, "JPM", replace(chain, bid=chain.ask + 1.0))
    symbol = spread.sized.candidate.legs[0].symbol
    delisted = with_chain(market, "JPM", chain.rows(chain.symbol != symbol))
    for picture, words in ((crossed, "crossed or locked"), (delisted, f"does not hold {symbol}")):
        desk = world({"*": BULL}, market=picture, settings=impatient, desk=holding(market, settings, spread))
        state = await desk.run()
        said = desk.audit.of("manage")[f"JPM {spread.order_id}", "position"]
        assert said.startswith("exit_dte is due but cannot be priced: ")
        assert words in said
        assert state["exits"] == []
        assert "XOM" in {order.ticker for order in desk.orders.staged.values()}


async def test_of_two_structures_only_the_one_that_is_due_leaves(world, market, settings, spread):
    other = World(market=only(market, "XOM"), settings=settings, debate=ScriptedDebate({"*": BEAR}), run_id="earlier")
    await other.run()
    (kept,) = other.orders.staged.values()
    assert kept.sized.candidate.strategy != spread.sized.candidate.strategy
    impatient = due(settings, spread.sized.candidate.strategy)
    desk = world({"*": WEAK}, settings=impatient, desk=holding(market, settings, spread, kept))
    state = await desk.run()
    assert [(item.closes, item.units) for item in state["exits"]] == [(spread.order_id, spread.units)]
    logged = desk.audit.of("manage")
    assert logged[f"XOM {kept.order_id}", "position"] == "kept: no exit rule applies"
    assert logged[f"JPM {spread.order_id}", "position"].reason.rule == "exit_dte"


async def test_without_a_manager_and_with_an_empty_one_every_byte_downstream_is_the_same(
    world, market, settings, spread
):
    runs = []
    for positions in (None, RuleSets(), RuleSets(orders=())):
        nobody = settings.model_copy(update={"positions": positions})
        desk = world({"*": BULL}, settings=nobody, desk=holding(market, nobody, spread))
        state = await desk.run()
        rows = {step: found for step, found in desk.audit.digests().items() if step[2] != "settings"}
        runs.append((rows, digest(state), desk.orders.staged, desk.kept))
    assert runs[0] == runs[1] == runs[2]
    assert runs[0][1] != digest({})


async def test_part_of_a_position_is_closed_in_whole_units_and_the_record_says_how_many(
    world, market, settings, spread
):
    sizing = spread.sized.sizing.model_copy(update={"units": 5})
    five = spread.model_copy(update={"sized": spread.sized.model_copy(update={"sizing": sizing})})
    strategy = spread.sized.candidate.strategy
    ladder = {"rule": "scale_out", "measure": "max_profit", "rungs": [{"at": 0.1, "fraction": 0.4}]}
    chain = market.chains["JPM"]
    cheap = replace(chain, bid=chain.bid * 0.3, ask=chain.ask * 0.3)
    parted = ruled(settings, strategy, ladder)
    desk = world({"*": WEAK}, settings=parted, desk=holding(market, parted, five, quotes=cheap))
    (leaving,) = (await desk.run())["exits"]
    assert (leaving.units, leaving.held) == (2, 5)
    (closing,) = desk.orders.staged.values()
    assert closing.units == 2
    assert closing.sized.sizing.caps[0].detail == "closes 2 of 5 units held"
    assert closing.thesis.text.startswith("scale_out: rung 1 of 1")


async def test_a_stop_that_a_rule_sets_is_kept_for_the_next_run_and_said(world, market, settings, spread):
    strategy = spread.sized.candidate.strategy
    trail = {"rule": "trailing_stop", "by": "amount", "distance": 10_000.0}
    trailed = ruled(settings, strategy, trail)
    past = Excursion(
        order_id=spread.order_id, at=market.as_of, opened_at=market.as_of, entry_price=-100.0, unit_risk=100.0,
        opened_units=spread.units, mfe=50.0,
    )  # fmt: skip
    desk = world({"*": WEAK}, settings=trailed, desk=holding(market, trailed, spread, excursions=(past,)))
    state = await desk.run()
    assert state["exits"] == []
    (kept,) = desk.kept.values()
    assert kept == past.model_copy(update={"stop": -9_950.0, "stop_rule": "trailing_stop"})
    said = desk.audit.of("manage")[f"JPM {spread.order_id}", "position"]
    assert said.startswith("kept: stop moved to -9,950.00 USD a unit (trailing_stop: ")
    reached = past.model_copy(update={"stop": 9_950.0, "stop_rule": "break_even"})
    again = world({"*": WEAK}, settings=trailed, desk=holding(market, trailed, spread, excursions=(reached,)))
    (leaving,) = (await again.run())["exits"]
    assert (leaving.reason.rule, leaving.reason.limit) == ("break_even", 9_950.0)


async def test_a_structure_that_an_approved_order_is_closing_is_not_closed_twice(world, market, settings, spread):
    impatient = due(settings, spread.sized.candidate.strategy)
    on_its_way = spread.model_copy(update={"order_id": "O-CLOSING", "closes": spread.order_id})
    for state, exits in ((OrderState.APPROVED, 0), (OrderState.SUBMITTED, 0), (OrderState.STAGED, 1)):
        view = OrderView(order=on_its_way, state=state, changed_at=market.as_of)
        desk = world({"*": WEAK}, settings=impatient, desk=holding(market, impatient, spread, closings=(view,)))
        assert len((await desk.run())["exits"]) == exits
        said = desk.audit.of("manage")[f"JPM {spread.order_id}", "position"]
        if not exits:
            assert said == "exit_dte is due; O-CLOSING is closing it already"


async def test_what_no_rule_can_judge_is_said_with_the_contract_that_has_no_mark(world, market, settings, spread):
    symbol = spread.sized.candidate.legs[0].symbol
    chain = market.chains["JPM"]
    desk = holding(market, settings, spread)
    blind = value(desk.book, {"JPM": chain.rows(chain.symbol != symbol)})
    world_ = world({"*": WEAK}, desk=desk.model_copy(update={"book": blind}))
    await world_.run()
    assert world_.audit.of("manage")[f"JPM {spread.order_id}", "position"] == (
        "kept: no exit rule applies; stop_loss not judged, unit_profit unknown; take_profit not judged, unit_profit "
        f"unknown; {symbol} has no mark: not in the chain"
    )


async def test_rules_about_orders_are_one_more_cap_and_refuse_where_they_leave_nothing(world, market, settings):
    free = world({"*": BULL})
    await free.run()
    (before,) = [order for order in free.orders.staged.values() if order.ticker == "XOM"]

    def limited(share):
        sets = RuleSets.model_validate({"orders": [{"rule": "max_position", "share": share}]})
        rules = settings.positions.model_copy(update={"orders": sets.orders})
        return world({"*": BULL}, settings=settings.model_copy(update={"positions": rules}))

    roomy = limited(0.5)
    await roomy.run()
    (same,) = [order for order in roomy.orders.staged.values() if order.ticker == "XOM"]
    assert (same.units, same.sized.sizing.binding) == (before.units, before.sized.sizing.binding)
    assert same.sized.sizing.caps[-1].name == "max_position"
    assert same.sized.sizing.caps[:-1] == before.sized.sizing.caps
    tight = limited(1e-6)
    outcomes = {item.ticker: item for item in (await tight.run())["outcomes"]}
    assert tight.orders.staged == {}
    assert outcomes["XOM"].step == "no_size"
    assert outcomes["XOM"].reason.startswith("max_position allows no unit: worst case in XOM")
