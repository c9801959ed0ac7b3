"""The random market: its moments are those it states, its paths those of its seed, its tail what the paths say."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import Refused
from domain.regime import Regime
from risk.correlation import Correlations
from risk.revaluation import Line, revalue
from risk.stress.monte_carlo import NO_VOL, monte_carlo, thirty_day_vol
from risk.stress.paths import draw, square_root
from risk.stress.settings import MonteCarloSettings, RandomMarket
from risk.stress.simulation import estimate, simulation
from risk.var import var_of
from tests.options.made_chain import made_smile, made_surface
from tests.risk.made_books import CHAINS, book, line, put_spread

MARKET = RandomMarket(freedom=6.0, vol_factor=1.25, vol_of_vol=0.07, spot_vol_correlation=-0.75)
WILD = RandomMarket(freedom=5.0, vol_factor=1.6, vol_of_vol=0.1, spot_vol_correlation=-0.8)
BETWEEN = np.array([[1.0, 0.5], [0.5, 1.0]])
VOLS = np.array([0.20, 0.40])


def drawn(seed="a1", *, market=MARKET, paths=60_000, sessions=1, correlation=BETWEEN):
    return draw(
        ("ABC", "XYZ"), vols=VOLS, correlation=correlation, market=market, paths=paths, sessions=sessions, seed=seed
    )


@pytest.mark.parametrize(("market", "sessions"), [(MARKET, 1), (WILD, 10)])
def test_returns_have_the_stated_deviation_correlation_and_fat_tails(market, sessions):
    returns = np.log1p(drawn(market=market, sessions=sessions).spot)
    stated = VOLS * market.vol_factor * np.sqrt(sessions / 252)
    assert returns.std(axis=0) == pytest.approx(stated, rel=0.02)
    assert np.abs(returns.mean(axis=0) / stated).max() < 0.015
    assert np.corrcoef(returns.T)[0, 1] == pytest.approx(0.5, abs=0.02)
    beyond = (np.abs(returns / stated) > 4.0).mean(axis=0)
    assert (beyond > 20 * 6.3e-5).all()  # a normal market sees four deviations on 6.3 days in 100,000


def test_extremes_come_together_more_than_between_normal_returns():
    z = np.log1p(drawn(paths=200_000, correlation=np.eye(2)).spot)
    low = z < np.quantile(z, 0.01, axis=0)
    assert low.all(axis=1).mean() > 3 * 0.01**2  # uncorrelated, not independent: one chi-square for all


def test_volatility_rises_as_spots_fall_by_the_stated_elasticity():
    found = drawn(paths=100_000)
    changes, returns = np.log1p(found.vol), np.log1p(found.spot)
    assert changes.std(axis=0) == pytest.approx(0.07, rel=0.02)
    for column in range(2):
        assert np.corrcoef(changes[:, column], returns[:, column])[0, 1] == pytest.approx(-0.75, abs=0.02)


def test_scenarios_last_as_long_as_their_sessions_and_leave_rates_alone():
    found = drawn(paths=1_000, sessions=5)
    assert found.tickers == ("ABC", "XYZ")
    assert set(found.days) == {7.0}
    assert not found.rate.any()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    first, again, other = drawn(), drawn(), drawn("a2")
    assert first.spot.tobytes() == again.spot.tobytes()
    assert first.vol.tobytes() == again.vol.tobytes()
    assert first.spot.tobytes() != other.spot.tobytes()


@pytest.mark.parametrize("rho", [-1.0, 0.0, 0.3, 1.0])
def test_the_square_root_holds_for_singular_correlations_too(rho):
    between = np.array([[1.0, rho], [rho, 1.0]])
    root = square_root(between)
    assert root @ root.T == pytest.approx(between, abs=1e-12)


def test_thirty_day_volatility_is_read_off_the_surface():
    surface = made_surface([made_smile(tau=30 / 365, vol=0.25), made_smile(tau=1.0, vol=0.40)])
    assert thirty_day_vol(replace(CHAINS["ABC"], surface=surface)) == pytest.approx(0.25)
    assert thirty_day_vol(replace(CHAINS["ABC"], surface=None)) is None


def settings_of(market=MARKET, paths=20_000):
    return MonteCarloSettings(paths=paths, sessions=1, market=dict.fromkeys(Regime, market))


def simulated(held, rho=0.2, *, vols=None, seed="b7", market=MARKET):
    pairs = {} if rho is None else {("ABC", "XYZ"): rho}
    return monte_carlo(
        held, vols={"ABC": 0.2, "XYZ": 0.4} if vols is None else vols,
        correlations=Correlations(window=60, minimum=60, pairs=pairs), settings=settings_of(market),
        regime=Regime.NEUTRAL, seed=seed,
    )  # fmt: skip


SAME_WAY = (Line("a", "ABC", None, 100, 10_000.0), Line("x", "XYZ", None, 200, 10_000.0))


def test_a_book_of_one_direction_is_riskier_between_correlations_pushed_up():
    measured, stressed = simulated(book(*SAME_WAY))
    assert (measured.correlation, stressed.correlation) == ("measured", "stressed")
    assert (measured.mean_correlation, stressed.mean_correlation) == (pytest.approx(0.2), pytest.approx(0.8))
    for calm, pushed in zip(measured.estimates, stressed.estimates, strict=True):
        assert pushed.var > calm.var + 5 * calm.var_error
        assert pushed.cvar > calm.cvar
    hedged = book(SAME_WAY[0], SAME_WAY[1]._replace(quantity=-200))
    measured, stressed = simulated(hedged)
    assert stressed.estimates[0].var < measured.estimates[0].var  # which is why both are shown


@settings(max_examples=15)
@given(rho=st.floats(-0.9, 0.9), units=st.integers(1, 5))
def test_no_correlation_is_riskier_for_one_direction_than_one(rho, units):
    held = book(*put_spread(units=units), *put_spread("P2", "XYZ", units=units))
    together, apart = simulated(held, 1.0)[0], simulated(held, rho)[0]
    for one, other in zip(together.estimates, apart.estimates, strict=True):
        assert one.var >= other.var - 3 * (one.var_error + other.var_error)


def test_var_of_shares_is_that_of_the_stated_t_within_its_error():
    from scipy import stats

    held = book(SAME_WAY[0])
    measured, stressed = simulated(held)
    scale = 0.2 * 1.25 / np.sqrt(252) * np.sqrt(4 / 6)
    for found, confidence in zip(measured.estimates, (0.95, 0.99), strict=True):
        exact = -10_000 * np.expm1(stats.t.ppf(1 - confidence, 6) * scale)
        assert found.var == pytest.approx(exact, abs=4 * found.var_error)
        assert 0 < found.var_error < 0.05 * exact
    assert measured.mean_correlation is None
    assert measured.estimates == stressed.estimates  # one name has nothing to correlate with


def test_a_wilder_regime_loses_more():
    calm, wild = (simulated(book(*SAME_WAY), market=market)[0] for market in (MARKET, WILD))
    assert wild.estimates[1].var > calm.estimates[1].var
    assert wild.estimates[1].cvar > calm.estimates[1].cvar


def test_replay_gives_the_same_figures():
    held = book(*put_spread(), line("C", "XYZ", -1, strike=50.0))
    assert simulated(held) == simulated(held)
    assert simulated(held)[0] != simulated(held, seed="b8")[0]


def test_an_unknown_pair_counts_as_one():
    assert simulated(book(*SAME_WAY), None)[0].mean_correlation == 1.0


def test_no_path_loses_more_than_the_worst_cases_add_up_to():
    tight = simulated(book(*(line._replace(worst_case=60.0) for line in SAME_WAY)))[0]
    assert tight.worst == -120.0
    assert simulated(book(*(line._replace(worst_case=None) for line in SAME_WAY)))[0].worst < -1_000


def test_a_name_without_volatility_stands_at_its_worst_case():
    alone = simulated(book(SAME_WAY[0]))[0]
    with_fixed = simulated(book(*SAME_WAY), vols={"ABC": 0.2})[0]
    assert with_fixed.worst == pytest.approx(alone.worst - 10_000)
    assert with_fixed.mean == pytest.approx(alone.mean - 10_000)
    naked = SAME_WAY[1]._replace(worst_case=None)
    with pytest.raises(Refused, match=NO_VOL):
        simulated(book(SAME_WAY[0], naked), vols={"ABC": 0.2})


def test_a_summary_says_what_the_paths_say():
    profit = revalue(book(*SAME_WAY), drawn(paths=10_000))
    found = simulation(profit, correlation="measured", mean_correlation=0.5)
    assert (found.paths, found.worst, found.best) == (10_000, profit.min(), profit.max())
    assert (found.mean, found.std) == (pytest.approx(profit.mean()), pytest.approx(profit.std()))
    assert found.quantiles["0.1%"] == np.quantile(profit, 0.001)
    assert list(found.quantiles) == ["0.1%", "1.0%", "5.0%", "25.0%", "50.0%", "75.0%", "95.0%", "99.0%"]
    assert [(e.confidence, e.var, e.cvar) for e in found.estimates] == [(c, *var_of(profit, c)) for c in (0.95, 0.99)]


def test_standard_errors_of_known_outcomes():
    """Losses 1 to 100: the 95 % VaR is the fifth largest, the ranks a deviation of 2.18 around."""
    found = estimate(-np.arange(1.0, 101.0), 0.95)
    assert (found.var, found.cvar) == (96.0, 98.0)
    assert found.var_error == (99.0 - 93.0) / 2  # ranks 92.8 and 97.2, taken outwards
    assert found.cvar_error == pytest.approx(np.sqrt((2.0 + 0.95 * 4.0) / (100 * 0.05)))
    few = estimate(np.array([-5.0, 1.0]), 0.99)
    assert (few.var, few.var_error) == (5.0, 0.0)  # no ranks left to either side


def test_standard_errors_are_what_repetition_shows():
    rng = np.random.default_rng(11)
    found = [estimate(rng.standard_normal(4_000), 0.95) for _ in range(300)]
    for name in ("var", "cvar"):
        seen = np.std([getattr(one, name) for one in found])
        said = np.mean([getattr(one, f"{name}_error") for one in found])
        assert said == pytest.approx(seen, rel=0.2)
