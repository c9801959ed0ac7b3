"""The matching against a brute-force matcher that shares no code with it, and what must hold for every account."""

import random
from datetime import date
from decimal import Decimal
from functools import cache
from itertools import combinations
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.contract import Leg, Right, Settlement, occ_symbol
from portfolio.margin import matching as matching_module
from portfolio.margin import reg_t
from portfolio.margin.matching import cheapest

EXPIRIES = (date(2026, 3, 20), date(2026, 4, 17), date(2026, 6, 18))
STRIKES = (85, 90, 95, 100, 105, 110, 120)


def option(right, strike, expiry, *, european=False, root="XYZ"):
    return Leg(
        symbol=occ_symbol(root, expiry, right, Decimal(strike)),
        root=root,
        right=right,
        strike=Decimal(strike),
        expiry=expiry,
        settlement=Settlement.PM,
        european=european,
        multiplier=100,
        quantity=1,
    )


def brute(contracts, shares, spot, marks, basis, cash):
    """Least charge over every partition of single contracts and hundreds of shares, with what long options are
    worth; inf if none is allowed. `cash` is None in a margin account. Plain floats, one function a rule.
    """
    items = [(leg, 1 if count > 0 else -1) for leg, count in contracts for _ in range(abs(count))]
    items += [("shares", 1 if shares > 0 else -1)] * (abs(shares) // 100)
    paid = sum(100 * marks[leg.symbol] for leg, side in items if leg != "shares" and side > 0)

    def payout(leg, price):
        return max(price - float(leg.strike) if leg.right is Right.CALL else float(leg.strike) - price, 0.0)

    def bare(leg):
        if spot is None:
            return inf if leg.right is Right.CALL else 0.2 * float(leg.strike)
        away = max(float(leg.strike) - spot if leg.right is Right.CALL else spot - float(leg.strike), 0.0)
        return max(0.2 * spot - away, 0.1 * (spot if leg.right is Right.CALL else float(leg.strike)))

    def stock(side):
        if spot is None or (cash is not None and side < 0):
            return inf
        if cash is not None:
            return spot
        keep = 0.25 * spot if side > 0 else max(0.3 * spot, 5)
        return 0.5 * spot if basis == "initial" else keep

    def price_of(group):
        """Charge and pledge of holding `group` together; inf where no rule allows it."""
        own = [items[n] for n in group]
        options = [(leg, side) for leg, side in own if leg != "shares"]
        stocks = [side for leg, side in own if leg == "shares"]
        if len(stocks) > 1:
            return inf, 0
        if stocks:
            return with_stock(options, stocks[0]), 0
        shorts = [leg for leg, side in options if side < 0]
        longs = [leg for leg, side in options if side > 0]
        if not shorts:
            return (0.0 if len(longs) == 1 else inf), 0
        if not longs:
            if cash is not None:
                strike = 100 * float(shorts[0].strike)
                return (strike, strike) if len(shorts) == 1 and shorts[0].right is Right.PUT else (inf, 0)
            full = [marks[leg.symbol] + bare(leg) for leg in shorts]
            if len(shorts) == 1:
                return 100 * full[0], 0
            if len(shorts) == 2 and shorts[0].right is not shorts[1].right:
                greater = 0 if full[0] >= full[1] else 1
                return 100 * (full[greater] + marks[shorts[1 - greater].symbol]), 0
            return inf, 0
        same_day = len({leg.expiry for leg in shorts}) == 1
        outlived = all(long.expiry >= short.expiry for long in longs for short in shorts)
        even = all(
            sum(leg.right is right for leg in longs) == sum(leg.right is right for leg in shorts) for right in Right
        )
        if not (same_day and outlived and even) or (cash is not None and not shorts[0].european):
            return inf, 0
        prices = [0.0, *(float(leg.strike) for leg, _ in options), 1000.0]
        worst = max(sum(-side * payout(leg, price) for leg, side in options) for price in prices)
        return 100 * max(worst, 0.0), 0

    def with_stock(options, side):
        alone = stock(side)
        if not options:
            return 100 * alone
        covering = Right.CALL if side > 0 else Right.PUT
        sold = [leg for leg, own in options if own < 0 and leg.right is covering]
        bought = [leg for leg, own in options if own > 0 and leg.right is not covering]
        if len(sold) + len(bought) != len(options) or len(sold) > 1 or len(bought) > 1 or alone == inf:
            return inf
        if not bought:
            return 100 * (alone + payout(sold[0], spot))
        if basis == "initial" or cash is not None:
            return inf
        away = max(spot - float(bought[0].strike) if side > 0 else float(bought[0].strike) - spot, 0.0)
        insured = 0.1 * float(bought[0].strike) + away
        if not sold:
            return 100 * min(insured, alone)
        if sold[0].expiry != bought[0].expiry:
            return inf
        inside = payout(sold[0], spot)
        if sold[0].strike == bought[0].strike:
            return 100 * (0.1 * float(sold[0].strike) + inside)
        if side < 0 or bought[0].strike > sold[0].strike:
            return inf
        return 100 * (min(insured, 0.25 * float(sold[0].strike)) + inside)

    groups = {}
    for size in range(1, len(items) + 1):
        for group in combinations(range(len(items)), size):
            charge, pledge = price_of(group)
            if charge < inf:
                groups.setdefault(group[0], []).append((sum(1 << n for n in group), charge, pledge))

    @cache
    def least(left, money):
        if not left:
            return 0.0
        first = (left & -left).bit_length() - 1
        return min(
            (
                charge + least(left & ~mask, money - pledge)
                for mask, charge, pledge in groups.get(first, ())
                if mask & left == mask and pledge <= money
            ),
            default=inf,
        )

    return least((1 << len(items)) - 1, cash or 0.0) + paid


def account(seed):
    """A small account: up to seven contracts, up to two hundred shares, sometimes in a cash account."""
    rng = random.Random(seed)  # noqa: S311 - the same accounts on every run
    cash_account = seed % 6 == 5
    european = cash_account and rng.random() < 0.5
    series, left = {}, rng.randint(2, 7)
    if seed % 12 == 3:  # rare among random ones: what a reversal is made of
        forward = [option(right, 95 + 10 * (seed % 24 == 3), EXPIRIES[0]) for right in Right]
        series, left = {forward[0].symbol: (forward[0], 1), forward[1].symbol: (forward[1], -1)}, left - 2
    strikes, expiries = (STRIKES[2:5], EXPIRIES[:1]) if seed % 4 == 3 else (STRIKES, EXPIRIES)
    while left > 0:
        leg = option(rng.choice(list(Right)), rng.choice(strikes), rng.choice(expiries), european=european)
        count = rng.randint(1, min(3, left)) * rng.choice((-1, -1, 1))
        series[leg.symbol] = (leg, count)
        left -= abs(count)
    spot = None if seed % 10 == 7 else rng.choice((86.0, 97.5, 100.0, 103.25, 115.0))
    shares = 0 if spot is None or european else rng.choice((-100, 100) if seed % 4 == 3 else (0, 0, 100, 200, -100))
    marks = {symbol: round(rng.uniform(0.05, 12), 2) for symbol in series}
    return list(series.values()), shares, spot, marks, float(rng.choice((9_500, 20_000))) if cash_account else None


@pytest.mark.parametrize("seed", range(300))
def test_no_partition_of_the_account_is_charged_less(seed):
    contracts, shares, spot, marks, cash = account(seed)
    kind = {} if cash is None else {"account": "cash", "cash": Decimal(cash)}
    found = reg_t(contracts, shares=shares, spot=spot, marks=marks, **kind)
    for basis, amount in (("initial", found.total), ("maintenance", found.maintenance)):
        least = brute(contracts, shares, spot, marks, basis, cash)
        assert (inf if amount is None else float(amount)) == pytest.approx(least, abs=0.01), basis
    assert found.above_least == 0


def test_the_generated_accounts_reach_every_rule():
    """The comparison above is worth what its accounts contain."""
    found, refused = set(), 0
    for seed in range(300):
        contracts, shares, spot, marks, cash = account(seed)
        kind = {} if cash is None else {"account": "cash", "cash": Decimal(cash)}
        requirement = reg_t(contracts, shares=shares, spot=spot, marks=marks, **kind)
        refused += requirement.total is None
        for matching in (requirement.initial, requirement.kept):
            if matching is not None:
                found |= {holding.way for holding, _ in matching.holdings}
                found |= {"spread"} if any(spread.charge for spread in matching.spreads) else set()
    assert found == {
        "uncovered", "uncovered_pair", "cash_secured", "shares", "covered", "insured", "collared", "spread", "reversed",
    }  # fmt: skip
    assert 20 < refused < 100


holdings = st.lists(
    st.tuples(st.sampled_from(list(Right)), st.sampled_from(STRIKES), st.sampled_from(EXPIRIES), st.integers(-20, 20)),
    max_size=10,
)


def of(drawn):
    return [(option(right, strike, expiry), count) for right, strike, expiry, count in drawn if count]


def values(contracts):
    """Marks that rise with intrinsic value and life; what they are does not matter to what is tested."""
    return {
        leg.symbol: max((100 - float(leg.strike)) * (1 if leg.right is Right.CALL else -1), 0) + leg.expiry.month / 2
        for leg, _ in contracts
    }


@given(holdings, st.integers(-300, 300), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_order_and_splitting_of_fills_do_not_matter_and_the_structures_add_up(drawn, shares, rng):
    contracts = of(drawn)
    marks = values(contracts)
    found = reg_t(contracts, shares=shares, spot=100, marks=marks)
    split = [part for leg, count in contracts for part in ((leg, count - 1), (leg, 1))]
    rng.shuffle(split)
    assert reg_t(split, shares=shares, spot=100, marks=marks).total == found.total
    assert sum((part.amount for part in found.structures), Decimal(0)) == found.total
    assert sum((part.amount for part in found.structures_kept), Decimal(0)) == found.maintenance
    assert found.maintenance <= found.total
    net = {}
    for leg, count in contracts:
        net[leg.symbol] = net.get(leg.symbol, 0) + count
    for parts in (found.structures, found.structures_kept):
        told = dict.fromkeys(net, 0)
        for part in parts:
            for leg in part.legs:
                told[leg.symbol] += leg.quantity * part.units
        assert told == net
        assert sum(part.shares * part.units for part in parts) == shares


@given(holdings, st.integers(1, 5))
@settings(max_examples=40)
def test_twice_the_account_is_charged_at_most_twice_and_a_long_option_more_at_most_its_price(drawn, more):
    contracts = of(drawn)
    extra = option(Right.CALL, 100, EXPIRIES[2])
    marks = values([*contracts, (extra, 1)])
    single = reg_t(contracts, spot=100, marks=marks).total
    assert reg_t([*contracts, *contracts], spot=100, marks=marks).total <= 2 * single
    held = reg_t([*contracts, (extra, 20 + more)], spot=100, marks=marks).total
    fewer = reg_t([*contracts, (extra, 20)], spot=100, marks=marks).total
    assert held <= fewer + more * 100 * Decimal(str(marks[extra.symbol]))


@given(holdings)
@settings(max_examples=40)
def test_what_is_bound_covers_the_greatest_loss_where_everything_is_covered_and_expires_together(drawn):
    contracts = [(leg.model_copy(update={"expiry": EXPIRIES[0]}), count) for leg, count in of(drawn)]
    contracts = [(option(leg.right, leg.strike, EXPIRIES[0]), count) for leg, count in contracts]
    marks = values(contracts)
    found = reg_t(contracts, spot=100, marks=marks)
    if any(holding.way.startswith("uncovered") for holding, _ in found.initial.holdings):
        return
    worth = sum(Decimal(str(marks[leg.symbol])) * count * 100 for leg, count in contracts)
    for price in map(Decimal, (0, *STRIKES, 1000)):
        value = sum(
            max(price - leg.strike if leg.right is Right.CALL else leg.strike - price, Decimal(0)) * count * 100
            for leg, count in contracts
        )
        assert found.bound >= worth - value


def large(seed, size=60):
    rng = random.Random(seed)  # noqa: S311
    series = [(right, strike, expiry) for right in Right for strike in range(80, 121) for expiry in EXPIRIES]
    return [(option(*terms), rng.choice((-3, -2, -1, 1, 2, 3))) for terms in rng.sample(series, size)]


def test_a_large_account_is_matched_exactly_too_where_fractions_of_contracts_would_be_cheaper():
    contracts = large(1)
    found = reg_t(contracts, spot=101, marks=values(contracts))
    assert found.above_least == 0
    assert sum(part.amount for part in found.structures) == found.total


@pytest.fixture
def cut_short(monkeypatch):
    """Ends branch and bound after so many nodes."""
    yield lambda nodes: (monkeypatch.setattr(matching_module, "MOST_NODES", nodes), cheapest.cache_clear())
    cheapest.cache_clear()


def test_a_search_cut_short_says_how_far_above_the_least_it_may_be_and_is_never_below_it(cut_short):
    contracts = large(4)
    exact = reg_t(contracts, spot=101, marks=values(contracts))
    cut_short(1)
    found = reg_t(contracts, spot=101, marks=values(contracts))
    assert exact.above_least == 0 < found.above_least < 500
    assert exact.total <= found.total <= exact.total + Decimal(found.above_least)


def test_a_search_without_any_answer_is_no_requirement(cut_short):
    contracts = large(4)
    cut_short(0)
    found = reg_t(contracts, spot=101, marks=values(contracts))
    assert found.total is None
    assert "no matching was found" in found.refused
