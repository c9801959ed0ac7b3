"""Marks at mid of a usable quote, or no mark and no NLV."""

from decimal import Decimal

import numpy as np
import pytest

from domain.errors import DataError
from domain.sessions import expiry_instant
from portfolio.book import fold
from portfolio.valuation import structure_profit, usable_mid, value
from tests.support.orders import DAY, EXPIRY, GOOD_QUOTES, HOUR, LONG, NOON, SHORT, chain, fill, order

CASH = Decimal(100_000)
NAN = float("nan")


def book(at=NOON):
    opening = order("a")
    return fold([fill(opening, 4.05, 2.55)], [], [opening], starting_cash=CASH, as_of=at)


def test_nlv_is_cash_plus_mids_and_never_the_last_price():
    valued = value(book(), {"SPY": chain(GOOD_QUOTES, at=NOON - HOUR)})
    assert valued.nlv == CASH - Decimal("2.60")  # filled at mid: only the fees are lost; last is 99 everywhere
    assert valued.nlv_as_of == NOON - HOUR
    assert {held.mark_source for held in valued.positions} == {"mid"}


def test_cash_alone_is_worth_itself_now():
    empty = fold([], [], [], starting_cash=CASH, as_of=NOON)
    assert (value(empty, {}).nlv, value(empty, {}).nlv_as_of) == (CASH, NOON)


@pytest.mark.parametrize(
    ("quotes", "says"),
    [
        ({SHORT: (4.2, 4.1), LONG: (2.5, 2.6)}, "no usable quote"),
        ({SHORT: (NAN, 4.1), LONG: (2.5, 2.6)}, "no usable quote"),
        ({SHORT: (0.0, 0.0), LONG: (2.5, 2.6)}, "no usable quote"),
        ({LONG: (2.5, 2.6)}, "not in the chain"),
    ],
)
def test_one_position_without_a_usable_quote_makes_nlv_unknown_not_smaller(quotes, says):
    valued = value(book(), {"SPY": chain(quotes)})
    assert valued.nlv is None
    assert valued.nlv_as_of is None
    short = next(held for held in valued.positions if held.leg == SHORT)
    assert short.mark is None
    assert says in short.mark_source


def test_no_chain_at_all_is_said():
    assert {held.mark_source for held in value(book(), {}).positions} == {"no chain of SPY"}


def test_a_chain_later_than_the_book_is_a_breach_of_point_in_time():
    with pytest.raises(DataError, match="later"):
        value(book(), {"SPY": chain(GOOD_QUOTES, at=NOON + HOUR)})


@pytest.mark.parametrize(
    ("bid", "ask", "mid"),
    [(0.0, 0.1, 0.05), (1.0, 1.0, 1.0), (1.1, 1.0, None), (-0.1, 0.1, None), (0, np.inf, None), (np.nan, 1, None)],
)
def test_which_quotes_may_mark(bid, ask, mid):
    assert usable_mid(bid, ask) == mid


def test_in_the_hour_after_expiry_intrinsic_at_spot_stands_in_but_no_longer():
    close = expiry_instant(EXPIRY, am_settled=False)
    at = close + HOUR / 4
    held = value(book(at), {"SPY": chain(GOOD_QUOTES, at=at, spot=585.0)})
    assert held.nlv == CASH - Decimal("2.60") + 300 - 1000
    assert value(book(at), {"SPY": chain(GOOD_QUOTES, at=at, spot=NAN)}).nlv is None
    assert value(book(at), {"SPY": chain(GOOD_QUOTES, at=close - HOUR)}).nlv is None  # taken before expiry
    assert value(book(close + DAY), {"SPY": chain(GOOD_QUOTES, at=close + DAY, spot=585.0)}).nlv is None


def test_a_structures_profit_is_unknown_as_soon_as_one_of_its_marks_is():
    valued = value(book(), {"SPY": chain({SHORT: (3.0, 3.1), LONG: (2.5, 2.6)})})
    assert structure_profit(valued, "a") == 200  # the short put fell by 1.00, two units of 100
    half = value(book(), {"SPY": chain({LONG: (2.5, 2.6)})})
    assert structure_profit(half, "a") is None
    assert structure_profit(half, "another") == 0
