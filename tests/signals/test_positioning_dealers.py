"""What hedgers must trade: forecasts of volatility, expirations, turnover, pins and badly fitted exposure."""

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from signals.dealers import (
    average_turnover,
    days_to_next_session,
    expected_vol_change,
    monthly_expiry,
    pin,
    poor_share,
)
from tests.options.made_chain import made_chain

SPAN = {"min_days": 126, "window_days": 252}
CONVENTION = "dealers_long_calls_short_puts"


def reverting(b, days=252, level=0.2, seed=1):
    noise, past = 0.01 * np.random.default_rng(seed).standard_normal(days), [level]
    for step in noise:
        past.append(level + b * (past[-1] - level) + step)
    return np.array(past[1:])


def test_volatility_is_expected_back_at_its_mean_as_fast_as_it_went_before():
    found = [expected_vol_change(reverting(0.9, seed=seed), 0.30, sessions=3, **SPAN) for seed in range(40)]
    assert np.mean([each.persistence for each in found]) == pytest.approx(
        0.9, abs=0.02
    )  # corrected for short histories
    for each in found:
        assert each.expected == pytest.approx((each.persistence**3 - 1) * (0.30 - each.mean))
    assert np.mean([each.deviation for each in found]) == pytest.approx(0.01 * np.sqrt(1 + 0.9**2 + 0.9**4), rel=0.1)


def test_a_volatility_that_never_reverted_is_expected_to_stay():
    trend = np.linspace(0.1, 0.4, 252)
    assert expected_vol_change(trend, 0.5, sessions=3, **SPAN).expected == 0.0


def test_a_short_or_flat_volatility_history_refuses():
    assert expected_vol_change(reverting(0.9, days=100), 0.2, sessions=3, **SPAN).code == "short_history"
    assert expected_vol_change(np.full(200, 0.2), 0.2, sessions=3, **SPAN).code == "flat_history"


@pytest.mark.parametrize(
    ("as_of", "day"),
    [
        (datetime(2019, 6, 20, 20, tzinfo=UTC), date(2019, 6, 21)),
        (datetime(2019, 6, 21, 19, 59, tzinfo=UTC), date(2019, 6, 21)),
        (datetime(2019, 6, 21, 20, tzinfo=UTC), date(2019, 7, 19)),
        (datetime(2019, 12, 31, 20, tzinfo=UTC), date(2020, 1, 17)),
        (datetime(2022, 4, 1, 20, tzinfo=UTC), date(2022, 4, 14)),  # the third Friday was Good Friday
    ],
)
def test_monthly_expiration_is_the_third_friday_or_the_session_before(as_of, day):
    assert monthly_expiry(as_of).date() == day


def test_time_passes_over_the_weekend_too():
    assert days_to_next_session(datetime(2019, 6, 20, 20, tzinfo=UTC)) == 1
    assert days_to_next_session(datetime(2019, 6, 21, 20, tzinfo=UTC)) == 3


def test_turnover_is_unknown_unless_every_bar_says_its_volume(make_bars):
    as_of = datetime(2019, 6, 20, 20, tzinfo=UTC)
    full = make_bars("SPY", np.full(30, 100.0), volume=np.full(30, 5.0))
    assert average_turnover(full, as_of, days=20) == 500.0
    hole = replace(full, volume=np.r_[full.volume[:-1], np.nan])
    for unknown in (None, make_bars("SPY", np.full(30, 100.0)), hole, replace(full, volume=np.zeros(30))):
        assert average_turnover(unknown, as_of, days=20) is None
    assert average_turnover(full, as_of, days=31) is None
    assert average_turnover(full, datetime(2019, 5, 1, tzinfo=UTC), days=20) is None  # known later


def test_the_poor_share_is_of_gross_exposure():
    priced = made_chain(dtes=(18, 32))
    first = np.zeros(len(priced.chain), dtype=bool)
    first[priced.slices[0].rows] = True
    gamma = np.nansum(priced.gamma[first]) / np.nansum(priced.gamma)
    assert poor_share(priced, priced.gamma, first) == pytest.approx(gamma)
    assert poor_share(priced, priced.gamma, ~first) == pytest.approx(1 - gamma)
    empty = replace(priced, chain=replace(priced.chain, open_interest=np.zeros(len(first))))
    assert poor_share(empty, priced.gamma, first) == 0.0


def test_a_pin_is_where_dealers_are_longest_gamma_not_where_most_contracts_are():
    priced = made_chain(dtes=(2, 30), step=1.0)
    held = np.full(len(priced.chain), 10.0)
    soon = np.isin(np.arange(len(held)), priced.slices[0].rows)
    held[soon & priced.chain.is_call & (priced.chain.strike == 101.0)] = 5_000.0
    held[soon & ~priced.chain.is_call & (priced.chain.strike == 80.0)] = 90_000.0
    book = replace(priced, chain=replace(priced.chain, open_interest=held))
    found = pin(book, convention=CONVENTION, max_days=3.0)
    assert found.strike == 101.0
    assert found.concentration == pytest.approx(5_010 / held[soon].sum())
    assert found.time_share == pytest.approx(1 - found.piece.tau * 365 / 3.0)
    assert found.risk == found.concentration * found.gamma_share * found.time_share
    assert 0 < found.risk < 1


def test_without_a_near_expiry_or_long_gamma_there_is_no_pin():
    priced = made_chain(dtes=(2, 30))
    assert pin(priced, convention="dealers_short_all", max_days=3.0).code == "no_long_gamma"
    far = pin(made_chain(dtes=(30,)), convention=CONVENTION, max_days=3.0)
    assert (far.code, far.numbers["max_days"]) == ("no_near_expiry", 3.0)
    nothing = replace(priced, slices=())
    assert pin(nothing, convention=CONVENTION, max_days=3.0).numbers == {}
    empty = replace(priced, chain=replace(priced.chain, open_interest=np.zeros(len(priced.chain))))
    assert pin(empty, convention=CONVENTION, max_days=3.0).code == "no_long_gamma"
