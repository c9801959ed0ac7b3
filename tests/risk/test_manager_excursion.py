"""Best and worst, as a fold: monotone, idempotent, blind to order; and what the book holds of each structure."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.excursion import Excursion
from portfolio.book import book_of
from portfolio.ledger import ledger
from portfolio.valuation import value
from risk.manager.excursion import Levels, levelled, levels_of, marked, opened, reduced
from risk.manager.held import closable, holdings, observed, units_to_close
from tests.support.orders import HOUR, LONG, NOON, SHORT, chain, fill, leg, order

START = Excursion(order_id="o", at=NOON, opened_at=NOON, entry_price=150.0, unit_risk=862.6, opened_units=2)
MARKS = st.lists(st.floats(-900, 150), min_size=1, max_size=8)


def after(profits, start=START):
    for step, profit in enumerate(profits, start=1):
        start = marked(start, at=NOON + step * HOUR, unit_value=profit - 150, unit_profit=profit)
    return start


@given(MARKS)
def test_extremes_are_those_of_what_was_seen_and_never_cross_zero(profits):
    seen = after(profits)
    assert seen.mfe == max(0.0, *profits)
    assert seen.mae == min(0.0, *profits)
    assert seen.high_water == max(profits) - 150
    assert seen.low_water == min(profits) - 150


@given(MARKS)
def test_the_same_marks_again_or_turned_round_change_nothing(profits):
    seen = after(profits)
    again = after(profits, seen)
    turned = after(profits[::-1])
    assert again == seen
    assert turned == seen


@given(MARKS, st.floats(-50, 50))
def test_a_further_fill_moves_the_profits_seen_with_the_average(profits, shift):
    seen = after(profits)
    moved = opened("o", at=NOON, entry_price=150.0 + shift, unit_risk=862.6, units=3, before=seen)
    assert moved.at == seen.at
    assert moved.opened_units == 3
    assert moved.mfe == pytest.approx(max(seen.mfe + shift, 0.0))
    assert moved.mae == pytest.approx(min(seen.mae + shift, 0.0))
    assert (moved.high_water, moved.low_water) == (seen.high_water, seen.low_water)


def test_closing_counts_units_and_time_never_runs_back():
    seen = reduced(after([10.0]), at=NOON, closed_units=1)
    assert (seen.closed_units, seen.held_units, seen.at, seen.mfe) == (1, 1, NOON + HOUR, 10.0)


def test_levels_tighten_keep_their_name_and_never_move_away():
    first = Levels(stop=-10.0, stop_rule="trail", target=90.0, target_rule="aim")
    once = levelled(START, first, at=NOON + HOUR)
    assert (levels_of(once), once.at) == (first, NOON + HOUR)
    assert levelled(once, first, at=NOON + 2 * HOUR) is once
    assert levelled(once, Levels(stop=-11.0, stop_rule="x", target=91.0, target_rule="y"), at=NOON) is once
    assert levelled(once, Levels(), at=NOON) is once
    equal = Levels(stop=-10.0, stop_rule="x", target=90.0, target_rule="y")
    assert levels_of(levelled(once, equal, at=NOON)) == first
    assert levels_of(levelled(once, Levels(stop=0.0, stop_rule="break_even"), at=NOON)) == first._replace(
        stop=0.0, stop_rule="break_even"
    )
    assert levels_of(levelled(once, Levels(target=80.0, target_rule="near"), at=NOON)) == first._replace(
        target=80.0, target_rule="near"
    )


def bought(*fills, orders, quotes=None, at=NOON + HOUR, settlements=()):
    structures = ledger(fills, orders, as_of=at, settlements=settlements)
    book = book_of(structures, (), starting_cash=Decimal(100_000), as_of=at)
    return structures, value(book, {"SPY": chain(quotes, at=at)} if quotes else {})


MIDS = {SHORT: (3.0, 3.1), LONG: (2.0, 2.1)}


def test_what_is_held_per_unit_and_what_it_went_through():
    opening = order("open", units=3)
    structures, book = bought(fill(opening, 4.05, 2.55), orders=[opening], quotes=MIDS)
    held = holdings(book)["open"]
    assert (held.units, held.entry_price, held.unit_value, held.unit_profit) == (3, 150.0, -100.0, 50.0)
    assert held.unmarked == ()
    (seen,) = observed(structures, book, {})
    assert (seen.opened_at, seen.at, seen.mfe, seen.opened_units, seen.closed_units) == (
        NOON, NOON + HOUR, 50.0, 3, 0,
    )  # fmt: skip
    assert observed(structures, book, {"open": seen}) == (seen,)
    kept = seen.model_copy(update={"mfe": 70.0, "stop": 5.0})
    assert observed(structures, book, {"open": kept}) == (kept,)


def test_a_structure_without_a_mark_was_not_seen():
    opening = order("open", units=3)
    structures, book = bought(fill(opening, 4.05, 2.55), orders=[opening], quotes={SHORT: (3.0, 3.1)})
    held = holdings(book)["open"]
    assert (held.unit_value, held.unit_profit, held.entry_price) == (None, None, 150.0)
    assert [position.leg.symbol for position in held.unmarked] == [LONG.symbol]
    (seen,) = observed(structures, book, {})
    assert (seen.at, seen.mfe, seen.high_water) == (NOON, 0.0, None)


def test_fills_since_the_last_look_are_counted():
    opening, closing = order("open", units=3), order("close", closes="open", units=2, at=NOON + HOUR)
    fills = (fill(opening, 4.05, 2.55, units=2), fill(opening, 4.35, 2.55, units=1, fill_id="open/2"))
    structures, book = bought(fills[0], orders=[opening], quotes=MIDS)
    (before,) = observed(structures, book, {})
    at = NOON + 2 * HOUR
    out = fill(closing, 3.05, 2.05, at=NOON + HOUR)
    structures, book = bought(*fills, out, orders=[opening, closing], quotes=MIDS, at=at)
    (now,) = observed(structures, book, {"open": before})
    assert (now.opened_units, now.closed_units, now.held_units) == (3, 2, 1)
    assert now.entry_price == pytest.approx(160.0)
    assert now.mfe == pytest.approx(60.0)


def test_a_whole_structure_closes_by_its_own_units_and_an_uneven_one_only_as_it_is():
    opening = order("open", units=4)
    _, book = bought(fill(opening, 4.05, 2.55), orders=[opening], quotes=MIDS)
    held = holdings(book)["open"]
    legs = opening.sized.candidate.legs
    assert closable(held, legs) == (legs, 4)
    short = next(position for position in held.positions if position.leg.symbol == SHORT.symbol)
    long = next(position for position in held.positions if position.leg.symbol == LONG.symbol)
    alone = held._replace(positions=(long,))
    assert closable(alone, legs) == ((LONG,), 4)
    uneven = held._replace(positions=(long.model_copy(update={"quantity": 3}), short))
    found, units = closable(uneven, legs)
    assert (units, [(part.symbol, part.quantity) for part in found]) == (1, [(SHORT.symbol, -4), (LONG.symbol, 3)])


def test_ratios_are_units_of_the_structure_not_of_their_common_divisor():
    opening = order("ratio", units=3, legs=(leg(590, -2), leg(570, 2)))
    _, book = bought(fill(opening, 4.05, 2.55), orders=[opening])
    held = holdings(book)["ratio"]
    assert held.units == 3
    assert closable(held, opening.sized.candidate.legs)[1] == 3


@pytest.mark.parametrize(
    ("fraction", "units", "closed"),
    [(1.0, 3, 3), (0.5, 3, 2), (0.5, 4, 2), (0.01, 3, 1), (2 / 3, 3, 2), (1 / 3, 3, 1), (0.34, 3, 2), (0.5, 1, 1)],
)
def test_a_fraction_becomes_whole_units_at_least_one(fraction, units, closed):
    assert units_to_close(fraction, units) == closed


@given(st.floats(min_value=1e-6, max_value=1.0), st.integers(1, 50))
def test_never_more_than_is_held_never_less_than_asked(fraction, units):
    closed = units_to_close(fraction, units)
    assert 1 <= closed <= units
    assert closed >= fraction * units - 1e-6


def test_time_of_a_mark_is_the_books():
    opening = order("open", units=1)
    late = NOON + timedelta(hours=3)
    structures, book = bought(fill(opening, 4.05, 2.55), orders=[opening], quotes=MIDS, at=late)
    assert observed(structures, book, {})[0].at == late
