"""Betas by least squares, against the index that has a history, and no guess where there is none."""

import numpy as np
import pytest

from portfolio.betas import betas
from tests.risk.made_books import START, bars

RNG = np.random.default_rng(3)
MARKET = RNG.normal(0, 0.01, 300)
OWN = 1.4 * MARKET + RNG.normal(0, 0.008, 300)


def test_beta_is_the_slope_over_the_window():
    found = betas({"SPX": bars("SPX", MARKET), "AAA": bars("AAA", OWN)}, ["AAA", "SPX", "SPY", "XSP"])
    slope = np.polyfit(MARKET[-250:], OWN[-250:], 1)[0]
    assert found.by_ticker["AAA"] == pytest.approx(slope, abs=1e-9)
    assert {name: found.by_ticker[name] for name in ("SPX", "SPY", "XSP")} == {"SPX": 1.0, "SPY": 1.0, "XSP": 1.0}
    assert (found.index, found.window, found.minimum, found.missing) == ("SPX", 250, 60, ())


@pytest.mark.parametrize(("count", "known"), [(59, False), (60, True)])
def test_too_few_common_returns_leave_a_name_missing(count, known):
    found = betas({"SPX": bars("SPX", MARKET), "AAA": bars("AAA", OWN[:count], START + 300 - count)}, ["ZZZ", "AAA"])
    assert ("AAA" in found.by_ticker) is known
    assert found.missing == (("ZZZ",) if known else ("AAA", "ZZZ"))


def test_spy_stands_in_for_an_index_without_a_usable_history():
    history = {"SPY": bars("SPY", MARKET), "AAA": bars("AAA", OWN)}
    assert betas(history, ["AAA"]).index == "SPY"
    assert betas({**history, "SPX": bars("SPX", np.zeros(300))}, ["AAA"]).index == "SPY"
    nothing = betas({"AAA": bars("AAA", OWN)}, ["AAA", "SPX"])
    assert (nothing.index, nothing.missing, nothing.by_ticker) == (None, ("AAA",), {"SPX": 1.0})


def test_an_index_that_stood_still_over_the_common_days_measures_nothing():
    moved = np.concatenate([np.zeros(100), MARKET[:200]])
    found = betas({"SPX": bars("SPX", moved), "AAA": bars("AAA", OWN[:100])}, ["AAA"], window=300)
    assert found.index == "SPX"
    assert found.missing == ("AAA",)
