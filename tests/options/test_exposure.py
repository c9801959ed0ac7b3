"""Dealer exposure: units, signs, roots that are roots, and the compiled sums against 50-digit arithmetic."""

from dataclasses import replace
from datetime import date

import mpmath
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import spearmanr

from domain.errors import DataError
from options import black
from options.chain import price_chain
from options.exposure import (
    charm_exposure,
    delta_drift,
    exposure_profile,
    exposures,
    gamma_exposure,
    gamma_profile,
    gamma_roots,
    max_pain,
    vanna_exposure,
    walls,
    zero_gamma,
)
from options.holdings import GammaCurve, Holdings, greeks_usd
from options.settings import ChainSettings
from tests.options.made_chain import made_chain
from tests.options.real_chains import CURVE_2019_06, spx_close

OPPOSITE = "dealers_short_calls_long_puts"


def holding(contracts, **options):
    """A made chain whose open interest is `contracts`: {(strike, is_call): open interest} in every expiry."""
    priced = made_chain(**options)
    held = np.zeros(len(priced.chain))
    for (strike, is_call), count in contracts.items():
        held[(priced.chain.strike == strike) & (priced.chain.is_call == is_call)] = count
    return replace(priced, chain=replace(priced.chain, open_interest=held))


def test_one_call_is_gamma_times_shares_times_a_per_cent_of_spot_squared():
    priced = holding({(105.0, True): 10}, dtes=(32,), multiplier=100.0)
    at = np.flatnonzero(priced.chain.open_interest)[0]
    found = gamma_exposure(priced)
    assert found.total == pytest.approx(priced.gamma[at] * 10 * 100 * 100.0**2 * 0.01)
    assert found.by_strike == {105.0: found.total}
    assert found.by_expiry == {priced.slices[0].expiry: found.total}
    assert found.convention == "dealers_long_calls_short_puts"
    ten = holding({(105.0, True): 10}, dtes=(32,), multiplier=10.0)
    assert gamma_exposure(ten).total == pytest.approx(found.total / 10)


def test_puts_count_negative_and_the_opposite_convention_turns_every_sign():
    priced = holding({(105.0, True): 10, (95.0, False): 30})
    found = gamma_exposure(priced)
    assert found.by_strike[95.0] < 0 < found.by_strike[105.0]
    assert sum(found.by_strike.values()) == pytest.approx(found.total)
    assert sum(found.by_expiry.values()) == pytest.approx(found.total)
    assert gamma_exposure(priced, OPPOSITE).total == pytest.approx(-found.total)
    assert gamma_exposure(priced, "dealers_short_all").total < found.total
    assert vanna_exposure(priced, OPPOSITE) == pytest.approx(-vanna_exposure(priced))
    assert charm_exposure(priced, OPPOSITE) == pytest.approx(-charm_exposure(priced))


def test_unknown_open_interest_multiplier_or_deliverable_does_not_count():
    priced = holding({(105.0, True): 10}, dtes=(32,))
    for unknown in (
        {"multiplier": np.full(len(priced.chain), np.nan)},
        {"standard": np.zeros(len(priced.chain), bool)},
    ):
        empty = replace(priced, chain=replace(priced.chain, **unknown))
        assert gamma_exposure(empty).total == 0.0
        assert gamma_exposure(empty).by_strike == {}
        assert zero_gamma(empty) is None
        assert walls(empty) == (None, None)
        assert max_pain(empty, priced.slices[0].expiry) is None


def test_profile_at_spot_is_the_exposure_itself():
    priced = holding({(105.0, True): 10, (95.0, False): 30})
    assert gamma_profile(priced, priced.spot) == pytest.approx([gamma_exposure(priced).total], rel=1e-9)


def test_profile_elsewhere_reprices_gamma_with_each_contracts_own_vol():
    priced = holding({(105.0, True): 10}, dtes=(32,))
    at = np.flatnonzero(priced.chain.open_interest)[0]
    moved = black.greeks(
        spot=93.0, strike=105.0, tau=priced.tau[at], rate=0.03, dividend_yield=0.01, vol=priced.iv[at], is_call=True
    )
    assert gamma_profile(priced, [93.0]) == pytest.approx([moved.gamma * 10 * 100 * 93.0**2 * 0.01], rel=1e-9)


