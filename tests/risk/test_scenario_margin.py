"""Portfolio margin on revalued books: the worst of ten prices, floors, and no figure where something is missing."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from domain.errors import DataError
from portfolio.margin import MarginSettings, reg_t
from risk.revaluation import Line, Scenarios, revalue
from risk.scenario_margin import charges, group_of, scenario_margin
from tests.risk.made_books import CHAINS, book, leg_of, line, put_spread, row_of, straddle

SETTINGS = MarginSettings()


def lost(held, move, vol=0.0):
    names = held.tickers
    return -float(
        revalue(
            held, Scenarios(names, np.full((1, len(names)), move), np.full((1, len(names)), vol), *np.zeros((2, 1)))
        )[0]
    )


def test_a_short_straddle_is_charged_its_loss_at_the_worse_end_of_the_grid():
    held = book(*straddle())
    found = scenario_margin(held, SETTINGS)
    (charge,) = found.charges
    assert charge.group == "equity"
    assert abs(charge.price_move) == 0.15
    assert float(found.total) == pytest.approx(max(lost(held, move) for move in (-0.15, 0.15)), abs=0.01)
    assert charges(found) == {"ABC": found.total}


def test_a_spread_is_charged_no_more_than_its_width_and_no_less_than_the_floor():
    held = book(*put_spread())
    total = scenario_margin(held, SETTINGS).total
    assert 0 < total <= 500
    tiny = book(line(strike=130.0, quantity=-1, worst=1e6), line("O2", strike=130.0, quantity=1))
    assert scenario_margin(tiny, SETTINGS).total == Decimal("37.50") + min(
        Decimal("37.50"), Decimal(repr(float(tiny.value[1]))) * 100
    )


def test_what_is_hedged_by_shares_asks_less_than_regulation_t():
    put = line("H", strike=100.0, call=False, quantity=1)
    held = book(put, Line("S", "ABC", None, 100, 1e6))
    required = scenario_margin(held, SETTINGS).total
    plain = reg_t([(put.leg, 1)], shares=100, spot=100.0, marks={put.leg.symbol: 5.0}).total
    assert required < plain / 2


def test_underlyings_do_not_offset_each_other_and_volatility_may_be_moved_too():
    both = book(*straddle(), *put_spread("Y", "XYZ"))
    alone = [scenario_margin(book(*lines), SETTINGS).total for lines in (straddle(), put_spread("Y", "XYZ"))]
    assert scenario_margin(both, SETTINGS).total == sum(alone)
    assert scenario_margin(both, SETTINGS, vol_moves=(0.0, 0.5)).total > scenario_margin(both, SETTINGS).total


@pytest.mark.parametrize(
    ("ticker", "group"),
    [
        ("SPX", "broad_index"),
        ("RUT", "small_cap_index"),
        ("MRUT", "small_cap_index"),
        ("SPY", "equity"),
        ("IWM", "equity"),
    ],
)
def test_groups_are_those_of_the_exchange(ticker, group):
    assert group_of(ticker, SETTINGS) == group


def test_what_cannot_be_revalued_leaves_no_figure():
    chain = CHAINS["ABC"]
    dark = replace(chain, iv=np.full_like(chain.iv, np.nan))
    gone = Line("G", "NONE", leg_of(dark, row_of(dark, strike=100.0, call=True)), 1, 500.0)
    with pytest.raises(DataError, match="NONE"):
        scenario_margin(book(*straddle(), gone), SETTINGS)


def test_an_empty_book_asks_for_nothing():
    assert scenario_margin(book(), SETTINGS).total == 0
