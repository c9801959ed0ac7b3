"""Kelly, conviction and risk parity against closed forms and properties."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.book import StrategyRecord
from domain.errors import DataError
from risk.sizing import DynamicSizer, KellySizer, kelly_stake, parity_shares, record_stake, risk_parity
from risk.sizing.kelly import MAX_STAKE
from risk.sizing.parity import deviation_per_dollar
from tests.factories import candidate

EVEN = ((0.6, 100.0), (0.4, -100.0))


@pytest.mark.parametrize(
    ("p", "gain", "loss"), [(0.55, 1, 1), (0.6, 1, 1), (0.75, 1, 1), (0.9, 0.3, 1), (0.4, 2, 1), (0.6, 0.5, 0.6)]
)
def test_kelly_of_two_outcomes_is_p_over_l_minus_q_over_w(p, gain, loss):
    stake = kelly_stake([(p, gain * 100.0), (1 - p, -loss * 100.0)], 100.0)
    assert stake == pytest.approx(min(MAX_STAKE, max(0.0, p / loss - (1 - p) / gain)), abs=1e-9)


@pytest.mark.parametrize("p", [0.5, 0.4, 0.0])
def test_kelly_without_an_edge_is_zero(p):
    assert kelly_stake([(p, 100.0), (1 - p, -100.0)], 100.0) == 0.0


def test_a_certain_gain_stops_short_of_everything():
    assert kelly_stake([(1.0, 10.0)], 100.0) == MAX_STAKE == 0.999


def test_a_loss_beyond_the_worst_case_counts_as_the_worst_case():
    beyond = kelly_stake([(0.6, 100.0), (0.4, -250.0)], 100.0)
    assert beyond == pytest.approx(0.2, abs=1e-9)


@given(st.lists(st.tuples(st.floats(0.05, 1), st.floats(-1, 3)), min_size=2, max_size=6))
@settings(max_examples=60)
def test_no_other_stake_grows_faster(raw):
    total = sum(p for p, _ in raw)
    outcomes = [(p / total, 100 * x) for p, x in raw]

    def growth(stake):
        return sum(p * math.log1p(stake * max(x / 100, -1.0)) for p, x in outcomes)

    best = growth(kelly_stake(outcomes, 100.0))
    assert all(best >= growth(stake) - 1e-9 for stake in np.linspace(0, MAX_STAKE, 101))


@given(st.floats(0.05, 0.95), st.floats(0.05, 3.0), st.floats(0.0, 0.1))
@settings(max_examples=30)
def test_a_lower_win_rate_never_gets_a_larger_stake(p, gain, less):
    def stake(win):
        return kelly_stake([(win, gain * 100), (1 - win, -100.0)], 100.0)

    assert stake(max(p - less, 0.0)) <= stake(p) + 1e-9


def record(closed, wins, average_win=0.4, average_loss=0.8):
    return StrategyRecord(strategy="x", closed=closed, wins=wins, average_win=average_win, average_loss=average_loss)


def test_a_record_is_weighed_against_the_candidates_own_odds():
    # prior: 10 trades at 60 %, winning and losing 1; live: 30 of 40 won at 0.4, lost 0.8
    rate, win, loss = (30 + 6) / 50, (30 * 0.4 + 6) / 36, (10 * 0.8 + 4) / 14
    expected = (rate - (1 - rate) * loss / win) * 40 / 50
    assert record_stake(record(40, 30), EVEN, 100.0, prior_trades=10) == pytest.approx(expected, rel=1e-12)


def test_three_lucky_trades_do_not_bet_the_house():
    lucky, seasoned = record(3, 3, average_loss=0.0), record(300, 300, average_loss=0.0)
    assert record_stake(lucky, EVEN, 100.0, prior_trades=10) < 0.1
    assert 0.5 < record_stake(seasoned, EVEN, 100.0, prior_trades=10) <= MAX_STAKE
    assert record_stake(record(0, 0), EVEN, 100.0, prior_trades=10) == 0.0


def test_a_record_that_never_wins_anything_has_no_stake():
    assert record_stake(record(5, 0, 0.0), [(1.0, -50.0)], 100.0, prior_trades=10) == 0.0
    assert record_stake(record(50, 10), EVEN, 100.0, prior_trades=10) == 0.0
    assert record_stake(record(5, 5, 0.5, 0.0), [(1.0, 50.0)], 100.0, prior_trades=10) == pytest.approx(0.999 / 3)
    assert record_stake(record(2, 2, 0.0, 0.0), [(0.5, 0.0), (0.5, -9.0)], 100.0, prior_trades=10) == 0.0


def test_breaking_even_is_a_loss_of_nothing_and_one_dollar_is_a_win():
    own = [(0.5, 1.0), (0.3, 0.0), (0.2, -1.0)]
    rate, win, loss = (40 + 5) / 50, (40 * 0.4 + 0.05) / 45, 0.02 / 5
    expected = (rate - (1 - rate) * loss / win) * 40 / 50
    assert record_stake(record(40, 40), own, 100.0, prior_trades=10) == pytest.approx(expected, rel=1e-12)


@given(st.integers(1, 100), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=60)
def test_a_record_with_fewer_wins_never_gets_a_larger_stake(closed, share, less):
    wins = round(closed * share)
    fewer = round(wins * less)
    stakes = [record_stake(record(closed, n, 0.5, 0.5), EVEN, 100.0, prior_trades=10) for n in (fewer, wins)]
    assert stakes[0] <= stakes[1] + 1e-12


def test_the_sizer_stakes_half_and_less_with_correlation():
    sizer = KellySizer()
    assert sizer.own_share(EVEN, 100.0) == pytest.approx(0.1)
    assert sizer.own_share(EVEN, 100.0, mean_correlation=1.0) == pytest.approx(0.05)
    assert sizer.own_share(EVEN, 100.0, mean_correlation=0.5) == pytest.approx(0.075)
    assert [sizer.penalty(rho) for rho in (-1.0, 0.0, 1.0, 2.0)] == [1.0, 1.0, 0.5, 0.5]
    own = record_stake(record(40, 36), EVEN, 100.0, prior_trades=10)
    assert sizer.record_share(record(40, 36), EVEN, 100.0) == pytest.approx(own / 2)
    assert sizer.record_share(record(40, 36), EVEN, 100.0, mean_correlation=1.0) == pytest.approx(own / 4)


def test_more_than_half_kelly_cannot_be_set():
    assert KellySizer(fraction=0.5).fraction == 0.5
    for wrong in ({"fraction": 0.51}, {"fraction": 0.0}, {"prior_trades": 0.0}, {"correlation_penalty": 1.1}):
        with pytest.raises(ValidationError):
            KellySizer(**wrong)


@pytest.mark.parametrize(
    ("score", "exposure", "budget"),
    [
        (0, 0, "1500"), (1, 0, "5000"), (0.5, 0, "3250"), ("0.1", "0", "1850"), (2, 0, "5000"), (-3, 0, "1500"),
        (1, "4999.99", "0.01"), (0.5, 2_000, "3000"), (0.5, 1_750, "3250"), (1, 5_000, None), (0, 7_000, None),
    ],
)  # fmt: skip
def test_the_budget_of_a_signal_by_hand(score, exposure, budget):
    found = DynamicSizer().compute_signal_budget(
        Decimal(score) if isinstance(score, str) else score,
        Decimal(exposure) if isinstance(exposure, str) else exposure,
    )
    assert found == (None if budget is None else Decimal(budget))
    assert found is None or isinstance(found, Decimal)


def test_binary_fractions_do_not_leak_into_a_budget():
    sizer = DynamicSizer(min_allocation_fraction=0, max_position_size_usd=100, max_portfolio_exposure=100)
    assert str(sizer.compute_signal_budget(0.1, 0.3)) == "10.00"
    assert sizer.compute_signal_budget(1, 0.1) == Decimal("99.9")


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), Decimal("NaN"), True])
def test_what_is_no_number_is_refused(wrong):
    with pytest.raises(DataError, match="signal score"):
        DynamicSizer().compute_signal_budget(wrong, 0)
    with pytest.raises(DataError, match="exposure"):
        DynamicSizer().compute_signal_budget(0.5, wrong)


def test_a_negative_exposure_is_refused():
    with pytest.raises(DataError, match=r"-0\.01 USD is negative"):
        DynamicSizer().compute_signal_budget(0.5, Decimal("-0.01"))


def test_dynamic_settings_make_sense_or_fail():
    defaults = DynamicSizer()
    assert (defaults.min_allocation_fraction, defaults.max_allocation_fraction) == (Decimal("0.3"), Decimal(1))
    assert (defaults.max_portfolio_exposure, defaults.max_position_size_usd) == (Decimal(5_000), Decimal(5_000))
    flat = DynamicSizer(min_allocation_fraction="0.5", max_allocation_fraction="0.5")
    assert flat.compute_signal_budget(0, 0) == flat.compute_signal_budget(1, 0) == Decimal(2_500)
    with pytest.raises(ValidationError, match="above max_allocation_fraction"):
        DynamicSizer(min_allocation_fraction="0.6", max_allocation_fraction="0.5")
    for name in DynamicSizer.model_fields:
        with pytest.raises(ValidationError):
            DynamicSizer(**{name: -1})


@given(st.lists(st.floats(-1, 2), min_size=1, max_size=30), st.integers(1, 20_000), st.integers(1, 9_000))
@settings(max_examples=60)
def test_several_openings_never_pass_the_cap_together(scores, exposure_cap, position):
    sizer = DynamicSizer(max_portfolio_exposure=exposure_cap, max_position_size_usd=position)
    spent = Decimal(0)
    for score in scores:
        budget = sizer.compute_signal_budget(score, spent)
        if budget is None:
            assert spent == exposure_cap
            break
        assert 0 < budget <= position
        spent += budget
    assert spent <= exposure_cap


def contributions(weights, covariance):
    return weights * (covariance @ weights) / (weights @ covariance @ weights)


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_every_strategy_contributes_the_same_risk(n, seed):
    random = np.random.default_rng(seed)
    factors = random.normal(size=(n, n + 2)) * random.uniform(0.1, 10, size=(n, 1))
    covariance = factors @ factors.T
    weights = risk_parity(covariance)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert (weights > 0).all()
    np.testing.assert_allclose(contributions(weights, covariance), 1 / n, rtol=1e-6)
    np.testing.assert_allclose(risk_parity(covariance * 7.0), weights, rtol=1e-6)


def test_under_constant_correlation_parity_is_inverse_to_the_deviation():
    deviation = np.array([1.0, 2.0, 4.0])
    for rho in (0.0, 0.3, 1.0):
        correlation = np.full((3, 3), rho) + (1 - rho) * np.eye(3)
        weights = risk_parity(correlation * np.outer(deviation, deviation))
        np.testing.assert_allclose(weights, np.array([4, 2, 1]) / 7, rtol=1e-9)


def test_risk_budgets_are_met():
    covariance = np.array([[1.0, 0.3], [0.3, 4.0]])
    weights = risk_parity(covariance, [0.8, 0.2])
    np.testing.assert_allclose(contributions(weights, covariance), [0.8, 0.2], rtol=1e-9)
    np.testing.assert_allclose(risk_parity(covariance / 1e4, [0.8, 0.2]), weights, rtol=1e-9)


@pytest.mark.parametrize(
    ("covariance", "budgets"),
    [
        (np.zeros((0, 0)), None), (np.ones((2, 3)), None), (np.array([[1.0, 0.2], [0.3, 1.0]]), None),
        (np.array([[np.nan]]), None), (np.array([[0.0]]), None), (np.array([[1.0, 2.0], [2.0, 1.0]]), None),
        (np.eye(2), [1.0]), (np.eye(2), [0.5, 0.6]), (np.eye(2), [1.0, 0.0]),
        (np.array([[1.0, -1.0], [-1.0, 1.0]]), None), (np.array([[-1.0]]), None),
    ],
)  # fmt: skip
def test_what_defines_no_parity_is_refused(covariance, budgets):
    with pytest.raises(DataError, match=r"parity|Risk budgets"):
        risk_parity(covariance, budgets)


def test_shares_of_strategies_are_inverse_to_their_risk_per_dollar():
    double, quiet = ((0.5, 100.0), (0.5, -100.0)), ((0.5, 25.0), (0.5, -25.0))
    made = [
        candidate(strategy="b", outcomes=double, max_loss=Decimal(100)),
        candidate(strategy="a", outcomes=quiet, max_loss=Decimal(100)),
        candidate(strategy="b", outcomes=quiet, max_loss=Decimal(50)),
    ]
    assert deviation_per_dollar(double, 100.0) == 1.0
    assert deviation_per_dollar(((0.5, 30.0), (0.5, 10.0)), 40.0) == 0.25
    shares = parity_shares(made)  # b: mean of 1 and 0.5; a: 0.25
    assert list(shares) == ["a", "b"]
    assert shares["a"] == pytest.approx(0.75)
    assert shares["b"] == pytest.approx(0.25)
    assert parity_shares([]) == {}
