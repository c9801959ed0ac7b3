"""Portfolio margin: the worst of ten prices, what offsets what, and the floor for each contract."""

from decimal import Decimal

import numpy as np
import pytest

from domain.errors import DataError
from options import black
from portfolio.margin import PortfolioClass, least_of, portfolio_margin, price_moves


def held(ticker, group="equity", least="0"):
    return PortfolioClass(ticker=ticker, group=group, least=Decimal(least))


def linear(**deltas):
    """USD of each ticker's exposure, gained and lost in proportion to the move."""
    return lambda ticker, price, vol: deltas[ticker] * price


def test_ten_even_moves_end_at_the_regulators_extremes():
    assert np.allclose(price_moves("equity"), [-0.15, -0.12, -0.09, -0.06, -0.03, 0.03, 0.06, 0.09, 0.12, 0.15])
    fall, rise = [-0.08, -0.064, -0.048, -0.032, -0.016], [0.012, 0.024, 0.036, 0.048, 0.06]
    assert np.allclose(price_moves("broad_index"), fall + rise)
    assert np.allclose(price_moves("small_cap_index")[[0, -1]], [-0.10, 0.10])
    assert np.allclose(price_moves("narrow_index")[[0, -1]], [-0.15, 0.15])


@pytest.mark.parametrize(
    ("group", "dollars", "requirement", "move"),
    [("equity", 10_000, 1500, -0.15), ("equity", -10_000, 1500, 0.15), ("broad_index", 10_000, 800, -0.08),
     ("broad_index", -10_000, 600, 0.06), ("small_cap_index", -10_000, 1000, 0.10)],
)  # fmt: skip
def test_shares_are_charged_their_loss_at_the_worst_move(group, dollars, requirement, move):
    found = portfolio_margin([held("A", group)], linear(A=dollars))
    assert found.total == requirement
    assert (found.worst.price_move, found.worst.vol_move) == (pytest.approx(move), 0.0)
    assert (found.worst.loss, found.worst.least) == (requirement, 0)
    assert found.pnl.shape == (1, 1, 10)


def test_equities_do_not_offset_each_other_but_broad_indices_do_by_nine_tenths():
    apart = portfolio_margin([held("A"), held("B")], linear(A=10_000, B=-10_000))
    assert apart.total == 3000
    assert [charge.tickers for charge in apart.charges] == [("A",), ("B",)]
    index = portfolio_margin([held("SPX", "broad_index"), held("NDX", "broad_index")], linear(SPX=10_000, NDX=-10_000))
    assert index.total == Decimal("80.00")  # at −8 %: 800 lost, 90 % of 800 gained
    assert index.charges[0].tickers == ("NDX", "SPX")
    small = [held("RUT", "small_cap_index"), held("MRUT", "small_cap_index")]
    assert portfolio_margin(small, linear(RUT=10_000, MRUT=-10_000)).total == 250
    both = [held("SPX", "broad_index"), held("RUT", "small_cap_index")]
    assert portfolio_margin(both, linear(SPX=10_000, RUT=-10_000)).total == 1800  # groups offset nothing


def test_a_gain_at_another_move_pays_for_nothing():
    def straddles(ticker, price, vol):
        return np.abs(price) * (10_000 if ticker == "SPX" else 0) - (ticker == "NDX") * 500.0

    index = [held("SPX", "broad_index"), held("NDX", "broad_index")]
    assert portfolio_margin(index, straddles).total == 500 - Decimal("0.9") * 120  # least where SPX moves least, 1.2 %


def test_every_contract_costs_its_floor_but_a_long_one_no_more_than_its_worth():
    assert least_of([(-2, 100, Decimal(5))]) == 75
    assert least_of([(2, 100, Decimal(5)), (-1, 10, Decimal("0.01"))]) == Decimal("78.75")
    assert least_of([(4, 100, Decimal("0.10"))]) == 40
    assert least_of([(1, 100, None)]) == Decimal("37.5")
    floored = portfolio_margin([held("A", least="75"), held("B", least="37.5")], linear(A=100, B=10_000))
    assert [charge.requirement for charge in floored.charges] == [75, 1500]
    assert floored.total == 1575
    assert floored.worst.tickers == ("B",)
    index = [held("SPX", "broad_index", "400"), held("NDX", "broad_index", "450")]
    assert portfolio_margin(index, linear(SPX=10_000, NDX=0)).total == 850


def test_a_volatility_dimension_can_only_ask_for_more_and_the_grid_is_returned():
    def condor(ticker, price, vol):
        spot = 100 * (1 + price)
        value = sum(
            sign * black.price(strike=k, tau=0.1, vol=0.25 * (1 + vol), is_call=call, forward=spot, discount=1.0)
            for k, call, sign in ((90, False, 1), (95, False, -1), (105, True, -1), (110, True, 1))
        )
        start = sum(
            sign * black.price(strike=k, tau=0.1, vol=0.25, is_call=call, forward=100.0, discount=1.0)
            for k, call, sign in ((90, False, 1), (95, False, -1), (105, True, -1), (110, True, 1))
        )
        return 100 * (value - start)

    plain = portfolio_margin([held("A")], condor)
    shocked = portfolio_margin([held("A")], condor, vol_moves=(-0.2, 0.0, 0.3))
    assert 0 < plain.total <= shocked.total < 500  # never above the width of a wing
    assert shocked.pnl.shape == (1, 3, 10)
    assert np.allclose(shocked.pnl[0, 1], plain.pnl[0, 0])
    assert float(shocked.worst.loss) == pytest.approx(-shocked.pnl.min(), abs=0.01)
    assert float(shocked.worst.loss) >= -shocked.pnl.min()  # cents are rounded up


def test_the_order_in_which_classes_come_does_not_matter():
    classes = [held("B", "broad_index"), held("A"), held("C", "broad_index")]
    deltas = {"A": 5_000, "B": 7_000, "C": -6_000}
    one, other = (portfolio_margin(order, linear(**deltas)) for order in (classes, classes[::-1]))
    assert (one.total, one.charges, one.tickers) == (other.total, other.charges, ("A", "B", "C"))


def test_an_empty_account_needs_nothing_and_gains_everywhere_too():
    empty = portfolio_margin([], linear())
    assert (empty.total, empty.worst, empty.charges) == (0, None, ())
    assert portfolio_margin([held("A")], lambda *_: np.full(10, 5.0)).total == 0


@pytest.mark.parametrize(
    "reprice", [lambda *_: np.full(10, np.nan), lambda *_: np.zeros(9), lambda *_: np.array([np.inf] * 10)]
)
def test_what_cannot_be_repriced_is_refused_not_charged_less(reprice):
    with pytest.raises(DataError, match="cannot be repriced"):
        portfolio_margin([held("A")], reprice)


def test_a_ticker_given_twice_or_no_volatility_move_is_refused():
    with pytest.raises(DataError, match="each ticker once"):
        portfolio_margin([held("A"), held("A")], linear(A=1))
    with pytest.raises(DataError, match="each ticker once"):
        portfolio_margin([held("A")], linear(A=1), vol_moves=())
