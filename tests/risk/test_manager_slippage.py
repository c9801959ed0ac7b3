"""What trading costs beyond the mid: exact figures, and what must hold for every model there is."""

import math
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.errors import DataError
from risk.manager.slippage import (
    FixedSlippage,
    NoSlippage,
    OptionsSpreadSlippage,
    OrderTypeSlippage,
    PercentageSlippage,
    Slippage,
    SlippageModel,
    SpreadFractionSlippage,
    Trade,
    VolumeShareSlippage,
    fill_price,
    slippage_of,
)

MODELS: tuple[SlippageModel, ...] = (
    NoSlippage(),
    FixedSlippage(amount=0.05),
    PercentageSlippage(share=0.001),
    SpreadFractionSlippage(),
    VolumeShareSlippage(),
    OptionsSpreadSlippage(),
    OrderTypeSlippage(),
)


def trade(**changes: Any) -> Trade:
    """Four contracts bought at 2.00 to 2.20, a strike 5 % out of the money with a month to go."""
    fields: dict[str, Any] = {
        "quantity": 4, "bid": 2.0, "ask": 2.2, "volume": 400.0, "daily_vol": 0.3, "log_moneyness": -0.05, "dte": 30.0,
    }  # fmt: skip
    return Trade(**{**fields, **changes})


def test_the_properties_below_run_over_every_registered_model():
    union = get_args(get_args(Slippage)[0])
    assert {type(model) for model in MODELS} == set(union)


@pytest.mark.parametrize(
    ("model", "cost"),
    [
        (NoSlippage(), 0.0),
        (FixedSlippage(amount=0.05), 0.05),
        (PercentageSlippage(share=0.001), 0.0021),
        (SpreadFractionSlippage(fraction=0.75), 0.075),
        (SpreadFractionSlippage(fraction=1.5), 0.15),
        # 1 % of the day's volume moves the price by a tenth of a day's deviation: 0.1 × 0.3 × 2.10.
        (VolumeShareSlippage(coefficient=1.0, fraction=1.0), 0.1 + 0.063),
        (VolumeShareSlippage(coefficient=0.5, fraction=0.0), 0.0315),
        # 0.4 + 3 × 0.05 of the half-spread, no surcharge a month out.
        (OptionsSpreadSlippage(), 0.055),
        (OrderTypeSlippage(), 0.1),
        (OrderTypeSlippage(market=PercentageSlippage(share=0.02)), 0.042),
    ],
)
def test_what_four_contracts_of_a_ten_percent_market_cost(model: SlippageModel, cost: float):
    assert model.cost(trade()) == pytest.approx(cost, abs=1e-12)
    assert model.cost(trade(quantity=-4)) == pytest.approx(cost, abs=1e-12)


def test_the_models_without_parameters_are_those_the_page_describes():
    assert SpreadFractionSlippage().fraction == 0.75
    assert VolumeShareSlippage() == VolumeShareSlippage(coefficient=1.0, fraction=1.0)
    assert OptionsSpreadSlippage() == OptionsSpreadSlippage(money=0.4, wing=3.0, expiry=0.3, expiry_days=7.0, most=1.0)
    assert OrderTypeSlippage().market == SpreadFractionSlippage(fraction=1.0)
    assert OrderTypeSlippage().limit == SpreadFractionSlippage(fraction=0.25)
    assert OrderTypeSlippage().improvement == 0


def test_a_buyer_pays_above_the_mid_and_a_seller_receives_less():
    model = SpreadFractionSlippage(fraction=1.0)
    assert fill_price(model, trade()) == pytest.approx(2.2)
    assert fill_price(model, trade(quantity=-4)) == pytest.approx(2.0)


def test_nobody_is_paid_less_than_nothing_for_a_worthless_option():
    assert fill_price(FixedSlippage(amount=0.05), trade(quantity=-1, bid=0.0, ask=0.02)) == 0.0


@pytest.mark.parametrize(
    ("log_moneyness", "dte", "fraction"),
    [
        (0.0, 7.0, 0.4), (0.0, 3.5, 0.55), (0.0, 0.0, 0.7), (0.1, 30.0, 0.7), (-0.1, 30.0, 0.7), (0.2, 30.0, 1.0),
        (0.3, 30.0, 1.0),
    ],
)  # fmt: skip
def test_options_pay_more_of_the_spread_in_the_wings_and_in_the_last_week(
    log_moneyness: float, dte: float, fraction: float
):
    assert OptionsSpreadSlippage().fraction(log_moneyness=log_moneyness, dte=dte) == pytest.approx(fraction)


