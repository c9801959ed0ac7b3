"""Closings that take the book's direction away: as near to zero as any, and no unit more than that takes."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st

from domain.risk import DollarGreeks
from risk.hedge.breach import NoProposal
from risk.hedge.flatten import Flattening, flatten
from risk.hedge.repairs import Holding
from risk.ranges import Range


def held(order_id, delta, units, *, beta=1.0, cost=50.0):
    """A structure of `delta` USD a unit."""
    return Holding(
        order_id=order_id, ticker=order_id, strategy="bull_put_spread", legs=(), units=units,
        greeks=DollarGreeks(delta=delta, gamma=0, vega=0, theta=0), beta=beta, pnl=None, worst_case=500.0,
        closing_cost=cost,
    )  # fmt: skip


def book(*holdings, besides=0.0):
    total = besides + sum(one.beta * one.greeks.delta * one.units for one in holdings)
    return Range(total, total)


def test_the_fewest_units_bring_the_delta_within_the_limit():
    holdings = [held("A", 1_000, 4), held("B", 6_000, 1), held("C", -500, 2)]  # 9,000 in all
    found = flatten(book(*holdings), holdings, limit=3_500)
    assert found == Flattening(
        units={"B": 1}, before=9_000, after=3_000, limit=3_500,
        reason="Flattens SPX delta +9,000.00 → +3,000.00 USD (flat: 3,500).",
    )  # fmt: skip


def test_a_book_that_is_flat_enough_at_the_very_limit_is_left_alone():
    holdings = [held("A", 1_000, 3)]
    found = flatten(book(*holdings), holdings, limit=3_000)
    assert isinstance(found, NoProposal)
    assert found.code == "nothing_broken"


def test_what_cannot_be_flattened_is_brought_as_near_as_closing_can():
    holdings = [held("A", 1_000, 2), held("B", -4_000, 1)]
    found = flatten(book(*holdings, besides=20_000), holdings, limit=1_000)
    assert (found.units, found.before, found.after) == ({"A": 2}, 18_000, 16_000)


@pytest.mark.parametrize("holdings", [[], [held("A", -1_000, 2)], [held("A", 9_000, 2, beta=None)]])
def test_a_book_that_no_closing_helps_says_so(holdings):
    found = flatten(Range(5_000, 5_000), holdings, limit=1_000)
    assert (found.code, found.reason) == (
        "none_restores",
        "No closing brings the SPX delta of +5,000.00 USD nearer to zero.",
    )


def test_among_as_few_units_the_cheapest_to_close_go():
    holdings = [held("A", 2_000, 1, cost=80), held("B", 2_000, 1, cost=20), held("C", 2_000, 1, cost=50)]
    assert flatten(book(*holdings), holdings, limit=4_500).units == {"B": 1}
    assert flatten(book(*holdings), holdings, limit=2_500).units == {"B": 1, "C": 1}
    prices = {"A": (1_000, 0), "B": (-100, 1), "C": (2_000, 2), "D": (2_000, 3), "E": (3_000, 1_000)}
    several = [held(name, delta, 1, cost=cost) for name, (delta, cost) in prices.items()]
    assert flatten(book(*several), several, limit=3_900).units == {"C": 1, "D": 1}


def test_a_flat_book_without_value_needs_no_search():
    assert flatten(Range(), [held("A", 1_000, 1)], limit=-5_000).code == "nothing_broken"


def test_a_hundredth_nearer_is_not_worth_a_closing():
    holdings = [held("A", 1_000, 4), held("B", -700, 3), held("C", -600, 3)]
    assert flatten(Range(-19_900, 20_100), holdings, limit=5_000).code == "none_restores"


@pytest.mark.parametrize("limit", [0.0, 5_000.0])
def test_a_large_book_is_searched_as_well(limit):
    rng = np.random.default_rng(1)
    holdings = [held(f"H{n}", float(delta), 9, cost=float(n)) for n, delta in enumerate(rng.normal(500, 3_000, 40))]
    sure = book(*holdings)
    found = flatten(Range(sure.low - 20_000, sure.high + 20_000), holdings, limit=limit)
    assert abs(found.after) <= 20_000 + 0.01 * abs(found.before) + max(limit, 0.01 * abs(found.before))


def test_a_delta_of_which_a_part_is_not_known_is_centred():
    holdings = [held("A", -1_000, 9)]
    found = flatten(Range(-12_000, 2_000), holdings, limit=1_000)
    assert (found.units, found.before, found.after) == ({"A": 5}, -12_000, 7_000)


def test_beta_weighs_what_a_closing_takes_away():
    holdings = [held("A", 1_000, 1, beta=3.0), held("B", 2_000, 1, beta=0.5)]
    assert flatten(book(*holdings), holdings, limit=1_500).units == {"A": 1}


def test_a_search_without_an_answer_says_so(monkeypatch):
    holdings = [held("A", 1_000, 4)]
    none = SimpleNamespace(x=None)
    monkeypatch.setattr(scipy.optimize, "milp", lambda *_, **__: none)
    assert flatten(book(*holdings), holdings, limit=1).code == "unsolved"
    answers = iter([SimpleNamespace(x=[4.0, 0.0]), none])
    monkeypatch.setattr(scipy.optimize, "milp", lambda *_, **__: next(answers))
    assert flatten(book(*holdings), holdings, limit=1).code == "unsolved"


books = st.lists(
    st.tuples(st.integers(-50, 50), st.integers(1, 3), st.integers(1, 9), st.integers(-50, 50)), min_size=1, max_size=4
)


@given(books, st.integers(-100, 100), st.integers(0, 40), st.integers(0, 30))
def test_no_other_closings_are_nearer_by_a_hundredth_or_as_near_with_fewer_units(rows, besides, unknown, limit):
    holdings = [
        held(str(n), float(100 * delta), units, cost=float(cost)) for n, (delta, units, _, cost) in enumerate(rows)
    ]
    sure = book(*holdings, besides=100.0 * besides)
    delta = Range(sure.low - 100 * unknown, sure.high + 100 * unknown)
    hundredth = 0.01 * delta.largest

    def beyond(units):
        gone = sum(one.greeks.delta * count for one, count in zip(holdings, units, strict=True))
        return max(delta.with_sure(-gone).largest - max(100.0 * limit, hundredth), 0.0)

    every = list(itertools.product(*(range(one.units + 1) for one in holdings)))
    nearest = min(map(beyond, every))
    fewest = min(sum(units) for units in every if beyond(units) <= nearest + 1e-6)
    found = flatten(delta, holdings, limit=100.0 * limit)
    chosen = (
        [0] * len(rows) if isinstance(found, NoProposal) else [found.units.get(str(n), 0) for n in range(len(rows))]
    )
    assert beyond(chosen) <= 1.01 * nearest + (1.01 * hundredth if nearest > 1e-6 else 1e-5)
    assert sum(chosen) <= fewest