def test_zero_gamma_is_a_root_of_the_repriced_total_not_a_small_bar():
    priced = holding({(110.0, True): 10, (95.0, False): 10})
    level = zero_gamma(priced)
    below, above = gamma_profile(priced, [level - 0.01, level + 0.01])
    assert below < 0 < above
    assert 95 < level < 110
    assert zero_gamma(priced, OPPOSITE) == pytest.approx(level, abs=0.01)


def test_of_several_roots_the_nearest_to_spot_and_of_none_none():
    priced = holding({(85.0, True): 10, (97.5, False): 8, (107.5, True): 10}, dtes=(32,), vol=0.1, skew=0.0)
    spots = np.linspace(76, 124, 2_001)
    profile = gamma_profile(priced, spots)
    roots = spots[:-1][np.sign(profile[:-1]) != np.sign(profile[1:])]
    assert gamma_roots(priced) == pytest.approx(roots, abs=0.03)
    assert len(roots) == 2
    assert zero_gamma(priced) == min(gamma_roots(priced), key=lambda root: abs(root - 100))
    assert zero_gamma(holding({(105.0, True): 10})) is None
    assert zero_gamma(holding({})) is None


@pytest.mark.parametrize("strike", [108.0, 111.0, 114.0, 117.0, 120.0])
def test_two_roots_between_neighbouring_levels_of_the_search_are_found(strike):
    """Puts that end tomorrow outweigh the calls only on a strip at their strike, narrower than the search's step."""
    priced = holding({}, dtes=(1, 365), step=1.0)
    chain, soon = priced.chain, priced.chain.expiry == priced.chain.expiry.min()
    calls = (chain.strike == 100) & chain.is_call & ~soon
    puts = (chain.strike == strike) & ~chain.is_call & soon

    def profile(held, spots):
        made = replace(priced, iv=np.full(len(soon), 0.1), chain=replace(chain, open_interest=held))
        return made, gamma_profile(made, spots)

    tip = [float(profile(np.where(rows, 1.0, 0.0), strike)[1][0]) for rows in (calls, puts)]
    held = np.where(calls, 1_000.0, np.where(puts, -1_005.0 * tip[0] / tip[1], 0.0))
    spots = np.linspace(strike - 3, strike + 3, 60_001)
    made, values = profile(held, spots)
    expected = spots[:-1][np.sign(values[:-1]) != np.sign(values[1:])]
    assert len(expected) == 2
    assert expected[1] - expected[0] < 0.2  # the search looks every 0.3 to 0.6 there
    assert gamma_roots(made) == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize("seed", range(6))
def test_zero_gamma_is_within_a_hundredth_of_the_exact_totals_root(seed):
    """The oracle sums Black-Scholes gammas in NumPy and refines by Brent's method to 1e-12."""
    priced = crowded(seed, spot=5_000.0)
    rows = np.flatnonzero(priced.chain.open_interest)
    signed = np.where(priced.chain.is_call, 1.0, -1.0)[rows] * priced.chain.open_interest[rows]
    s = priced.iv[rows] * np.sqrt(priced.tau[rows])

    def total(spot):
        d1 = (np.log(spot / priced.spot) - priced.k[rows]) / s + 0.5 * s
        return float(np.sum(signed * priced.discount[rows] * priced.forward[rows] * np.exp(-0.5 * d1**2) / s))

    found = zero_gamma(priced)
    assert found == pytest.approx(brentq(total, found - 25, found + 25, xtol=1e-12), abs=0.01)


def crowded(seed, **options):
    """Random open interest, calls heavier above the money and puts below."""
    priced = made_chain(**{"step": options.get("spot", 100.0) / 100, **options})
    chance = np.random.default_rng(seed)
    lean = np.where(priced.chain.is_call, 1, -1) * (priced.chain.strike / priced.spot - 1)
    held = np.round(chance.exponential(size=len(lean)) * 1_000 * np.exp(8 * lean - 30 * lean**2))
    return replace(priced, chain=replace(priced.chain, open_interest=held))


