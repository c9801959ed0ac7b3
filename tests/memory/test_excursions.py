"""What held structures went through survives restarts, is known only from its instant on, and is kept once."""

from decimal import Decimal

import pytest

from domain.book import CashFlow
from domain.order import OrderState
from memory.desk import PostgresDeskState
from memory.excursions import peak_nlv
from memory.orders import PostgresOrderStore
from tests.support.orders import DAY, HOUR, LONG, NOON, SHORT, chain, fill, market, order

S = OrderState
RISK = 862.6  # USD per unit


@pytest.fixture
def store(engine):
    return PostgresOrderStore(engine, account="simulated")


@pytest.fixture
def desk(engine):
    return PostgresDeskState(engine, account="simulated")


def quoted(at, short, long):
    """SPY with both legs at these mids, USD per share."""
    quotes = {SHORT: (short - 0.05, short + 0.05), LONG: (long - 0.05, long + 0.05)}
    return market(at, chains={"SPY": chain(quotes, at=at)})


async def done(store, opening, *prices, at=NOON, state=S.FILLED, units=None):
    """Two units sold at a credit of 1.50 unless said otherwise, or what `opening` orders."""
    await store.stage(opening)
    steps = (S.APPROVED, S.SUBMITTED, state)
    for old, new in zip((S.STAGED, *steps), steps, strict=False):
        await store.transition(opening.order_id, new, expect=old, at=at, reviewer="ann", reason=None)
    await store.record_fill(fill(opening, *prices, at=at, units=units))


async def test_the_best_and_the_worst_seen_outlive_the_process(engine, desk, store):
    await done(store, order("open"), 4.05, 2.55)
    first = await desk.context(NOON + HOUR, quoted(NOON + HOUR, 3.05, 2.05))
    (seen,) = first.excursions
    assert (seen.order_id, seen.opened_at, seen.at) == ("open", NOON, NOON + HOUR)
    assert (seen.entry_price, seen.unit_risk, seen.opened_units, seen.closed_units) == (150.0, RISK, 2, 0)
    assert (seen.mfe, seen.mae, seen.high_water, seen.low_water) == (50.0, 0.0, -100.0, -100.0)
    await desk.keep_excursions(NOON + HOUR, [seen.model_copy(update={"stop": 0.0, "stop_rule": "break_even"})])
    again = PostgresDeskState(engine, account="simulated")
    (later,) = (await again.context(NOON + 2 * HOUR, quoted(NOON + 2 * HOUR, 5.05, 2.55))).excursions
    assert (later.mfe, later.mae, later.high_water, later.low_water) == (50.0, -100.0, -100.0, -250.0)
    assert (later.stop, later.stop_rule) == (0.0, "break_even")
    (blind,) = (await again.context(NOON + 2 * HOUR, market(NOON + 2 * HOUR, chains={}))).excursions
    assert (blind.mfe, blind.mae, blind.at) == (50.0, 0.0, NOON + HOUR)


async def test_an_earlier_instant_knows_nothing_of_later_ones_nor_another_account(engine, desk, store):
    await done(store, order("open"), 4.05, 2.55)
    before = (await desk.context(NOON + HOUR, quoted(NOON + HOUR, 4.05, 2.55))).excursions
    later = await desk.context(NOON + 2 * HOUR, quoted(NOON + 2 * HOUR, 3.05, 2.05))
    await desk.keep_excursions(NOON + 2 * HOUR, later.excursions)
    assert (await desk.context(NOON + HOUR, quoted(NOON + HOUR, 4.05, 2.55))).excursions == before
    other = PostgresDeskState(engine, account="recorded")
    assert (await other.context(NOON + 3 * HOUR, quoted(NOON + 3 * HOUR, 4.05, 2.55))).excursions == ()


async def test_of_one_instant_the_first_state_stands_and_nothing_to_keep_is_nothing(desk, store):
    await done(store, order("open"), 4.05, 2.55)
    at = NOON + HOUR
    (seen,) = (await desk.context(at, quoted(at, 3.05, 2.05))).excursions
    await desk.keep_excursions(at, [seen])
    await desk.keep_excursions(at, [seen.model_copy(update={"mfe": 999.0})])
    await desk.keep_excursions(at, [])
    assert (await desk.context(at, quoted(at, 3.05, 2.05))).excursions == (seen,)


async def test_a_closing_order_on_its_way_is_in_the_picture_and_its_fills_are_counted(desk, store):
    await done(store, order("open"), 4.05, 2.55)
    closing = order("close", closes="open", at=NOON + HOUR, units=1)
    await store.stage(closing)
    at = NOON + 2 * HOUR
    context = await desk.context(at, quoted(at, 4.05, 2.55))
    assert [(view.order.order_id, view.state) for view in context.closings] == [("close", S.STAGED)]
    await done(store, closing, 3.05, 2.05, at=NOON + HOUR)
    context = await desk.context(at, quoted(at, 3.05, 2.05))
    assert context.closings == ()
    (seen,) = context.excursions
    assert (seen.opened_units, seen.closed_units, seen.mfe) == (2, 1, 50.0)


async def test_the_peak_counts_what_was_paid_in_and_out_since(engine, desk):
    async def peak(at):
        async with engine.connect() as link:
            return await peak_nlv(link, "simulated", at)

    assert await peak(NOON) is None
    first = await desk.context(NOON, market())
    assert first.peak_nlv == 100_000
    await desk.record_cash_flow(CashFlow(at=NOON + HOUR, amount=Decimal(-30_000), note="rent"), key="out")
    assert await peak(NOON) == 100_000
    assert await peak(NOON + DAY) == 70_000
    after = await desk.context(NOON + DAY, market(NOON + DAY))
    assert (after.book.nlv, after.peak_nlv) == (70_000, 70_000)
