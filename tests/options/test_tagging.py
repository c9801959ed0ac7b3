"""The tagger: every contract and share explained exactly once, as cheaply as can be, in whatever order they come."""

from collections import Counter
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.book import Position
from domain.contract import Leg, Right, Settlement, occ_symbol
from domain.errors import DataError
from options.strategies import PROPOSABLE
from options.tagging import RECOGNISED, tag, tag_positions
from options.tagging import explanation as explaining
from options.tagging.account import _netted
from options.tagging.patterns import PATTERNS, SHARE_COST, groups

EXPIRIES = (date(2026, 4, 17), date(2026, 5, 15), date(2026, 6, 19))
BY_NAME = {pattern.strategy: pattern for pattern in PATTERNS}


def leg(right, strike, quantity, *, expiry=EXPIRIES[0], root="XYZ", multiplier=100, settlement=Settlement.PM):
    return Leg(
        symbol=occ_symbol(root, expiry, right, Decimal(strike)),
        root=root,
        right=right,
        strike=Decimal(strike),
        expiry=expiry,
        settlement=settlement,
        european=False,
        multiplier=multiplier,
        quantity=quantity,
    )


def call(strike, quantity, **changes):
    return leg(Right.CALL, strike, quantity, **changes)


def put(strike, quantity, **changes):
    return leg(Right.PUT, strike, quantity, **changes)


def names(legs, **held):
    return Counter({item.strategy: item.units for item in tag(legs, **held)})


def made(pattern, *, base=100, gaps=(10, 10, 10), front=0, units=1, root="XYZ"):
    """One structure as `units` times its legs, strikes up the ladder from `base` by `gaps`."""
    ladder = [base]
    for gap in gaps:
        ladder.append(ladder[-1] + gap)
    return [
        leg(
            wanted.right,
            ladder[wanted.level],
            wanted.quantity * units,
            expiry=EXPIRIES[front + (wanted.term == "back")],
            root=root,
        )
        for wanted in pattern.template
    ]


def net(legs):
    total = Counter()
    for one in legs:
        total[one.symbol] += one.quantity
    return {symbol: count for symbol, count in total.items() if count}


def explained(tags):
    """What the tags say is held: contracts by symbol, shares by root."""
    contracts, shares = Counter(), Counter()
    for item in tags:
        shares[item.root] += item.units * item.shares
        for one in item.legs:
            contracts[one.symbol] += item.units * one.quantity
    return {s: n for s, n in contracts.items() if n}, {r: n for r, n in shares.items() if n}


def cost_of(tags):
    alone = sum(item.units for item in tags if not item.legs)
    return SHARE_COST * alone + sum(BY_NAME[item.strategy].cost * item.units for item in tags if item.legs)


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.strategy)
def test_each_structure_alone_is_recognised_by_its_name(pattern):
    gaps = (10, 20, 10) if pattern.wings == "unequal" else (10, 10, 10)
    found = tag(made(pattern, gaps=gaps, units=3), shares={"XYZ": 300 * pattern.shares})
    assert [(item.strategy, item.units) for item in found] == [(pattern.strategy, 3)]
    (only,) = found
    assert [one.quantity for one in only.legs] == [wanted.quantity for wanted in pattern.template]
    assert only.shares == 100 * pattern.shares
    assert only.uncovered == pattern.uncovered
    assert only.method == "exact"


def test_the_tagger_knows_every_structure_that_is_proposed_or_recognised():
    named = {structure.strategy for structure in PROPOSABLE} | {item.strategy for item in RECOGNISED}
    assert {"long_shares", "short_shares", "cash_secured_put"} == named - BY_NAME.keys()
    assert {pattern.strategy for pattern in PATTERNS if pattern.proposable} == {s.strategy for s in PROPOSABLE}


drawn = st.builds(
    lambda name, base, gap, wider, front, units: (name, base, gap, wider, front, units),
    st.sampled_from(sorted(BY_NAME)),
    st.integers(8, 14).map(lambda n: 10 * n),
    st.sampled_from([5, 10]),
    st.booleans(),
    st.integers(0, 1),
    st.integers(1, 4),
)


