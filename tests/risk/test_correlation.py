"""Shrunk correlations, the worst case for what is not known, and correlations pushed together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import DataError
from risk.correlation import Correlations, correlations, covariance, days_of, stressed
from risk.revaluation import Scenarios
from tests.risk.made_books import START, bars, scenarios

RNG = np.random.default_rng(5)
MARKET = RNG.normal(0, 0.01, 90)
X, Y, Z = (MARKET + RNG.normal(0, 0.006, 90) for _ in range(3))


def shrunk_by_hand(returns):
    """Ledoit and Wolf (2004), Lemma 3.2 and Theorem 3.2, on standard scores, written down from the paper."""
    x = (returns - returns.mean(axis=0)) / returns.std(axis=0)
    n, p = x.shape
    sample = x.T @ x / n
    m = np.trace(sample) / p
    d2 = ((sample - m * np.eye(p)) ** 2).sum() / p
    b2 = min(sum(((np.outer(row, row) - sample) ** 2).sum() / p for row in x) / n**2, d2)
    return (1 - b2 / d2) * sample + b2 / d2 * m * np.eye(p)


def test_correlations_of_names_with_a_common_history_are_shrunk_together():
    history = {"AAA": bars("AAA", X), "BBB": bars("BBB", Y), "CCC": bars("CCC", Z)}
    found = correlations(history, ["CCC", "AAA", "BBB", "ZZZ"])
    expected = shrunk_by_hand(np.stack([X, Y, Z], axis=1)[-60:])
    assert found.between("BBB", "AAA") == pytest.approx(expected[0, 1])
    assert found.between("BBB", "CCC") == pytest.approx(expected[1, 2])
    plain = np.corrcoef(X[-60:], Y[-60:])[0, 1]
    assert 0.8 * plain < found.between("AAA", "BBB") < plain
    assert list(found.pairs) == [("AAA", "BBB"), ("AAA", "CCC"), ("BBB", "CCC")]
    assert (found.window, found.minimum) == (60, 60)
    assert not found.known("AAA", "ZZZ")
    assert found.between("AAA", "ZZZ") == 1.0


def test_a_pair_that_the_rest_do_not_share_is_taken_by_itself():
    early, late, long = bars("EEE", X), bars("LLL", Y, START + 60), bars("GGG", RNG.normal(0, 0.01, 150))
    found = correlations({"EEE": early, "LLL": late, "GGG": long}, ["EEE", "GGG", "LLL"])
    assert set(found.pairs) == {("EEE", "GGG"), ("GGG", "LLL")}
    assert found.between("EEE", "LLL") == 1.0  # thirty days in common


@pytest.mark.parametrize(("count", "known"), [(59, False), (60, True)])
def test_a_correlation_needs_its_minimum(count, known):
    found = correlations({"AAA": bars("AAA", X[:count]), "BBB": bars("BBB", Y[:count])}, ["AAA", "BBB"])
    assert found.known("AAA", "BBB") is known


def test_a_series_without_variation_correlates_with_nobody_knows_whom():
    still = {"AAA": bars("AAA", X), "BBB": bars("BBB", Y), "FLAT": bars("FLAT", np.zeros(90))}
    found = correlations(still, ["AAA", "BBB", "FLAT"])
    assert set(found.pairs) == {("AAA", "BBB")}
    assert found.between("AAA", "FLAT") == 1.0


def test_the_mean_weighs_pairs_by_the_product_of_their_losses():
    found = Correlations(60, 60, {("A", "B"): 0.5, ("A", "C"): 0.1, ("B", "C"): -0.2})
    weights = {"A": 100.0, "B": 300.0, "C": 200.0}
    expected = (30_000 * 0.5 + 20_000 * 0.1 - 60_000 * 0.2) / 110_000
    assert found.weighted_mean(weights) == pytest.approx(expected)
    assert found.weighted_mean({"A": 100.0}) == 0.0
    assert found.weighted_mean({"A": 0.0, "B": 0.0}) == 0.0
    assert found.weighted_mean({"A": 1.0, "Z": 1.0}) == 1.0


def test_a_matrix_with_assumed_pairs_is_made_a_correlation_matrix():
    plain = Correlations(60, 60, {("A", "B"): 0.5})
    assert plain.matrix(("B", "A")).tolist() == [[1.0, 0.5], [0.5, 1.0]]
    impossible = Correlations(60, 60, {("A", "C"): 0.9, ("B", "C"): -0.5})  # A and B as one, yet C with and against
    found = impossible.matrix(("A", "B", "C"))
    assert np.linalg.eigvalsh(found).min() > -1e-12
    np.testing.assert_allclose(np.diag(found), 1.0)
    assert found[0, 2] > 0 > found[1, 2]
    assert Correlations(60, 60, {}).matrix(()).shape == (0, 0)


def test_covariance_is_of_spots_then_volatilities_with_sample_deviations():
    moved = scenarios(250)
    found = covariance(moved)
    both = np.hstack([moved.spot, moved.vol])
    np.testing.assert_allclose(np.sqrt(np.diag(found.matrix)), both.std(axis=0, ddof=1))
    correlation = found.matrix / np.outer(*[both.std(axis=0, ddof=1)] * 2)
    np.testing.assert_allclose(correlation, shrunk_by_hand(both), atol=1e-12)
    assert np.array_equal(found.spot, found.matrix[:2, :2])
    assert 0 < found.shrinkage < 1
    assert (found.observations, found.window) == (250, "250 scenarios")


def test_a_factor_that_never_moves_has_no_covariance():
    moved = scenarios(100, vol=0.0)
    still = Scenarios(moved.tickers, moved.spot, np.zeros_like(moved.vol), moved.rate, moved.days, ("d1", "d2"))
    found = covariance(still)
    assert not found.matrix[2:].any()
    assert found.window == days_of(still) == "100 days, d1 to d2"
    nothing = Scenarios(("A",), np.zeros((3, 1)), np.zeros((3, 1)), np.zeros(3), np.zeros(3))
    assert not covariance(nothing).matrix.any()
    assert covariance(nothing).shrinkage == 0.0


def test_one_scenario_has_no_covariance_and_two_have():
    assert covariance(scenarios(2)).observations == 2
    with pytest.raises(DataError, match="two scenarios"):
        covariance(scenarios(1))


def test_stressed_correlations_have_the_mean_asked_for_and_no_pair_falls():
    matrix = np.array([[1.0, 0.3, -0.2], [0.3, 1.0, 0.95], [-0.2, 0.95, 1.0]])
    found = stressed(matrix)
    assert found[~np.eye(3, dtype=bool)].mean() == pytest.approx(0.8)
    assert (found >= matrix).all()
    np.testing.assert_allclose(np.diag(found), 1.0)
    assert stressed(np.array([[1.0, 0.1], [0.1, 1.0]]))[0, 1] == pytest.approx(0.8)
    assert stressed(matrix, 1.0)[0, 2] == 1.0


def test_what_moves_as_one_already_and_a_single_name_stay_as_they_are():
    tight = np.array([[1.0, 0.9], [0.9, 1.0]])
    assert np.array_equal(stressed(tight), tight)
    assert stressed(tight) is not tight
    assert stressed(np.eye(1)).tolist() == [[1.0]]
    assert np.array_equal(stressed(tight, 0.9), tight)


@pytest.mark.parametrize("rho", [-0.01, 1.01, float("nan")])
def test_a_correlation_beyond_one_is_refused(rho):
    with pytest.raises(DataError, match="from 0 to 1"):
        stressed(np.eye(2), rho)


@given(st.integers(2, 6), st.integers(0, 1_000), st.floats(0, 1))
def test_stressed_correlations_stay_positive_semi_definite(size, seed, rho):
    found = stressed(np.corrcoef(np.random.default_rng(seed).normal(size=(size, 20))), rho)
    assert np.linalg.eigvalsh(found).min() > -1e-9