def test_a_limit_at_the_mid_pays_less_than_a_market_order_whatever_models_it_is_given():
    assert OrderTypeSlippage().cost(trade(order="limit")) == pytest.approx(0.025)
    inverted = OrderTypeSlippage(market=FixedSlippage(amount=0.01), limit=FixedSlippage(amount=0.09))
    assert inverted.cost(trade(order="limit")) == inverted.cost(trade()) == 0.01


def test_a_fill_better_than_the_mid_must_be_declared():
    patient = OrderTypeSlippage(limit=NoSlippage(), improvement=0.3)
    assert patient.cost(trade(order="limit")) == pytest.approx(-0.03)
    assert fill_price(patient, trade(order="limit")) == pytest.approx(2.07)
    assert patient.cost(trade()) == pytest.approx(0.1)


@given(
    bid=st.floats(0, 1_000),
    spread=st.floats(0, 50),
    size=st.floats(1, 1e6),
    more=st.floats(1, 100),
    volume=st.floats(1, 1e7),
    daily_vol=st.floats(0, 2),
    k=st.floats(-1, 1),
    dte=st.floats(0, 800),
    order=st.sampled_from(["market", "limit"]),
)
def test_no_model_improves_on_the_mid_or_gets_cheaper_with_size(
    bid: float, spread: float, size: float, more: float, volume: float, daily_vol: float, k: float, dte: float,
    order: Any,
):  # fmt: skip
    facts: dict[str, Any] = {
        "bid": bid, "ask": bid + spread, "volume": volume, "daily_vol": daily_vol, "log_moneyness": k, "dte": dte,
        "order": order,
    }  # fmt: skip
    for model in MODELS:
        small, large = Trade(quantity=size, **facts), Trade(quantity=size * more, **facts)
        assert 0 <= model.cost(small) <= model.cost(large)
        assert model.cost(small) == model.cost(Trade(quantity=-size, **facts))
        assert fill_price(model, small) >= small.mid
        assert 0 <= fill_price(model, Trade(quantity=-size, **facts)) <= small.mid


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (VolumeShareSlippage(), "volume"),
        (VolumeShareSlippage(), "daily_vol"),
        (OptionsSpreadSlippage(), "log_moneyness"),
        (OptionsSpreadSlippage(), "dte"),
    ],
)
def test_a_model_says_which_fact_it_lacks_rather_than_guessing_it(model: SlippageModel, name: str):
    with pytest.raises(DataError, match=rf"needs {name}, which is not known.*choose a model that does without"):
        model.cost(trade(**{name: None}))


def test_where_nothing_trades_there_is_no_impact_to_be_told():
    with pytest.raises(DataError, match="Nothing trades here"):
        VolumeShareSlippage().cost(trade(volume=0.0))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"quantity": 0}, "A trade of 0 has no size"),
        ({"quantity": math.inf}, "A trade of inf has no size"),
        ({"bid": 2.3}, "A bid of 2.3 and an ask of 2.2 are no market"),
        ({"bid": -0.1}, "A bid of -0.1"),
        ({"ask": math.nan}, "an ask of nan"),
        ({"bid": math.inf, "ask": math.inf}, "an ask of inf"),
        ({"volume": -1.0}, "A volume of -1 is impossible"),
        ({"daily_vol": math.nan}, "A daily_vol of nan is impossible"),
        ({"dte": math.inf}, "A dte of inf is impossible"),
        ({"log_moneyness": math.inf}, "A log-moneyness must be finite"),
    ],
)
def test_impossible_trades_cannot_be_built(changes: dict[str, Any], words: str):
    with pytest.raises(DataError, match=words):
        trade(**changes)


def test_a_plain_number_means_a_fixed_amount_also_inside_another_model():
    assert slippage_of(0.02) == FixedSlippage(amount=0.02)
    assert slippage_of(0) == FixedSlippage(amount=0)
    assert slippage_of({"model": "order_type", "market": 0.1, "limit": 0.04}) == OrderTypeSlippage(
        market=FixedSlippage(amount=0.1), limit=FixedSlippage(amount=0.04)
    )
    assert slippage_of({"model": "none"}) == NoSlippage()
    assert slippage_of(MODELS[3]) is MODELS[3]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"model": "fixd", "amount": 1}, "'none', 'fixed', 'percentage', 'spread_fraction', 'volume_share'"),
        ({"model": "percentage", "shares": 0.1}, "shares"),
        ({"model": "spread_fraction", "fraction": -0.1}, "greater than or equal to 0"),
        (-0.01, "greater than or equal to 0"),
        (math.nan, "finite number"),
        (True, "valid dictionary"),
        ("0.02", "valid dictionary"),
    ],
)
def test_a_misspelt_or_absurd_model_is_refused_by_name(value: Any, words: str):
    with pytest.raises(ValidationError, match=words):
        slippage_of(value)