def test_profiles_agree_with_fifty_digits_at_every_level():
    chance = np.random.default_rng(7)
    n, spot = 150, 2_950.0
    tau, vol = chance.uniform(0.002, 2, n), chance.uniform(0.05, 0.9, n)
    rate, dividend = chance.uniform(0, 0.06, n), chance.uniform(-0.01, 0.04, n)
    strike = spot * np.exp(chance.normal(0, 2, n) * vol * np.sqrt(tau))
    forward = spot * np.exp((rate - dividend) * tau)
    book = Holdings(
        spot=spot,
        k=np.log(strike / forward),
        tau=tau,
        forward=forward,
        discount=np.exp(-rate * tau),
        vol=vol,
        is_call=chance.random(n) < 0.5,
        shares=100 * chance.integers(-500, 500, n).astype(float),
    )
    spots = spot * np.array([0.8, 0.97, 1.0, 1.013, 1.25])
    found = greeks_usd(book, spots)
    exact, gross = fifty_digits(book, strike, rate, dividend, spots)
    for ours, sums, sizes in zip(found[1:], exact, gross, strict=True):
        assert np.all(np.abs(ours - sums) <= 1e-12 * sizes)
    assert GammaCurve(book)(spots) == pytest.approx(exact[0], rel=1e-11)


def fifty_digits(book, strike, rate, dividend, spots):
    """Sums, and sums of sizes, of gamma, vanna and charm in USD; shapes (3, m)."""
    sums, sizes = np.zeros((3, len(spots))), np.zeros((3, len(spots)))
    with mpmath.workdps(50):
        mpf = mpmath.mpf
        for j, level in enumerate(spots):
            terms = []
            for i in range(len(strike)):
                at, k, t, v = mpf(level), mpf(strike[i]), mpf(book.tau[i]), mpf(book.vol[i])
                r, q, held = mpf(rate[i]), mpf(dividend[i]), mpf(book.shares[i])
                s = v * mpmath.sqrt(t)
                d1 = (mpmath.log(at / k) + (r - q) * t) / s + s / 2
                d2, phi, carried = d1 - s, mpmath.npdf(d1), mpmath.exp(-q * t)
                side = 1 if book.is_call[i] else -1
                charm = side * q * mpmath.ncdf(side * d1) - phi * ((r - q) / s - d2 / (2 * t))
                gamma, vanna = phi / (at * s), -phi * d2 / v
                usd = held * carried
                terms.append((usd * gamma * at**2 / 100, usd * vanna * at / 100, usd * charm * at / 365))
            for row in range(3):
                sums[row, j] = mpmath.fsum(term[row] for term in terms)
                sizes[row, j] = mpmath.fsum(abs(term[row]) for term in terms)
    return sums, sizes


def test_profile_of_all_three_at_spot_is_the_exposure_itself():
    priced = crowded(3)
    at_spot, summed = exposure_profile(priced, priced.spot), exposures(priced)
    assert at_spot.gamma == pytest.approx([summed.gamma.total], rel=1e-9)
    assert at_spot.vanna == pytest.approx([summed.vanna.total], rel=1e-9)
    assert at_spot.charm == pytest.approx([summed.charm.total], rel=1e-9)


def test_threads_change_nothing_to_the_last_bit():
    priced, spots = crowded(1, step=0.25), np.linspace(70, 130, 2_000)
    assert gamma_profile(priced, spots, threads=1).tobytes() == gamma_profile(priced, spots, threads=2).tobytes()
    one, two = (exposure_profile(priced, spots, threads=threads) for threads in (1, 2))
    assert [row.tobytes() for row in one] == [row.tobytes() for row in two]


@given(order=st.permutations(range(40)), factor=st.floats(0.01, 100))
def test_profile_scales_with_open_interest_and_does_not_care_for_the_order_of_rows(order, factor):
    chance = np.random.default_rng(5)
    rows = {"k": chance.normal(0, 0.1, 40), "tau": chance.uniform(0.01, 1, 40), "vol": chance.uniform(0.1, 0.5, 40)}
    rows |= {"forward": np.full(40, 101.0), "discount": np.full(40, 0.98), "is_call": chance.random(40) < 0.5}
    rows["shares"] = chance.normal(0, 1e4, 40)
    spots = np.array([80.0, 100.0, 119.0])
    gross = GammaCurve(Holdings(spot=100.0, **{**rows, "shares": np.abs(rows["shares"])}))(spots)
    plain = GammaCurve(Holdings(spot=100.0, **rows))(spots)
    mixed = {name: value[list(order)] for name, value in rows.items()}
    mixed["shares"] = mixed["shares"] * factor
    assert np.all(np.abs(GammaCurve(Holdings(spot=100.0, **mixed))(spots) - factor * plain) <= 1e-13 * factor * gross)


