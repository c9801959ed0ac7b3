"""Fits of SVI slices: as good as SciPy's, free of arbitrage, between their neighbours."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from benchmarks.engine.slices import Quotes, made, rmse, scipy_fit
from domain.errors import DataError
from options.svi import RawSvi, fit_slice, fit_slices, is_butterfly_free, is_calendar_free

PLAIN = RawSvi(a=0.04, b=0.1, rho=-0.5, m=0.01, sigma=0.1)


def grid(svi: RawSvi, points: int = 20_001) -> np.ndarray:
    """Dense near the centre, and out to 1e5 times the slice's own width."""
    return svi.m + svi.sigma * np.sinh(np.linspace(-12.0, 12.0, points))


def weighted(quotes: Quotes) -> dict[str, np.ndarray]:
    """A miss in total variance times the weight is a miss in volatility, to first order."""
    return {"k": quotes.k, "total_variance": quotes.vol**2 * quotes.tau, "weights": 0.5 / (quotes.vol * quotes.tau)}


CLEAN = made(25, seed=31)
HARD = made(60, seed=32, quotes=9, noise=0.05, outlier=True)


def assert_arbitrage_free(svi: RawSvi) -> None:
    assert is_butterfly_free(svi)
    assert svi.durrleman(grid(svi)).min() >= 0.0
    assert svi.b * (1 + abs(svi.rho)) <= 2.0


def test_clean_slices_are_fitted_as_well_as_by_scipy():
    ratios = []
    for quotes in CLEAN:
        fit = fit_slice(**weighted(quotes))
        assert_arbitrage_free(fit.svi)
        ratios.append(rmse(fit.svi, quotes) / rmse(scipy_fit(quotes), quotes))
    assert np.median(ratios) <= 1.0005
    assert np.quantile(ratios, 0.95) <= 1.01


def test_hard_slices_are_fitted_as_well_as_by_the_best_of_many_scipy_fits():
    """Where the best least-squares slice admits no arbitrage, ours is that slice."""
    ratios = []
    for quotes in HARD[:18]:
        fit = fit_slice(**weighted(quotes))
        best = min((scipy_fit(quotes, start) for start in range(6)), key=lambda svi: rmse(svi, quotes))
        if is_butterfly_free(best):
            ratios.append(rmse(fit.svi, quotes) / rmse(best, quotes))
    assert len(ratios) >= 6
    assert max(ratios) <= 1.03


def test_removing_arbitrage_costs_little_and_leaves_none():
    ratios = []
    for quotes in made(100, seed=33, quotes=9, noise=0.05, outlier=True):
        fit = fit_slice(**weighted(quotes))
        assert_arbitrage_free(fit.svi)
        if fit.method != "free":
            ratios.append(rmse(fit.svi, quotes) / rmse(scipy_fit(quotes), quotes))
    assert len(ratios) >= 20
    assert np.median(ratios) <= 1.10


def test_bounded_fits_beat_a_constrained_optimiser():
    """SLSQP, given our slice to start from, finds nothing noticeably better nearby: the barrier's end is an optimum."""
    from scipy.optimize import minimize

    tried = 0
    for quotes in HARD:
        fit = fit_slice(**weighted(quotes))
        if fit.method != "bounded" or fit.svi.sigma < 0.05 * np.sqrt(quotes.vol[4] ** 2 * quotes.tau) or tried == 6:
            continue
        tried += 1
        arguments = weighted(quotes)
        first = np.array([fit.svi.a, fit.svi.b, fit.svi.rho, fit.svi.m, fit.svi.sigma])
        scales = np.maximum(np.abs(first), 1e-3)

        def slice_of(z, first=first, scales=scales):
            a, b, rho, m, sigma = first + scales * z
            return RawSvi(a, max(b, 1e-9), min(max(rho, -1.0), 1.0), m, max(sigma, 1e-9))

        def misses(z, arguments=arguments, fit=fit, slice_of=slice_of):
            w = slice_of(z).total_variance(arguments["k"])
            return float(((arguments["weights"] * (w - arguments["total_variance"])) ** 2).sum()) / fit.objective

        def slack(z, slice_of=slice_of):
            svi = slice_of(z)
            return np.append(svi.durrleman(grid(svi, 301)), 2.0 - svi.b * (1.0 + abs(svi.rho)))

        better = minimize(misses, np.zeros(5), method="SLSQP", constraints={"type": "ineq", "fun": slack}, tol=1e-9)
        if slack(better.x).min() >= -1e-6:
            assert np.sqrt(better.fun) >= 0.995
    assert tried >= 3


@given(st.floats(1 / 365, 3.0), st.floats(0.08, 1.2), st.floats(-0.9, 0.6), st.floats(0.1, 0.4), st.floats(-2.0, 0.3))
def test_exact_quotes_are_recovered_at_any_maturity_and_sharpness(tau, vol, rho, steep, log_sigma):
    size = vol * np.sqrt(tau)
    sigma, b = size * float(np.exp(log_sigma)), size * steep
    svi = RawSvi(size * size - b * sigma, b, rho, 0.1 * size, sigma)
    assume(is_butterfly_free(svi, margin=1e-4))
    k = size * np.linspace(-3.0, 2.0, 31)
    w = svi.total_variance(k)
    rough = np.random.default_rng(0).uniform(-4.0, 0.0, len(k))
    fit = fit_slice(k=k, total_variance=w, weights=10.0**rough)
    assert fit.method == "free"
    np.testing.assert_allclose(fit.svi.total_variance(k), w, rtol=1e-5)


