"""Value at risk: exact order statistics, coherent tails, the worst case for what is missing, and agreeing methods."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import DataError
from risk.correlation import covariance
from risk.revaluation import Line, Scenarios, revalue
from risk.var import Tail, all_measures, cornish_fisher, full_revaluation, historical, parametric, var_of
from tests.risk.made_books import book, line, put_spread, scenarios, straddle

SHARES = Line("shares", "ABC", None, 200, 20_000.0)
PNL = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300).map(np.array)
LEVELS = st.floats(0.5, 0.999)


def wide(*lines):
    """Lines whose worst cases no scenario reaches, so that nothing is capped."""
    return book(*(line._replace(worst_case=1e9) for line in lines))


@pytest.mark.parametrize(
    ("count", "confidence", "var", "cvar"),
    [
        (100, 0.95, 96.0, 98.0),  # the fifth largest of 1 … 100; mean of five
        (100, 0.99, 100.0, 100.0),
        (250, 0.95, 239.0, 244.5),  # twelve and a half: the twelfth
        (250, 0.99, 249.0, 249.5),
        (60, 0.99, 60.0, 60.0),  # less than one: the worst
        (20, 0.95, 20.0, 20.0),
        (40, 0.95, 39.0, 39.5),
        (1, 0.95, 1.0, 1.0),
    ],
)
def test_the_quantile_is_an_order_statistic_rounded_to_the_worse_side(count, confidence, var, cvar):
    losses = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    assert var_of(-losses, confidence) == Tail(var, cvar)


@given(PNL, LEVELS)
def test_the_tail_mean_is_at_least_the_quantile(pnl, confidence):
    found = var_of(pnl, confidence)
    assert found.cvar >= found.var


@given(PNL, LEVELS, LEVELS)
def test_both_rise_with_confidence(pnl, one, other):
    low, high = (var_of(pnl, level) for level in sorted((one, other)))
    assert high.var >= low.var
    assert high.cvar >= low.cvar - 1e-9 * abs(low.cvar)


@given(PNL, st.integers(0, 1_000), LEVELS)
def test_the_tail_mean_of_two_books_together_is_at_most_the_sum_of_both(pnl, seed, confidence):
    other = np.random.default_rng(seed).normal(0, 1e5, len(pnl))
    together = var_of(pnl + other, confidence).cvar
    assert together <= var_of(pnl, confidence).cvar + var_of(other, confidence).cvar + 1e-6


@given(PNL, LEVELS, st.floats(0.01, 100))
def test_both_scale_with_the_book(pnl, confidence, factor):
    one, scaled = var_of(pnl, confidence), var_of(factor * pnl, confidence)
    assert scaled.var == pytest.approx(factor * one.var, abs=1e-6)
    assert scaled.cvar == pytest.approx(factor * one.cvar, abs=1e-6)


def test_outcomes_that_are_no_numbers_and_confidences_that_cannot_be_are_refused():
    for broken in (np.array([]), np.array([1.0, np.nan])):
        with pytest.raises(DataError, match="numbers"):
            var_of(broken, 0.95)
    for confidence in (0.0, 1.0, -0.5, 95.0, float("nan")):
        with pytest.raises(DataError, match="confidence"):
            var_of(np.zeros(3), confidence)
        with pytest.raises(DataError, match="confidence"):
            parametric(wide(SHARES), covariance(scenarios()), confidence=confidence)
        with pytest.raises(DataError, match="confidence"):
            cornish_fisher(wide(SHARES), covariance(scenarios()), confidence=confidence)
    assert var_of(np.array([-np.inf, 3.0]), 0.5) == Tail(math.inf, math.inf)
    assert var_of(np.array([np.inf, -3.0]), 0.5) == Tail(3.0, 3.0)


def test_full_revaluation_is_the_tail_of_the_revalued_book():
    held, moved = wide(*straddle(), SHARES), scenarios()
    found = full_revaluation(held, moved, confidence=0.99)
    assert (found.var, found.cvar) == var_of(revalue(held, moved), 0.99)
    assert (found.method, found.confidence, found.horizon_days) == ("full_revaluation", 0.99, 1)
    assert (found.observations, found.window, found.missing) == (300, "300 scenarios", ())
    assert found.note == "every option repriced under joint spot and volatility moves"


def test_historical_moves_spot_only():
    held, moved = wide(*straddle(units=1)), scenarios()
    still = Scenarios(moved.tickers, moved.spot, np.zeros_like(moved.vol), moved.rate, moved.days)
    found = historical(held, moved)
    assert found.var == var_of(revalue(held, still), 0.95).var
    assert found.var != full_revaluation(held, moved).var
    assert found.method == "historical"


def test_the_delta_gamma_variant_agrees_for_small_moves_and_parts_for_large_ones():
    held = wide(*straddle(), line("L", "XYZ", 3, strike=50.0))
    for spot, off in ((0.003, 0.02), (0.08, 0.5)):
        moved = scenarios(spot=spot, vol=0.0, days=0.0)
        exact, expanded = historical(held, moved), historical(held, moved, delta_gamma=True)
        assert expanded.method == "delta_gamma_historical"
        assert expanded.var == pytest.approx(exact.var, rel=off)
    assert expanded.var != pytest.approx(exact.var, rel=0.05)


def test_shares_alone_have_the_same_risk_by_every_method_up_to_the_sample():
    rng = np.random.default_rng(4)
    spot = np.clip(rng.normal(0, 0.01, (20_000, 1)), -0.9, None)
    zeros = np.zeros(20_000)
    found = all_measures(wide(SHARES), Scenarios(("ABC",), spot, np.zeros_like(spot), zeros, zeros))
    assert [(item.method, item.confidence) for item in found] == [
        (method, level)
        for method in ("historical", "delta_gamma_historical", "parametric", "cornish_fisher", "full_revaluation")
        for level in (0.95, 0.99)
    ]
    for item in found:
        z, tail = (1.6449, 2.0627) if item.confidence == 0.95 else (2.3263, 2.6652)
        assert item.var == pytest.approx(200 * z, rel=0.03)
        assert item.cvar == pytest.approx(200 * tail, rel=0.03)


def test_parametric_is_delta_normal_over_the_shrunk_covariance():
    held = wide(SHARES, Line("X", "XYZ", None, -100, None))
    moves = covariance(scenarios())
    exposure = np.array([20_000.0, -5_000.0])
    found = parametric(held, moves)
    assert found.var == pytest.approx(1.6448536269514722 * math.sqrt(exposure @ moves.spot @ exposure))
    assert found.cvar == pytest.approx(found.var * 2.0627128075074292 / 1.6448536269514722)
    assert found.observations == 300
    assert found.note == f"deltas only; correlations shrunk by {moves.shrinkage:.2f}"


def test_cornish_fisher_meets_the_simulated_tail_of_a_book_with_gamma_and_vega():
    held = wide(*straddle(units=2), *put_spread("P", "XYZ", 5), SHARES)
    moves = covariance(scenarios(2_000, spot=0.012, vol=0.05))
    rng = np.random.default_rng(9)
    drawn = rng.multivariate_normal(np.zeros(4), moves.matrix, 200_000)
    count = len(drawn)
    simulated = Scenarios(moves.tickers, drawn[:, :2], drawn[:, 2:], np.zeros(count), np.ones(count))
    for level in (0.95, 0.99):
        exact = full_revaluation(held, simulated, confidence=level)
        found = cornish_fisher(held, moves, confidence=level)
        assert found.var == pytest.approx(exact.var, rel=0.06)
        assert found.cvar == pytest.approx(exact.cvar, rel=0.08)
        assert abs(found.var / parametric(held, moves, confidence=level).var - 1) > 0.1
    assert found.note.startswith("skewness +")


def test_outside_the_domain_cornish_fisher_gives_no_figure_and_says_why():
    found = cornish_fisher(wide(*straddle(units=5)), covariance(scenarios(spot=0.03, vol=0.0)))
    assert (found.var, found.cvar) == (None, None)
    assert "outside the domain of the expansion (Maillard 2012)" in found.note


def test_a_book_that_gains_in_every_scenario_may_lose_nothing():
    moved = Scenarios(("ABC",), np.full((80, 1), 0.01), np.zeros((80, 1)), np.zeros(80), np.zeros(80))
    found = full_revaluation(wide(SHARES), moved)
    assert (found.var, found.cvar) == (0.0, 0.0)


def test_what_cannot_be_revalued_is_added_at_its_worst_case_and_named():
    lost = Line("OLD", "ZZZ", None, 10, 777.0)
    unknown = put_spread("P", "XYZ", worst=300.0)
    moved = scenarios(tickers=("ABC",))
    plain = {(m.method, m.confidence): m for m in all_measures(wide(SHARES), moved)}
    for found in all_measures(book(SHARES._replace(worst_case=1e9), lost, *unknown), moved):
        alone = plain[found.method, found.confidence]
        assert found.var == pytest.approx(alone.var + 1_077.0)
        assert found.cvar == pytest.approx(alone.cvar + 1_077.0)
        assert found.missing[1] == "ZZZ OLD: no price of ZZZ"
        assert found.missing[0].startswith("XYZ P: ")
        assert found.note.endswith("worst case of 2 that cannot be revalued 1,077.00 USD stands in for it")


def test_a_missing_line_without_a_bound_leaves_no_figure_at_all():
    held = book(SHARES, Line("OLD", "ZZZ", None, -10, None))
    for found in all_measures(held, scenarios()):
        assert (found.var, found.cvar) == (None, None)
        assert found.note.endswith("has no bound: no figure")


def test_no_figure_is_above_everything_that_can_be_lost():
    held = book(SHARES._replace(worst_case=100.0), *put_spread(worst=50.0))
    for found in all_measures(held, scenarios(spot=0.05)):
        assert found.var <= found.cvar <= 150.0
        assert found.note.endswith("capped at the worst case of everything, 150.00 USD")
    uncapped = full_revaluation(book(SHARES._replace(worst_case=20_000.0)), scenarios(spot=0.05))
    assert "capped" not in uncapped.note


def test_the_cap_leaves_a_quantile_below_it_alone():
    losses = np.array([-0.5, *[-0.01] * 99])[:, None]
    moved = Scenarios(("ABC",), losses, np.zeros((100, 1)), np.zeros(100), np.zeros(100))
    found = full_revaluation(book(SHARES._replace(worst_case=1_000.0)), moved)
    assert (found.var, found.cvar) == (pytest.approx(200.0), 1_000.0)


def test_an_empty_book_or_no_scenarios_is_said_plainly():
    nothing = Scenarios((), np.zeros((0, 0)), np.zeros((0, 0)), np.zeros(0), np.zeros(0))
    found = all_measures(book(*put_spread(worst=300.0)), nothing)
    assert [(m.var, m.cvar, m.confidence) for m in found] == [(300.0, 300.0, 0.95), (300.0, 300.0, 0.99)]
    assert found[0].missing == ("ABC P1: no scenarios for its underlying",)
    assert found[0].window == "0 scenarios"
    assert [m.var for m in all_measures(book(), scenarios(), confidences=(0.9,))] == [0.0] * 5


@settings(max_examples=15)
@given(st.integers(1, 9), st.integers(0, 50))
def test_a_book_twice_as_large_has_twice_the_risk(units, seed):
    moved = scenarios(120, seed=seed)
    one, many = (all_measures(wide(*straddle(units=u), *put_spread("P", "XYZ", u)), moved) for u in (1, units))
    for single, several in zip(one, many, strict=True):
        if single.var is not None:
            assert several.var == pytest.approx(units * single.var, rel=1e-6, abs=1e-6)
            assert several.cvar == pytest.approx(units * single.cvar, rel=1e-6, abs=1e-6)
