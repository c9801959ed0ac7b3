"""Open hedges told apart by their orders, due by the setting that says so, and rolled at prices that can be had."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from domain.book import Book, Position
from domain.order import OrderState
from options.legs.candidate import leg_of
from options.priced import ChainRefusal
from risk.hedge import HedgeSettings
from risk.hedge.roll import open_hedges
from tests.options.made_chain import AS_OF, made_chain
from tests.support.orders import order, view

SETTINGS = HedgeSettings()
SPY = made_chain(root="SPY", spot=600.0, step=5.0)


def row(strike, expiry=0, chain=SPY):
    piece = chain.slices[expiry]
    found = piece.rows[(chain.chain.strike[piece.rows] == strike) & ~chain.chain.is_call[piece.rows]]
    return int(found[0])


def position(order_id, strike, quantity, *, ratio=None, expiry=0, mark=2.5):
    return Position(
        order_id=order_id, ticker="SPY", strategy="long_put", leg=leg_of(SPY, row(strike, expiry), ratio or quantity),
        quantity=quantity, average_price=Decimal("3.00"), mark=mark, mark_source="mid",
    )  # fmt: skip


def book(*positions):
    return Book(
        as_of=AS_OF,
        cash=Decimal(0),
        positions=positions,
        nlv=None,
        nlv_as_of=None,
        realised=Decimal(0),
        fees=Decimal(0),
    )


def hedging(*ids, purpose="hedge"):
    return [view(order(name, purpose=purpose), OrderState.FILLED) for name in ids]


def tracked(*positions, ids=("O-1",), chains=None, settings=SETTINGS, as_of=AS_OF):
    held = {"SPY": SPY} if chains is None else chains
    return open_hedges(book(*positions), hedging(*ids), held, settings, as_of=as_of)


def test_only_what_was_opened_as_a_hedge_is_one():
    trades = hedging("O-2", purpose="trade")
    both = book(position("O-1", 540, 1), position("O-2", 540, 1))
    assert [h.order_id for h in open_hedges(both, [*hedging("O-1"), *trades], {"SPY": SPY}, SETTINGS, as_of=AS_OF)] == [
        "O-1"
    ]
    assert open_hedges(both, trades, {"SPY": SPY}, SETTINGS, as_of=AS_OF) == ()


def test_two_hedges_of_one_underlying_are_two_each_with_its_own_figures():
    first, second = tracked(
        position("O-1", 550, 2, ratio=1, expiry=2), position("O-2", 540, 3, ratio=1), ids=("O-1", "O-2")
    )
    assert (first.order_id, second.order_id) == ("O-2", "O-1")  # by days to expiry
    assert (first.units, second.units) == (3, 2)
    assert first.delta == pytest.approx(300 * SPY.delta[row(540)])
    assert (first.value, first.profit) == (Decimal("750.0"), Decimal("-150.0"))
    assert (first.due, second.due) == (True, False)
    assert second.successor is None


@pytest.mark.parametrize(("days", "due"), [(18, True), (17, False)])
def test_the_roll_window_obeys_its_setting_and_is_inclusive(days, due):
    expires = SPY.slices[0].expires_at
    exactly = expires - timedelta(days=18)
    (hedge,) = tracked(position("O-1", 540, 1), settings=SETTINGS.model_copy(update={"roll_dte": days}), as_of=exactly)
    assert hedge.dte == 18.0
    assert hedge.due is due


def test_the_successor_lies_nearest_the_middle_of_both_windows_and_the_roll_pays_both_spreads_and_fees():
    (hedge,) = tracked(position("O-1", 540, 2, ratio=1))
    new = hedge.successor
    (leg,) = new.legs
    assert leg.strike == 540  # ten percent below 600
    assert new.otm == pytest.approx(0.10)
    assert 30 <= new.dte <= 90
    assert new.dte == min((s.tau * 365 for s in SPY.slices if s.tau * 365 >= 30), key=lambda dte: abs(dte - 60))
    bought = np.flatnonzero(SPY.chain.symbol == leg.symbol)[0]
    assert new.cost == 2 * (100 * Decimal(str(round(SPY.chain.ask[bought], 2))) + Decimal("0.65"))
    assert new.proceeds == 2 * (100 * Decimal(str(round(SPY.chain.bid[row(540)], 2))) - Decimal("0.65"))
    assert new.net_cost == new.cost - new.proceeds


def test_a_spread_is_rolled_into_a_spread_of_its_own_width():
    legs = position("O-1", 550, 1), position("O-1", 510, -1)
    (hedge,) = tracked(*legs)
    bought, sold = hedge.successor.legs
    assert (bought.quantity, sold.quantity) == (1, -1)
    assert bought.strike - sold.strike == 40
    assert bought.expiry == sold.expiry
    assert hedge.delta == pytest.approx(100 * (SPY.delta[row(550)] - SPY.delta[row(510)]))
    sold_now = 100 * (SPY.chain.bid[row(550)] - SPY.chain.ask[row(510)])
    assert float(hedge.successor.proceeds) == pytest.approx(sold_now - 1.30)


def test_a_successor_outlives_what_it_replaces():
    (hedge,) = tracked(position("O-1", 540, 1, expiry=1), settings=SETTINGS.model_copy(update={"roll_dte": 40}))
    assert hedge.due
    assert hedge.successor.dte > hedge.dte
    (last,) = tracked(position("O-1", 540, 1, expiry=3), settings=SETTINGS.model_copy(update={"roll_dte": 80}))
    assert last.successor is None
    assert last.note == "SPY quotes no longer-lived put 5% to 15% below spot with 30 to 90 days to go"
    legs = position("O-1", 550, 1, expiry=3), position("O-1", 510, -1, expiry=3)
    (spread,) = tracked(*legs, settings=SETTINGS.model_copy(update={"roll_dte": 80}))
    assert "no longer-lived put spread" in spread.note


def test_without_marks_or_quotes_figures_are_unknown_not_zero():
    (hedge,) = tracked(position("O-1", 540, 1, mark=None), chains={})
    assert (hedge.delta, hedge.value, hedge.profit, hedge.successor) == (None, None, None, None)
    assert hedge.note == "there is no option chain of SPY"
    refused = ChainRefusal("stale_chain", "the quotes are too old", {})
    assert tracked(position("O-1", 540, 1), chains={"SPY": refused})[0].note == "the quotes are too old"


def test_a_hedge_that_cannot_be_sold_is_not_rolled_at_a_guess():
    bid = SPY.chain.bid.copy()
    bid[row(540)] = np.nan
    unsold = replace(SPY, chain=replace(SPY.chain, bid=bid))
    assert tracked(position("O-1", 540, 1), chains={"SPY": unsold})[0].note == "a leg of it has no quote to be sold at"
    gone = made_chain(root="SPY", spot=600.0, step=5.0, dtes=(32, 46))
    (hedge,) = tracked(position("O-1", 540, 1), chains={"SPY": gone})
    assert (hedge.delta, hedge.note) == (None, "a leg of it has no quote to be sold at")


def test_a_delta_that_is_not_known_for_one_leg_is_not_known():
    delta = SPY.delta.copy()
    delta[row(510)] = np.nan
    (hedge,) = tracked(position("O-1", 550, 1), position("O-1", 510, -1), chains={"SPY": replace(SPY, delta=delta)})
    assert hedge.delta is None
