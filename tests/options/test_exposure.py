"""Dealer exposure: units, signs, and roots that are roots."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from options import black
from options.chain import price_chain
from options.exposure import (
    charm_exposure,
    gamma_exposure,
    gamma_profile,
    max_pain,
    vanna_exposure,
    walls,
    zero_gamma,
)
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
    assert len(roots) == 2
    assert zero_gamma(priced) == pytest.approx(min(roots, key=lambda r: abs(r - 100)), abs=0.03)
    assert zero_gamma(holding({(105.0, True): 10})) is None
    assert zero_gamma(holding({})) is None


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
    assert found.total > 0  # as the published series of that day
    assert sum(found.by_strike.values()) == pytest.approx(found.total)
    level = zero_gamma(priced)
    assert abs(level / made.spot - 1) < 0.1
    before, after = gamma_profile(priced, [level - 0.01, level + 0.01])
    assert before < 0 < after
    assert walls(priced).put < walls(priced).call
