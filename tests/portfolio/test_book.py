"""The fold of fills: cash, positions and profit, whatever the order in which fills arrive."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.book import CashFlow, SettlementPrice
from domain.contract import Right, Settlement
from domain.errors import DataError
from domain.order import Fill, LegFill
from domain.sessions import expiry_instant
from portfolio.book import UNSETTLED, fold
from portfolio.ledger import ledger
from portfolio.valuation import unrealised, value
from tests.support.orders import DAY, EXPIRY, HOUR, LONG, NOON, SHORT, chain, fill, leg, order

CASH = Decimal(100_000)
SETTLED_AT = expiry_instant(EXPIRY, am_settled=False)


def settled(price, *, known_at=SETTLED_AT, timing=Settlement.PM, ticker="SPY"):
    return SettlementPrice(
        ticker=ticker, expiry=EXPIRY, timing=timing, price=Decimal(str(price)), known_at=known_at, source="close"
    )


def folded(fills, orders, *, at=NOON + DAY, flows=(), settlements=()):
    return fold(fills, flows, orders, starting_cash=CASH, as_of=at, settlements=settlements)


def test_a_spread_opened_and_closed_by_hand():
    opening, closing = order("open"), order("close", closes="open", at=NOON + HOUR)
    fills = [fill(opening, 4.00, 2.50), fill(closing, 3.00, 2.00, at=NOON + HOUR)]
    half = folded(fills, [opening, closing], at=NOON)
    assert half.cash == CASH + 300 - Decimal("2.60")
    assert [(held.leg, held.quantity, held.average_price) for held in half.positions] == [
        (LONG, 2, Decimal("2.50")),
        (SHORT, -2, Decimal("4.00")),
    ]
    book = folded(fills, [opening, closing])
    assert book.positions == ()
    assert book.realised == 100  # 1.50 taken in, 1.00 paid out, two units of 100 shares
    assert book.fees == Decimal("5.20")
    assert book.cash == CASH + book.realised - book.fees


def test_a_fill_later_than_the_instant_is_not_visible():
    late = order("late", at=NOON + HOUR)
    assert folded([fill(late, 4, 2.5, at=NOON + HOUR)], [late], at=NOON).cash == CASH


def test_a_deposit_is_cash_and_not_profit():
    flows = [CashFlow(at=NOON, amount=Decimal(500), note=""), CashFlow(at=NOON + 2 * DAY, amount=Decimal(7), note="")]
    book = folded([], [], flows=flows)
    assert (book.cash, book.realised) == (CASH + 500, 0)


def test_closing_nets_only_the_structure_it_names_though_another_holds_the_same_contracts():
    first, second, closing = order("a"), order("b"), order("c", closes="b", at=NOON + HOUR)
    fills = [fill(first, 4, 2.5), fill(second, 4.2, 2.6), fill(closing, 3, 2, at=NOON + HOUR)]
    book = folded(fills, [first, second, closing])
    assert {held.order_id for held in book.positions} == {"a"}
    assert book.realised == 2 * (Decimal("1.60") - 1) * 100


def test_an_average_price_without_an_end_loses_no_cent():
    opening, closing = order("a", units=3), order("b", units=3, closes="a", at=NOON + HOUR)
    fills = [fill(opening, price, 1, units=1, fill_id=f"a/{price}") for price in ("2.00", "2.00", "2.01")]
    fills += [fill(closing, 2, 1, units=1, fill_id=f"b/{n}", at=NOON + HOUR) for n in range(3)]
    book = folded(fills, [opening, closing])
    assert book.realised == 1
    assert book.cash == CASH + 1 - book.fees


def test_the_contracts_own_multiplier_counts_and_a_forgotten_one_is_caught():
    mini = (leg(590, -1, multiplier=10), leg(580, 1, multiplier=10))
    opening = order("mini", legs=mini)
    right = fill(opening, 4, 2.5, fees="0")
    assert folded([right], [opening]).cash == CASH + 2 * Decimal("1.5") * 10
    wrong = right.model_copy(update={"cash": Decimal(300)})
    with pytest.raises(DataError, match=r"moved 300 USD, but its legs and fees come to 30\.0 USD"):
        folded([wrong], [opening])


@pytest.mark.parametrize(
    ("orders", "says"),
    [
        ([], "does not know"),
        ([order("o-1", closes="gone")], "nothing was filled before"),
        ([order("o-1", intent="close")], "does not say which order it closes"),
        ([order("o-1", legs=(leg(500, -1), leg(490, 1)))], "never held"),
    ],
)
def test_a_fill_that_fits_no_order_is_refused_not_guessed(orders, says):
    stray = fill(order("o-1"), 4, 2.5)
    with pytest.raises(DataError, match=says):
        folded([stray], orders)


@pytest.mark.parametrize(("price", "profit"), [(600, 300), (585, -700), (570, -1700)])
def test_expiry_settles_at_intrinsic_value(price, profit):
    opening = order("a")
    book = folded([fill(opening, 4, 2.5)], [opening], at=SETTLED_AT, settlements=[settled(price)])
    assert book.positions == ()
    assert book.realised == profit
    assert book.cash == CASH + profit - book.fees


@pytest.mark.parametrize(
    "known",
    [[], [settled(600, known_at=SETTLED_AT + DAY)], [settled(600, timing=Settlement.AM)], [settled(6, ticker="X")]],
)
def test_without_its_own_settlement_price_an_expired_contract_stays_and_is_flagged(known):
    opening = order("a")
    book = folded([fill(opening, 4, 2.5)], [opening], at=SETTLED_AT, settlements=known)
    assert {held.mark_source for held in book.positions} == {UNSETTLED}
    assert value(book, {}).nlv is None


def test_a_settlement_price_before_expiry_settles_nothing():
    opening = order("a")
    early = settled(600, known_at=NOON)
    assert len(folded([fill(opening, 4, 2.5)], [opening], settlements=[early]).positions) == 2


def test_am_settled_contracts_end_in_the_morning():
    legs = (leg(590, -1, settlement=Settlement.AM), leg(580, 1, settlement=Settlement.AM))
    opening = order("a", legs=legs)
    at = SETTLED_AT - 3 * HOUR
    price = settled(600, timing=Settlement.AM, known_at=at)
    assert folded([fill(opening, 4, 2.5)], [opening], at=at, settlements=[price]).positions == ()


def test_a_calls_intrinsic_value_is_above_the_strike():
    legs = (leg(600, 1, right=Right.CALL),)
    opening = order("a", legs=legs)
    book = folded([fill(opening, 5, fees="0")], [opening], at=SETTLED_AT, settlements=[settled(612.5)])
    assert book.realised == 2 * Decimal("7.5") * 100


def test_a_structure_counts_the_units_of_the_leg_of_which_most_is_left():
    opening = order("a", units=3)
    whole = fill(opening, 4, 2.5)
    closing = order("b", closes="a", units=1, at=NOON + HOUR)
    structure = ledger([whole, fill(closing, 3, 2, at=NOON + HOUR)], [opening, closing], as_of=NOON + DAY)["a"]
    assert (structure.units_held, structure.opened_units, structure.closed) == (2, 3, False)


PRICES = st.decimals(min_value="0.01", max_value="50", places=2)
TRADES = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.booleans(), st.integers(1, 5), PRICES, PRICES, st.integers(0, 3)),
    max_size=12,
)


def _history(trades):
    """Any mix of opening and closing fills, over-closing included."""
    orders = {name: order(name, units=9) for name in "ab"}
    closers = {name: order(f"close-{name}", units=9, closes=name) for name in "ab"}
    fills = [fill(orders[name], 1, 1, fill_id=f"{name}/first", at=NOON) for name in "ab"]
    for number, (name, closing, units, first, second, hour) in enumerate(trades):
        of = closers[name] if closing else orders[name]
        fills.append(fill(of, first, second, units=units, fill_id=f"f{number:02}", at=NOON + hour * HOUR))
    return fills, [*orders.values(), *closers.values()]


@settings(max_examples=60)
@given(trades=TRADES, marks=st.tuples(PRICES, PRICES), seed=st.randoms(use_true_random=False))
def test_cash_and_marks_are_conserved_and_the_order_of_arrival_is_nothing(trades, marks, seed):
    fills, orders = _history(trades)
    book = folded(fills, orders)
    quotes = {part: (float(mark), float(mark)) for part, mark in zip((SHORT, LONG), marks, strict=True)}
    valued = value(book, {"SPY": chain(quotes, at=NOON + DAY)})
    gained = sum((unrealised(held) for held in valued.positions), Decimal(0))
    assert valued.nlv is not None
    assert abs(valued.nlv - (CASH + book.realised - book.fees + gained)) <= Decimal("0.02")
    assert book.cash == CASH + sum((done.cash for done in fills), Decimal(0))
    shuffled = list(fills)
    seed.shuffle(shuffled)
    assert folded(shuffled, orders) == book


@settings(max_examples=60)
@given(trades=TRADES, price=st.decimals(min_value="500", max_value="700", places=2))
def test_settlement_pays_exactly_the_intrinsic_value_of_what_is_held(trades, price):
    fills, orders = _history(trades)
    before = folded(fills, orders, at=NOON + DAY)
    after = folded(fills, orders, at=SETTLED_AT, settlements=[settled(price)])
    worth = sum(max(held.leg.strike - price, Decimal(0)) * held.quantity * 100 for held in before.positions)
    assert after.positions == ()
    assert after.cash == before.cash + worth
    assert abs(after.cash - (CASH + after.realised - after.fees)) <= Decimal("0.01")


def test_old_saturday_expiries_settle_on_the_session_before():
    legs = (leg(120, 1, expiry=date(2011, 1, 22)),)
    opening = order("old", legs=legs, at=NOON.replace(year=2011, month=1, day=3))
    done = Fill(
        fill_id="x",
        order_id="old",
        at=opening.staged_at,
        units=1,
        legs=(LegFill(symbol=legs[0].symbol, quantity=1, price=Decimal(1)),),
        fees=Decimal(0),
        cash=Decimal(-100),
        rule="test",
    )
    friday = expiry_instant(date(2011, 1, 21), am_settled=False)
    assert folded([done], [opening], at=friday).positions[0].mark_source == UNSETTLED
