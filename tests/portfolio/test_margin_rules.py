"""Strategy margin worked by hand: each case says where its rule stands and shows the sum.

Pages are those of the Cboe Margin Manual (April 2000); "4210" is FINRA Rule 4210 with its spread amendments of 2012
(Regulatory Notice 12-44); "calculator" is the worked example of the Cboe margin calculator. Notation of a position:
signed contracts, right and strike, expiry (a, b, c in order, z beyond nine months), mark in USD per share.
"""

from collections import Counter
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import pytest

from domain.contract import Leg, Right, Settlement, occ_symbol
from domain.errors import DataError
from options.strategies import MARGIN_RULES
from portfolio.margin import BROAD_INDEX, MarginSettings, OptionRates, reg_t

EXPIRIES = {"a": date(2026, 3, 20), "b": date(2026, 4, 17), "c": date(2026, 6, 18), "z": date(2027, 6, 18)}


def position(text, **changes):
    """`-2 C110a 1.50` as (leg, signed contracts, mark)."""
    count, contract, mark = text.split()
    right = Right.CALL if contract[0] == "C" else Right.PUT
    strike, expiry, root = Decimal(contract[1:-1]), EXPIRIES[contract[-1]], changes.get("root", "XYZ")
    fields = {
        "symbol": occ_symbol(root, expiry, right, strike),
        "root": root,
        "right": right,
        "strike": strike,
        "expiry": expiry,
        "settlement": Settlement.PM,
        "european": False,
        "multiplier": 100,
        "quantity": 1,
    }
    return Leg(**{**fields, **changes}), int(count), float(mark)


def required(positions, *, spot, shares=0, **changes):
    held = [position(text) if isinstance(text, str) else text for text in positions]
    marks = {leg.symbol: mark for leg, _, mark in held}
    return reg_t([(leg, count) for leg, count, _ in held], spot=spot, shares=shares, marks=marks, **changes)


class Case(NamedTuple):
    """`total` and `maintenance` are deposits before premiums received count; `bound` is what NLV is short of then."""

    positions: tuple[str, ...]
    spot: float
    total: str
    bound: str
    structures: dict[str, int]
    arithmetic: str
    source: str
    shares: int = 0
    maintenance: str | None = None
    rates: OptionRates | None = None


def at(spot, *positions, total, bound, held, sums, source, **changes):
    return Case(positions, spot, total, bound, held, sums, source, **changes)