@given(st.lists(drawn, min_size=1, max_size=4), st.randoms(use_true_random=False))
@settings(max_examples=120)
def test_a_mixed_shuffled_and_split_account_is_explained_once_and_no_dearer_than_it_was_made(parts, random):
    legs, shares, dearest = [], 0, 0
    for name, base, gap, wider, front, units in parts:
        pattern = BY_NAME[name]
        second = 2 * gap if pattern.wings == "unequal" or (wider and pattern.wings == "any") else gap
        legs += made(pattern, base=base, gaps=(gap, second, gap), front=front, units=units)
        shares += 100 * pattern.shares * units
        dearest += pattern.cost * units
    assume(len({BY_NAME[part[0]].shares for part in parts} - {0}) < 2)  # shares bought and sold short cancel
    fills = []
    for one in legs:
        first = random.randint(0, abs(one.quantity)) * (1 if one.quantity > 0 else -1)
        fills += [one.model_copy(update={"quantity": q}) for q in (first, one.quantity - first)]
    random.shuffle(fills)
    found = tag(fills, shares={"XYZ": shares})
    assert explained(found) == (net(legs), {"XYZ": shares} if shares else {})
    assert all(item.method == "exact" for item in found)
    if sum(abs(one.quantity) for one in legs) == sum(abs(count) for count in net(legs).values()):
        assert cost_of(found) <= dearest  # nothing cancelled, so what was made still explains the account
    random.shuffle(fills)
    assert tag(fills, shares={"XYZ": shares}) == found


@given(st.lists(drawn, min_size=1, max_size=6))
@settings(max_examples=40)
def test_structures_that_cannot_be_confused_are_recovered_as_they_were_made(parts):
    legs, shares, wanted = [], {}, []
    for n, (name, base, gap, _, front, units) in enumerate(parts):
        pattern, root = BY_NAME[name], f"R{n}"
        gaps = (gap, 2 * gap if pattern.wings == "unequal" else gap, gap)
        legs += made(pattern, base=base, gaps=gaps, front=front, units=units, root=root)
        shares[root] = 100 * pattern.shares * units
        wanted.append((root, name, units))
    assert [(item.root, item.strategy, item.units) for item in tag(legs[::-1], shares=shares)] == wanted


@given(st.lists(drawn, min_size=1, max_size=3))
@settings(max_examples=40)
def test_the_greedy_search_explains_all_and_is_never_cheaper_than_the_exact_one(parts):
    legs = [
        one
        for name, base, gap, _, front, units in parts
        for one in made(BY_NAME[name], base=base, gaps=(gap, gap, gap), front=front, units=units)
    ]
    shares = 100 * max(BY_NAME[part[0]].shares for part in parts)
    exact = tag(legs, shares={"XYZ": shares})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explaining, "MOST_GROUPS", 0)
        greedy = tag(legs, shares={"XYZ": shares})
    assert explained(greedy) == explained(exact)
    assert {item.method for item in greedy} <= {"greedy"} or not net(legs)
    assert cost_of(greedy) >= cost_of(exact)


def test_four_strategies_on_two_underlyings_come_out_as_they_went_in():
    account = [
        *made(BY_NAME["iron_condor"], base=80, gaps=(5, 30, 5), units=2),
        *made(BY_NAME["call_calendar"], base=100, front=1, units=3),
        *made(BY_NAME["jade_lizard"], base=40, gaps=(10, 5, 5), root="ABC"),
        call(70, -4, root="ABC", expiry=EXPIRIES[1]),
    ]
    found = tag(account[::-1], shares={"ABC": 450, "NOP": -7})
    assert [(item.root, item.strategy, item.units) for item in found] == [
        ("ABC", "long_shares", 50),
        ("ABC", "jade_lizard", 1),
        ("ABC", "covered_call", 4),
        ("NOP", "short_shares", 7),
        ("XYZ", "iron_condor", 2),
        ("XYZ", "call_calendar", 3),
    ]


