"""Shares in the book: they count in NLV, can lose all they are worth, or without end, and never count as nothing."""

from decimal import Decimal

import pytest

from domain.book import SharePosition
from domain.errors import DataError
from domain.risk import DollarGreeks
from portfolio.book import fold
from portfolio.exposure import exposures, share_exposures
from portfolio.valuation import unrealised, value, worth_of
from tests.support.orders import GOOD_QUOTES, HOUR, NOON, chain

CASH = Decimal(100_000)


def shares(quantity, ticker="SPY", paid="590"):
    return SharePosition(
        ticker=ticker, quantity=quantity, average_price=Decimal(paid), mark=None, mark_source="not valued yet"
    )


def book(*held):
    return fold([], [], [], starting_cash=CASH, as_of=NOON, shares=held)


@pytest.mark.parametrize(("quantity", "worth"), [(100, 60_050), (-100, -60_050), (7, Decimal("4203.50"))])
def test_shares_count_in_nlv_at_the_spot_long_or_short(quantity, worth):
    valued = value(book(shares(quantity)), {"SPY": chain(GOOD_QUOTES, at=NOON - HOUR, spot=600.5)})
    (held,) = valued.shares
    assert (held.mark, held.mark_source) == (600.5, "spot (quoted)")
    assert worth_of(held) == worth
    assert unrealised(held) == quantity * Decimal("10.5")
    assert valued.nlv == CASH + worth
    assert valued.nlv_as_of == NOON - HOUR


@pytest.mark.parametrize(
    ("chains", "says"),
    [
        ({}, "no chain of SPY"),
        ({"SPY": chain(GOOD_QUOTES, spot=float("nan"))}, "no usable price of SPY"),
        ({"SPY": chain(GOOD_QUOTES, spot=0.0)}, "no usable price of SPY"),
    ],
)
def test_shares_without_a_price_leave_nlv_unknown_and_their_worst_case_without_a_bound(chains, says):
    valued = value(book(shares(100)), chains)
    assert (valued.nlv, valued.nlv_as_of) == (None, None)
    assert valued.shares[0].mark_source == says
    assert worth_of(valued.shares[0]) is None
    assert unrealised(valued.shares[0]) is None
    (found,) = share_exposures(valued, {})
    assert (found.worst_case, found.greeks, found.sector) == (None, None, "unknown")
    assert "not known" in found.detail


def test_a_price_later_than_the_book_is_a_breach_of_point_in_time_for_shares_too():
    with pytest.raises(DataError, match="later"):
        value(book(shares(100)), {"SPY": chain(GOOD_QUOTES, at=NOON + HOUR)})


def test_long_shares_can_lose_their_whole_value_and_short_ones_without_end():
    quotes = {"SPY": chain(GOOD_QUOTES, spot=600.0), "QQQ": chain(GOOD_QUOTES, spot=500.0)}
    valued = value(book(shares(100), shares(-50, "QQQ")), quotes)
    short, long = share_exposures(valued, {"SPY": "index"})
    assert (long.ticker, long.sector, long.quantity, long.worst_case) == ("SPY", "index", 100, 60_000)
    assert long.greeks == DollarGreeks(delta=60_000)
    assert (short.ticker, short.sector, short.worst_case) == ("QQQ", "unknown", None)
    assert "without end" in short.detail
    assert short.greeks == DollarGreeks(delta=-25_000)
    assert exposures([], valued, {}) == ()  # structures only: shares have their own, whose bound may be missing


def test_a_book_keeps_its_shares_by_ticker():
    assert [held.ticker for held in book(shares(1, "SPY"), shares(1, "QQQ")).shares] == ["QQQ", "SPY"]