CASES = {
    "long call": at(
        100, "1 C100a 5.00", total="500", bound="500", held={"long_call": 1},
        sums="5.00 × 100, paid in full", source="p. 4",
    ),
    "long call beyond nine months": at(
        100, "1 C100z 20.00", total="2000", bound="2000", held={"long_call": 1},
        sums="20.00 × 100; p. 4 would ask for 75 % of it, this desk pays in full", source="p. 4",
    ),
    "short put": at(
        209, "-1 P200a 1.20", total="3400", bound="3280", held={"short_put": 1},
        sums="120 + 20 % of 20,900 − 900 out of the money = 3,400; 3,280 after the premium", source="calculator",
    ),
    "short put at its minimum": at(
        100, "-1 P80a 0.50", total="850", bound="800", held={"short_put": 1},
        sums="20 % of 100 − 20 = 0 < 10 % of the strike = 8; (0.50 + 8) × 100", source="pp. 5-6",
    ),
    "short call where basic and minimum meet": at(
        100, "-1 C110a 1.00", total="1100", bound="1000", held={"short_call": 1},
        sums="20 % of 100 − 10 = 10 = 10 % of 100; (1 + 10) × 100", source="pp. 5-6",
    ),
    "short call at its minimum, of the underlying and not of the strike": at(
        100, "-1 C130a 0.20", total="1020", bound="1000", held={"short_call": 1},
        sums="10 % of 100, not of 130; (0.20 + 10) × 100", source="pp. 5-6",
    ),
    "short call in the money": at(
        128.5, "-1 C120a 8.375", total="3407.50", bound="2570", held={"short_call": 1},
        sums="837.50 + 20 % of 12,850; nothing is out of the money", source="pp. 5-6",
    ),
    "short put on a broad index": at(
        1000, "-1 P950a 10.00", total="11000", bound="10000", held={"short_put": 1}, rates=BROAD_INDEX,
        sums="15 % of 1,000 − 50 = 100 > 10 % of 950 = 95; (10 + 100) × 100", source="pp. 5-6, 21-23",
    ),
    "short call on a broad index at its minimum": at(
        1000, "-1 C1100a 2.00", total="10200", bound="10000", held={"short_call": 1}, rates=BROAD_INDEX,
        sums="15 % of 1,000 − 100 = 50 < 10 % of 1,000; (2 + 100) × 100", source="pp. 5-6, 21-23",
    ),
    "short put on a fund leveraged three times": at(
        50, "-1 P45a 1.00", total="2600", bound="2500", held={"short_put": 1},
        rates=MarginSettings(leverage={"UP3": Decimal(3)}).rates("UP3"),
        sums="60 % of 50 − 5 = 25 > 30 % of 45 = 13.50; (1 + 25) × 100", source="FINRA Notice 09-53",
    ),
    "short straddle": at(
        100, "-1 C100a 4.00", "-1 P100a 3.50", total="2750", bound="2000", held={"short_straddle": 1},
        sums="call 4 + 20 = 24 > put 3.50 + 20; 2,400 and the put's 350", source="p. 6",
    ),
    "short strangle": at(
        100, "-1 C110a 1.00", "-1 P95a 1.50", total="1750", bound="1500", held={"short_strangle": 1},
        sums="put 1.50 + 15 = 16.50 > call 1 + 10; 1,650 and the call's 100", source="p. 6",
    ),
    "short guts": at(
        100, "-1 C95a 6.00", "-1 P105a 6.50", total="3250", bound="2000", held={"short_guts": 1},
        sums="put 6.50 + 20 > call 6 + 20; 2,650 and the call's 600", source="p. 6",
    ),
    "short strangle of two expiries": at(
        100, "-1 C110a 1.00", "-1 P95b 2.50", total="1850", bound="1500", held={"short_strangle": 1},
        sums="put 2.50 + 15 = 17.50; and the call's 100: the rule asks for no common expiry", source="p. 6",
    ),
    "two straddles and one put more": at(
        100, "-2 C100a 4.00", "-3 P100a 3.50", total="7850", bound="6000",
        held={"short_straddle": 2, "short_put": 1}, sums="2 × 2,750 + 2,350", source="p. 6",
    ),
    "bull put spread": at(
        130, "1 P120a 0.80", "-1 P125a 1.24", total="580", bound="456", held={"bull_put_spread": 1},
        sums="500 between the strikes + 80 for the long put; 456 after the premium", source="calculator",
    ),
    "bear call spread": at(
        100, "-1 C105a 2.00", "1 C110a 0.75", total="575", bound="375", held={"bear_call_spread": 1},
        sums="500 + 75; 375 after 200", source="p. 7",
    ),
    "bull call spread": at(
        100, "1 C100a 5.00", "-1 C110a 2.00", total="500", bound="300", held={"bull_call_spread": 1},
        sums="nothing between the strikes is owed; 500 paid, 200 received", source="p. 7",
    ),
    "bear put spread": at(
        100, "1 P100a 4.50", "-1 P90a 1.50", total="450", bound="300", held={"bear_put_spread": 1},
        sums="450 paid, 150 received", source="p. 7",
    ),
    "credit spread wider than the bare option is charged": at(
        100, "-1 C110a 1.00", "1 C160a 0.05", total="1105", bound="1005", held={"short_call": 1, "long_call": 1},
        sums="the lesser of 5,000 and (1 + 10) × 100, and 5 for the long call", source="4210, lesser of",
    ),
    "calendar": at(
        100, "-1 C100a 2.00", "1 C100b 3.50", total="350", bound="150", held={"call_calendar": 1},
        sums="the long call lives longer at the same strike: 350 paid, 200 received", source="p. 7",
    ),
    "diagonal whose long strike is dearer to reach": at(
        100, "-1 C100a 3.00", "1 C105b 2.50", total="750", bound="450", held={"wide_call_diagonal": 1},
        sums="500 between the strikes + 250", source="p. 7",
    ),
    "calendar whose long leg expires first": at(
        100, "1 C100a 2.00", "-1 C100b 3.50", total="2550", bound="2200", held={"long_call": 1, "short_call": 1},
        sums="no spread: (3.50 + 20) × 100 bare, and 200 for the long call", source="p. 7, condition on expiry",
    ),
    "put diagonal whose long leg expires first": at(
        100, "1 P95a 1.00", "-1 P90b 1.50", total="1250", bound="1100", held={"long_put": 1, "short_put": 1},
        sums="(1.50 + max(20 − 10, 9)) × 100 bare = 1,150, and 100", source="p. 7, condition on expiry",
    ),
    "long butterfly": at(
        100, "1 C95a 7.00", "-2 C100a 4.00", "1 C105a 2.00", total="900", bound="100", held={"call_butterfly": 1},
        sums="nothing is owed at any price: 900 paid, 800 received", source="p. 8",
    ),
    "short butterfly": at(
        100, "-1 C95a 7.00", "2 C100a 4.00", "-1 C105a 2.00", total="1300", bound="400",
        held={"short_call_butterfly": 1}, sums="500 between the two lowest strikes + 800", source="p. 9",
    ),
    "broken-wing butterfly": at(
        110, "1 P105a 8.00", "-2 P100a 5.00", "1 P90a 1.50", total="1450", bound="450",
        held={"broken_wing_butterfly": 1}, sums="far below: 105 + 90 − 200 = −5, so 500; + 950", source="4210, spreads",
    ),
    "long box": at(
        100, "1 C90a 11.00", "-1 C110a 1.50", "-1 P90a 1.40", "1 P110a 11.50", total="2250", bound="1960",
        held={"long_box": 1}, sums="2,250 paid in full, 290 received", source="p. 10",
    ),
    "short box": at(
        100, "-1 C90a 11.00", "1 C110a 1.50", "1 P90a 1.40", "-1 P110a 11.50", total="2290", bound="40",
        held={"short_box": 1}, sums="2,000 between the strikes + 290; 2,250 received", source="p. 10",
    ),
    "iron condor is charged one side": at(
        100, "1 P90a 0.50", "-1 P95a 1.20", "-1 C105a 1.30", "1 C110a 0.60", total="610", bound="360",
        held={"iron_condor": 1}, sums="500, the greater of equal sides, + 110; 250 received", source="4210, spreads",
    ),
    "iron condor of unequal wings is charged the wider side": at(
        100, "1 P85a 0.30", "-1 P95a 1.20", "-1 C105a 1.30", "1 C110a 0.60", total="1090", bound="840",
        held={"iron_condor": 1}, sums="1,000 below against 500 above; + 90", source="4210, spreads",
    ),
    "iron butterfly": at(
        100, "1 P95a 1.00", "-1 P100a 3.00", "-1 C100a 3.20", "1 C105a 1.10", total="710", bound="90",
        held={"iron_butterfly": 1}, sums="500 + 210; 620 received", source="4210, spreads",
    ),
    "call condor": at(
        100, "1 C90a 11.00", "-1 C95a 7.00", "-1 C105a 2.00", "1 C110a 1.00", total="1200", bound="300",
        held={"call_condor": 1}, sums="nothing is owed at any price: 1,200 paid, 900 received", source="4210, spreads",
    ),
    "condor and a vertical beside it share one worst price": at(
        100, "1 P90a 0.50", "-2 P95a 1.20", "1 P85a 0.30", "-1 C105a 1.30", "1 C110a 0.60", total="1640", bound="1270",
        held={"iron_condor": 1, "bull_put_spread": 1}, sums="below: 500 + 1,000; above nothing more; + 140",
        source="4210, spreads",
    ),
    "call ratio spread": at(
        100, "1 C100a 5.00", "-2 C110a 2.00", total="1700", bound="1300", held={"bull_call_spread": 1, "short_call": 1},
        sums="500 paid; one call is bare: (2 + 10) × 100", source="p. 7 and pp. 5-6",
    ),
    "one long call covers one of two short ones": at(
        100, "-2 C105a 2.00", "1 C110a 1.00", total="2300", bound="1900",
        held={"bear_call_spread": 1, "short_call": 1}, sums="500 + 100, and (2 + 15) × 100 bare",
        source="p. 7 and pp. 5-6",
    ),
    "put ratio backspread": at(
        100, "-1 P100a 5.00", "2 P90a 2.00", total="1400", bound="900", held={"bull_put_spread": 1, "long_put": 1},
        sums="1,000 between the strikes + 2 × 200", source="p. 7 and p. 4",
    ),
    "jade lizard": at(
        100, "-1 P90a 1.50", "-1 C105a 2.00", "1 C110a 1.00", total="1750", bound="1400",
        held={"short_put": 1, "bear_call_spread": 1}, sums="(1.50 + 10) × 100, and 500 + 100; a strangle is 1,950",
        source="p. 7 and pp. 5-6",
    ),
    "long shares": at(
        100, total="5000", bound="5000", maintenance="2500", held={"long_shares": 100}, shares=100,
        sums="50 % to open, 25 % to keep", source="Regulation T § 220.12, 4210(c)",
    ),
    "short shares": at(
        100, total="5000", bound="5000", maintenance="3000", held={"short_shares": 100}, shares=-100,
        sums="50 % beside the proceeds to open, 30 % to keep", source="Regulation T § 220.12, 4210(c)",
    ),
    "short shares of 12 USD are kept at 5 USD a share": at(
        12, total="600", bound="600", maintenance="500", held={"short_shares": 100}, shares=-100,
        sums="50 % of 12 = 6; 30 % is 3.60, less than 5", source="4210(c)(3)",
    ),
    "short shares below 5 USD are charged in full": at(
        4, total="400", bound="400", maintenance="400", held={"short_shares": 100}, shares=-100,
        sums="100 % of 4, more than 2.50", source="4210(c)(2)",
    ),
    "short shares of 2 USD are charged 2.50": at(
        2, total="250", bound="250", maintenance="250", held={"short_shares": 100}, shares=-100,
        sums="2.50 a share is more than 100 % of 2", source="4210(c)(2)",
    ),
    "covered call": at(
        100, "-1 C105a 2.00", total="5000", bound="4800", maintenance="2500", held={"covered_call": 1}, shares=100,
        sums="the shares' 50 % (25 %); nothing for the call, whose 200 count", source="pp. 11-12",
    ),
    "covered call in the money": at(
        100, "-1 C90a 12.00", total="6000", bound="4800", maintenance="3500", held={"covered_call": 1}, shares=100,
        sums="5,000 (2,500) + 1,000 that the shares are worth above the strike", source="pp. 11-12",
    ),
    "half-covered calls": at(
        100, "-2 C105a 2.00", total="6700", bound="6300", maintenance="4200", shares=100,
        held={"covered_call": 1, "short_call": 1}, sums="5,000 (2,500), and (2 + 15) × 100 bare",
        source="pp. 5-6, 11-12",
    ),
    "covered put": at(
        100, "-1 P95a 2.00", total="5000", bound="4800", maintenance="3000", held={"covered_put": 1}, shares=-100,
        sums="the short shares' 50 % (30 %)", source="p. 11",
    ),
    "protective put": at(
        100, "1 P95a 2.00", total="5200", bound="5200", maintenance="1650", held={"long_shares": 100, "long_put": 1},
        shares=100, sums="5,000 + 200; to keep: 10 % of 95 + 5 out of the money = 14.50 a share, + 200", source="p. 13",
    ),
    "put too far away to protect": at(
        100, "1 P70a 0.20", total="5020", bound="5020", maintenance="2520", held={"long_shares": 100, "long_put": 1},
        shares=100, sums="to keep: 7 + 30 = 37 > 25; 2,500 + 20", source="p. 13",
    ),
    "protective call": at(
        100, "1 C105a 2.00", total="5200", bound="5200", maintenance="1750", held={"short_shares": 100, "long_call": 1},
        shares=-100, sums="to keep: 10 % of 105 + 5 = 15.50 a share, + 200", source="p. 13",
    ),
    "conversion": at(
        100, "1 P100a 3.00", "-1 C100a 4.00", total="5300", bound="4900", maintenance="1300",
        held={"covered_call": 1, "long_put": 1}, shares=100, sums="to keep: 10 % of 100 a share, + 300",
        source="p. 14",
    ),
    "reversal": at(
        100, "1 C100a 4.00", "-1 P100a 3.00", total="5400", bound="5100", maintenance="1400",
        held={"covered_put": 1, "long_call": 1}, shares=-100, sums="to keep: 10 % of 100 a share, + 400",
        source="p. 14",
    ),
    "collar": at(
        100, "1 P95a 2.00", "-1 C110a 1.50", total="5200", bound="5050", maintenance="1650",
        held={"covered_call": 1, "long_put": 1}, shares=100,
        sums="to keep: the lesser of 9.50 + 5 and 25 % of 110 a share, + 200", source="p. 14",
    ),
    "covered strangle": at(
        100, "-1 C110a 1.00", "-1 P90a 1.00", total="6100", bound="5900", maintenance="3600", shares=100,
        held={"covered_call": 1, "short_put": 1}, sums="5,000 (2,500), and (1 + 10) × 100", source="pp. 5-6, 11-12",
    ),
    "shares cover the call whose bare charge is higher": at(
        100, "-1 C100a 4.00", "-1 C120a 0.50", total="6050", bound="5600", maintenance="3550", shares=100,
        held={"covered_call": 1, "short_call": 1}, sums="5,000 (2,500), and (0.50 + 10) × 100", source="pp. 5-6, 11-12",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_each_structure_is_charged_as_its_rule_is_worked_by_hand(case):
    found = required(
        case.positions, spot=case.spot, shares=case.shares, **({"rates": case.rates} if case.rates else {})
    )
    assert found.total == Decimal(case.total), case.arithmetic
    assert found.bound == Decimal(case.bound), case.arithmetic
    assert found.maintenance == Decimal(case.maintenance or case.total), case.arithmetic
    assert found.above_least == 0
    assert found.refused == ""
    names = Counter()
    for part in found.structures:
        names[part.strategy] += part.units
    assert dict(names) == case.structures
    assert sum(part.amount for part in found.structures) == found.total
    assert {part.rule for part in found.structures} <= MARGIN_RULES.keys()


@pytest.mark.parametrize(
    ("case", "kept"),
    [
        ("protective put", "protective_put"),
        ("protective call", "protective_call"),
        ("conversion", "conversion"),
        ("reversal", "reversal"),
        ("collar", "collar"),
    ],
)
def test_options_that_protect_shares_are_named_in_the_maintenance(case, kept):
    given = CASES[case]
    (part,) = required(given.positions, spot=given.spot, shares=given.shares).structures_kept
    assert (part.strategy, part.units, part.shares) == (kept, 1, given.shares)
    assert part.amount == Decimal(given.maintenance)
    assert "hedged by" in part.arithmetic


def test_there_are_at_least_thirty_worked_cases_each_with_source_and_sum():
    assert len(CASES) >= 30
    assert all(case.source and case.arithmetic for case in CASES.values())


CASH = {"account": "cash", "shares": 0}


@pytest.mark.parametrize(
    ("positions", "changes", "total", "bound", "names"),
    [
        (["-1 P50a 1.50"], {"cash": Decimal(5000)}, "5000", "4850", {"cash_secured_put"}),  # strike × 100
        (["-1 C55a 1.00"], {"shares": 100}, "5200", "5100", {"covered_call"}),  # shares in full at 52
        (["-1 C50a 3.00"], {"shares": 100}, "5400", "5100", {"covered_call"}),  # and 2 in the money
        ([], {"shares": 100}, "5200", "5200", {"long_shares"}),
        (["1 P50a 1.00"], {"shares": 100}, "5300", "5300", {"long_shares", "long_put"}),
    ],
)
def test_a_cash_account_secures_puts_with_cash_and_calls_with_shares(positions, changes, total, bound, names):
    found = required(positions, spot=52, **(CASH | changes))
    assert (found.total, found.bound) == (Decimal(total), Decimal(bound))
    assert {part.strategy for part in found.structures} == names
    assert found.pledged == (Decimal(5000) if "cash" in changes else 0)


@pytest.mark.parametrize(
    ("positions", "changes"),
    [
        (["-1 P50a 1.50"], {"cash": Decimal("4999.99")}),
        (["-2 P50a 1.50"], {"cash": Decimal(5000)}),
        (["-1 P50a 1.50"], {"cash": Decimal(-1)}),
        (["-1 C55a 1.00"], {"cash": Decimal(100_000)}),
        (["-1 C55a 1.00", "1 C60a 0.50"], {"cash": Decimal(100_000)}),  # an American spread
        ([], {"shares": -100, "cash": Decimal(100_000)}),
        (["-1 P50a 1.50"], {"shares": -100}),
    ],
)
def test_what_a_cash_account_may_not_hold_has_no_requirement_rather_than_a_small_one(positions, changes):
    found = required(positions, spot=52, **(CASH | changes))
    assert (found.total, found.maintenance, found.bound, found.structures) == (None, None, None, ())
    assert (found.above_least, found.pledged) == (0, 0)
    assert "cash account" in found.refused


def test_a_cash_account_may_spread_european_options_for_their_greatest_loss():
    legs = [position("-1 P950a 10.00", european=True), position("1 P940a 8.00", european=True)]
    found = required(legs, spot=1000, **CASH)
    assert found.total == 1000 + 800
    assert [part.strategy for part in found.structures] == ["bull_put_spread"]


def test_in_a_margin_account_cash_changes_nothing_because_a_bare_put_is_charged_less():
    assert required(["-1 P50a 1.50"], spot=52, cash=Decimal(5000)).total == Decimal(990)  # (1.50 + 10.40 − 2) × 100


@pytest.mark.parametrize("changes", [{"root": "XYZ1"}, {"multiplier": 10}, {"european": True}, {"root": "XYZW"}])
def test_an_option_with_another_deliverable_root_or_exercise_covers_nothing(changes):
    long = position("1 C100a 4.00", **changes)
    short = position("-1 C105a 2.00")
    found = required([short, long], spot=100)
    assert found.total == 1700 + 4 * long[0].multiplier * 100 / 100  # (2 + 15) × 100 bare, and the long call paid


def test_an_adjusted_series_is_covered_by_its_own_and_by_no_share():
    adjusted = [position("-1 C105a 2.00", root="XYZ1"), position("1 C110a 1.00", root="XYZ1")]
    assert required(adjusted, spot=100).total == 500 + 100
    bare = required(adjusted[:1], spot=100, shares=100)
    assert bare.total is None
    assert "XYZ1" in bare.refused
    put = required([position("-1 P100a 3.00", root="XYZ1")], spot=100)
    assert put.total == 300 + 2000  # 20 % of the strike, the most the formula gives at any price
    assert "the most at any price" in put.structures[0].arithmetic


def test_on_one_day_the_pm_settled_option_covers_the_am_settled_one_and_not_the_other_way_round():
    changes = {"root": "SPX", "european": True}
    morning = {**changes, "settlement": Settlement.AM, "symbol": "SPX   260320C01000000"}
    evening = {**changes, "settlement": Settlement.PM, "symbol": "SPX   260320C01005000"}
    covered = [position("-1 C1000a 20.00", **morning), position("1 C1005a 18.00", **evening)]
    assert required(covered, spot=1000, rates=BROAD_INDEX).total == 500 + 1800
    bare = [position("1 C1000a 20.00", **morning), position("-1 C1005a 18.00", **evening)]
    assert required(bare, spot=1000, rates=BROAD_INDEX).total == 2000 + 1800 + 14_500  # 15 % less 5 out of the money


def test_without_a_spot_spreads_are_charged_as_ever_a_bare_put_the_most_and_a_bare_call_is_refused():
    spread = ["-1 C105a 2.00", "1 C110a 0.75"]
    assert required(spread, spot=None).total == 575
    bare = required(["-1 P80a 0.50"], spot=None)
    assert bare.total == 50 + 1600
    assert bare.notes == ("XYZ   260320P00080000 delivers what has no price: bare, it is charged 20% of its strike",)
    assert required(["-1 P80a 0.50"], spot=100).notes == required(spread, spot=None).notes == ()
    refused = required(["-2 C105a 2.00", "1 C110a 0.75"], spot=None)
    assert (refused.total, refused.bound) == (None, None)
    assert "has no price" in refused.refused
    assert "no price" in required([], spot=None, shares=100).refused


def test_an_unmarked_option_is_taken_at_its_bound_and_said_so():
    legs = [(position("-1 P95a 0")[0], -1), (position("1 P90a 0")[0], 1)]
    found = reg_t(legs, spot=100, marks={})
    assert (found.total, found.credit, found.bound) == (500 + 9000, 0, 9500)
    assert len(found.notes) == 2
    call = [(position("1 C90a 0")[0], 1)]
    assert reg_t(call, spot=100).total == 10_000
    assert reg_t(call, spot=None).total is None
    assert "nothing bounds its value" in reg_t(call, spot=None).refused


def test_an_unmarked_pair_is_charged_the_greater_side_whichever_that_is():
    call, put = position("-1 C100a 4.00")[0], position("-1 P80a 1.00")[0]
    found = reg_t([(call, -1), (put, -1)], spot=100, marks={call.symbol: 4.0})
    assert found.total == 400 + 8000 + 2000  # the put may be worth its strike, and then be the greater side


def test_a_legs_own_quotes_stand_in_for_its_mark_unless_they_are_crossed():
    quoted = position("-1 P80a 0")[0].model_copy(update={"bid": 0.4, "ask": 0.6})
    assert reg_t([(quoted, -1)], spot=100).total == 850
    assert reg_t([(quoted, -1)], spot=100, marks={quoted.symbol: 0.7}).total == 870
    worthless = quoted.model_copy(update={"bid": 0.0, "ask": 0.2})
    assert reg_t([(worthless, -1)], spot=100).total == 810
    locked = quoted.model_copy(update={"bid": 0.5, "ask": 0.5})
    assert reg_t([(locked, -1)], spot=100).total == 850
    crossed = quoted.model_copy(update={"bid": 0.6, "ask": 0.4})
    assert reg_t([(crossed, -1)], spot=100).total == 8800


def test_absurd_prices_and_two_contracts_under_one_symbol_are_refused():
    with pytest.raises(DataError, match="no price of an underlying"):
        required(["-1 P80a 0.50"], spot=0)
    with pytest.raises(DataError, match="no price of an underlying"):
        required(["-1 P80a 0.50"], spot=float("nan"))
    for mark in ("-0.01", "nan", "1e9"):
        with pytest.raises(DataError, match="no value of"):
            required([f"-1 P80a {mark}"], spot=100)
    one = position("-1 P80a 0.50")
    other = position("-1 P80a 0.50", multiplier=10)
    with pytest.raises(DataError, match="under different terms"):
        required([one, other], spot=100)


def test_what_is_bought_and_sold_again_is_not_held():
    assert required(["-1 P80a 0.50", "1 P80a 0.50"], spot=100).total == 0


def test_settings_know_broad_indices_and_never_ask_for_more_than_the_whole_underlying():
    settings = MarginSettings(leverage={"SH": Decimal(-1), "SQQQ": Decimal(-3), "X9": Decimal(9)})
    assert settings.rates("SPX") == BROAD_INDEX
    assert settings.rates("SPY") == settings.rates("SH") == OptionRates()
    assert settings.rates("SQQQ") == OptionRates(uncovered=Decimal("0.60"), minimum=Decimal("0.30"))
    assert settings.rates("X9") == OptionRates(uncovered=Decimal(1), minimum=Decimal("0.90"))


def test_the_arithmetic_is_written_out():
    (part,) = required(["-1 P200a 1.20"], spot=209).structures
    assert part.arithmetic == (
        "(1.2 premium + 32.8, the larger of 20% of 209 − 9 out of the money and 10% of strike 200) × 100 = 3,400.00 USD"
    )