@pytest.mark.parametrize(
    ("legs", "shares", "expected"),
    [
        ([call(100, 1), call(110, -2), call(120, 1)], 0, {"call_butterfly": 1}),
        ([call(100, 2), call(110, -2)], 0, {"bull_call_spread": 2}),
        ([call(100, 1), call(110, -3)], 0, {"call_ratio_spread": 1, "short_call": 1}),
        ([call(100, -1), call(110, 3)], 0, {"call_ratio_backspread": 1, "long_call": 1}),
        ([call(100, -2)], 150, {"covered_call": 1, "short_call": 1, "long_shares": 50}),
        ([put(90, 1)], 100, {"protective_put": 1}),
        ([put(90, 1)], 99, {"long_put": 1, "long_shares": 99}),
        ([call(110, -1), put(90, 1)], 100, {"collar": 1}),
        ([call(110, -1), call(120, 1)], 100, {"bear_call_spread": 1, "long_shares": 100}),
        ([call(100, -1), call(100, 1, expiry=EXPIRIES[1])], 0, {"call_calendar": 1}),
        ([call(100, 1), call(100, -1, expiry=EXPIRIES[1])], 0, {"short_call_calendar": 1}),
        ([call(100, -1), call(105, 1, root="XYZ1")], 0, {"short_call": 1, "long_call": 1}),
        ([call(100, -1), call(105, 1, multiplier=10)], 0, {"short_call": 1, "long_call": 1}),
        ([call(100, -1), call(105, 1, settlement=Settlement.AM)], 0, {"short_call_diagonal": 1}),
    ],
)
def test_small_accounts(legs, shares, expected):
    assert names(legs, shares={"XYZ": shares}) == expected


def test_shorts_are_covered_first_even_if_that_names_more_structures():
    legs = [put(90, -1), call(110, -1), call(120, 1), put(80, 1, expiry=EXPIRIES[1])]
    found = tag(legs)
    assert sum(item.uncovered for item in found) == 0
    assert {item.strategy for item in found} == {"wide_put_diagonal", "bear_call_spread"}


def test_opposite_holdings_of_one_contract_net_to_nothing():
    assert tag([call(100, 3), call(100, -3)]) == ()
    assert tag([]) == ()


def test_cash_secures_the_puts_it_can_pay_and_no_more():
    legs = [put(90, -2), put(50, -1, expiry=EXPIRIES[1])]
    found = tag(legs, cash=15_000.0)
    assert [(item.strategy, item.units, item.uncovered) for item in found] == [
        ("cash_secured_put", 1, 0),
        ("short_put", 1, 1),
        ("cash_secured_put", 1, 0),
    ]
    assert all(item.strategy == "short_put" for item in tag(legs, cash=-1.0))


def test_one_symbol_with_two_multipliers_is_refused():
    with pytest.raises(DataError, match="different terms"):
        tag([call(100, 1), call(100, 1, multiplier=10)])


def test_quotes_of_split_fills_do_not_matter():
    cheap, dear = (call(100, 1).model_copy(update={"bid": quote, "ask": quote + 0.1}) for quote in (1.0, 2.0))
    (only,) = tag([cheap, dear])
    assert only.units == 2
    assert only.legs[0].bid is None


def test_positions_of_two_orders_are_seen_as_the_one_account_they_are():
    def position(order, one):
        return Position(
            order_id=order, ticker="XYZ", strategy="as ordered", leg=one.model_copy(update={"quantity": 1}),
            quantity=one.quantity, average_price=Decimal(1), mark=None, mark_source="",
        )  # fmt: skip

    held = [
        position("A", put(95, -2)),
        position("A", put(90, 2)),
        position("B", call(105, -2)),
        position("B", call(110, 2)),
    ]
    assert [(item.strategy, item.units) for item in tag_positions(held)] == [("iron_condor", 2)]


def test_a_large_account_is_still_explained_exactly_and_no_dearer_than_it_was_made():
    legs, dearest = [], 0
    for n, name in enumerate(["iron_condor", "call_butterfly", "put_calendar", "jade_lizard", "bull_put_spread"] * 2):
        units, pattern = 1 + n % 3, BY_NAME[name]
        legs += made(pattern, base=70 + 7 * n, gaps=(5, 5, 5), front=n % 2, units=units)
        dearest += units * pattern.cost
    assert len(groups(_netted(legs), 0, most=10_000)) > explaining.MOST_TO_COMPARE
    found = tag(legs)
    assert explained(found) == (net(legs), {})
    assert cost_of(found) <= dearest
    assert {item.method for item in found} == {"exact"}


def test_where_branch_and_bound_gives_up_the_greedy_search_answers_and_says_so(monkeypatch):
    monkeypatch.setattr(explaining, "_solve", lambda *_: None)
    (only,) = tag(made(BY_NAME["iron_butterfly"], units=2))
    assert (only.strategy, only.units, only.method) == ("iron_butterfly", 2, "greedy")
