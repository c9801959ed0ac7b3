"""SVI slices: their forms, and proofs of no arbitrage against exact arithmetic and dense grids."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from domain.errors import DataError
from options.svi import (
    JumpWings,
    NaturalSvi,
    RawSvi,
    crossings,
    is_butterfly_free,
    is_calendar_free,
    least_gap,
    worst_butterfly,
)

VOGT = RawSvi(a=-0.0410, b=0.1331, rho=0.3060, m=0.3586, sigma=0.4153)
PLAIN = RawSvi(a=0.04, b=0.1, rho=-0.5, m=0.01, sigma=0.1)


@st.composite
def slices(draw: st.DrawFn, *, steepest: float = 1.2) -> RawSvi:
    """Slices from a day to years and from smooth to kinked; some admit butterfly arbitrage."""
    size = float(np.exp(draw(st.floats(-5.0, 0.3))))
    rho = draw(st.floats(-0.99, 0.99))
    sigma = size * float(np.exp(draw(st.floats(-5.0, 1.5))))
    b = size * draw(st.floats(0.02, steepest))
    m = size * draw(st.floats(-2.0, 2.0))
    floor = size * size * draw(st.floats(0.02, 1.0))
    return RawSvi(a=floor - b * sigma * float(np.sqrt(1.0 - rho * rho)), b=b, rho=rho, m=m, sigma=sigma)


def grid(svi: RawSvi, points: int = 20_001) -> np.ndarray:
    """Dense near the centre, and out to 1e5 times the slice's own width."""
    return svi.m + svi.sigma * np.sinh(np.linspace(-12.0, 12.0, points))


# forms


@given(slices())
def test_natural_form_round_trips(svi):
    back = RawSvi.from_natural(svi.to_natural())
    k = grid(svi, 41)
    np.testing.assert_allclose(back.total_variance(k), svi.total_variance(k), rtol=1e-9, atol=1e-12)


@given(slices(), st.floats(1 / 365, 3.0))
@example(replace(PLAIN, m=0.0), 1.0)  # m = 0 makes the usual formula for sigma divide zero by zero
def test_jump_wings_round_trip(svi, tau):
    wings = svi.to_jump_wings(tau)
    assume(abs(wings.psi) > 1e-4)
    back = RawSvi.from_jump_wings(wings)
    k = np.linspace(-3.0, 3.0, 41) * np.sqrt(wings.v * tau)
    np.testing.assert_allclose(back.total_variance(k), svi.total_variance(k), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(wings.v, svi.vol(0.0, tau) ** 2, rtol=1e-12)
    slope_of_vol = float(svi.slope(0.0)) / (2.0 * np.sqrt(float(svi.total_variance(0.0))))
    np.testing.assert_allclose(wings.psi, slope_of_vol, rtol=1e-9, atol=1e-12)


def test_jump_wings_of_vogt_are_the_published_ones():
    """Gatheral and Jacquier (2014), section 5.1, example 5.1."""
    wings = VOGT.to_jump_wings(1.0)
    published = JumpWings(v=0.01742625, psi=-0.1752111, p=0.6997381, c=1.316798, v_tilde=0.0116249, tau=1.0)
    for name in ("v", "psi", "p", "c", "v_tilde"):
        assert getattr(wings, name) == pytest.approx(getattr(published, name), rel=1e-5)


def test_vogt_admits_butterflies_and_its_published_repair_does_not():
    assert not is_butterfly_free(VOGT)
    assert worst_butterfly(VOGT).g == pytest.approx(VOGT.durrleman(grid(VOGT, 200_001)).min(), abs=1e-6)
    wings = VOGT.to_jump_wings(1.0)
    c = wings.p + 2.0 * wings.psi
    repaired = replace(wings, c=c, v_tilde=wings.v * 4.0 * wings.p * c / (wings.p + c) ** 2)
    assert repaired.c == pytest.approx(0.3493158, rel=1e-5)
    assert repaired.v_tilde == pytest.approx(0.01548182, rel=1e-5)
    assert is_butterfly_free(RawSvi.from_jump_wings(repaired))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: RawSvi(0.04, -0.1, 0.0, 0.0, 0.1), "b = -0.1"),
        (lambda: RawSvi(0.04, 0.1, 1.1, 0.0, 0.1), "rho = 1.1"),
        (lambda: RawSvi(0.04, 0.1, 0.0, 0.0, 0.0), "sigma = 0"),
        (lambda: RawSvi(float("nan"), 0.1, 0.0, 0.0, 0.1), "finite"),
        (lambda: RawSvi(0.04, 0.1, 1.0, 0.0, 0.1).to_natural(), "rho"),
        (lambda: RawSvi.from_natural(NaturalSvi(0.0, 0.0, 1.0, 0.1, 1.0)), "rho"),
        (lambda: RawSvi(-1.0, 0.1, 0.0, 0.0, 0.1).to_jump_wings(1.0), "variance at the money"),
        (lambda: PLAIN.to_jump_wings(0.0), "tau = 0"),
        (lambda: RawSvi.from_jump_wings(JumpWings(0.04, 0.0, 0.0, 0.0, 0.04, 1.0)), "flat smile"),
        (lambda: RawSvi.from_jump_wings(JumpWings(0.04, 0.0, 0.3, 0.3, 0.03, 1.0)), "minimum at the money"),
        (lambda: RawSvi.from_jump_wings(JumpWings(0.04, -0.4, 0.3, 0.3, 0.03, 1.0)), "psi must lie"),
        (lambda: RawSvi.from_jump_wings(JumpWings(-0.04, -0.1, 0.3, 0.3, 0.03, 1.0)), "tau > 0"),
    ],
)
def test_what_is_no_slice_is_refused_by_name(make, says):
    with pytest.raises(DataError, match=says):
        make()