def test_order_and_scale_of_weights_do_not_matter_and_threads_never():
    arguments = weighted(HARD[0])
    fit = fit_slice(**arguments)
    backwards = fit_slice(**{name: values[::-1] for name, values in arguments.items()})
    heavier = fit_slice(**(arguments | {"weights": 1e6 * arguments["weights"]}))
    k = arguments["k"]
    np.testing.assert_allclose(backwards.svi.total_variance(k), fit.svi.total_variance(k), rtol=1e-4)
    np.testing.assert_allclose(heavier.svi.total_variance(k), fit.svi.total_variance(k), rtol=1e-6)
    many = [weighted(quotes) for quotes in HARD]
    offsets = np.cumsum([0] + [len(one["k"]) for one in many])
    together = {name: np.concatenate([one[name] for one in many]) for name in arguments}
    alone = [fit_slice(**one).svi for one in many]
    for threads in (1, 2, 5):
        assert [fit.svi for fit in fit_slices(**together, offsets=offsets, threads=threads)] == alone


def test_quotes_that_contradict_every_slice_still_give_one():
    k = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])
    for w in ([0.01, 0.3, 0.01, 0.3, 0.01], [2.0, 0.01, 2.0, 0.01, 2.0], [0.5, 0.001, 0.0001, 0.001, 0.5]):
        assert_arbitrage_free(fit_slice(k=k, total_variance=w).svi)


def test_a_fit_stays_between_its_neighbours():
    rng = np.random.default_rng(5)
    k = np.linspace(-0.5, 0.3, 21)
    below, chained = None, []
    for step in range(8):
        w = PLAIN.total_variance(k) * (1.0 + 0.02 * step) * (1.0 + 0.04 * rng.normal(size=len(k)))
        fit = fit_slice(k=k, total_variance=w, weights=1.0 / w, below=below)
        assert_arbitrage_free(fit.svi)
        if below is not None:
            assert is_calendar_free(below, fit.svi)
            at = np.union1d(grid(below), grid(fit.svi))
            assert (fit.svi.total_variance(at) - below.total_variance(at)).min() >= 0.0
        below = fit.svi
        chained.append(fit)
    assert {fit.method for fit in chained} >= {"bounded"}
    first, last = chained[0].svi, chained[-1].svi
    w = 0.9 * first.total_variance(k)
    between = fit_slice(k=k, total_variance=w, below=first, above=last)
    assert is_calendar_free(first, between.svi)
    assert is_calendar_free(between.svi, last)
    beneath = fit_slice(k=k, total_variance=1.2 * last.total_variance(k), above=last)
    assert is_calendar_free(beneath.svi, last)
    assert beneath.objective <= 1.02 * float(((0.2 * last.total_variance(k)) ** 2).sum())


def test_no_room_between_neighbours_gives_none():
    k = np.linspace(-0.5, 0.3, 21)
    higher = replace(PLAIN, a=0.05)
    assert fit_slice(k=k, total_variance=PLAIN.total_variance(k), below=higher, above=PLAIN) is None


def test_few_quotes_need_a_prior_and_follow_it():
    k, w = np.array([-0.05, 0.0, 0.02]), np.array([0.066, 0.062, 0.061])
    assert fit_slice(k=k, total_variance=w) is None
    assert fit_slice(k=[], total_variance=[], prior=PLAIN) is None
    assert fit_slice(k=np.repeat(k, 4), total_variance=np.repeat(w, 4)) is None  # as many quotes, but three strikes
    fit = fit_slice(k=k, total_variance=w, prior=PLAIN)
    assert_arbitrage_free(fit.svi)
    np.testing.assert_allclose(fit.svi.total_variance(k), w, rtol=0.02)
    assert float(fit.svi.total_variance(-0.5)) == pytest.approx(1.2 * float(PLAIN.total_variance(-0.5)), rel=0.1)
    misses = fit.svi.total_variance(k) - w
    assert fit.objective == pytest.approx(float(misses @ misses))
    with pytest.raises(DataError, match="stand in"):
        fit_slice(k=k, total_variance=w, prior=replace(PLAIN, a=-1.0))


def test_sparse_slices_of_a_batch_are_none_and_others_unharmed():
    dense, k = weighted(CLEAN[0]), np.array([0.0, 0.1])
    fits = fit_slices(
        k=np.concatenate([k, dense["k"], k]),
        total_variance=np.concatenate([[0.04, 0.04], dense["total_variance"], [0.04, 0.04]]),
        weights=np.concatenate([[1.0, 1.0], dense["weights"], [0.0, 0.0]]),
        offsets=[0, 2, 2, 2 + len(dense["k"]), 4 + len(dense["k"])],
    )
    assert [fit is None for fit in fits] == [True, True, False, True]
    assert fits[2].svi == fit_slice(**dense).svi
    assert fit_slices(k=[], total_variance=[], offsets=[0]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"k": [0.0, 0.1, np.nan, 0.3, 0.4]},
        {"total_variance": [0.04, 0.04, 0.0, 0.04, 0.04]},
        {"weights": [1.0, 1.0, -1.0, 1.0, 1.0]},
        {"weights": [1.0, 1.0]},
        {"weights": [1e200, 1.0, 1.0, 1.0, 1.0]},
        {"margin": 1.0},
    ],
)
def test_nonsense_is_refused(change):
    quotes = {"k": [0.0, 0.1, 0.2, 0.3, 0.4], "total_variance": [0.04] * 5}
    with pytest.raises(DataError):
        fit_slice(**(quotes | change))


def test_offsets_must_cover_the_quotes():
    with pytest.raises(DataError, match="Offsets"):
        fit_slices(k=[0.0, 0.1], total_variance=[0.04, 0.04], offsets=[0, 3])