@pytest.mark.parametrize("spots", [[100.0, 0.0], [-1.0], [np.nan], [np.inf]])
def test_a_level_that_no_price_can_have_is_refused(spots):
    with pytest.raises(DataError, match="positive numbers"):
        gamma_profile(made_chain(), spots)
    with pytest.raises(DataError, match="positive numbers"):
        exposure_profile(made_chain(), spots)


def test_under_sticky_moneyness_the_smile_moves_along_and_a_flat_one_changes_nothing():
    contracts, spots = {(105.0, True): 10, (95.0, False): 30}, np.array([92.0, 100.0, 107.0])
    flat = holding(contracts, skew=0.0, curve=0.0)
    moved = gamma_profile(flat, spots, dynamics="sticky_moneyness")
    assert moved == pytest.approx(gamma_profile(flat, spots), rel=1e-6)
    priced = holding({(105.0, True): 10}, dtes=(32,))
    at = np.flatnonzero(priced.chain.open_interest)[0]
    smile, k = priced.slices[0].smile, priced.k[at]
    then = priced.iv[at] * smile.vol(np.array([k - np.log(1.07)]))[0] / smile.vol(np.array([k]))[0]
    terms = {"strike": 105.0, "tau": priced.tau[at], "rate": 0.03, "dividend_yield": 0.01, "is_call": True}
    gamma = black.greeks(spot=107.0, vol=then, **terms).gamma
    found = gamma_profile(priced, 107.0, dynamics="sticky_moneyness")
    assert found == pytest.approx([gamma * 10 * 100 * 107.0**2 * 0.01], rel=1e-9)
    assert abs(found[0] / gamma_profile(priced, 107.0)[0] - 1) > 0.01


def test_vanna_is_delta_dollars_per_point_and_charm_per_day():
    priced = holding({(105.0, True): 10}, dtes=(32,))
    at = np.flatnonzero(priced.chain.open_interest)[0]
    terms = {"spot": 100.0, "strike": 105.0, "rate": 0.03, "dividend_yield": 0.01, "is_call": True}
    tau, vol = priced.tau[at], priced.iv[at]

    def dollars(tau, vol):
        return float(black.greeks(**terms, tau=tau, vol=vol).delta) * 10 * 100 * 100.0

    per_point = dollars(tau, vol + 0.005) - dollars(tau, vol - 0.005)
    per_day = dollars(tau - 0.5 / 365, vol) - dollars(tau + 0.5 / 365, vol)
    assert vanna_exposure(priced) == pytest.approx(per_point, rel=1e-3)
    assert charm_exposure(priced) == pytest.approx(per_day, rel=1e-3)


def test_every_exposure_adds_up_by_strike_and_by_expiry_and_says_its_unit():
    for found, unit in zip(
        exposures(crowded(2), OPPOSITE), ("1 % move", "volatility point", "calendar day"), strict=True
    ):
        assert sum(found.by_strike.values()) == pytest.approx(found.total, abs=1e-9 * found.gross)
        assert sum(found.by_expiry.values()) == pytest.approx(found.total, abs=1e-9 * found.gross)
        assert list(found.by_strike) == sorted(found.by_strike)
        assert list(found.by_expiry) == sorted(found.by_expiry)
        assert abs(found.total) <= found.gross
        assert unit in found.unit
        assert found.convention == OPPOSITE