def test_derivatives_agree_with_50_digit_arithmetic():
    with mpmath.workdps(50):
        for svi in (PLAIN, VOGT, replace(PLAIN, sigma=1e-4)):
            a, b, rho, m, sigma = (mpmath.mpf(x) for x in (svi.a, svi.b, svi.rho, svi.m, svi.sigma))

            def w(k, a=a, b=b, rho=rho, m=m, sigma=sigma):
                return a + b * (rho * (k - m) + mpmath.sqrt((k - m) ** 2 + sigma**2))

            for k in (-2.0, -0.1, 0.0, 0.0101, 0.3, 5.0):
                value, slope, bend = (mpmath.diff(w, mpmath.mpf(k), n) if n else w(mpmath.mpf(k)) for n in range(3))
                g = (1 - k * slope / (2 * value)) ** 2 - slope**2 / 4 * (1 / value + mpmath.mpf(1) / 4) + bend / 2
                assert float(svi.total_variance(k)) == pytest.approx(float(value), rel=1e-13)
                assert float(svi.slope(k)) == pytest.approx(float(slope), rel=1e-12, abs=1e-15)
                assert float(svi.curvature(k)) == pytest.approx(float(bend), rel=1e-12)
                assert float(svi.durrleman(k)) == pytest.approx(float(g), rel=1e-10, abs=1e-12)


# butterfly


def _times(x, y):
    out = [Fraction(0)] * (len(x) + len(y) - 1)
    for i, p in enumerate(x):
        for j, q in enumerate(y):
            out[i + j] += p * q
    return out


def _plus(*terms):
    return [sum((t[i] for t in terms if i < len(t)), Fraction(0)) for i in range(max(map(len, terms)))]


def exactly_free(svi: RawSvi) -> bool:
    """Whether g > 0 on all of R, by Sturm's theorem in exact rational arithmetic on the five floats."""
    a, b, rho, m, sigma = (Fraction(x) for x in (svi.a, svi.b, svi.rho, svi.m, svi.sigma))
    w = [b * sigma * (1 - rho) / 2, a, b * sigma * (1 + rho) / 2]
    d = [-b * (1 - rho), Fraction(0), b * (1 + rho)]
    k = [-sigma / 2, m, sigma / 2]
    one = [Fraction(1), Fraction(0), Fraction(1)]
    first = _plus(_times(w, one), _times([Fraction(-1, 2)], _times(k, d)))
    dd, ww = _times(d, d), _times(w, w)
    body = _plus(
        _times(first, first),
        _times([Fraction(0), Fraction(-1, 4)], _times(dd, w)),
        _times([Fraction(-1, 16)], _times(dd, ww)),
    )
    p = _plus(_times(body, one), _times([Fraction(0)] * 3 + [4 * b / sigma], ww))
    while p and p[-1] == 0:
        p.pop()
    chain = [p, [i * c for i, c in enumerate(p)][1:]]
    while len(chain[-1]) > 1:
        rest = list(chain[-2])
        while len(rest) >= len(chain[-1]):
            share, shift = rest[-1] / chain[-1][-1], len(rest) - len(chain[-1])
            for i, c in enumerate(chain[-1]):
                rest[i + shift] -= share * c
            rest.pop()
        while rest and rest[-1] == 0:
            rest.pop()
        if not rest:
            break
        chain.append([-c / abs(rest[-1]) for c in rest])

    def changes(signs):
        kept = [s > 0 for s in signs if s != 0]
        return sum(x != y for x, y in pairwise(kept))

    return p[-1] > 0 and changes([c[0] for c in chain]) == changes([c[-1] for c in chain])


