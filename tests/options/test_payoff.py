"""Payoffs against brute force, and the line between a bounded loss and a defined risk."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.contract import Leg, Right, Settlement, occ_symbol
from domain.errors import DataError
from options.payoff import (
    Unbounded,
    bounded_max_loss,
    break_evens,
    exercise_shortfall,
    is_defined_risk,
    max_loss,
    max_profit,
    payoff,
    pnl_grid,
    slopes,
)

NEAR, FAR = date(2026, 4, 17), date(2026, 5, 15)


def leg(right, strike, quantity, *, expiry=NEAR, multiplier=100, root="XYZ", settlement=Settlement.PM, iv=0.2):
    return Leg(
        symbol=occ_symbol(root, expiry, right, Decimal(strike)),
        root=root,
        right=right,
        strike=Decimal(strike),
        expiry=expiry,
        settlement=settlement,
        european=False,
        multiplier=multiplier,
        quantity=quantity,
        iv=iv,
    )


def call(strike, quantity, **changes):
    return leg(Right.CALL, strike, quantity, **changes)


def put(strike, quantity, **changes):
    return leg(Right.PUT, strike, quantity, **changes)


one_leg = st.builds(
    leg,
    st.sampled_from(list(Right)),
    st.integers(50, 150),
    st.integers(-3, 3).filter(bool),
    multiplier=st.just(100),
)
some_legs = st.lists(one_leg, min_size=1, max_size=4)
premiums = st.floats(-20, 20).map(lambda value: round(value, 2))


def brute(legs, premium, price):
    total = premium
    for one in legs:
        gain = price - float(one.strike) if one.right is Right.CALL else float(one.strike) - price
        total += one.quantity * max(gain, 0.0)
    return 100 * total


@given(some_legs, premiums, st.floats(0, 400))
def test_payoff_equals_the_sum_of_exercise_values_times_the_multiplier(legs, premium, price):
    assert payoff(legs, premium, np.array([price]))[0] == pytest.approx(brute(legs, premium, price), abs=1e-6)


@given(some_legs, premiums)
def test_extremes_bound_every_price_and_are_reached(legs, premium):
    grid = np.unique(np.concatenate([np.linspace(0, 400, 161), [float(one.strike) for one in legs]]))
    values = payoff(legs, premium, grid)
    loss, profit = max_loss(legs, premium), max_profit(legs, premium)
    below, above = slopes(legs)
    assert isinstance(loss, Unbounded) == (above < 0)
    assert (profit is None) == (above > 0)
    assert (values[1] - values[0]) / (grid[1] - grid[0]) == pytest.approx(below)
    assert (values[-1] - values[-2]) / (grid[-1] - grid[-2]) == pytest.approx(above)
    if not isinstance(loss, Unbounded):
        assert -loss == pytest.approx(values.min())
    if profit is not None:
        assert profit == pytest.approx(values.max())


@given(some_legs, premiums)
def test_break_evens_are_roots_and_none_is_missed(legs, premium):
    roots = break_evens(legs, premium)
    for root in roots:
        assert brute(legs, premium, root) == pytest.approx(0, abs=1e-6)
    grid = np.linspace(0, 3000, 6001)
    values = payoff(legs, premium, grid)
    for left in np.flatnonzero(values[:-1] * values[1:] < 0):
        assert any(grid[left] - 1e-9 <= root <= grid[left + 1] + 1e-9 for root in roots)


def test_a_stretch_of_zeros_gives_its_ends_only():
    assert break_evens([call(100, 1), call(110, -1)], 0.0) == (0.0, 100.0)


def test_worked_bull_call_spread():
    legs = [call(100, 1), call(110, -1)]
    assert max_loss(legs, -3.0) == pytest.approx(300)
    assert max_profit(legs, -3.0) == pytest.approx(700)
    assert break_evens(legs, -3.0) == (103.0,)


def test_the_multiplier_is_the_contracts_own_never_a_hundred():
    assert max_loss([call(100, 1, multiplier=10)], -3.0) == pytest.approx(30)
    with pytest.raises(DataError, match=r"\[10, 100\]"):
        max_loss([call(100, 1, multiplier=10), call(110, -1)], -3.0)


def test_a_naked_short_call_has_no_maximum_loss_and_a_naked_put_is_still_no_defined_risk():
    assert isinstance(max_loss([call(100, -1)], 2.0), Unbounded)
    assert max_loss([put(100, -1)], 2.0) == pytest.approx(9800)
    assert not is_defined_risk([call(100, -1)])
    assert not is_defined_risk([put(100, -1)])
    assert not is_defined_risk([])
    assert isinstance(bounded_max_loss([put(100, -1)], 2.0, shortfall_per_share=0.0), Unbounded)


@pytest.mark.parametrize(
    ("legs", "defined"),
    [
        ([call(100, -1), call(110, 1)], True),
        ([call(100, -1, expiry=NEAR), call(100, 1, expiry=FAR)], True),
        ([call(100, -1, expiry=FAR), call(100, 1, expiry=NEAR)], False),
        ([call(100, -1), put(100, 1)], False),
        ([call(100, -2), call(110, 1)], False),
        ([call(100, -1), call(110, 2)], True),
        ([call(100, -1), call(110, 1, multiplier=10)], False),
        ([call(100, -1), call(110, 1, root="XYZ1")], False),
        ([call(100, -1), call(110, 1, settlement=Settlement.AM)], False),
        ([call(100, 1, expiry=NEAR), call(100, -2, expiry=NEAR), call(90, 1, expiry=FAR)], True),
        ([put(90, 1), put(95, -1), call(105, -1), call(110, 1)], True),
    ],
)
def test_a_short_option_needs_a_long_one_that_lives_as_long_and_delivers_the_same(legs, defined):
    assert is_defined_risk(legs) is defined


@given(some_legs)
def test_defined_risk_never_hides_an_unbounded_loss(legs):
    assume(is_defined_risk(legs))
    loss = max_loss(legs, 0.0)
    assert not isinstance(loss, Unbounded)
    assert bounded_max_loss(legs, 0.0, shortfall_per_share=0.0) == pytest.approx(loss)


def test_calendar_bound_is_debit_plus_worst_gap_plus_shortfall():
    diagonal = [call(100, -1), call(105, 1, expiry=FAR)]
    assert bounded_max_loss(diagonal, -1.0, shortfall_per_share=0.0) == pytest.approx(600)
    assert bounded_max_loss(diagonal, -1.0, shortfall_per_share=0.4) == pytest.approx(640)
    with pytest.raises(DataError, match="bounded_max_loss"):
        max_loss(diagonal, -1.0)


def test_shorts_on_two_dates_have_no_proven_bound():
    legs = [call(100, -1), call(100, -1, expiry=FAR), call(100, 2, expiry=FAR)]
    assert isinstance(bounded_max_loss(legs, -1.0, shortfall_per_share=0.0), Unbounded)


@given(
    st.floats(1, 300),
    st.floats(50, 150),
    st.floats(-0.05, 0.1),
    st.floats(0, 2),
    st.floats(0, 3),
    st.booleans(),
)
def test_european_value_never_stands_further_below_exercise_than_the_shortfall(spot, strike, rate, gap, cash, is_call):
    discount = np.exp(-rate * gap)
    lower = max((spot - cash - strike * discount) * (1 if is_call else -1), 0.0)
    exercise = max((spot - strike) * (1 if is_call else -1), 0.0)
    bound = exercise_shortfall(
        strike=np.array(strike),
        is_call=np.array(is_call),
        gap_discount=np.array(discount),
        gap_dividends=np.array(cash),
    )
    assert exercise - lower <= float(bound) + 1e-9


def test_grid_meets_the_payoff_at_expiry_and_the_premium_today():
    legs = [call(100, 1), call(110, -1)]
    spots = np.array([80.0, 100.0, 105.0, 130.0])
    times = [datetime(2026, 3, 2, 17, tzinfo=UTC), datetime(2026, 4, 17, 20, tzinfo=UTC)]
    shared = {"spots": spots, "rate": 0.03, "dividend_yield": 0.01}
    grid = pnl_grid(legs, net_premium_per_share=-3.0, times=times, vol_shifts=np.array([-0.05, 0.0, 0.05]), **shared)
    assert grid.shape == (4, 2, 3)
    assert grid[:, 1, :] == pytest.approx(np.repeat(payoff(legs, -3.0, spots)[:, None], 3, axis=1), abs=0.01)
    assert np.all(np.diff(grid[:, 0, :], axis=0) > 0)
    late = [datetime(2026, 4, 18, tzinfo=UTC)]
    with pytest.raises(DataError, match="past the first expiry"):
        pnl_grid(legs, net_premium_per_share=-3.0, times=late, vol_shifts=np.array([0.0]), **shared)
    with pytest.raises(DataError, match="no volatility"):
        pnl_grid([call(100, 1, iv=None)], net_premium_per_share=-3.0, times=times, vol_shifts=np.array([0.0]), **shared)


def test_grid_is_the_sum_of_its_legs_and_gains_with_volatility_where_vega_is_long():
    legs = [call(100, 1), put(90, -2), call(110, -1, expiry=FAR, iv=0.3)]
    shared = {
        "spots": np.array([70.0, 95.0, 100.0, 140.0]),
        "times": [datetime(2026, 3, 2, 17, tzinfo=UTC), datetime(2026, 4, 1, 20, tzinfo=UTC)],
        "vol_shifts": np.array([-0.05, 0.0, 0.1]),
        "rate": 0.03,
        "dividend_yield": 0.01,
    }
    whole = pnl_grid(legs, net_premium_per_share=1.5, **shared)
    parts = sum(pnl_grid([one], net_premium_per_share=0.0, **shared) for one in legs)
    assert whole == pytest.approx(parts + 150.0)
    long_call = pnl_grid([call(100, 1)], net_premium_per_share=-3.0, **shared)
    assert np.all(np.diff(long_call, axis=2) >= 0)
    assert np.all(np.diff(long_call[1:3, 0], axis=1) > 1)


def test_grid_of_one_leg_equals_quantlib():
    import QuantLib as ql  # noqa: N813 - its documented alias

    at, spot, vol, rate, carry = datetime(2026, 3, 2, 17, tzinfo=UTC), 104.0, 0.25, 0.03, 0.01
    expires = datetime(2026, 4, 17, 20, tzinfo=UTC)
    years = (expires - at).total_seconds() / (365 * 86_400)
    discount = np.exp(-rate * years)
    forward = spot * np.exp((rate - carry) * years)
    expected = ql.blackFormula(ql.Option.Put, 110.0, forward, vol * np.sqrt(years), discount)
    grid = pnl_grid(
        [put(110, 1, iv=0.2)], net_premium_per_share=0.0, spots=np.array([spot]), times=[at],
        vol_shifts=np.array([0.05]), rate=rate, dividend_yield=carry,
    )  # fmt: skip
    assert grid[0, 0, 0] == pytest.approx(100 * expected, rel=1e-12)
