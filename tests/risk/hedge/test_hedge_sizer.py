"""The baseline hedge: counts that round down, allocations that lose nothing, a budget that says when it cannot say."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.errors import UsageError
from options.priced import ChainRefusal
from risk.hedge import (
    HedgeBudget,
    HedgeSettings,
    HedgeSizer,
    StressTarget,
    allocate_contracts,
    calculate_contract_count,
    month_of,
)
from risk.hedge.window import out_of_the_money, put_window, representative_put, window_puts
from tests.options.made_chain import made_chain

SHIPPED = HedgeSettings.model_validate(
    yaml.safe_load((Path(__file__).parents[3] / "config" / "hedge.yaml").read_text())
)
SIZER = HedgeSizer(HedgeSettings())
SPY, QQQ = made_chain(root="SPY", spot=600.0, step=5.0), made_chain(root="QQQ", spot=500.0, step=5.0)
CHAINS = {"SPY": SPY, "QQQ": QQQ}
WEIGHTS = st.dictionaries(st.sampled_from("ABCDEFGH"), st.decimals(0, 1, places=4), min_size=1, max_size=8).filter(
    lambda weights: sum(weights.values()) > 0
)


def month(limit="1000", spent="0"):
    return HedgeBudget(month=date(2026, 3, 1), limit=Decimal(limit), spent=Decimal(spent))


def contracts(size):
    return {share.ticker: share.contracts for share in size.shares}


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (50_000, 1),
        (49_999.99, 0),
        (99_999.99, 1),
        (100_000, 2),
        (Decimal(250_000), 5),
        (Fraction(50_001), 1),
        (np.float64(100_000), 2),
        (1e12, 20_000_000),
        (1e30, 2 * 10**25),
        (50_000 * 10**400, 10**400),
    ],
)
def test_one_contract_for_every_whole_fifty_thousand(value, count):
    assert calculate_contract_count(value) == count


@pytest.mark.parametrize(("value", "ratio"), [(0, 50_000), (-1, 50_000), (0.0, 1), (100, 0), (100, -5), (-0.0, -0.0)])
def test_zero_or_negative_input_gives_no_contract(value, ratio):
    assert calculate_contract_count(value, ratio) == 0


def test_a_float_counts_as_the_number_that_it_prints_as():
    assert calculate_contract_count(0.3, 0.1) == 3  # binary floats would say 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), Decimal("NaN"), "100000", None, True])
def test_what_is_no_finite_number_is_refused_for_either_argument(value):
    with pytest.raises(UsageError, match=r"The portfolio value is .*no finite number"):
        calculate_contract_count(value)
    with pytest.raises(UsageError, match=r"The ratio per contract is .*no finite number"):
        calculate_contract_count(100_000, value)


def test_four_contracts_at_sixty_forty_are_three_and_one():
    assert allocate_contracts(4, {"QQQ": 0.6, "SPY": 0.4}) == {"QQQ": 3, "SPY": 1}
    assert allocate_contracts(4, {"QQQ": 0.4, "SPY": 0.6}) == {"QQQ": 1, "SPY": 3}


def test_what_floors_leave_goes_one_by_one_to_the_largest_weights_equal_ones_by_ticker():
    assert allocate_contracts(5, {"C": 1, "B": 1, "A": 1}) == {"C": 1, "B": 2, "A": 2}
    assert allocate_contracts(2, {"A": 0.2, "B": 0.5, "C": 0.3}) == {"A": 0, "B": 2, "C": 0}
    assert allocate_contracts(3, {"A": 0.2, "B": 0.5, "C": 0.3}) == {"A": 0, "B": 2, "C": 1}


def test_tenths_are_exact_where_binary_floats_would_lose_a_contract():
    assert allocate_contracts(10, {"A": 0.7, "B": 0.1, "C": 0.2}) == {"A": 7, "B": 1, "C": 2}


@given(st.integers(0, 5_000), WEIGHTS)
def test_every_contract_is_allocated_once_and_within_one_of_its_share(total, weights):
    shares = allocate_contracts(total, weights)
    whole = sum(map(Fraction, weights.values()))
    assert sum(shares.values()) == total
    for ticker, count in shares.items():
        exact = total * Fraction(weights[ticker]) / whole
        assert exact // 1 <= count <= exact // 1 + 1
        assert count == 0 or weights[ticker] > 0


@given(st.integers(0, 500), WEIGHTS, st.randoms())
def test_the_order_of_the_weights_changes_nothing(total, weights, random):
    names = list(weights)
    random.shuffle(names)
    assert allocate_contracts(total, {name: weights[name] for name in names}) == allocate_contracts(total, weights)


@given(st.integers(0, 500), WEIGHTS, st.integers(1, 1_000))
def test_only_proportions_of_weights_matter(total, weights, factor):
    scaled = {ticker: weight * factor for ticker, weight in weights.items()}
    assert allocate_contracts(total, scaled) == allocate_contracts(total, weights)


@given(st.integers(0, 500), WEIGHTS)
def test_a_heavier_underlying_never_gets_fewer(total, weights):
    shares = allocate_contracts(total, weights)
    assert all(shares[a] >= shares[b] for a in shares for b in shares if Fraction(weights[a]) > Fraction(weights[b]))


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_richer_portfolio_never_gets_fewer_contracts(one, other):
    low, high = sorted((one, other))
    assert calculate_contract_count(low) <= calculate_contract_count(high)


@pytest.mark.parametrize("total", [0, -3])
def test_nothing_to_allocate_gives_everybody_nothing(total):
    assert allocate_contracts(total, {"A": 1, "B": 2}) == {"A": 0, "B": 0}


@pytest.mark.parametrize(
    ("total", "weights", "words"),
    [
        (4, {}, "weights of zero or more"),
        (4, {"A": -0.1, "B": 1}, "weights of zero or more"),
        (4, {"A": 0, "B": 0.0}, "All weights are zero"),
        (4, {"A": "0.6"}, "The weight of A is '0.6'"),
        (4.0, {"A": 1}, "4.0 is no whole number"),
        (True, {"A": 1}, "True is no whole number"),
    ],
)
def test_what_cannot_be_shared_out_is_refused_in_words(total, weights, words):
    with pytest.raises(UsageError, match=words):
        allocate_contracts(total, weights)


def test_configured_weights_are_filtered_to_those_requested_then_normalised():
    sizer = HedgeSizer(HedgeSettings(weights={"SPY": "0.5", "QQQ": "0.2", "IWM": "0.3"}))
    size = sizer.size(500_000, ["QQQ", "IWM"])
    assert (size.contracts, size.basis, size.weights) == (10, "ratio", "configured")
    assert [(share.ticker, share.weight, share.contracts) for share in size.shares] == [
        ("QQQ", 0.4, 4),
        ("IWM", 0.6, 6),
    ]


def test_an_underlying_without_a_weight_makes_all_requested_equal():
    size = SIZER.size(200_000, ["QQQ", "SPY", "IWM"])
    assert (size.weights, size.unweighted) == ("equal", ("IWM",))
    assert contracts(size) == {"QQQ": 1, "SPY": 1, "IWM": 2}  # the odd one goes to the first ticker, I before Q


def test_given_weights_replace_the_configured_ones_and_lacking_one_also_means_equal():
    assert contracts(SIZER.size(200_000, ["QQQ", "SPY"], weights={"QQQ": 0.9, "SPY": 0.1})) == {"QQQ": 4, "SPY": 0}
    assert contracts(SIZER.size(200_000, ["QQQ", "SPY"], weights={"QQQ": 0.9})) == {"QQQ": 2, "SPY": 2}
    assert SIZER.size(200_000, ["QQQ"], weights={"QQQ": Fraction(1, 3)}).weights == "given"


def test_a_target_overrides_the_ratio_and_names_twice_count_once():
    size = SIZER.size(1_000_000, ["SPY", "QQQ", "SPY"], target_contracts=4)
    assert (size.contracts, size.basis) == (4, "target")
    assert contracts(size) == {"SPY": 3, "QQQ": 1}
    assert contracts(SIZER.size(1_000_000, ["SPY"], target_contracts=0)) == {"SPY": 0}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"underlyings": []}, "needs an underlying"),
        ({"target_contracts": -1}, "-1 contracts cannot be bought"),
        ({"target_contracts": 10**9 + 1}, "1000000001 contracts cannot be bought"),
        ({"portfolio_value": float("nan")}, "portfolio value is nan"),
        ({"portfolio_value": Decimal("1e30")}, "beyond 1,000,000,000,000 USD"),
        ({"portfolio_value": -(10**400)}, "beyond 1,000,000,000,000 USD"),
        ({"weights": {"SPY": float("inf")}}, "weight of SPY is inf"),
    ],
)
def test_a_size_of_nonsense_is_refused(arguments, words):
    with pytest.raises(UsageError, match=words):
        SIZER.size(**({"portfolio_value": 100_000, "underlyings": ["SPY"]} | arguments))


def test_the_percentage_out_of_the_money_is_divided_once_no_strike_at_the_money():
    rows = window_puts(SPY, SHIPPED)
    assert SPY.chain.strike[rows].min() == 510.0  # 15 % below 600, inclusive
    assert SPY.chain.strike[rows].max() == 570.0  # 5 % below 600, inclusive
    assert not SPY.chain.is_call[rows].any()
    assert set(SPY.chain.expiry[rows].astype(str)) == {"2026-04-06", "2026-04-17", "2026-05-15"}  # not the 18 days
    assert out_of_the_money(SPY)[rows].max() == pytest.approx(0.15)


def test_the_median_mid_of_the_window_is_what_a_contract_is_taken_to_cost():
    rows = window_puts(SPY, SHIPPED)
    found = put_window(SPY, SHIPPED)
    assert found.puts == len(rows) == 3 * 13
    assert found.median_mid == np.sort(SPY.mid[rows])[19]
    assert (found.lowest_strike, found.highest_strike, found.multiplier) == (510.0, 570.0, 100)
    assert SPY.mid[representative_put(SPY, SHIPPED)] == found.median_mid
    assert representative_put(SPY, HedgeSettings(dte=(400, 500))) is None


def test_of_an_even_number_of_puts_the_cheaper_of_the_middle_two_represents_them():
    two = HedgeSettings(otm=(0.05, 0.0585), dte=(70, 80))
    low, high = np.sort(SPY.mid[window_puts(SPY, two)])
    assert SPY.mid[representative_put(SPY, two)] == low
    assert put_window(SPY, two).median_mid == pytest.approx((low + high) / 2)


def test_a_budget_holds_to_the_cent_and_breaks_one_beyond():
    size = SIZER.size(0, ["SPY", "QQQ"], target_contracts=4)
    check = SIZER.validate_budget(size, CHAINS, month("100000", "50"))
    by_hand = {
        name: Decimal(str(round(put_window(CHAINS[name], SIZER.settings).median_mid * 100, 2))) for name in CHAINS
    }
    cost = 3 * by_hand["SPY"] + by_hand["QQQ"]
    assert check.cost == cost
    assert [(item.ticker, item.contracts, item.cost) for item in check.breakdown] == [
        ("SPY", 3, 3 * by_hand["SPY"]), ("QQQ", 1, by_hand["QQQ"])
    ]  # fmt: skip
    assert check.utilisation == pytest.approx(float((cost + 50) / 100_000))
    assert "An estimate" in check.note
    exactly = SIZER.validate_budget(size, CHAINS, month(str(cost + 50), "50"))
    assert (exactly.within, exactly.verdict, exactly.utilisation) == (True, "within", 1.0)
    short = SIZER.validate_budget(size, CHAINS, month(str(cost + Decimal("49.99")), "50"))
    assert (short.within, short.verdict) == (False, "over")
    assert exactly.budget.remaining == cost


def test_an_underlying_whose_puts_do_not_qualify_is_unavailable_not_free():
    far = replace(QQQ, good=np.zeros_like(QQQ.good))
    size = SIZER.size(0, ["SPY", "QQQ"], target_contracts=4)
    check = SIZER.validate_budget(size, {"SPY": SPY, "QQQ": far}, month())
    assert (check.cost, check.within, check.verdict, check.utilisation) == (None, False, "unavailable", None)
    assert [item.cost is None for item in check.breakdown] == [False, True]
    assert "no cost for QQQ" in check.note
    assert "QQQ quotes no clean put 5% to 15% below 500.00 with 30 to 90 days to go" in check.breakdown[1].note


def test_a_chain_that_is_missing_or_refused_says_so():
    refused = ChainRefusal(code="stale_chain", detail="the quotes are 40 minutes old", numbers={})
    size = SIZER.size(0, ["SPY", "QQQ", "IWM"], target_contracts=3)
    check = SIZER.validate_budget(size, {"SPY": SPY, "QQQ": refused}, month())
    assert [item.note for item in check.breakdown[1:]] == [
        "the quotes are 40 minutes old",
        "there is no option chain of IWM",
    ]
    assert "QQQ, IWM" in check.note


def test_an_underlying_that_gets_no_contract_costs_nothing_and_needs_no_chain():
    size = SIZER.size(0, ["SPY", "QQQ"], target_contracts=1)
    check = SIZER.validate_budget(size, {"SPY": SPY}, month("100000"))
    assert check.breakdown[1].cost == 0
    assert check.cost == check.breakdown[0].cost
    empty = SIZER.validate_budget(size, {"SPY": SPY, "QQQ": made_chain(root="QQQ", dtes=(18,))}, month("100000"))
    assert empty.cost == check.cost


def test_mixed_multipliers_are_not_averaged_away():
    sizes = SPY.chain.multiplier.copy()
    sizes[window_puts(SPY, SHIPPED)[0]] = 10.0
    mixed = replace(SPY, chain=replace(SPY.chain, multiplier=sizes))
    assert put_window(mixed, SHIPPED) == "the puts of SPY in the window have different multipliers"


def test_a_budget_of_nothing_has_no_utilisation_and_holds_only_for_nothing():
    nothing = SIZER.validate_budget(SIZER.size(0, ["SPY"]), CHAINS, month("0"))
    assert (nothing.cost, nothing.within, nothing.utilisation) == (0, True, None)
    some = SIZER.validate_budget(SIZER.size(0, ["SPY"], target_contracts=1), CHAINS, month("0"))
    assert (some.within, some.utilisation) == (False, None)


def test_a_month_is_the_new_york_one():
    assert month_of(datetime(2026, 3, 1, 4, 59, tzinfo=UTC)) == date(2026, 2, 1)  # still 28 February in New York
    assert month_of(datetime(2026, 3, 1, 5, 0, tzinfo=UTC)) == date(2026, 3, 1)


def test_the_shipped_settings_are_the_defaults():
    assert HedgeSettings() == SHIPPED


@pytest.mark.parametrize(
    "wrong",
    [
        {"weights": {"SPY": -1}},
        {"otm": (0.05, 1.0)},
        {"otm": (0.2, 0.1)},
        {"spread_width": (0.0, 0.0)},
        {"ratio_per_contract": 0},
        {"stress": {"max_loss": 1.0}},
        {"stress": {"vol": (-1.0,)}},
        {"stress": {"spot": 0.0}},
        {"roll_days": 21},
    ],
)
def test_settings_that_make_no_sense_do_not_load(wrong):
    with pytest.raises(ValidationError):
        HedgeSettings.model_validate(wrong)
    assert StressTarget(max_loss=0.0).max_loss == 0.0
