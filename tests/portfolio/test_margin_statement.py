"""Margin of a whole account: sums, what is unknown, and an order more."""

from decimal import Decimal

import pytest

from domain.book import Book, Position, SharePosition
from domain.contract import Right
from portfolio.margin import MarginSettings, requirement_of, requirement_of_book
from portfolio.margin import statement as statement_module
from portfolio.margin.requirement import reg_t
from tests.support.orders import NOON, leg

SHORT, LONG = leg(590, -1), leg(580, 1)
CALL = leg(100, -1, right=Right.CALL, root="XYZ")
SPREAD = ((SHORT, -1), (LONG, 1))
MARKS = {SHORT.symbol: 4.1, LONG.symbol: 2.5}
SPOTS = {"SPY": 600.0, "XYZ": 98.0}


def test_underlyings_add_up_and_do_not_offset_each_other():
    found = requirement_of(
        {"SPY": SPREAD, "XYZ": [(CALL, -1)]}, spots=SPOTS, marks={**MARKS, CALL.symbol: 3.0}, shares={"QQQ": 0}
    )
    assert list(found.by_underlying) == ["QQQ", "SPY", "XYZ"]
    assert found.total == 1250 + 300 + 1760  # 1,000 + 250 paid; 3 + 19.60 − 2 a share
    assert found.bound == found.total - 410 - 300
    assert found.maintenance == found.total
    assert (found.unknown, found.refused, found.notes) == ((), "", ())


def test_one_underlying_without_a_requirement_leaves_no_sum():
    found = requirement_of({"SPY": SPREAD, "XYZ": [(CALL, -1)]}, spots={"SPY": 600.0}, marks=MARKS)
    assert (found.total, found.maintenance, found.bound) == (None, None, None)
    assert found.unknown == ("XYZ",)
    assert found.refused.startswith("XYZ: ")
    assert found.by_underlying["SPY"].total == 1250
    assert len(found.notes) == 1


@pytest.mark.parametrize("spot", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_spot_that_is_none_counts_as_unknown(spot):
    found = requirement_of({"SPY": [(SHORT, -1)]}, spots={"SPY": spot}, marks=MARKS)
    assert found.total == 410 + 11_800  # 20 % of the strike, the most at any price
    assert "no price" in found.notes[0]
    assert found.after("SPY", [], spot=600.0).total == 410 + 11_000
    assert found.after("SPY", [], spot=spot).total == found.total


def test_an_index_is_charged_its_own_rate_and_settings_may_differ():
    put = leg(90, -1, root="SPX")
    held = {"SPX": [(put, -1)]}
    assert requirement_of(held, spots={"SPX": 100.0}, marks={put.symbol: 1.0}).total == 100 + 900  # 10 % of the strike
    stock = MarginSettings(broad_indices=frozenset())
    assert requirement_of(held, spots={"SPX": 100.0}, marks={put.symbol: 1.0}, settings=stock).total == 100 + 1000


def test_an_order_is_matched_with_what_is_held_and_only_its_underlying_anew(monkeypatch):
    before = requirement_of({"SPY": SPREAD, "XYZ": [(CALL, -1)]}, spots=SPOTS, marks=MARKS)
    asked = []
    monkeypatch.setattr(statement_module, "reg_t", lambda *args, **kwargs: asked.append(args) or reg_t(*args, **kwargs))
    bought = leg(110, 1, right=Right.CALL, root="XYZ", expiry=CALL.expiry).model_copy(update={"bid": 0.4, "ask": 0.6})
    after = before.after("XYZ", [(bought, 1)])
    assert len(asked) == 1
    assert after.by_underlying["SPY"] is before.by_underlying["SPY"]
    assert after.by_underlying["XYZ"].total == 1000 + 50  # covered now
    assert after.after("XYZ", [(bought, -1)]).total == before.total
    assert before.by_underlying["XYZ"].total == 98_00 + 1760  # the unmarked call is worth the shares at most


def test_an_order_on_something_new_brings_its_own_spot():
    before = requirement_of({"SPY": SPREAD}, spots={"SPY": 600.0}, marks=MARKS)
    priced = CALL.model_copy(update={"bid": 3.0, "ask": 3.0})
    after = before.after("XYZ", [(priced, -1)], spot=98.0)
    assert after.total == before.total + 300 + 1760
    assert list(after.by_underlying) == ["SPY", "XYZ"]
    assert before.after("XYZ", [(priced, -1)]).total is None
    assert before.after("SPY", [], spot=1.0).total == before.total  # a spot that is known stands


def test_a_cash_account_pledges_its_cash_once_ticker_by_ticker():
    settings = MarginSettings(account="cash")
    puts = {ticker: [(leg(50, -1, root=ticker), -1)] for ticker in ("AAA", "BBB")}
    marks = {legs[0][0].symbol: 1.0 for legs in puts.values()}
    spots = {"AAA": 52.0, "BBB": 52.0}
    enough = requirement_of(puts, spots=spots, marks=marks, settings=settings, cash=Decimal(10_000))
    assert (enough.total, enough.bound) == (10_000, 9_800)
    short = requirement_of(puts, spots=spots, marks=marks, settings=settings, cash=Decimal(9_999))
    assert short.unknown == ("BBB",)
    alone = requirement_of({"BBB": puts["BBB"]}, spots=spots, marks=marks, settings=settings, cash=Decimal(9_999))
    assert alone.total == 5_000
    assert alone.after("AAA", puts["AAA"]).unknown == ("BBB",)


def position(contract, quantity, mark):
    return Position(
        order_id="a", ticker=contract.root, strategy="x", leg=contract, quantity=quantity, average_price=Decimal(1),
        mark=mark, mark_source="mid",
    )  # fmt: skip


@pytest.mark.parametrize(("shares", "bound"), [((), 1760), ((60, 40), 4900 - 100), ((-100,), 4900 + 1760)])
def test_a_book_is_charged_at_its_own_marks_its_shares_covering_its_calls(shares, bound):
    lots = tuple(
        SharePosition(ticker="XYZ", quantity=count, average_price=Decimal(90), mark=98.0, mark_source="spot (quoted)")
        for count in shares
    )
    book = Book(
        as_of=NOON, cash=Decimal(10_000), positions=(position(CALL, -1, 1.0), position(LONG, 1, None)), nlv=None,
        nlv_as_of=None, realised=Decimal(0), fees=Decimal(0), shares=lots,
    )  # fmt: skip
    found = requirement_of_book(book, SPOTS)
    assert found.by_underlying["XYZ"].bound == bound
    assert found.by_underlying["SPY"].total == 58_000  # no mark: the put is worth its strike at most
    assert len(found.notes) == 1
