"""Sums of hyperbolas: their arithmetic, and proofs that no grid can refute."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from options import svi
from options.hyperbolas import (
    BentSvi,
    evaluate,
    is_butterfly_free,
    is_calendar_free,
    mixed,
    numbers_of,
    scaled,
    shifted,
    wing_slopes,
)
from options.svi_forms import RawSvi

GRID = np.sinh(np.linspace(-9, 9, 20_001)) / 20  # dense at the money, ±200 at its ends


def grid_around(piece, points=20_001):
    """Log-moneynesses dense at every bend of the slice and far into both wings."""
    numbers = numbers_of(piece)
    steps = np.sinh(np.linspace(-12, 12, points // 2))
    return np.concatenate([m + sigma * steps for m, sigma in zip(numbers[3::4], numbers[4::4], strict=True)])


def raws():
    deviation = st.floats(0.01, 1.0)
    return st.builds(
        lambda s, level, b, rho, m, sigma: RawSvi(level * s * s, b * s, rho, m * s, sigma * s),
        deviation,
        st.floats(-0.3, 1.0),
        st.floats(0.01, 2.5),
        st.floats(-0.98, 0.98),
        st.floats(-2, 2),
        st.floats(0.01, 4),
    )


def bent():
    second = st.tuples(st.floats(-1.5, 1.5), st.floats(-1, 1), st.floats(-3, 3), st.floats(0.02, 3))

    def build(raw, more):
        s = raw.sigma + abs(raw.m) + 0.02
        b, c, m, sigma = more
        return BentSvi((*numbers_of(raw, 5).tolist(), b * raw.b, c * raw.b, m * s, sigma * s))

    return st.builds(build, raws(), second)


def test_value_slope_and_curvature_agree_with_differences_and_broadcast():
    piece = BentSvi((0.01, 0.1, -0.05, 0.02, 0.1, -0.04, 0.01, 0.1, 0.05))
    k, h = np.linspace(-0.4, 0.4, 9), 1e-5
    up, down = piece.total_variance(k + h), piece.total_variance(k - h)
    np.testing.assert_allclose(piece.slope(k), (up - down) / (2 * h), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(
        piece.curvature(k), (up - 2 * piece.total_variance(k) + down) / h**2, rtol=1e-4, atol=1e-4
    )
    for mine, theirs in zip(piece.curve(k), evaluate(np.array(piece.numbers), k), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-13, atol=1e-16)
    assert piece.vol(0.0, 0.25) == pytest.approx(np.sqrt(float(piece.total_variance(0.0)) / 0.25))


def test_a_raw_slice_written_as_a_sum_is_the_same_slice():
    raw = RawSvi(0.01, 0.1, -0.4, 0.02, 0.15)
    same = BentSvi(tuple(numbers_of(raw).tolist()))
    for name in ("total_variance", "slope", "curvature", "durrleman"):
        np.testing.assert_allclose(getattr(same, name)(GRID), getattr(raw, name)(GRID), rtol=1e-11, atol=1e-13)
    assert wing_slopes(numbers_of(raw)) == pytest.approx((0.1 * 1.4, 0.1 * 0.6))


@settings(max_examples=300)
@given(raw=raws())
def test_butterfly_proof_agrees_with_the_polynomial_one_for_raw_slices(raw):
    assume(abs(svi.worst_butterfly(raw).g) > 1e-9)
    assert is_butterfly_free(raw) == svi.is_butterfly_free(raw)


@settings(max_examples=300)
@given(piece=bent())
@example(piece=BentSvi((0.0008, 0.0143, -0.003, 0.001, 0.0001, 0.0, 0.0, 0.0, 1.0)))  # a violation 1e-4 wide
def test_no_grid_finds_a_butterfly_that_the_proof_missed(piece):
    if is_butterfly_free(piece):
        at = grid_around(piece)
        assert piece.total_variance(at).min() > 0
        assert piece.durrleman(at).min() >= -1e-9
        assert max(wing_slopes(np.array(piece.numbers))) <= 2.0


@settings(max_examples=300)
@given(near=bent(), far=bent(), rise=st.floats(0, 0.5))
def test_no_grid_finds_a_crossing_that_the_proof_missed(near, far, rise):
    far = shifted(far, rise)
    if is_calendar_free(near, far):
        at = np.concatenate([grid_around(near), grid_around(far)])
        scale = 1.0 + np.abs(at)
        assert ((far.total_variance(at) - near.total_variance(at)) / scale).min() >= -1e-11


@settings(max_examples=300)
@given(near=raws(), far=raws(), rise=st.floats(0, 1))
def test_calendar_proof_agrees_with_the_quartic_one_for_raw_slices(near, far, rise):
    far = RawSvi(far.a + rise, far.b, far.rho, far.m, far.sigma)
    gap = svi.least_gap(near, far).gap
    assume(abs(gap) > 1e-9)
    assume(
        min(abs(a - b) for a, b in zip(wing_slopes(numbers_of(near)), wing_slopes(numbers_of(far)), strict=True)) > 1e-9
    )
    assert is_calendar_free(near, far) == svi.is_calendar_free(near, far)


def test_arbitrage_far_out_in_a_wing_is_found():
    steep = BentSvi((0.04, 0.3, 0.0, 0.0, 0.3, 1.2, 0.0, 50.0, 0.1))  # slopes of 1.5 only beyond k = 50
    assert is_butterfly_free(BentSvi((0.04, 0.3, 0.0, 0.0, 0.3)))
    assert not is_butterfly_free(BentSvi((0.04, 2.1, 0.0, 0.0, 3.0)))  # steeper than Lee allows
    near = BentSvi((0.04, 0.3, 0.0, 0.0, 0.3))
    assert not is_calendar_free(shifted(near, 0.5), steep) or is_butterfly_free(steep)
    assert not is_calendar_free(near, BentSvi((0.05, 0.2999, 0.0, 0.0, 0.3)))  # crosses near k = 100


def test_equal_slices_do_not_cross_and_flat_ones_have_no_butterfly():
    piece = BentSvi((0.01, 0.1, -0.05, 0.02, 0.1, -0.04, 0.01, 0.1, 0.05))
    assert is_calendar_free(piece, piece)
    assert is_butterfly_free(RawSvi(0.04, 0.0, 0.0, 0.0, 1.0))
    assert not is_butterfly_free(RawSvi(-0.04, 0.0, 0.0, 0.0, 1.0))


@settings(max_examples=100)
@given(piece=bent(), share=st.floats(0.01, 1))
def test_a_share_of_a_slice_without_butterflies_has_none(piece, share):
    assume(is_butterfly_free(piece, margin=1e-6))
    assert is_butterfly_free(scaled(piece, share))


def test_a_mixture_lies_between_its_parts():
    one, other = RawSvi(0.01, 0.1, -0.4, 0.02, 0.15), BentSvi((0.03, 0.12, -0.05, 0.02, 0.1, 0.04, 0.01, 0.1, 0.05))
    between = mixed(one, other, 0.25).total_variance(GRID)
    np.testing.assert_allclose(between, 0.75 * one.total_variance(GRID) + 0.25 * other.total_variance(GRID), rtol=1e-12)