def test_drift_is_charm_over_a_moment_and_the_exact_change_over_weeks():
    priced = holding({(105.0, True): 10, (92.5, False): 40}, dtes=(32, 74))
    moment = 1e-4
    assert delta_drift(priced, moment).total / moment == pytest.approx(charm_exposure(priced), rel=1e-4)
    at = np.flatnonzero(priced.chain.open_interest)
    side = np.where(priced.chain.is_call[at], 1, -1)
    terms = {"spot": 100.0, "rate": 0.03, "dividend_yield": 0.01, "is_call": priced.chain.is_call[at]}
    terms |= {"strike": priced.chain.strike[at], "vol": priced.iv[at]}
    before, after = (
        black.greeks(**terms, tau=priced.tau[at] - days / 365).delta * side * priced.chain.open_interest[at] * 1e4
        for days in (0, 20)
    )
    assert delta_drift(priced, 20).total == pytest.approx(float(np.sum(after - before)), rel=1e-9)


def test_drift_past_an_expiry_ends_at_its_last_delta_instead_of_running_on():
    priced = holding({(90.0, True): 10, (110.0, True): 10, (100.0, True): 10}, dtes=(18,))
    at = np.flatnonzero(priced.chain.open_interest)
    last = {90.0: 1.0, 100.0: 0.5, 110.0: 0.0}
    found = delta_drift(priced, 30.0)
    for row in at:
        strike = float(priced.chain.strike[row])
        expected = (last[strike] - priced.delta[row]) * 10 * 100 * 100.0
        assert found.by_strike[strike] == pytest.approx(expected, rel=1e-9)


def test_walls_are_the_heaviest_strikes_of_each_side():
    priced = holding({(105.0, True): 10, (110.0, True): 100, (95.0, False): 50, (90.0, False): 10})
    assert walls(priced) == (110.0, 95.0)
    assert walls(holding({(105.0, True): 10})) == (105.0, None)


def test_max_pain_by_hand():
    """At 100 the calls 95 pay 5·10 and the puts 105 pay 5·20 = 150; at 105 only the calls pay, 100; at 95 puts 200."""
    priced = holding({(95.0, True): 10, (105.0, False): 20, (100.0, True): 1}, dtes=(32, 46))
    assert max_pain(priced, priced.slices[0].expiry) == 105.0
    assert max_pain(priced, date(2030, 1, 18)) is None


@pytest.mark.shared_data
def test_spx_exposure_equals_the_vendors_gammas_and_its_root_is_one(shared_data):
    made = spx_close(shared_data, "2019-07-10")
    priced = price_chain(made, as_of=made.as_of, curve=CURVE_2019_06, settings=ChainSettings())
    found = gamma_exposure(priced)
    table = pd.read_parquet(shared_data / "spx_chains_2019" / "spx_2019-07.parquet")
    vendor = table.loc[pd.to_datetime(table["quote_date"]) == "2019-07-10", "gamma"].to_numpy()
    later = priced.tau > 2 / 365  # vendors differ on the last hours
    sided = np.where(made.is_call, 1, -1) * made.open_interest * 100 * made.spot**2 * 0.01
    assert np.nansum((sided * priced.gamma)[later]) == pytest.approx(np.nansum((sided * vendor)[later]), rel=0.02)
    assert sum(found.by_strike.values()) == pytest.approx(found.total)
    level = zero_gamma(priced)
    assert abs(level / made.spot - 1) < 0.1
    before, after = gamma_profile(priced, [level - 0.01, level + 0.01])
    assert before < 0 < after
    assert walls(priced).put < walls(priced).call


@pytest.mark.slow
@pytest.mark.shared_data
def test_total_gamma_of_spx_days_orders_and_signs_as_the_published_series(shared_data):
    """All 56 days; 0.89 is what the sum of the vendor's gammas reaches (`benchmarks/gex.py`)."""
    days = pd.read_csv(shared_data / "spx_chains_2019" / "days.csv")["quote_date"].tolist()
    published = pd.read_csv(shared_data / "positioning" / "DIX_GEX_to_2024.csv", index_col="date")["gex"].loc[days]
    totals = []
    for day in days:
        made = spx_close(shared_data, day)
        priced = price_chain(made, as_of=made.as_of, curve=CURVE_2019_06, settings=ChainSettings())
        totals.append(gamma_exposure(priced).total)
    assert spearmanr(totals, published).statistic >= 0.89
    assert all(total < 0 for total, there in zip(totals, published, strict=True) if there < 0)
