"""An order's state and its fills tell the same story, or the desk says where they do not."""

import pytest

from domain.order import OrderState
from portfolio.reconciliation import breaks
from tests.support.orders import fill, order, view

S = OrderState


@pytest.mark.parametrize(
    ("state", "sound"),
    [
        (S.STAGED, {0}), (S.APPROVED, {0}), (S.REJECTED, {0}), (S.EXPIRED, {0}), (S.SUPERSEDED, {0}), (S.FAILED, {0}),
        (S.SUBMITTED, {0, 1, 2}), (S.PARTIALLY_FILLED, {1}), (S.FILLED, {2}), (S.CANCELLED, {0, 1}),
    ],
)  # fmt: skip
def test_each_state_agrees_with_some_numbers_of_filled_units_and_no_others(state, sound):
    opening = order(units=2)
    for units in range(4):
        fills = [fill(opening, 4, 2.5, units=1, fill_id=f"f{number}") for number in range(units)]
        said = breaks([view(opening, state)], fills)
        expected = () if units in sound else (f"order o-1 is {state.value} with {units} of 2 units filled",)
        assert said == expected


def test_a_structure_is_not_closed_more_often_than_it_was_opened():
    opening = order("open", units=2)
    first, second = (order(name, closes="open", units=1) for name in ("c1", "c2"))
    third = order("c3", closes="open", units=1)
    orders = [view(each, S.FILLED) for each in (third, opening, first, second)]
    fills = [fill(opening, 4, 2.5), *(fill(each, 3, 2) for each in (first, second))]
    assert breaks(orders[1:], fills) == ()
    assert breaks(orders, [*fills, fill(third, 3, 2)]) == ("structure open had 2 units, and 3 were closed",)
    assert breaks([view(first, S.FILLED)], [fill(first, 3, 2)]) == ("structure open had 0 units, and 1 were closed",)


def test_contradictions_are_told_in_one_order_whatever_order_they_came_in():
    a, b = view(order("a"), S.FILLED), view(order("b"), S.FILLED)
    assert breaks([a, b], []) == breaks([b, a], [])
    assert len(breaks([b, a], [])) == 2
