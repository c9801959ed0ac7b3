"""No naked short: an independent matcher says what is uncovered, at every single contract that an order can fill."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from domain.contract import Right, Settlement, occ_symbol
from risk.naked import Trade, fill_sequence, only_reduces, uncovered, uncovered_words, worst_moment
from tests.factories import leg

NEAR, FAR = date(2026, 3, 20), date(2026, 4, 17)


def option(quantity=1, strike=100, right=Right.PUT, expiry=NEAR, root="SPY", **changes):
    symbol = (
        f"{occ_symbol(root, expiry, right, strike)} {changes.get('settlement', 'PM')} {changes.get('multiplier', 100)}"
    )
    return leg(quantity, strike, right, expiry, root=root, symbol=symbol, **changes)


def covers(long, short):
    """One long contract against one short, in the words of the rule."""
    plain = all(item.multiplier == 100 and item.root in ("SPY", "SPYW") for item in (long, short))
    alike = (long.right, long.root) == (short.right, short.root)
    ends = [(item.expiry, item.settlement == Settlement.PM) for item in (long, short)]
    return plain and alike and ends[0] >= ends[1]


def oracle(held, shares=0):
    """Uncovered shorts by maximum matching of single contracts: nothing shared with `risk.naked`."""
    net = {}
    for item, quantity in held:
        net[item.symbol] = (item, net.get(item.symbol, (item, 0))[1] + quantity)
    longs = [item for item, quantity in net.values() for _ in range(max(0, quantity))]
    shorts = [item for item, quantity in net.values() for _ in range(max(0, -quantity))]
    hundreds = max(0, shares) // 100
    if not shorts:
        return 0
    fits = np.zeros((len(shorts), len(longs) + hundreds + 1), dtype=bool)  # the last column keeps it from being empty
    for row, short in enumerate(shorts):
        fits[row, : len(longs)] = [covers(long, short) for long in longs]
        called = short.right is Right.CALL and short.multiplier == 100 and short.root in ("SPY", "SPYW")
        fits[row, len(longs) : len(longs) + hundreds] = called
    found = maximum_bipartite_matching(csr_array(fits), perm_type="column")
    return int((found == -1).sum())


CONTRACTS = st.builds(
    option,
    strike=st.sampled_from([95, 100, 105]),
    right=st.sampled_from(Right),
    expiry=st.sampled_from([NEAR, FAR]),
    root=st.sampled_from(["SPY", "SPY", "SPY", "SPYW", "SPY1"]),
    settlement=st.sampled_from([Settlement.PM, Settlement.PM, Settlement.AM]),
    multiplier=st.sampled_from([100, 100, 100, 10]),
)
HOLDINGS = st.lists(st.builds(Trade, CONTRACTS, st.integers(-4, 4)), max_size=6)
SHARES = st.integers(-300, 300)


def contract_by_contract(sequence):
    """Every prefix of fills: the sequence cut after each single contract."""
    done = []
    for item, quantity in sequence:
        for _ in range(abs(quantity)):
            done.append(Trade(item, int(np.sign(quantity))))
            yield tuple(done)


@given(HOLDINGS, SHARES)
@settings(max_examples=300)
def test_what_is_uncovered_is_what_the_best_assignment_of_single_contracts_leaves(held, shares):
    assert uncovered(held, shares=shares) == oracle(held, shares)
    counted = [int(part.split()[0]) for part in uncovered_words(held).split("; ") if part[0].isdigit()]
    assert sum(counted) == uncovered(held)


@given(HOLDINGS, HOLDINGS, SHARES)
@settings(max_examples=150)
def test_no_prefix_of_leg_fills_is_worse_than_the_worst_moment_said(held, sequence, shares):
    moments = [oracle([*held, *done], shares) for done in contract_by_contract(sequence)]
    assert worst_moment(held, sequence, shares=shares) == max([oracle(held, shares), *moments])


@given(HOLDINGS, st.integers(1, 3))
@settings(max_examples=200)
def test_a_covered_structure_bought_first_is_covered_after_every_single_contract(held, units):
    legs = [item.model_copy(update={"quantity": quantity}) for item, quantity in held if quantity]
    sequence = fill_sequence(legs, units)
    whole = oracle([Trade(item, item.quantity * units) for item in legs])
    assert worst_moment((), sequence) == whole
    assert all(oracle(done) <= whole for done in contract_by_contract(sequence))


@given(HOLDINGS, st.integers(2, 4), st.data())
@settings(max_examples=150)
def test_closing_part_of_a_covered_structure_in_sequence_never_uncovers_a_short(held, units, data):
    legs = [item.model_copy(update={"quantity": quantity}) for item, quantity in held if quantity]
    if not legs or len({item.symbol for item in legs}) < len(legs) or oracle([Trade(i, i.quantity) for i in legs]):
        return
    owned = [Trade(item, item.quantity * units) for item in legs]
    closed = data.draw(st.integers(1, units))
    back = fill_sequence([item.model_copy(update={"quantity": -item.quantity}) for item in legs], closed)
    assert only_reduces(owned, back)
    assert all(oracle([*owned, *done]) == 0 for done in contract_by_contract(back))
    assert worst_moment(owned, back) == 0


@pytest.mark.parametrize(
    ("held", "shares", "naked"),
    [
        ([], 0, 0),
        ([(option(), -1)], 0, 1),
        ([(option(), -2), (option(strike=95), 2)], 0, 0),
        ([(option(), -2), (option(strike=95), 1)], 0, 1),
        ([(option(), -1), (option(right=Right.CALL), 1)], 0, 1),
        ([(option(right=Right.CALL), -1), (option(), 1)], 0, 1),
        ([(option(expiry=FAR), -1), (option(), 1)], 0, 1),
        ([(option(), -1), (option(expiry=FAR), 1)], 0, 0),
        ([(option(), -1), (option(settlement=Settlement.AM, strike=95), 1)], 0, 1),
        ([(option(settlement=Settlement.AM), -1), (option(strike=95), 1)], 0, 0),
        ([(option(), -1), (option(root="SPYW", strike=95), 1)], 0, 1),
        ([(option(root="SPY1"), -1), (option(root="SPY1", strike=95), 1)], 0, 1),
        ([(option(), -1), (option(root="SPY1"), 1)], 0, 1),
        ([(option(multiplier=10), -1), (option(multiplier=10, strike=95), 1)], 0, 1),
        ([(option(), -1), (option(expiry=FAR, strike=95), 1), (option(expiry=FAR), -1)], 0, 1),
        ([(option(right=Right.CALL), -2)], 199, 1),
        ([(option(right=Right.CALL), -2)], 200, 0),
        ([(option(right=Right.CALL), -1), (option(right=Right.CALL, root="SPYW"), -1)], 100, 1),
        ([(option(right=Right.CALL), -1)], -500, 1),
        ([(option(), -1)], 500, 1),
        ([(option(root="SPY1", right=Right.CALL), -1)], 500, 1),
        ([(option(), -3), (option(), 3)], 0, 0),
    ],
)
def test_what_covers_what(held, shares, naked):
    assert uncovered([Trade(*item) for item in held], shares=shares) == naked
    assert oracle(held, shares) == naked


def test_adjusted_deliverables_are_told_by_root_and_multiplier():
    assert [option(root=root).is_standard for root in ("SPY", "SPXW", "SPY1", "2SPX")] == [True, True, False, True]
    assert not option(multiplier=10).is_standard


def test_buys_come_before_sales_and_a_sale_first_would_have_been_naked():
    short, long = option(-1), option(1, strike=95)
    assert fill_sequence((short, long), 2) == (Trade(long, 2), Trade(short, -2))
    assert fill_sequence((short, long)) == (Trade(long, 1), Trade(short, -1))
    assert [t.leg for t in fill_sequence((option(1, 105), long, option(1, 100)))] == [
        long,
        option(1, 100),
        option(1, 105),
    ]
    assert worst_moment((), fill_sequence((short, long), 2)) == 0
    assert worst_moment((), (Trade(short, -2), Trade(long, 2))) == 2
    held = [Trade(long, 2), Trade(short, -2)]
    assert worst_moment(held, [Trade(long, -1)]) == 1
    assert worst_moment(held, fill_sequence((option(1), option(-1, strike=95)), 1)) == 0
    assert worst_moment([Trade(short, -1)], [Trade(option(1), 1)]) == 1, "where it starts counts too"


@pytest.mark.parametrize(
    ("quantity", "reduces"), [(-1, True), (-2, True), (-3, False), (1, False)]
)  # of two held  # fmt: skip
def test_closing_may_not_pass_through_zero(quantity, reduces):
    held = [Trade(option(), 2)]
    assert only_reduces(held, [Trade(option(), quantity)]) is reduces
    assert not only_reduces(held, [Trade(option(strike=95), quantity)])
    assert only_reduces([Trade(option(), -2)], [Trade(option(), -quantity)]) is reduces
