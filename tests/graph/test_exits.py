"""What is held comes first: closing orders follow exit rules, whatever the trading state says of openings."""

from dataclasses import replace
from decimal import Decimal

import pytest

from domain.market import MarketData
from domain.order import OrderState, OrderView, StagedOrder
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


def due(settings, strategy, **rules):
    """The settings with the exit rules of one strategy replaced."""
    structure = settings.legs.structure(strategy)
    changed = structure.model_copy(update={"exits": structure.exits.model_copy(update=rules)})
    others = tuple(item for item in settings.legs.structures if item.strategy != strategy)
    legs = settings.legs.model_copy(update={"structures": (*others, changed)})
    return settings.model_copy(update={"legs": legs})


async def test_a_structure_that_no_exit_rule_touches_is_kept_and_that_is_logged(world, market, settings, spread):
    desk = world({"*": WEAK}, desk=holding(market, settings, spread))
    state = await desk.run()
    assert state["exits"] == []
    assert desk.audit.of("manage") == {(f"JPM {spread.order_id}", "position"): "kept: no exit rule applies"}


@pytest.mark.parametrize("trading", [TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED])
async def test_an_exit_that_is_due_is_staged_as_a_closing_order_even_when_openings_are_barred(
    world, market, settings, spread, trading
):
    desk = world(
        {"*": BEAR},
        settings=due(settings, spread.sized.candidate.strategy, exit_dte=90),
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
    impatient = due(settings, spread.sized.candidate.strategy, exit_dte=90)
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
    impatient = due(settings, spread.sized.candidate.strategy, exit_dte=90)
    desk = world({"*": WEAK}, settings=impatient, desk=holding(market, settings, spread, kept))
    state = await desk.run()
    assert [(item.closes, item.units) for item in state["exits"]] == [(spread.order_id, spread.units)]
    logged = desk.audit.of("manage")
    assert logged[f"XOM {kept.order_id}", "position"] == "kept: no exit rule applies"
    assert logged[f"JPM {spread.order_id}", "position"].reason.rule == "exit_dte"
