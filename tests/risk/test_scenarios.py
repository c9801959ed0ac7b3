"""Joint scenarios: the same days for all, volatility as it was or by the leverage effect."""

import numpy as np
import pytest

from risk.scenarios import historical, leverage_effect
from tests.risk.made_books import START, bars, series

RNG = np.random.default_rng(8)
RETURNS = RNG.normal(0, 0.01, 120)


def vols(count=121, seed=1):
    return 0.2 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.05, count)))


def test_each_day_is_one_scenario_of_spot_and_volatility_together():
    iv = vols()
    moved, missing = historical({"AAA": bars("AAA", RETURNS)}, ["AAA"], window=100, vols={"iv30.AAA": series("", iv)})
    assert missing == ()
    assert len(moved) == 100
    np.testing.assert_allclose(moved.spot[:, 0], RETURNS[-100:], atol=1e-12)
    np.testing.assert_allclose(moved.vol[:, 0], (iv[1:] / iv[:-1] - 1)[-100:], atol=1e-12)
    assert set(moved.rate) == {0.0}
    assert set(moved.days) == {1.0}
    assert (moved.names[0], moved.names[-1]) == (str(START + 21), str(START + 120))
    assert moved.notes == ()


def test_names_without_enough_returns_are_named_and_left_out():
    short = {"AAA": bars("AAA", RETURNS), "BBB": bars("BBB", RETURNS[:59], START + 61)}
    moved, missing = historical(short, ["BBB", "AAA", "CCC"])
    assert moved.tickers == ("AAA",)
    assert missing == ("BBB", "CCC")
    nothing, missing = historical({}, ["AAA"])
    assert (len(nothing), nothing.tickers, missing) == (0, (), ("AAA",))


def test_without_a_history_volatility_follows_the_spot_by_the_leverage_effect():
    moved, _ = historical({"AAA": bars("AAA", RETURNS)}, ["AAA"], days=3.0)
    assert moved.notes == ("volatility of AAA by the leverage effect on 120 of 120 days",)
    np.testing.assert_allclose(moved.vol, leverage_effect(moved.spot))
    assert set(moved.days) == {3.0}


def test_the_leverage_effect_is_whaleys_and_never_takes_all_volatility_away():
    assert leverage_effect(np.array([-0.01]))[0] == pytest.approx(np.exp(0.04493) - 1)
    assert leverage_effect(np.array([0.01]))[0] == pytest.approx(np.exp(-0.0299) - 1)
    assert leverage_effect(np.array([0.0]))[0] == 0.0
    assert leverage_effect(np.array([5.0]))[0] > -1.0


@pytest.mark.parametrize(("known", "from_readings"), [(59, 0), (60, 60)])
def test_readings_count_from_the_minimum_on(known, from_readings):
    iv = vols(known + 1)
    moved, _ = historical(
        {"AAA": bars("AAA", RETURNS)}, ["AAA"], vols={"iv30.AAA": series("", iv, START + 120 - known)}
    )
    alone = leverage_effect(moved.spot)[:, 0]
    assert int((moved.vol[:, 0] != alone).sum()) == from_readings
    assert moved.notes == (f"volatility of AAA by the leverage effect on {120 - from_readings} of 120 days",)


def test_a_reading_of_nothing_and_a_gap_are_no_readings():
    iv = vols()
    iv[50] = 0.0
    holed = series("", np.delete(iv, 80))
    holed = type(holed)(holed.name, holed.unit, np.delete(START + np.arange(121), 80), holed.known_at, holed.value)
    moved, _ = historical({"AAA": bars("AAA", RETURNS)}, ["AAA"], vols={"iv30.AAA": holed})
    by_rule = np.flatnonzero(moved.vol[:, 0] == leverage_effect(moved.spot)[:, 0])
    assert by_rule.tolist() == [49, 50, 79, 80]
    assert moved.notes == ("volatility of AAA by the leverage effect on 4 of 120 days",)


@pytest.mark.parametrize(("ticker", "used"), [("SPX", True), ("SPY", True), ("XSP", True), ("QQQ", False)])
def test_the_vix_is_the_volatility_of_the_index_and_of_nobody_else(ticker, used):
    vix = series("VIX", 100 * vols())
    moved, _ = historical({ticker: bars(ticker, RETURNS)}, [ticker], vols={"VIX": vix})
    assert (moved.notes == ()) is used
    own = {"VIX": vix, f"iv30.{ticker}": series("", vols(seed=2))}
    preferred, _ = historical({ticker: bars(ticker, RETURNS)}, [ticker], vols=own)
    np.testing.assert_allclose(preferred.vol[:, 0], vols(seed=2)[1:] / vols(seed=2)[:-1] - 1)


def test_an_empty_series_is_no_history():
    moved, _ = historical({"AAA": bars("AAA", RETURNS)}, ["AAA"], vols={"iv30.AAA": series("", [])})
    assert len(moved.notes) == 1
