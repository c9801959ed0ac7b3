"""The expansion: the right quantile where it may be asked, no answer where not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.cornish_fisher import REACH, Moments, bent, expansion, in_domain, parameters


def test_without_skew_and_kurtosis_it_is_the_normal_quantile_and_tail_mean():
    var, cvar = expansion(Moments(3.0, 10.0, 0.0, 0.0), 0.95)
    assert var == pytest.approx(-3 + 16.448536269514722)
    assert cvar == pytest.approx(-3 + 20.62712807507469)


def test_skewness_and_kurtosis_of_the_bent_normal_are_those_asked_for_not_the_parameters():
    s, k = parameters(-0.8, 1.6)
    z = np.random.default_rng(1).normal(size=4_000_000)
    q = bent(z, s, k)
    q = (q - q.mean()) / q.std()
    assert (q**3).mean() == pytest.approx(-0.8, abs=0.02)
    assert (q**4).mean() - 3 == pytest.approx(1.6, abs=0.1)
    assert (s, k) != pytest.approx((-0.8, 1.6), abs=0.01)


def test_quantile_and_tail_mean_are_those_of_the_bent_normal():
    moments = Moments(0.0, 1.0, -0.8, 1.6)
    s, k = parameters(-0.8, 1.6)
    q = bent(np.random.default_rng(2).normal(size=4_000_000), s, k)
    q = np.sort(q / q.std())
    var, cvar = expansion(moments, 0.99)
    assert var == pytest.approx(-q[40_000], rel=0.01)
    assert cvar == pytest.approx(-q[:40_000].mean(), rel=0.01)


def test_the_quantile_of_a_sum_of_squares_is_met_within_a_thousandth():
    # 32 squared normals, the shape of a book long gamma: mean 32, deviation 8, skewness ½, excess kurtosis ⅜
    assert expansion(Moments(32.0, 8.0, 0.5, 0.375), 0.95)[0] == pytest.approx(-20.071913464548288, rel=1e-3)


@pytest.mark.parametrize(("skew", "excess"), [(2.83, 12.0), (2.0, 2.0), (0.0, -1.5), (-2.5, 3.0)])
def test_shapes_outside_the_domain_have_no_answer(skew, excess):
    assert expansion(Moments(0.0, 1.0, skew, excess), 0.95) is None


def test_a_certain_outcome_is_its_own_tail():
    assert expansion(Moments(-7.0, 0.0, 0.0, 0.0), 0.95) == (7.0, 7.0)


def test_the_domain_ends_where_the_quantile_falls_within_reach():
    assert in_domain(0.0, 0.0)
    assert in_domain(0.16, 0.04)  # nearly linear: falls only beyond reach
    assert not in_domain(0.6, 0.3)
    assert in_domain(0.0, 7.9)
    assert not in_domain(0.0, 8.1)  # falls at z = 0


@given(st.floats(-2.4, 2.4), st.floats(-2.0, 9.0))
def test_whoever_is_in_the_domain_rises_everywhere_within_reach(s, k):
    slopes = np.diff(bent(np.linspace(-REACH, REACH, 400), s, k))
    if in_domain(s, k):
        assert slopes.min() >= -1e-9
    else:
        assert slopes.min() < 0.02


@given(st.floats(-1.5, 1.5), st.floats(0.0, 6.0), st.floats(0.51, 0.98))
def test_tail_means_are_no_smaller_than_quantiles_and_both_rise_with_confidence(skew, excess, confidence):
    low, high = (expansion(Moments(0.0, 1.0, skew, excess), level) for level in (confidence, confidence + 0.015))
    assert (low is None) == (high is None)
    if low and high:
        assert low[1] >= low[0]
        assert high[0] >= low[0] - 1e-12
        assert high[1] >= low[1] - 1e-12
