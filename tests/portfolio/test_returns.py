"""Returns over the same intervals, and what is left out."""

import numpy as np
import pytest

from domain.market import Bars
from domain.sessions import close_known_at
from portfolio.returns import joint_returns

START = np.datetime64("2025-10-06")


def bars(ticker, close, day=None):
    close = np.asarray(close, dtype=np.float64)
    day = START + np.arange(len(close)) if day is None else day
    none = np.full(len(close), np.nan)
    return Bars(ticker, day, close_known_at(day), none, none, none, close, none, None)


def prices(count, seed=0):
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, count)))


def test_returns_are_simple_and_joined_by_day():
    first, second = prices(80, 1), prices(80, 2)
    found = joint_returns({"B": bars("B", second), "A": bars("A", first)}, ["B", "A"], window=60, minimum=60)
    assert found.tickers == ("A", "B")
    assert found.missing == ()
    np.testing.assert_allclose(found.values, np.stack([first[1:] / first[:-1], second[1:] / second[:-1]], 1)[-60:] - 1)
    assert found.day[-1] == START + 79
    assert found.start[-1] == START + 78


def test_a_hole_costs_the_days_it_touches_and_joins_no_return_of_another_span():
    holed = prices(80, 1)
    holed[50] = np.nan
    skipped = bars("S", np.delete(prices(80, 3), 30), np.delete(START + np.arange(80), 30))
    found = joint_returns({"H": bars("H", holed), "S": skipped}, ["H", "S"], window=100, minimum=60)
    assert len(found.day) == 79 - 2 - 2  # the hole's two; and two that the skipped day made one of two days
    assert not set(found.day) & {START + 50, START + 51, START + 30, START + 31}


def test_a_return_over_more_than_a_week_is_none():
    day = np.concatenate([START + np.arange(5), START + 11 + np.arange(5), START + 23 + np.arange(5)])
    found = joint_returns({"A": bars("A", prices(15), day)}, ["A"], window=60, minimum=2)
    assert START + 11 in found.day  # exactly a week
    assert START + 23 not in found.day
    assert len(found.day) == 13


@pytest.mark.parametrize(("returns", "kept"), [(59, False), (60, True)])
def test_the_minimum_is_met_exactly_or_the_name_is_missing(returns, kept):
    found = joint_returns({"A": bars("A", prices(returns + 1))}, ["A", "Z"], window=250, minimum=60)
    assert found.missing == (("Z",) if kept else ("A", "Z"))
    assert found.values.shape == ((60, 1) if kept else (0, 0))


def test_the_name_with_the_shortest_common_history_goes_first():
    late = bars("L", prices(70, 4), START + 80 + np.arange(70))  # overlaps long by 70, early by 10
    early, long = bars("E", prices(90, 5)), bars("G", prices(150, 6))
    found = joint_returns({"E": early, "G": long, "L": late}, ["E", "G", "L"], window=250, minimum=60)
    assert found.tickers == ("E", "G")
    assert found.missing == ("L",)


def test_of_two_as_short_the_last_in_the_alphabet_goes():
    twin, other = bars("A", prices(70, 4)), bars("B", prices(70, 5), START + 60 + np.arange(70))
    found = joint_returns({"A": twin, "B": other}, ["A", "B"], window=250, minimum=60)
    assert found.tickers == ("A",)


def test_a_history_that_ended_long_ago_does_not_drag_the_others_into_the_past():
    dead, alive = bars("D", prices(200, 4)), bars("X", prices(400, 5))
    found = joint_returns({"D": dead, "X": alive}, ["D", "X"], window=60, minimum=60)
    assert found.missing == ("D",)
    assert found.day[-1] == START + 399


def test_a_price_of_zero_or_below_makes_no_return():
    broken = prices(80)
    broken[40], broken[60] = 0.0, -1.0
    assert len(joint_returns({"A": bars("A", broken)}, ["A"], window=250, minimum=60).day) == 75


def test_nothing_known_leaves_every_name_missing():
    found = joint_returns({}, ["B", "A"], window=60, minimum=60)
    assert found.missing == ("A", "B")
    assert found.values.shape == (0, 0)
