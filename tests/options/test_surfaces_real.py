"""Surfaces of real chains: no arbitrage on any of them, and inside the quotes where quotes are good.

A handful of days of every set; `benchmarks/surfaces.py` runs all of them.
"""

from itertools import pairwise

import numpy as np
import pytest
from scipy.special import ndtr

from options.chain import price_chain
from options.hyperbolas import is_butterfly_free, is_calendar_free, numbers_of, wing_slopes
from options.settings import ChainSettings
from tests.options.real_chains import CURVE_2019_06, CURVE_2026_02, captured

GRID = np.sinh(np.linspace(-9.0, 9.0, 20_001)) / np.sinh(9.0) * 40.0  # deviations


def surface_of(chain, curve):
    priced = price_chain(chain, as_of=chain.as_of, curve=curve, settings=ChainSettings())
    return priced, priced.surface


def assert_no_arbitrage(surface):
    """Proved for every k, and looked for on 20,001 points of every slice and pair."""
    for piece in surface.slices:
        k = GRID * np.sqrt(float(piece.svi.total_variance(0.0)))
        assert is_butterfly_free(piece.svi)
        assert piece.svi.total_variance(k).min() > 0
        assert piece.svi.durrleman(k).min() >= 0
        assert max(wing_slopes(numbers_of(piece.svi))) < 2
    for near, far in pairwise(surface.slices):
        k = GRID * np.sqrt(float(far.svi.total_variance(0.0)))
        assert is_calendar_free(near.svi, far.svi)
        assert (far.svi.total_variance(k) >= near.svi.total_variance(k)).all()


def in_band(priced, piece):
    """Good out-of-the-money quotes between 5 and 95 delta of their own volatility."""
    rows = piece.rows
    rows = rows[
        priced.good[rows] & np.isfinite(priced.iv[rows]) & (priced.chain.is_call[rows] == (priced.k[rows] >= 0))
    ]
    s = priced.iv[rows] * np.sqrt(piece.tau)
    delta = ndtr(0.5 * s - priced.k[rows] / s)
    return rows[(delta > 0.05) & (delta < 0.95)]


@pytest.mark.shared_data
def test_spx_surfaces_lie_inside_the_quotes_without_arbitrage_in_calm_and_in_stress(shared_data):
    chains = captured(shared_data / "spx_chains_2019" / "spx_2019-05.parquet")
    rmse, inside = [], []
    for chain in chains[1::6]:
        priced, surface = surface_of(chain, CURVE_2019_06)
        assert_no_arbitrage(surface)
        for piece in priced.slices:
            if 7 <= piece.tau * 365 <= 365:
                rows = in_band(priced, piece)
                miss = piece.smile.vol(priced.k[rows]) - priced.iv[rows]
                rmse.append(100 * np.sqrt(np.mean(miss**2)))
                inside.append(np.mean(np.abs(miss) * priced.vega[rows] <= 0.5 * priced.spread[rows]))
                assert piece.smile.quality.rmse_vol_points == pytest.approx(rmse[-1], rel=0.2, abs=0.01)
    assert len(rmse) > 80
    assert np.median(rmse) <= 0.04
    assert np.quantile(rmse, 0.95) <= 0.12
    assert np.median(inside) == 1.0
    assert np.mean(inside) >= 0.95


@pytest.mark.shared_data
def test_am_and_pm_expiries_of_one_date_are_slices_of_their_own_in_order(shared_data):
    chain = captured(shared_data / "spx_chains_2019" / "spx_2019-05.parquet")[1]
    priced, surface = surface_of(chain, CURVE_2019_06)
    third_friday = [piece for piece in priced.slices if f"{piece.expiry}" == "2019-06-21"]
    assert [(piece.root, piece.am_settled) for piece in third_friday] == [("SPX", True), ("SPXW", False)]
    morning, evening = third_friday
    assert morning.tau < evening.tau
    assert morning.smile is not evening.smile
    assert evening.smile.svi.total_variance(0.0) > morning.smile.svi.total_variance(0.0)
    middle = 0.5 * (morning.tau + evening.tau)
    assert float(surface.vol(0.0, middle)) == pytest.approx(morning.atm_vol, rel=0.05)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("folder", "file", "every"),
    [
        ("multi_ticker_chains_2026_02", "seven_tickers.parquet", 5),
        ("etf_chains_2026_08", "spy_qqq_iwm.parquet", 5),
        ("stock_chains_2025_11", "aapl_nvda_meta.parquet", 5),
        ("spx_chains_2011", "spx_2011-01-03_07.parquet", 2),
        ("aapl_chains_2014_split", "aapl_2014-06_split.parquet", 1),
    ],
)
def test_no_real_chain_of_any_set_has_arbitrage_left(shared_data, folder, file, every):
    chains = captured(shared_data / folder / file)[::every]
    assert len(chains) >= 2
    rmse = []
    for chain in chains:
        _, surface = surface_of(chain, CURVE_2026_02)
        assert_no_arbitrage(surface)
        rmse += [piece.quality.rmse_vol_points for piece in surface.slices if 7 <= piece.tau * 365 <= 365]
    assert np.median(rmse) < 0.2


@pytest.mark.shared_data
def test_densities_of_a_real_surface_integrate_to_one_and_return_the_forward(shared_data):
    chain = captured(shared_data / "multi_ticker_chains_2026_02" / "seven_tickers.parquet")[-1]
    _, surface = surface_of(chain, CURVE_2026_02)
    taus = [piece.tau for piece in surface.slices]
    for tau in [*taus, *(np.array(taus[1:]) + taus[:-1]) / 2, taus[0] / 2, taus[-1] * 1.5]:
        k, weight = surface._panels(float(tau))
        mass = weight * surface.density(k, float(tau))
        assert (mass >= -1e-12).all()
        assert mass.sum() == pytest.approx(1, abs=1e-6)
        assert mass @ np.exp(k) == pytest.approx(1, abs=1e-6)
        moments = surface.moments(float(tau))
        assert moments.skew < 0 < moments.std
        assert moments.kurtosis > 3