@given(slices())
def test_no_grid_finds_what_the_proof_missed(svi):
    found = svi.durrleman(grid(svi)).min()
    worst = worst_butterfly(svi)
    assert worst.g <= found + 1e-8 * (1.0 + abs(found))
    if is_butterfly_free(svi):
        assert found >= -1e-12
        assert worst.g >= -1e-8
    if np.isfinite(worst.k):
        assert float(svi.durrleman(worst.k)) == pytest.approx(worst.g, abs=1e-7 * (1.0 + abs(worst.g)))


@settings(max_examples=60)
@given(slices(), st.sampled_from([-1e-5, -1e-9, 0.0, 1e-9, 1e-5]))
def test_at_the_boundary_the_proof_agrees_with_exact_arithmetic(svi, beyond):
    """Slices are drawn to where g just touches zero, often between any grid's points, and moved off it a little."""

    def flattened(share: float) -> RawSvi:
        a = svi.a + (1.0 - share) * svi.b * svi.sigma
        return RawSvi(*(float(np.float32(x)) for x in (a, share * svi.b, svi.rho, svi.m, svi.sigma)))  # short fractions

    steep, flat = 1.0, 0.0
    assume(not is_butterfly_free(svi))
    for _ in range(30):
        share = 0.5 * (steep + flat)
        steep, flat = (steep, share) if is_butterfly_free(flattened(share)) else (share, flat)
    near = flattened(flat * (1.0 + beyond))
    exact = exactly_free(near) and near.b * (1.0 + abs(near.rho)) < 2.0 and near.least_variance > 0.0
    proved = is_butterfly_free(near)
    assert exact or not proved
    if abs(beyond) > 1e-6 and near.least_variance > 0.03 * near.b * near.sigma:
        assert proved == exact


@pytest.mark.parametrize(
    "svi",
    [
        RawSvi(0.04, 1.0001, 0.0, 0.0, 0.05),  # only beyond the quotes: both wings too steep to the order of 1e-8 of g
        RawSvi(0.3, 1.9, -0.06, 0.1, 0.3),  # the left wing alone
        RawSvi(0.04, 0.9, 0.0, 0.0, 1e-6),  # within 1e-6 of the centre
        RawSvi(-0.01, 0.1, 0.0, 0.0, 0.1),  # variance exactly zero at one point
        RawSvi(-0.02, 0.1, 0.0, 0.0, 0.1),  # negative variance
        RawSvi(0.02, 2.0, 0.0, 0.0, 0.3),  # Lee's bound far exceeded
    ],
)
def test_what_no_sensible_grid_sees_is_not_free(svi):
    assert not is_butterfly_free(svi)


def test_worst_butterfly_in_its_limiting_cases():
    flat = RawSvi(0.04, 0.0, 0.3, 0.1, 0.2)
    assert worst_butterfly(flat) == (1.0, 0.1)
    assert is_butterfly_free(flat)
    assert worst_butterfly(RawSvi(-0.02, 0.1, 0.0, 0.05, 0.1)) == (-np.inf, 0.05)
    assert worst_butterfly(PLAIN) == (pytest.approx(0.25 - (0.1 * 1.5) ** 2 / 16.0), -np.inf)
    one_sided = RawSvi(0.04, 0.05, -1.0, 0.0, 0.2)
    assert is_butterfly_free(one_sided)
    assert one_sided.durrleman(grid(one_sided)).min() >= worst_butterfly(one_sided).g - 1e-8


# calendar


@given(slices(), slices(), st.booleans(), st.floats(-0.02, 0.1), st.floats(0.98, 1.1))
def test_least_gap_is_never_undercut(near, other, alike, lift, steeper):
    far = replace(near, a=near.a + lift * near.b * near.sigma, b=near.b * steeper) if alike else other
    k = np.union1d(grid(near), grid(far))
    found = (far.total_variance(k) - near.total_variance(k)).min()
    worst = least_gap(near, far)
    rounding = 1e-11 * (abs(near.a) + abs(far.a) + near.b + far.b) + 1e-15 * (near.b + far.b) * np.abs(k).max()
    assert worst.gap <= found + rounding
    if is_calendar_free(near, far):
        assert found >= -rounding
    if abs(worst.k) <= np.abs(k).max():
        assert float(far.total_variance(worst.k) - near.total_variance(worst.k)) == pytest.approx(
            worst.gap, abs=rounding
        )


