"""Contracts in moved markets: against Black's formula read off the moved smile, number by number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from options import american, black
from options.moves import Contracts, Moves, repricer

SKEWED = np.array([0.002, 0.03, -0.015, 0.01, 0.1, 0.0, 0.0, 0.0, 1.0])
BENT = np.array([0.002, 0.03, -0.015, 0.01, 0.1, 0.01, -0.002, 0.05, 0.08])
FLAT = np.array([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0])


def contracts(count=40, *, european=True, seed=0, smiles=(SKEWED, BENT), **changes):
    rng = np.random.default_rng(seed)
    underlying = rng.integers(0, 3, count)
    tau = rng.choice([3, 18, 46, 365], count) / 365
    spot = np.array([100.0, 50.0, 3000.0])[underlying]
    fields = {
        "underlying": underlying,
        "spot": spot,
        "forward": spot * np.exp(0.02 * tau),
        "strike": np.round(spot * np.exp(rng.normal(0, 0.15, count)), 1),
        "tau": tau,
        "discount": np.exp(-0.04 * tau),
        "vol": rng.uniform(0.1, 0.6, count),
        "is_call": rng.random(count) < 0.5,
        "european": np.full(count, european),
        "smile": np.array([smiles[i % len(smiles)] for i in range(count)]),
        "size": rng.choice([-200.0, -100.0, 100.0, 300.0], count),
    }
    return Contracts(**{**fields, **changes})


def moves(count=70, *, seed=1, underlyings=3, rate=0.01, days=(0.0, 1.0, 10.0, 400.0)):
    rng = np.random.default_rng(seed)
    return Moves(
        rng.normal(0, 0.05, (count, underlyings)),
        np.expm1(rng.normal(0, 0.2, (count, underlyings))),
        rng.normal(0, rate, count),
        rng.choice(days, count),
    )


def total_variance(smile, k):
    w = smile[:, 0].copy()
    for b, c, m, sigma in (smile[:, 1:5].T, smile[:, 5:9].T):
        w += c * (k - m) + b * np.sqrt((k - m) ** 2 + sigma**2)
    return w


def by_black(c, m, row):
    """Value of each contract in scenario `row`, written down again from the definition."""
    tau = np.maximum(c.tau - m.days[row] / 365, 0.0)
    carry = np.log(c.forward / c.spot) / c.tau + m.rate[row]
    forward = c.spot * (1 + m.spot[row, c.underlying]) * np.exp(carry * tau)
    discount = np.exp((np.log(c.discount) / c.tau - m.rate[row]) * tau)
    power = np.sqrt(30 / np.maximum(365 * c.tau, 7))
    v = m.vol[row, c.underlying]
    factor = np.where(v > 0, 1 + v * power, (1 + v) ** power)
    growth = np.maximum(tau / c.tau * factor**2, 1e-200)
    smile = total_variance(c.smile, np.log(c.strike / forward) / np.sqrt(growth))
    variance = growth * smile / total_variance(c.smile, np.log(c.strike / c.forward)) * c.vol**2 * c.tau
    vol = np.sqrt(variance / np.where(tau > 0, tau, 1.0))
    return black.price(forward=forward, strike=c.strike, tau=tau, discount=discount, vol=vol, is_call=c.is_call)


def test_every_scenario_is_blacks_formula_on_the_moved_smile_forward_and_discount():
    c, m = contracts(), moves()
    now = black.price(forward=c.forward, strike=c.strike, tau=c.tau, discount=c.discount, vol=c.vol, is_call=c.is_call)
    found = repricer(c)
    np.testing.assert_allclose(found.value, now, rtol=0, atol=1e-9)
    expected = np.array([by_black(c, m, row) - now for row in range(len(m.rate))]) * c.size
    np.testing.assert_allclose(found.each(m), expected, rtol=0, atol=1e-6)  # of amounts of 1e5
    np.testing.assert_allclose(found.total(m), expected.sum(axis=1), rtol=0, atol=1e-5)


@given(count=st.integers(1, 300), european=st.booleans())
def test_nothing_moved_changes_exactly_nothing_wherever_it_stands_among_the_scenarios(count, european):
    c = contracts(9, european=european)
    m = moves(count)
    still = np.arange(count) % 3 == 0
    m.spot[still], m.vol[still], m.rate[still], m.days[still] = 0.0, 0.0, 0.0, 0.0
    assert (repricer(c).total(m)[still] == 0.0).all()
    assert (repricer(c).each(m)[still] == 0.0).all()


def test_neither_threads_nor_the_order_of_contracts_changes_a_bit():
    c, m = contracts(400), moves(1_000)
    shuffled = np.random.default_rng(3).permutation(400)
    other = repricer(Contracts._make(array[shuffled] for array in c))
    one = repricer(c)
    assert np.array_equal(one.total(m, threads=1), one.total(m, threads=4))
    assert np.array_equal(one.total(m), other.total(m))
    assert np.array_equal(one.each(m)[:, shuffled], other.each(m))


def test_spreads_stay_within_their_strikes_however_volatility_jumps():
    strike = np.array([90.0, 95.0, 97.5, 100.0, 102.5, 110.0])
    same = {"tau": np.full(6, 7 / 365), "spot": np.full(6, 100.0), "forward": np.full(6, 100.0),
            "discount": np.ones(6), "underlying": np.zeros(6, dtype=np.int64), "is_call": np.zeros(6, dtype=bool),
            "strike": strike, "size": np.ones(6)}  # fmt: skip
    smile = np.tile(SKEWED * [0.1, 0.5, 0.5, 1, 0.3, 1, 1, 1, 1], (6, 1))
    vol = np.sqrt(total_variance(smile, np.log(strike / 100)) / (7 / 365))
    puts = repricer(contracts(6, smile=smile, vol=vol, **same))
    jumps = np.array([-0.9, -0.5, 0.5, 1.0, 3.0, 8.0])
    worth = puts.value + puts.each(Moves(np.zeros((6, 1)), jumps[:, None], np.zeros(6), np.zeros(6)))
    steps = np.diff(worth, axis=1)
    assert (steps >= 0).all()
    assert (steps <= np.diff(strike)).all()


def test_an_expiry_that_the_days_reach_is_worth_exercise_at_the_moved_spot():
    c = contracts(1, tau=np.array([5 / 365]), strike=np.array([100.0]), is_call=np.array([True]), size=np.array([1.0]),
                  spot=np.array([100.0]), forward=np.array([101.0]), discount=np.array([0.999]),
                  underlying=np.array([0]))  # fmt: skip
    still = np.zeros(3)
    m = Moves(np.array([[0.07], [0.07], [-0.07]]), np.zeros((3, 1)), still + 0.05, np.array([5.0, 90.0, 5.0]))
    assert repricer(c).total(m) + repricer(c).value == pytest.approx([7.0, 7.0, 0.0], abs=1e-12)


def test_volatility_that_falls_to_nothing_leaves_discounted_intrinsic():
    c = contracts(6, tau=np.full(6, 0.5), discount=np.full(6, 0.98))
    m = Moves(np.zeros((1, 3)), np.full((1, 3), -1.0), np.zeros(1), np.zeros(1))
    sign = np.where(c.is_call, 1, -1)
    intrinsic = 0.98 * np.maximum(sign * (c.forward - c.strike), 0)
    np.testing.assert_allclose(repricer(c).each(m)[0] / c.size + repricer(c).value, intrinsic, atol=1e-9)


@pytest.mark.parametrize(("days", "weight"), [(30, 1.0), (120, 0.5), (7, np.sqrt(30 / 7)), (1, np.sqrt(30 / 7))])
@pytest.mark.parametrize("change", [0.21, 3.0, -0.19])
def test_volatility_moves_by_the_square_root_of_time_from_thirty_days_capped_below_a_week(days, weight, change):
    one = {"tau": np.array([days / 365]), "strike": np.array([100.0]), "spot": np.array([100.0]),
           "forward": np.array([100.0]), "discount": np.array([1.0]), "vol": np.array([0.2]),
           "size": np.array([1.0]), "underlying": np.array([0]), "is_call": np.array([True])}  # fmt: skip
    found = repricer(contracts(1, smiles=(FLAT,), **one))
    m = Moves(np.zeros((1, 1)), np.full((1, 1), change), np.zeros(1), np.zeros(1))
    vol = 0.2 * (1 + change * weight if change > 0 else (1 + change) ** weight)
    price = black.price(forward=100, strike=100, tau=days / 365, discount=1, vol=vol, is_call=True)
    assert float(found.total(m)[0] + found.value[0]) == pytest.approx(float(price), abs=1e-12)


@pytest.mark.parametrize("change", [-0.9, -0.3, 0.0, 0.5, 1.16, 3.13, 10.0])
def test_no_move_of_volatility_makes_a_calendar_worth_less_than_nothing(change):
    days = np.array([1.0, 3.0, 7.0, 9.0, 20.0, 30.0, 60.0, 120.0, 400.0])
    same = np.full(len(days), 100.0)
    c = contracts(
        len(days), smiles=(FLAT,), tau=days / 365, strike=same, spot=same, forward=same, discount=np.ones(len(days)),
        vol=np.full(len(days), 0.2), size=np.ones(len(days)), underlying=np.zeros(len(days), dtype=np.int64),
        is_call=np.ones(len(days), dtype=np.bool_),
    )  # fmt: skip
    m = Moves(np.zeros((1, 1)), np.full((1, 1), change), np.zeros(1), np.zeros(1))
    found = repricer(c)
    assert (np.diff(found.each(m)[0] + found.value) >= 0).all()


def test_american_contracts_never_fall_below_exercise_and_stay_near_the_american_price():
    count = 400
    c = contracts(count, european=False, smiles=(FLAT,), vol=np.random.default_rng(4).uniform(0.15, 0.5, count))
    rate, carry = -np.log(c.discount) / c.tau, np.log(c.forward / c.spot) / c.tau
    terms = {"strike": c.strike, "tau": c.tau, "rate": rate, "dividend_yield": rate - carry, "is_call": c.is_call}
    for move in (-0.03, 0.03):
        m = Moves(np.full((1, 3), move), np.zeros((1, 3)), np.zeros(1), np.zeros(1))
        spot = c.spot * (1 + move)
        value = repricer(c).each(m)[0] / c.size + repricer(c).value
        assert (value >= np.where(c.is_call, 1, -1) * (spot - c.strike) - 1e-9 * spot).all()
        true = american.price(spot=spot, vol=c.vol, **terms) - american.price(spot=c.spot, vol=c.vol, **terms)
        missed = np.abs(value - repricer(c).value - true) / c.spot
        assert missed.mean() < 1e-4
        assert np.quantile(missed, 0.99) < 1.2e-3


def test_a_book_without_options_changes_by_nothing():
    none = Contracts._make(array[:0] for array in contracts(3))
    assert np.array_equal(repricer(none).total(moves(5)), np.zeros(5))
    assert repricer(none).each(moves(5)).shape == (5, 0)
