"""Given legs on a fresh chain: priced again or closed."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from domain.errors import UsageError
from domain.order import Candidate
from options.legs import closing, reprice
from options.legs.candidate import leg_of
from options.legs.outcomes import contract_values
from options.strategies import structure_named
from tests.options.leg_cases import LENIENT, MARKET, SETTINGS, favourable, price_of
from tests.options.made_chain import AS_OF, made_chain


def test_quotes_that_promise_a_free_lunch_are_refused():
    bid, ask = MARKET.chain.bid.copy(), MARKET.chain.ask.copy()
    low, high = (price_of(MARKET, strike, call=False, expiry=1) for strike in (95.0, 96.0))
    bid[high], ask[high] = 5.0, 5.02
    priced = replace(MARKET, chain=replace(MARKET.chain, bid=bid, ask=ask))
    legs = (leg_of(priced, low, 1), leg_of(priced, high, -1))
    assert reprice_of(legs, priced).code == "riskless"


def reprice_of(legs, priced, **changes):
    facts = {
        "strategy": "bull_put_spread",
        "family": "credit_vertical",
        "spot": 100.0,
        "drift": 0.0,
        "forecast_vol": 0.2,
        "settings": SETTINGS,
        "as_of": AS_OF,
    }
    return reprice(legs, priced, **{**facts, **changes})


def test_repricing_unchanged_quotes_gives_the_same_figures_and_moved_quotes_do_not():
    for name in ("bull_put_spread", "call_calendar"):
        first = favourable(structure_named(name), settings=SETTINGS.model_copy(update={"min_pop": 0.0}))[0]
        view = {"strategy": name, "family": first.family, "drift": first.drift, "forecast_vol": first.forecast_vol}
        again = reprice_of(first.legs, MARKET, **view)
        assert again.model_copy(update={"reason": first.reason}) == first
        later = reprice_of(first.legs, made_chain(step=1.0, vol=0.35), **view)
        assert later.limit_per_share != first.limit_per_share


def test_repricing_refuses_what_it_cannot_see_or_cover():
    first = favourable(structure_named("bull_put_spread"), settings=SETTINGS)[0]
    assert reprice_of(first.legs, made_chain(dtes=(5,))).code == "leg_not_quoted"
    assert reprice_of(first.legs, made_chain(step=1.0, multiplier=10.0)).code == "multiplier_changed"
    flagged = replace(MARKET, good=np.zeros(len(MARKET.chain), dtype=bool))
    assert reprice_of(first.legs, flagged).code == "leg_flagged"
    blind = replace(MARKET, slices=tuple(replace(item, smile=None) for item in MARKET.slices))
    assert reprice_of(first.legs, blind).code == "no_smile"
    with pytest.raises(KeyError):
        contract_values(blind, np.array([len(MARKET.chain) - 1]), MARKET.slices[0], np.array([100.0]), slippage=0.5)
    dates = ((1, -1), (2, -1), (3, 2))
    staggered = tuple(leg_of(MARKET, price_of(MARKET, 100.0, call=True, expiry=n), q) for n, q in dates)
    assert "different dates" in reprice_of(staggered, MARKET).detail
    naked = tuple(leg for leg in first.legs if leg.quantity < 0)
    assert reprice_of(naked, MARKET).code == "unbounded"
    assert reprice_of(first.legs, MARKET, as_of=AS_OF - timedelta(minutes=1)).code == "future_chain"
    with pytest.raises(UsageError):
        reprice_of((), MARKET)


def close(legs, priced=MARKET, **changes):
    facts = {"strategy": "bull_put_spread", "family": "credit_vertical", "settings": SETTINGS, "as_of": AS_OF}
    return closing(legs, priced, **{**facts, "reason": "A test.", **changes})


def test_closing_reverses_the_legs_and_bounds_what_it_costs():
    opened = favourable(structure_named("bull_put_spread"), settings=SETTINGS)[0]
    order = close(opened.legs)
    assert order.intent == "close"
    assert [leg.quantity for leg in order.legs] == [-leg.quantity for leg in opened.legs]
    assert order.worst_per_share < 0
    assert order.fees == Decimal("1.30")
    assert order.max_loss == -order.worst_per_share * 100 + order.fees
    assert order.outcomes == ((1.0, -float(order.max_loss)),)
    assert order.greeks.delta == pytest.approx(-opened.greeks.delta)
    assert close(opened.legs, urgency=1.0).worst_per_share <= order.worst_per_share
    long_one = favourable(structure_named("long_call"), settings=LENIENT)[0]
    sale = close(long_one.legs)
    assert sale.expected_value > 0
    assert sale.max_loss == Decimal("0.65")  # selling costs its fee at most


def test_closing_accepts_a_zero_bid_but_no_missing_quote():
    legs = favourable(structure_named("long_put"), settings=LENIENT)[0].legs
    row = int(np.flatnonzero(MARKET.chain.symbol == legs[0].symbol)[0])
    bid, ask = MARKET.chain.bid.copy(), MARKET.chain.ask.copy()
    bid[row], ask[row] = 0.0, 0.05
    worthless = replace(MARKET, chain=replace(MARKET.chain, bid=bid, ask=ask))
    sale = close(legs, worthless)
    assert isinstance(sale, Candidate)
    assert sale.worst_per_share == 0  # nobody bids, so it may be given away
    bid[row] = np.nan
    assert close(legs, worthless).code == "leg_not_quoted"
    assert close(legs, made_chain(dtes=(5,))).code == "leg_not_quoted"
    assert close(legs, as_of=AS_OF - timedelta(minutes=1)).code == "future_chain"
    unvalued = replace(MARKET, delta=np.full(len(MARKET.chain), np.nan))
    assert close(legs, unvalued).code == "no_greeks"