def test_calendar_at_infinity():
    assert is_calendar_free(PLAIN, PLAIN)
    assert not is_calendar_free(PLAIN, PLAIN, margin=1e-9)
    assert is_calendar_free(PLAIN, replace(PLAIN, a=0.0401), margin=9e-5)  # both wings as steep
    assert not is_calendar_free(PLAIN, replace(PLAIN, a=0.5, b=0.0999))
    assert least_gap(PLAIN, replace(PLAIN, a=0.5, rho=-0.5001)) == (-np.inf, np.inf)
    shifted = replace(PLAIN, a=PLAIN.a + 0.1 * 0.5 * 0.05, m=PLAIN.m + 0.05)  # left asymptotes agree, right ones do not
    assert not is_calendar_free(PLAIN, replace(shifted, a=shifted.a - 0.01))
    rounder = replace(PLAIN, sigma=0.2)  # above everywhere, but by nothing at infinity
    assert least_gap(PLAIN, rounder).gap == pytest.approx(0.0, abs=1e-12)
    assert not is_calendar_free(rounder, PLAIN)


@given(slices(), slices())
def test_crossings_are_the_real_roots_of_the_quartic(near, far):
    found = crossings(near, far)
    with mpmath.workdps(60):
        k = mpmath.mpf
        a, c = k(far.a) - k(near.a), k(far.b) * k(far.rho) - k(near.b) * k(near.rho)
        a += k(near.b) * k(near.rho) * k(near.m) - k(far.b) * k(far.rho) * k(far.m)
        one = [k(near.b) ** 2 * x for x in (1, -2 * k(near.m), k(near.m) ** 2 + k(near.sigma) ** 2)]
        two = [k(far.b) ** 2 * x for x in (1, -2 * k(far.m), k(far.m) ** 2 + k(far.sigma) ** 2)]
        line = [c * c, 2 * a * c, a * a]
        # L + R₂ − R₁ = 0 squared twice: (R₁² + R₂² − L²)² = 4R₁²R₂²
        mixed = [x + y - z for x, y, z in zip(one, two, line, strict=True)]
        quartic = [
            sum((mixed[i] * mixed[n - i] - 4 * one[i] * two[n - i] for i in range(3) if 0 <= n - i < 3), k(0))
            for n in range(5)
        ]
        assume(abs(quartic[0]) > 1e-12 * max(map(abs, quartic)))
        roots = mpmath.polyroots(quartic[::-1], maxsteps=500, extraprec=500, asc=True)

        def gap(x):
            w = [
                k(s.a) + k(s.b) * (k(s.rho) * (x - k(s.m)) + mpmath.sqrt((x - k(s.m)) ** 2 + k(s.sigma) ** 2))
                for s in (near, far)
            ]
            return w[1] - w[0]

        real = [x.real for x in roots if abs(mpmath.im(x)) < mpmath.mpf(10) ** -20 * (1 + abs(x))]
        real = sorted(float(x) for x in real if abs(gap(x)) < mpmath.mpf(10) ** -15 * (1 + abs(x)))
        assume(all(y - x > 1e-5 * (1 + abs(x)) for x, y in pairwise(real)))
        real = [x for x in real if abs(x) < 1e6 * max(near.sigma, far.sigma)]
    assert len(found) >= len(real)
    np.testing.assert_allclose(found[: len(real)], real, rtol=1e-6, atol=1e-9)


def test_crossings_can_be_four_or_none():
    kinked = RawSvi(0.04, 0.12, 0.0, 0.0, 0.3)
    smooth = RawSvi(0.0545, 0.12, 0.0, 0.0, 0.15)
    found = crossings(kinked, smooth)
    assert len(found) == 2
    np.testing.assert_allclose(smooth.total_variance(found), kinked.total_variance(found), rtol=1e-12)
    np.testing.assert_allclose(found, -found[::-1], rtol=1e-9)
    assert len(crossings(PLAIN, PLAIN)) == 0
    assert len(crossings(PLAIN, replace(PLAIN, a=0.05))) == 0
    four = crossings(RawSvi(0.14, 0.45, 0.81, -0.24, 0.05), RawSvi(0.0, 0.63, 0.62, -0.17, 0.3))
    np.testing.assert_allclose(four, [-0.7484515, -0.31544836, -0.21778678, 0.62103431], rtol=1e-7)
