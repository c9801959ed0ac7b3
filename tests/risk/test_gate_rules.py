"""Each rule: passes, vetoes, and what happens exactly at its limit."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from pydantic import ValidationError

from domain.book import Book, Position, SharePosition
from domain.contract import Right
from domain.order import Greeks
from domain.regime import Regime
from domain.risk import DollarGreeks, HardLimits, TradingState
from portfolio.margin import MarginSettings, reg_t
from risk.correlation import Correlations
from risk.gate import decide
from risk.margins import book_margins
from risk.measured import BookMeasures
from risk.registry import HARD_RULES, REQUIRED_SOFT_RULES
from risk.revaluation import Scenarios
from risk.rules.correlation_increase import CorrelationIncreaseRule
from risk.settings import RiskSettings
from tests.factories import AS_OF, candidate, exposure, facts, leg, portfolio, risk_settings, sized, view

SETTINGS = risk_settings()
REDUCING, HALTED = TradingState.REDUCING, TradingState.HALTED


def check(name, question, settings=SETTINGS):
    found = {item.name: item for item in decide(question, settings).checks}
    return found[name]


def passed(name, question, settings=SETTINGS):
    return check(name, question, settings).passed


def holding(*legs, **changes):
    """A structure in SPY that is filled and held, with its contracts."""
    return exposure(**{"ticker": "SPY", "order_id": "O-held", "legs": legs, "state": "open", **changes})


def closing(units=1, closes="O-held", exposures=None, **changes):
    """Buys back the factory's spread, of which two units are held unless `exposures` says otherwise."""
    held = (holding(leg(-2, 680), leg(2, 675)),) if exposures is None else exposures
    back = {"intent": "close", "legs": (leg(1, 680), leg(-1, 675)), **changes}
    return view(order=sized(units, **back), closes=closes, portfolio=portfolio(exposures=held))


# ---- the gate as a whole


def test_an_order_in_good_order_passes_every_rule():
    decision = decide(view(), SETTINGS)
    assert decision.approved, decision.vetoes
    assert len(decision.checks) == len(HARD_RULES) + len(SETTINGS.soft)
    assert (decision.ticker, decision.stage) == ("SPY", "final")
    assert all((item.ticker, item.stage) == ("SPY", "final") for item in decision.checks)
    hard = {item.name for item in decision.checks if item.hard}
    assert hard == {rule.rule for rule in HARD_RULES}


def test_all_rules_are_evaluated_even_after_a_veto():
    decision = decide(view(portfolio=portfolio(trading_state=HALTED, nlv=None)), SETTINGS)
    assert len(decision.checks) == len(HARD_RULES) + len(SETTINGS.soft)
    assert {"trading_state", "nlv_known", "daily_loss", "var_budget"} <= {veto.name for veto in decision.vetoes}


def test_the_thesis_pass_asks_what_can_be_known_without_a_structure_and_nothing_else():
    names = [item.name for item in decide(view(stage="thesis", order=None), SETTINGS).checks]
    assert sorted(names) == [
        "correlated_positions", "daily_loss", "data_freshness", "event_blackout", "free_margin", "max_positions",
        "nlv_known", "regime_family", "sector_exposure", "trading_state", "var_budget",
    ]  # fmt: skip


def test_a_closing_order_answers_only_what_may_keep_it_from_closing():
    names = [item.name for item in decide(closing(), SETTINGS).checks]
    assert sorted(names) == ["data_freshness", "defined_risk", "trading_state"]


# ---- trading state


@pytest.mark.parametrize("state", [REDUCING, HALTED])
def test_only_closing_orders_pass_when_trading_is_not_active(state):
    refused = check("trading_state", view(portfolio=portfolio(trading_state=state, trading_state_reason="a test")))
    assert not refused.passed
    assert refused.detail.startswith(f"trading is {state}: a test")
    assert not passed("trading_state", view(order=None, stage="thesis", portfolio=portfolio(trading_state=state)))
    question = closing()
    question = replace(question, portfolio=replace(question.portfolio, trading_state=state))
    assert decide(question, SETTINGS).approved


LATER = date(2026, 4, 17)
LONG_PUT = {"legs": (leg(1, 680),), "worst_per_share": Decimal("-4.00"), "fees": Decimal("1.30")}


@pytest.mark.parametrize(
    ("held", "order", "expected", "said"),
    [
        # short 680, long 675, two of each, lose 1,000 at worst; with a put at 680 for 401.30 they lose 500
        ((leg(-2, 680), leg(2, 675)), LONG_PUT, True, "; it lowers the worst case at its expiry (-1,000.00 → -901.30"),
        ((leg(-2, 680), leg(2, 675)), {**LONG_PUT, "worst_per_share": Decimal("-4.987")}, False, "does not lower"),
        ((leg(-2, 680), leg(2, 675)), {}, False, "does not lower"),
        ((), LONG_PUT, False, "does not lower the worst case at its expiry (0.00 → -401.30 USD)"),
        ((leg(-2, 680), leg(2, 675)), {**LONG_PUT, "legs": (leg(1, 680, root="SPYW"),)}, False, "does not lower"),
        ((leg(-2, 680), leg(2, 675)), {**LONG_PUT, "legs": (leg(1, 680, expiry=LATER),)}, False, "does not lower"),
        (
            (leg(-2, 680), leg(2, 675)),
            {**LONG_PUT, "legs": (leg(1, 680), leg(1, 680, expiry=LATER))},
            False,
            "legs that end on different days prove nothing",
        ),
        ((leg(-1, 700, right=Right.CALL),), {**LONG_PUT, "legs": (leg(1, 710, right=Right.CALL),)}, True, "(-inf → "),
        ((leg(-2, 700, right=Right.CALL),), {**LONG_PUT, "legs": (leg(1, 710, right=Right.CALL),)}, False, "not lower"),
    ],
)  # fmt: skip
def test_while_reducing_an_opening_passes_only_if_it_provably_lowers_the_worst_case(held, order, expected, said):
    exposures = (holding(*held),) if held else ()
    question = view(order=sized(**order), portfolio=portfolio(trading_state=REDUCING, exposures=exposures))
    found = check("trading_state", question)
    assert (found.passed, said in found.detail) == (expected, True), found.detail
    halted = view(order=sized(**order), portfolio=portfolio(trading_state=HALTED, exposures=exposures))
    assert not passed("trading_state", halted)


def test_while_reducing_the_worst_case_counts_all_units_of_the_order():
    exposures = (holding(leg(-2, 680), leg(2, 675)),)
    question = view(order=sized(2, **LONG_PUT), portfolio=portfolio(trading_state=REDUCING, exposures=exposures))
    assert "(-1,000.00 → -802.60 USD)" in check("trading_state", question).detail


def test_while_reducing_nothing_is_proven_beside_another_opening_that_may_still_fill():
    held = (holding(leg(-2, 680), leg(2, 675)), holding(leg(1, 690), order_id="O-2", state="submitted"))
    question = view(order=sized(**LONG_PUT), portfolio=portfolio(trading_state=REDUCING, exposures=held))
    found = check("trading_state", question)
    assert not found.passed
    assert "another opening of SPY is on its way" in found.detail
    elsewhere = (held[0], holding(leg(1, 690), order_id="O-2", state="submitted", ticker="QQQ"))
    assert passed("trading_state", replace(question, portfolio=replace(question.portfolio, exposures=elsewhere)))


# ---- account


@pytest.mark.parametrize(("nlv", "expected"), [(97_000.01, True), (97_000.0, False), (96_000.0, False), (None, False)])
def test_daily_loss_at_the_limit_counts_as_reached(nlv, expected):
    found = check("daily_loss", view(portfolio=portfolio(nlv=nlv)))
    assert found.passed is expected
    if nlv is not None:
        assert found.measured == pytest.approx((100_000 - nlv) / 100_000)
    assert found.limit == 0.03


@pytest.mark.parametrize(("baseline", "measured"), [(0.0, None), (-1.0, None), (90_000.0, 0.0)])
def test_a_vanished_baseline_fails_and_a_gain_is_no_loss(baseline, measured):
    found = check("daily_loss", view(portfolio=portfolio(baseline_nlv=baseline)))
    assert (found.measured, found.passed) == (measured, measured == 0.0)


@pytest.mark.parametrize(("age", "expected"), [(0.0, True), (60.0, True), (60.1, False), (-1.0, False), (None, False)])
def test_nlv_older_than_a_minute_allows_no_new_risk(age, expected):
    assert passed("nlv_known", view(portfolio=portfolio(nlv_age_seconds=age))) is expected
    unknown = check("nlv_known", view(portfolio=portfolio(nlv_age_seconds=0.0, nlv=None)))
    assert (unknown.passed, unknown.measured) == (False, None)


@pytest.mark.parametrize(("age", "expected"), [(0.0, True), (30.0, True), (30.1, False), (-0.1, False), (None, False)])
def test_stale_missing_or_future_quotes_fail(age, expected):
    found = check("data_freshness", view(facts=facts(quote_age_minutes=age)))
    assert (found.passed, found.measured) == (expected, age)


# ---- worst cases


@pytest.mark.parametrize(
    ("regime", "max_loss", "expected"),
    [
        (Regime.NEUTRAL, "5000.00", True),
        (Regime.NEUTRAL, "5000.01", False),
        (Regime.HIGH_VOL, "5000.00", True),
        (Regime.CRISIS, "2000.00", True),
        (Regime.CRISIS, "2000.01", False),
    ],
)
def test_position_at_risk_is_five_percent_and_two_in_crisis(regime, max_loss, expected):
    found = check("position_at_risk", view(regime=regime, order=sized(max_loss=Decimal(max_loss))))
    assert (found.passed, found.limit) == (expected, 0.02 if regime is Regime.CRISIS else 0.05)
    two = view(regime=regime, order=sized(2, max_loss=Decimal(max_loss) / 2))
    assert passed("position_at_risk", two) is expected


def test_position_at_risk_counts_what_is_held_staged_and_working_in_the_same_name_only():
    states = ("open", "staged", "approved")
    held = tuple(exposure(ticker="SPY", state=state, worst_case=Decimal(1600)) for state in states)
    found = check("position_at_risk", view(portfolio=portfolio(exposures=held)))
    assert (found.passed, found.measured) == (False, pytest.approx(0.051926))
    assert found.detail == "max loss 392.60 USD + 4,800.00 USD held in SPY"
    elsewhere = tuple(item.model_copy(update={"ticker": "QQQ"}) for item in held)
    assert check("position_at_risk", view(portfolio=portfolio(exposures=elsewhere))).detail == "max loss 392.60 USD"


def test_sector_exposure_adds_worst_cases_and_unknown_is_a_bucket_of_its_own():
    held = (exposure(worst_case=Decimal("14607.40")),)
    found = check("sector_exposure", view(portfolio=portfolio(exposures=held)))
    assert (found.passed, found.measured, found.limit) == (True, pytest.approx(0.15), 0.15)
    above = (exposure(worst_case=Decimal("14607.41")),)
    assert not passed("sector_exposure", view(portfolio=portfolio(exposures=above)))
    other = view(portfolio=portfolio(exposures=above), facts=facts(sector="unknown"))
    assert check("sector_exposure", other).detail == "sector unknown: 0.00 USD held + 392.60 USD"
    unknown = (exposure(worst_case=Decimal("14607.41"), sector="unknown"),)
    assert not passed("sector_exposure", view(portfolio=portfolio(exposures=unknown), facts=facts(sector="unknown")))
    thesis = view(stage="thesis", order=None, portfolio=portfolio(exposures=above))
    assert check("sector_exposure", thesis).detail == "sector index: 14,607.41 USD held"


# ---- margin


@pytest.mark.parametrize(("bound", "expected"), [("79500.00", True), ("79500.01", False)])
def test_free_margin_keeps_a_fifth_of_nlv_after_the_trade(bound, expected):
    """The order, 5 wide and as dear on either leg, binds 500 USD."""
    question = view(portfolio=portfolio(exposures=(exposure(margin=Decimal(bound)),)))
    found = check("free_margin", question)
    assert (found.passed, found.limit) == (expected, 0.20)
    assert found.detail == f"margin bound {float(bound) + 500:,.2f} USD"
    assert check("free_margin", replace(question, order=None)).detail == f"margin bound {float(bound):,.2f} USD"


def margins(*exposures, shares=(), marks=(), spots=None):
    """Margins of `exposures`; `marks` are those of the filled contracts, in the order of their legs."""
    legs = [leg_ for item in exposures if item.state == "open" for leg_ in item.legs]
    positions = tuple(
        Position(
            order_id="O-held", ticker="SPY", strategy="x", leg=leg_, quantity=leg_.quantity, average_price=Decimal(1),
            mark=mark, mark_source="mid",
        )
        for leg_, mark in zip(legs, marks, strict=True)
    ) if marks else ()  # fmt: skip
    book = Book(
        as_of=AS_OF, cash=Decimal(0), positions=positions, nlv=None, nlv_as_of=None, realised=Decimal(0),
        fees=Decimal(0), shares=shares,
    )  # fmt: skip
    return book_margins(book, exposures, {"SPY": 690.0} if spots is None else spots, MarginSettings())


def margined(*exposures, **changes):
    return portfolio(exposures=exposures, margins=margins(*exposures, **changes))


SPREAD = (leg(-2, 680), leg(2, 675))


def test_what_is_held_binds_what_regulation_t_asks_at_its_own_marks():
    """Two of 5 wide: 1,000, more by what the long ones are worth and less by what the short ones are owed."""
    assert margined(holding(*SPREAD), marks=(3.0, 2.0)).margin_bound(None) == (800.0, "")
    assert margined(holding(*SPREAD), marks=(2.0, 2.0)).margin_bound(None).usd == 1_000.0
    assert margined(holding(*SPREAD, margin=Decimal(9_999)), marks=(2.0, 2.0)).margin_bound(None).usd == 1_000.0


def test_an_order_binds_what_regulation_t_asks_or_its_worst_price_does():
    book = margined(holding(*SPREAD), marks=(2.0, 2.0))
    assert book.margin_bound(sized()).usd == 1_500.0
    assert book.margin_bound(sized(3)).usd == 2_500.0
    assert book.margin_bound(sized(3, margin=Decimal(501))).usd == 2_503.0


def test_structures_lend_each_other_no_cover_because_either_may_go():
    """A put spread and a call spread would bind one side's width as a condor; each is charged for itself."""
    calls = (leg(-2, 700, right=Right.CALL), leg(2, 705, right=Right.CALL))
    assert reg_t([(item, item.quantity) for item in (*SPREAD, *calls)], spot=690.0).total < Decimal(2_000)
    both = margined(holding(*SPREAD), holding(*calls, order_id="O-2"), marks=(2.0, 2.0, 2.0, 2.0))
    assert both.margin_bound(None).usd == 2_000.0


def test_orders_on_their_way_bind_margin_as_if_filled_at_their_worst():
    waiting = holding(*SPREAD, order_id="O-2", state="approved", units=2)
    assert margined(waiting.model_copy(update={"margin": Decimal(777)})).margin_bound(None).usd == 1_000.0
    assert margined(waiting.model_copy(update={"margin": Decimal(1_777)})).margin_bound(None).usd == 1_777.0
    half = waiting.model_copy(update={"units": 1})
    scaled = replace(margined(waiting), exposures=(half,))
    assert scaled.margin_bound(None).usd == 500.0, "margins are kept per unit"


def test_a_structure_that_regulation_t_cannot_bound_or_whose_legs_are_not_known_counts_as_it_was_staged():
    adjusted = (leg(-1, 700, right=Right.CALL, root="SPY1"), leg(1, 710, right=Right.CALL))
    for legs in (adjusted, ()):
        assert margined(holding(*legs, margin=Decimal(1_000)), spots={}).margin_bound(None).usd == 1_000.0
    naked = sized(legs=adjusted)
    assert portfolio().margin_bound(naked).usd == 380.0


def stock(quantity, mark=690.0, ticker="SPY"):
    return SharePosition(ticker=ticker, quantity=quantity, average_price=Decimal(600), mark=mark, mark_source="close")


def test_shares_are_margined_together_with_the_options_on_them():
    call = holding(leg(-1, 700, right=Right.CALL), margin=Decimal(9_999))
    covered = margined(call, shares=(stock(100),), marks=(1.0,))
    assert covered.margin_bound(None).usd == pytest.approx(34_500 - 100 + 100, abs=200)
    assert covered.margin_bound(sized()).usd == covered.margin_bound(None).usd + 500
    waiting = holding(*SPREAD, order_id="O-2", state="staged", margin=Decimal(1_777))
    with_waiting = margined(call, waiting, shares=(stock(100),), marks=(1.0,))
    assert with_waiting.margin_bound(None).usd == covered.margin_bound(None).usd + 1_777


def test_margins_of_shares_add_up_over_underlyings_and_leave_other_options_alone():
    one, other = stock(100), stock(50, 400.0, "IWM")
    prices = {"SPY": 690.0, "IWM": 400.0}
    single = margined(shares=(one,), spots=prices).margin_bound(None).usd
    assert margined(shares=(one, other), spots=prices).margin_bound(None).usd == single + 10_000.0
    beside = margined(holding(*SPREAD), shares=(other,), marks=(2.0, 2.0), spots=prices)
    assert beside.margin_bound(None).usd == 11_000.0
    calls = (leg(-2, 700, right=Right.CALL), leg(2, 705, right=Right.CALL))
    both = (holding(*SPREAD), holding(*calls, order_id="O-2"))
    two = margined(*both, shares=(other,), marks=(2.0,) * 4, spots=prices)
    assert two.margin_bound(None).usd == 12_000.0, "only where shares are held are structures matched together"
    assert two.with_opening(sized(), "O-3", "index").margin_bound(None).usd == 12_500.0


def test_rates_are_those_of_the_underlying_and_marks_those_of_what_is_filled():
    short = (leg(-1, 690, bid=3.0, ask=3.0),)
    equity, index = (
        margined(holding(*short, ticker=ticker), spots={"SPY": 690.0, "SPX": 690.0}).margin_bound(None).usd
        for ticker in ("SPY", "SPX")
    )
    assert (equity, index) == (13_800.0, 10_350.0)
    outside = holding(leg(-1, 600, bid=1.0, ask=1.0))
    assert margined(outside).margin_bound(None).usd == 6_000.0, "a tenth of the strike, so far from the price"
    assert margined(outside, spots={}).margin_bound(None).usd == 12_000.0, "the most it can be, without one"
    wide = sized(legs=short, margin=Decimal(1), ticker="SPX")
    book = portfolio(margins=margins(spots={"SPX": 690.0}))
    assert book.margin_bound(wide).usd == 10_350.0
    filled = holding(*SPREAD)
    waiting = holding(*SPREAD, order_id="O-2", state="approved", margin=Decimal(1))
    assert margined(filled, waiting, marks=(3.0, 2.0)).margin_bound(None).usd == 800.0 + 1_000.0


def test_shares_without_a_price_have_no_margin_and_that_fails():
    short = margined(shares=(stock(-100, None),), spots={})
    for order in (None, sized()):
        found = check("free_margin", view(order=order, portfolio=short))
        assert (found.passed, found.measured, found.limit, found.hard) == (False, None, 0.20, True)
        assert found.detail == "margin has no bound: SPY: the shares have no price"


# ---- contracts


@pytest.mark.parametrize(("units", "today", "expected"), [(10, 0, True), (11, 0, False), (5, 5, True), (5, 6, False)])
def test_ten_contracts_an_underlying_a_day_cannot_be_split_to_pass(units, today, expected):
    held = (exposure(ticker="SPY", contracts=today, opened_on="2026-02-12"),) if today else ()
    found = check("contracts_per_order", view(portfolio=portfolio(exposures=held), order=sized(units)))
    assert (found.passed, found.measured, found.limit) == (expected, units + today, 10)
    assert found.detail == f"{units} in this order, {today} opened today in SPY"


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        ({}, 9),
        ({"ticker": "QQQ"}, 0),
        ({"opened_on": "2026-02-11"}, 0),
        ({"opened_on": "2026-02-11", "state": "submitted"}, 9),
        ({"opened_on": "2026-02-11", "state": "staged"}, 9),
        ({"purpose": "hedge"}, 9),
    ],
)
def test_what_was_opened_today_or_still_works_counts_whatever_its_direction_or_purpose(changes, counted):
    held = exposure(**{"ticker": "SPY", "contracts": 9, "opened_on": "2026-02-12", "state": "open", **changes})
    assert check("contracts_per_order", view(portfolio=portfolio(exposures=(held,)))).measured == 1 + counted


def test_what_was_opened_today_and_closed_again_still_counts():
    book = portfolio(contracts_today={"SPY": 9, "QQQ": 50})
    assert passed("contracts_per_order", view(portfolio=book))
    assert not passed("contracts_per_order", view(portfolio=book, order=sized(2)))


def test_the_contract_count_is_units_times_the_largest_leg_ratio():
    butterfly = (leg(1, 690), leg(-2, 685), leg(1, 680))
    assert check("contracts_per_order", view(order=sized(5, legs=butterfly))).measured == 10


def test_today_is_new_yorks():
    late_utc = AS_OF.replace(hour=2) + timedelta(days=1)  # 21:00 in New York: still the 12th
    held = (exposure(ticker="SPY", contracts=9, opened_on="2026-02-11"),)
    assert passed("contracts_per_order", view(portfolio=portfolio(exposures=held, as_of=late_utc)))
    held = (exposure(ticker="SPY", contracts=10, opened_on="2026-02-12"),)
    assert not passed("contracts_per_order", view(portfolio=portfolio(exposures=held, as_of=late_utc)))


def test_only_a_hedge_may_be_larger_and_is_told_what_it_needs():
    large = check("contracts_per_order", view(order=sized(11, purpose="hedge")))
    assert (large.passed, large.measured, large.hard) == (True, 11.0, True)
    assert large.detail.endswith("a hedge beyond the limit, to be approved with --large --reason")
    assert "--large" not in check("contracts_per_order", view(order=sized(10, purpose="hedge"))).detail
    assert not passed("contracts_per_order", view(order=sized(11, purpose="trade")))


# ---- naked shorts


@pytest.mark.parametrize(
    ("legs", "naked", "said"),
    [
        ((leg(-1, 680),), 1, "1 short put 680 is not covered"),
        ((leg(-2, 680), leg(1, 675)), 1, "1 short put 680 is not covered"),
        ((leg(-1, 680), leg(1, 700, right=Right.CALL)), 1, "1 short put 680 is not covered"),
        ((leg(-1, 680), leg(1, 675, expiry=AS_OF.date())), 1, "1 short put 680 is not covered"),
        ((leg(-1, 680), leg(1, 675, root="SPY1")), 1, "1 short put 680 is not covered"),
        ((leg(-1, 680), leg(1, 675, multiplier=10)), 1, "1 short put 680 is not covered"),
        ((leg(-1, 680, root="SPY1"), leg(1, 675, root="SPY1")), 1, "1 short put 680 is not covered"),
        ((leg(-3, 680), leg(1, 675)), 2, "2 short puts 680 are not covered"),
        ((leg(-1, 680), leg(-1, 682.5), leg(1, 675)), 1, "1 of the short puts 680, 682.5 is not covered"),
        (
            (leg(-1, 680), leg(-1, 700, right=Right.CALL)), 2,
            "1 short call 700 is not covered; 1 short put 680 is not covered",
        ),
        ((leg(-1, 680), leg(-1, 670, expiry=AS_OF.date()), leg(1, 675, expiry=AS_OF.date())), 1, "1 short put 680 is"),
        ((leg(-1, 680), leg(1, 675)), 0, "bull_put_spread: loss bounded at"),
    ],
    ids=[
        "naked",
        "ratio",
        "other right",
        "cover expires first",
        "other deliverable",
        "other multiplier",
        "adjusted",
        "two",
        "one of two",
        "both rights",
        "the later of two",
        "none",
    ],
)  # fmt: skip
def test_no_structure_with_an_uncovered_short_passes_whatever_it_calls_itself(legs, naked, said):
    found = check("defined_risk", view(order=sized(legs=legs)))
    assert said in found.detail
    assert "bounded" not in found.detail or found.passed
    assert (found.passed, found.measured, found.limit, found.hard) == (naked == 0, naked, 0, True)
    assert check("defined_risk", view(order=sized(4, legs=legs))).measured == 4 * naked


def test_an_opening_stands_on_its_own_whatever_is_held():
    held = portfolio(exposures=(holding(leg(10, 670)),))
    assert not passed("defined_risk", view(order=sized(legs=(leg(-1, 680),)), portfolio=held))


@pytest.mark.parametrize(
    ("question", "expected", "measured", "said"),
    [
        (closing(), True, 0, "closes part or all of O-held"),
        (closing(2), True, 0, "closes part or all of O-held"),
        (closing(3), False, 0, "closes more than O-held holds"),
        (closing(legs=(leg(-1, 675),)), False, 1, "after closing this much of O-held, 1 short put 680 is not covered"),
        (closing(legs=(leg(1, 680),)), True, 0, "closes part or all of O-held"),
        (closing(legs=(leg(-1, 670),)), False, 1, "closes more than O-held holds"),
        (closing(closes="O-other"), False, 0, "closes more than O-other holds"),
        (closing(closes=None), False, 0, "closes more than the book holds"),
        (closing(exposures=()), False, 0, "closes more than O-held holds"),
        (closing(exposures=(holding(leg(-2, 680), leg(2, 675), state="approved"),)), False, 0, "more than O-held"),
        (closing(legs=(leg(1, 680),), exposures=(holding(leg(-2, 680), leg(1, 675)),)), True, 0, "part or all"),
        (closing(legs=(leg(-1, 675),), exposures=(holding(leg(-2, 680), leg(1, 675)),)), False, 1, "2 short puts 680"),
    ],
    ids=[
        "half", "all", "more than held", "the cover only", "the short only", "another contract", "another structure",
        "nothing named", "nothing held", "not filled yet", "what is naked may be bought back", "never more naked",
    ],
)  # fmt: skip
def test_closing_trades_only_what_is_held_and_leaves_no_short_without_cover(question, expected, measured, said):
    found = check("defined_risk", question)
    assert (found.passed, found.measured, said in found.detail) == (expected, measured, True), found.detail


# ---- value at risk


def scenario_book(worst_case="5000.00", pnl=(), unit=(), **changes):
    """A hundred scenarios of which the six worst are given for a held structure and for one unit of the order."""
    days = np.zeros(100)
    scenarios = Scenarios(("SPY",), days[:, None], days[:, None], days, days)
    held = exposure(worst_case=Decimal(worst_case), **changes)
    padded = [np.array([*losses, *days])[:100] for losses in (pnl, unit)]
    one = tuple((item.symbol, item.quantity) for item in candidate().legs)
    known = {("O-1", "open"): padded[0]} if pnl else {}
    measures = BookMeasures(scenarios, {}, known, {}, {one: padded[1] if unit else None})
    return portfolio(exposures=(held,), measures=measures)


def test_var_is_the_fifth_worst_of_a_hundred_joint_scenarios_of_book_and_order():
    book = scenario_book(pnl=(-900, -800, -700, -600, -500, -400), unit=(0, 0, 0, 0, -150, -260))
    assert book.value_at_risk == (500.0, 100, (), False)
    assert [var.usd for var in book.value_at_risk_with(sized(2))] == [650.0, 700.0]
    check_ = check("var_budget", view(portfolio=book, order=sized(2)))
    assert (check_.measured, check_.limit, check_.hard) == (pytest.approx(0.007), 0.02, False)
    assert check_.detail == "700.00 USD in one day of twenty, 100 joint scenarios"
    thesis = check("var_budget", view(portfolio=book, order=None, stage="thesis"))
    assert thesis.measured == pytest.approx(0.005)


@pytest.mark.parametrize(("fifth", "expected"), [(-2000.0, True), (-2000.01, False)])
@pytest.mark.parametrize(("regime", "scale"), [(Regime.NEUTRAL, 1.0), (Regime.HIGH_VOL, 0.5), (Regime.CRISIS, 0.25)])
def test_var_may_reach_the_regimes_budget_and_not_pass_it(fifth, expected, regime, scale):
    book = scenario_book(pnl=(-3000, -3000, -3000, -3000, scale * fifth), unit=(0.0,))
    assert passed("var_budget", view(regime=regime, portfolio=book)) is expected


def test_of_what_is_on_its_way_only_losses_count_for_its_gains_may_never_come():
    book = scenario_book(pnl=(-900, -800, -700, -600, -500, -400), unit=(500, 500, 500, 500, 500, -300))
    unit = book.measures.unit_pnl(candidate())
    for state, usd in (("submitted", 600.0), ("open", 100.0)):
        other = exposure(order_id="O-2", state=state)
        measures = replace(book.measures, pnl={**book.measures.pnl, ("O-2", state): unit})
        beside = replace(book, exposures=(*book.exposures, other), measures=measures)
        assert beside.value_at_risk.usd == usd
        assert beside.value_at_risk_filled.usd == (500.0 if state == "submitted" else 100.0)


@pytest.mark.parametrize(
    ("now", "relief", "measured", "restores"),
    [(-2500, 250, 2000, True), (-2500, 249, 2251, False), (-2000, 1, 1999, False), (-2000, -1, 2002, False)],
    ids=["restores", "helps too little", "is within anyway", "breaks"],
)
def test_an_order_that_brings_the_book_back_within_its_budget_passes(now, relief, measured, restores):
    book = scenario_book(pnl=(-9000, -9000, -9000, -9000, now), unit=(0, 0, 0, 0, relief))
    found = check("var_budget", view(portfolio=book, order=sized(2)))
    assert (found.passed, found.measured) == (measured <= 2000, pytest.approx(measured / 100_000))
    assert ("; brings the book back within its budget" in found.detail) is restores


def test_every_number_of_units_that_may_fill_stays_within_the_budget():
    """What one unit loses on the fifth worst day comes before what it gains on the four others outweighs it."""
    book = scenario_book(pnl=(-2500, -2500, -2500, -2500, -1500), unit=(600, 600, 600, 600, -600))
    assert [var.usd for var in book.value_at_risk_with(sized(3))] == [1900.0, 1300.0, 700.0]
    assert passed("var_budget", view(portfolio=book, order=sized(3)))
    worse = scenario_book(pnl=(-2500, -2500, -2500, -2500, -1500), unit=(400, 400, 400, 400, -600))
    assert [var.usd for var in worse.value_at_risk_with(sized(3))] == [2100.0, 1700.0, 1300.0]
    found = check("var_budget", view(portfolio=worse, order=sized(3)))
    assert (found.passed, found.measured) == (False, pytest.approx(0.021)), "one of three filled would break it"


def test_where_the_book_is_above_its_budget_no_number_of_units_may_lift_it_further():
    book = scenario_book(pnl=(-2500, -2500, -2500, -2500, -2050), unit=(400, 400, 400, 400, -60))
    assert [round(var.usd) for var in book.value_at_risk_with(sized(3))] == [2100, 1700, 1300]
    assert not passed("var_budget", view(portfolio=book, order=sized(3)))
    high = scenario_book(pnl=(-2500, -2500, -2500, -2500, -2100), unit=(400, 400, 400, 400, 0))
    assert passed("var_budget", view(portfolio=high, order=sized(3)))


def test_worst_cases_stand_in_for_what_cannot_be_measured_and_bound_the_rest():
    unmeasured = scenario_book(worst_case="700.00", unit=(-1, -1, -1, -1, -50))
    assert unmeasured.value_at_risk_with(sized(2))[-1] == (702.0, 100, ("QQQ",), False)
    assert unmeasured.value_at_risk == (700.0, 100, ("QQQ",), False)
    no_unit = scenario_book(pnl=(-90, -80, -70, -60, -50))
    assert no_unit.value_at_risk_with(sized(2))[-1] == (pytest.approx(50 + 785.2), 100, ("SPY",), False)
    found = check("var_budget", view(portfolio=no_unit, order=sized(2)))
    assert found.detail == "835.20 USD in one day of twenty, 100 joint scenarios; worst case stands in for SPY"
    capped = scenario_book(worst_case="300.00", pnl=(-900, -800, -700, -600, -500), unit=(0.0,))
    assert capped.value_at_risk == (300.0, 100, (), True)
    assert check("var_budget", view(portfolio=capped, order=None)).detail.endswith(
        "; bounded by the sum of worst cases"
    )


@pytest.mark.parametrize(
    ("regime", "worst", "expected"),
    [
        (Regime.NEUTRAL, "1607.40", True),
        (Regime.NEUTRAL, "1607.41", False),
        (Regime.LOW_VOL, "1607.40", True),
        (Regime.LOW_VOL, "1607.41", False),
        (Regime.HIGH_VOL, "607.40", True),
        (Regime.HIGH_VOL, "607.41", False),
        (Regime.CRISIS, "107.40", True),
        (Regime.CRISIS, "107.41", False),
    ],
)
def test_without_scenarios_the_sum_of_worst_cases_is_the_var(regime, worst, expected):
    question = view(regime=regime, portfolio=portfolio(exposures=(exposure(worst_case=Decimal(worst)),)))
    found = check("var_budget", question)
    assert found.passed is expected
    assert "0 joint scenarios; worst case stands in for QQQ, SPY" in found.detail


# ---- what may be traded, and when


def test_crisis_permits_the_fewest_families():
    refused = check("regime_family", view(regime=Regime.CRISIS))
    assert not refused.passed
    assert (
        refused.detail == "crisis permits debit_vertical, long_volatility, backspread, arbitrage, not credit_vertical"
    )
    found = check("regime_family", view(regime=Regime.CRISIS, order=sized(family="debit_vertical")))
    assert (found.passed, found.detail) == (True, "crisis permits debit_vertical")
    thesis = check("regime_family", view(regime=Regime.CRISIS, order=None, stage="thesis"))
    assert (thesis.passed, thesis.detail) == (True, "crisis permits 4 families")


@pytest.mark.parametrize(("days", "expected"), [(None, True), (1.01, True), (1.0, False), (0.0, False), (-0.1, True)])
def test_no_new_risk_right_before_earnings(days, expected):
    assert passed("event_blackout", view(facts=facts(earnings_in_days=days))) is expected


@pytest.mark.parametrize(("hours", "expected"), [(2.0, False), (2.01, True), (-1.0, False), (-1.01, True)])
def test_no_new_risk_around_the_fomc_decision(hours, expected):
    found = check("event_blackout", view(market_events_in_hours={"fomc": hours}))
    assert found.passed is expected
    assert found.measured == (None if expected else pytest.approx(hours / 24))


def test_unknown_calendar_bars_short_volatility_on_single_names_only():
    single, index = facts(sector="tech", events_known=False), facts(events_known=False)
    refused = check("event_blackout", view(facts=single))
    assert (refused.passed, refused.measured) == (False, None)
    assert check("event_blackout", view(facts=single, order=sized(family="debit_vertical"))).detail == "events unknown"
    assert passed("event_blackout", view(facts=single, order=None, stage="thesis"))
    assert passed("event_blackout", view(facts=index))
    assert check("event_blackout", view()).detail == "no event known inside the window"


# ---- correlation


def known(**pairs):
    return Correlations(window=60, minimum=60, pairs={tuple(name.split("_")): rho for name, rho in pairs.items()})


def names(*tickers):
    return portfolio(exposures=tuple(exposure(order_id=name, ticker=name, sector=name) for name in tickers))


def test_at_most_three_underlyings_move_together():
    three = known(DIA_SPY=0.9, IWM_SPY=0.9, QQQ_SPY=0.7, DIA_IWM=0.0, DIA_QQQ=0.0, IWM_QQQ=0.0)
    found = check("correlated_positions", view(portfolio=names("QQQ", "IWM", "DIA"), correlations=three))
    assert (found.passed, found.measured, found.limit) == (True, 3.0, 3.0)
    assert found.detail == "SPY moves with DIA, IWM"
    unknown = known(DIA_SPY=0.9, IWM_SPY=0.9, DIA_IWM=0.0, DIA_QQQ=0.0, IWM_QQQ=0.0)
    found = check("correlated_positions", view(portfolio=names("QQQ", "IWM", "DIA"), correlations=unknown))
    assert (found.passed, found.measured) == (False, 4.0)
    assert found.detail == "SPY moves with DIA, IWM, QQQ (assumed 1 for want of 60 returns: QQQ)"


def test_a_new_name_may_not_make_the_group_of_another_one_too_large():
    """SPY moves with QQQ alone, but QQQ already moves with two others."""
    pairs = known(QQQ_SPY=0.8, DIA_QQQ=0.8, IWM_QQQ=0.8, DIA_SPY=0.1, IWM_SPY=0.1, DIA_IWM=0.1)
    found = check("correlated_positions", view(portfolio=names("QQQ", "IWM", "DIA"), correlations=pairs))
    assert (found.passed, found.measured, found.detail) == (False, 4.0, "QQQ moves with DIA, IWM, SPY")
    apart = replace(pairs, pairs={**pairs.pairs, ("QQQ", "SPY"): 0.7})
    found = check("correlated_positions", view(portfolio=names("QQQ", "IWM", "DIA"), correlations=apart))
    assert (found.passed, found.measured, found.detail) == (True, 1.0, "SPY moves with nothing held")


def test_more_of_a_name_that_is_held_is_not_another_position():
    found = check("correlated_positions", view(portfolio=names("SPY", "QQQ"), correlations=known(QQQ_SPY=0.9)))
    assert found.measured == 2.0


def test_correlation_increase_counts_from_the_third_underlying():
    pairs = {"AAA_BBB": 0.0, "AAA_SPY": 0.9, "BBB_SPY": 0.9}
    assert not passed("correlation_increase", view(portfolio=names("AAA", "BBB"), correlations=known(**pairs)))
    two = check("correlation_increase", view(portfolio=names("AAA"), correlations=known(**pairs)))
    assert (two.measured, two.detail) == (0.0, "2 underlying(s): counts from the third")
    calm = known(AAA_BBB=0.2, AAA_SPY=0.2, BBB_SPY=0.2)
    found = check("correlation_increase", view(portfolio=names("AAA", "BBB"), correlations=calm))
    assert (found.passed, found.measured) == (True, pytest.approx(0.0))
    assert found.detail == "mean correlation 0.20 → 0.20"
    mixed = known(AAA_BBB=0.0, AAA_SPY=0.9, BBB_SPY=0.9)
    held = names("AAA", "BBB", "SPY")
    more = check("correlation_increase", view(portfolio=held, correlations=mixed, order=sized(max_loss=Decimal(400))))
    assert more.measured == pytest.approx(4 * 0.9 / 5 - 2 * 0.9 / 3), "of three of 400 USD one becomes 800"


@pytest.mark.parametrize(("rho", "expected"), [(0.0749, True), (0.0751, False)])
def test_correlation_may_rise_by_a_twentieth_weighted_by_worst_cases(rho, expected):
    """Of three equal weights the new name's two pairs are two thirds of the mean: it rises by 2ρ/3."""
    pairs = known(AAA_BBB=0.0, AAA_SPY=rho, BBB_SPY=rho)
    held = tuple(exposure(order_id=n, ticker=n, worst_case=Decimal("392.60")) for n in ("AAA", "BBB"))
    found = check("correlation_increase", view(portfolio=portfolio(exposures=held), correlations=pairs))
    assert (found.passed, found.measured) == (expected, pytest.approx(2 * rho / 3))
    question = view(portfolio=portfolio(exposures=held), correlations=pairs)
    assert CorrelationIncreaseRule(limit=found.measured).check(question).passed, "a rise of exactly the limit passes"
    heavier = check(
        "correlation_increase", view(portfolio=portfolio(exposures=held), correlations=pairs, order=sized(2))
    )
    assert heavier.measured == pytest.approx(4 * rho / 5)


# ---- Greeks


def test_a_first_trade_is_not_all_of_nothing_in_theta():
    found = check("theta_concentration", view())
    assert found.measured == pytest.approx((700 / 365) / 100)
    assert found.detail == "bull_put_spread 1.92 of 100.00 USD per day"


def test_theta_of_what_is_on_its_way_counts_where_it_concentrates_and_not_where_it_dilutes():
    def types(**states):
        return tuple(
            exposure(order_id=name, strategy=name.split("_")[0], state=state, theta=365 * theta)
            for name, (state, theta) in states.items()
        )

    quiet = sized(strategy="b", greeks=candidate().greeks.model_copy(update={"theta": 365 * 50.0}))
    diluted = types(a=("open", 150.0))
    assert check("theta_concentration", view(portfolio=portfolio(exposures=diluted), order=quiet)).measured == 0.25
    waiting = types(a=("approved", 150.0))
    found = check("theta_concentration", view(portfolio=portfolio(exposures=waiting), order=quiet))
    assert (found.measured, found.passed) == (0.5, False)
    against = types(a=("open", 150.0), b_1=("submitted", -60.0))
    found = check("theta_concentration", view(portfolio=portfolio(exposures=against), order=quiet))
    assert (found.measured, found.detail) == (pytest.approx(60 / 210), "b 60.00 of 210.00 USD per day")


def test_an_order_may_not_lift_another_types_share_of_theta_above_the_limit_nor_is_it_blamed_for_what_is_there():
    held = (
        exposure(order_id="1", strategy="a", theta=365 * 50.0),
        exposure(order_id="2", strategy="b", theta=365 * 130.0),
        exposure(order_id="3", strategy="c", theta=-365 * 10.0),
    )
    offset = sized(strategy="b", greeks=candidate().greeks.model_copy(update={"theta": -365 * 60.0}))
    found = check("theta_concentration", view(portfolio=portfolio(exposures=held), order=offset))
    assert found.detail.startswith("b 130.00")
    lifted = (*held[:1], held[1].model_copy(update={"theta": 365 * 30.0}), exposure(strategy="c", theta=365 * 90.0))
    found = check("theta_concentration", view(portfolio=portfolio(exposures=lifted), order=offset))
    assert (found.passed, found.detail) == (False, "c 90.00 of 140.00 USD per day")
    other = sized(strategy="d", greeks=candidate().greeks.model_copy(update={"theta": 365 * 5.0}))
    found = check("theta_concentration", view(portfolio=portfolio(exposures=lifted), order=other))
    assert (found.passed, found.detail) == (True, "d 5.00 of 175.00 USD per day"), "c stood above the limit before"


@pytest.mark.parametrize(("held", "order", "expected"), [(0.0, 30.0, True), (0.0, 30.001, False), (30.0, 1.0, False)])
def test_one_strategy_type_has_at_most_three_tenths_of_theta(held, order, expected):
    """The regime's limit on theta is 100 USD a day of this account: less than that, it is what shares are taken of."""
    same = exposure(strategy="bull_put_spread", theta=365 * held)
    heavy = sized(greeks=candidate().greeks.model_copy(update={"theta": 365 * order}))
    found = check("theta_concentration", view(portfolio=portfolio(exposures=(same,)), order=heavy))
    assert (found.passed, found.limit) == (expected, 0.30)
    other = exposure(strategy="iron_condor", theta=-365 * 200.0)
    found = check("theta_concentration", view(portfolio=portfolio(exposures=(other,)), order=heavy))
    assert found.measured == pytest.approx(order / (200 + order))


RELIEF = {"delta": 100, "gamma": 10, "vega": 10_000, "theta": 10_000, "rho": 0}
LIMITS = {"delta": 50_000, "gamma": 10_000, "vega": 500, "theta": 200}


@pytest.mark.parametrize("greek", ["delta", "gamma", "vega", "theta"])
@pytest.mark.parametrize("sign", [1, -1])
def test_portfolio_greeks_are_limited_after_the_trade(greek, sign):
    still = sized(greeks=Greeks(delta=0, gamma=0, vega=0, theta=0, rho=0))
    for excess, expected in ((0.0, True), (0.01, False)):
        held = exposure(greeks=DollarGreeks(**{greek: sign * (LIMITS[greek] + excess)}))
        found = check(f"portfolio_{greek}", view(portfolio=portfolio(exposures=(held,)), order=still))
        assert (found.passed, found.limit) == (expected, LIMITS[greek] / 100_000)


@pytest.mark.parametrize("greek", ["delta", "gamma", "vega", "theta"])
def test_an_order_that_brings_a_greek_nearer_to_zero_passes_even_above_the_limit(greek):
    book = portfolio(exposures=(exposure(greeks=DollarGreeks(**{greek: -190_000.0})),))
    better = check(f"portfolio_{greek}", view(portfolio=book, order=sized(greeks=Greeks(**RELIEF))))
    assert better.passed
    assert better.detail.endswith(": nearer to zero")
    worse = Greeks(**{name: -value for name, value in RELIEF.items()})
    assert not passed(f"portfolio_{greek}", view(portfolio=book, order=sized(greeks=worse)))


def betas(**by_ticker):
    return BookMeasures(None, {}, {}, by_ticker)


@pytest.mark.parametrize(
    ("known_", "measured"),
    [({"SPY": 1.0, "QQQ": 1.2}, 0.40), ({"SPY": 1.0, "QQQ": -1.2}, 0.20), ({"SPY": 1.0}, 0.85), ({}, 1.05)],
    ids=["same way", "against", "QQQ unknown", "all unknown"],
)
def test_delta_is_weighted_by_beta_and_by_the_worst_one_where_it_is_not_known(known_, measured):
    """25,000 USD of QQQ held, 10,000 USD of SPY ordered."""
    held = exposure(greeks=DollarGreeks(delta=25_000))
    order = sized(greeks=Greeks(delta=10_000 / 690, gamma=0, vega=0, theta=0, rho=0))
    question = view(order=order, portfolio=portfolio(exposures=(held,), measures=betas(**known_)))
    found = check("portfolio_spx_delta", question)
    expected = max(measured, 0.30) if known_.get("QQQ", 0) < 0 else measured
    assert (found.measured, found.limit) == (pytest.approx(expected), 0.40)
    assert found.passed is (expected <= 0.40)


@pytest.mark.parametrize(("delta", "expected"), [(40_000.0, True), (40_000.01, False), (-40_000.01, False)])
def test_beta_weighted_delta_may_reach_its_limit_and_not_pass_it(delta, expected):
    still = sized(greeks=Greeks(delta=0, gamma=0, vega=0, theta=0, rho=0))
    held = exposure(ticker="SPX", greeks=DollarGreeks(delta=delta))
    question = view(order=still, portfolio=portfolio(exposures=(held,), measures=betas(SPX=1.0, SPY=1.0)))
    assert passed("portfolio_spx_delta", question) is expected


def test_greeks_of_what_is_on_its_way_count_whichever_way_hurts():
    """30,000 USD held, orders of −20,000 and +15,000 on their way: between 10,000 and 45,000 may come of it."""
    amounts = {"open": 30_000.0, "approved": -20_000.0, "submitted": 15_000.0}
    held = tuple(
        exposure(order_id=state, state=state, ticker="SPY", greeks=DollarGreeks(delta=amount))
        for state, amount in amounts.items()
    )
    book = portfolio(exposures=held, measures=betas(SPY=2.0))
    assert book.greek("delta") == (10_000.0, 45_000.0)
    assert book.greek("spx_delta") == (20_000.0, 90_000.0)
    order = sized(greeks=Greeks(delta=-10_000 / 690, gamma=0, vega=0, theta=0, rho=0))
    assert book.greek("delta", order) == (pytest.approx(0.0), 45_000.0)
    assert book.greek("delta", order, sure=True) == (pytest.approx(0.0), pytest.approx(35_000.0))
    assert book.greek("spx_delta", order) == (pytest.approx(0.0), 90_000.0)
    found = check("portfolio_delta", view(order=order, portfolio=book))
    assert found.detail == "+10,000.00 to +45,000.00 → +0.00 to +35,000.00 USD"
    assert book.greeks.delta == 25_000.0


def test_unknown_greeks_of_the_book_fail():
    question = view(portfolio=portfolio(exposures=(exposure(greeks=None), exposure(order_id="O-2"))))
    for name in ("delta", "spx_delta"):
        found = check(f"portfolio_{name}", question)
        assert (found.passed, found.measured, found.limit is None) == (False, None, False)
        assert found.detail == "Greeks of a held structure are unknown: no usable quote"


# ---- number of structures


def test_room_for_one_more_structure():
    held = tuple(exposure(order_id=str(n), worst_case=Decimal(1)) for n in range(10))
    refused = check("max_positions", view(portfolio=portfolio(exposures=held)))
    assert (refused.passed, refused.measured, refused.limit) == (False, 11.0, 10.0)
    assert passed("max_positions", view(portfolio=portfolio(exposures=held[1:])))
    partly = (held[1].model_copy(update={"state": "partially_filled"}), *held[1:])
    assert check("max_positions", view(portfolio=portfolio(exposures=partly))).measured == 10.0


# ---- limits as a whole


def test_shares_of_an_unknown_or_vanished_nlv_fail():
    for nlv in (None, 0.0, -5.0):
        decision = decide(view(portfolio=portfolio(nlv=nlv)), SETTINGS)
        assert {"position_at_risk", "sector_exposure", "free_margin", "var_budget"} <= {v.name for v in decision.vetoes}
        vetoed = next(item for item in decision.vetoes if item.name == "position_at_risk")
        assert (vetoed.measured, vetoed.unit) == (None, "share of NLV")
        assert vetoed.detail == (
            "NLV is unknown: a position has no usable quote" if nlv is None else f"NLV is {nlv:,.2f} USD"
        )


@pytest.mark.parametrize(
    "loosened",
    [
        {"daily_loss": 0.031}, {"position_at_risk": 0.06}, {"position_at_risk_crisis": 0.03}, {"sector_exposure": 0.2},
        {"free_margin": 0.1}, {"contracts_per_order": 11}, {"naked_short_options": 1},
    ],
)  # fmt: skip
def test_settings_cannot_loosen_a_hard_limit(loosened):
    with pytest.raises(ValidationError):
        HardLimits(**loosened)


@pytest.mark.parametrize(
    ("tightened", "name"),
    [
        ({"contracts_per_order": 1}, "contracts_per_order"),
        ({"position_at_risk": 0.007}, "position_at_risk"),
        ({"sector_exposure": 0.007}, "sector_exposure"),
        ({"free_margin": 0.999}, "free_margin"),
    ],
)
def test_settings_can_tighten_a_hard_limit(tightened, name):
    assert passed(name, view(order=sized(2)))
    assert not passed(name, view(order=sized(2)), risk_settings(hard=tightened))


def test_a_tighter_daily_loss_or_crisis_limit_holds_too():
    assert not passed("daily_loss", view(portfolio=portfolio(nlv=99_000.0)), risk_settings(hard={"daily_loss": 0.01}))
    tight = risk_settings(hard={"position_at_risk_crisis": 0.003})
    assert not passed("position_at_risk", view(regime=Regime.CRISIS), tight)
    assert passed("position_at_risk", view(), tight)


@pytest.mark.parametrize("rule", sorted(REQUIRED_SOFT_RULES))
def test_a_rule_left_out_of_the_list_is_an_error_not_a_gap(rule):
    soft = [item for item in SETTINGS.soft if item.rule != rule]
    with pytest.raises(ValidationError, match=rule):
        RiskSettings(soft=soft, sizing=SETTINGS.sizing)


def test_the_families_of_a_regime_are_those_that_every_family_rule_permits():
    assert SETTINGS.families(Regime.CRISIS) == {"debit_vertical", "long_volatility", "backspread", "arbitrage"}
    rule = next(item for item in SETTINGS.soft if item.rule == "regime_family")
    narrow = rule.model_copy(update={"allowed": {Regime.CRISIS: ("backspread",)}})
    both = SETTINGS.model_copy(update={"soft": (*SETTINGS.soft, narrow)})
    assert both.families(Regime.CRISIS) == {"backspread"}
    assert both.families(Regime.NEUTRAL) == frozenset()


@pytest.mark.parametrize("greek", ["delta", "gamma", "vega", "theta", "spx_delta"])
def test_a_greek_left_out_of_the_list_is_an_error_too(greek):
    soft = [item for item in SETTINGS.soft if getattr(item, "greek", "") != greek]
    with pytest.raises(ValidationError, match=f"portfolio_greek rules missing from the list: {greek}"):
        RiskSettings(soft=soft, sizing=SETTINGS.sizing)


@pytest.mark.parametrize(
    ("rule", "field", "name"),
    [
        ("var_budget", "budget", "var_budget"),
        ("regime_family", "allowed", "regime_family"),
        ("theta_concentration", "theta_limit", "theta_concentration"),
        ("portfolio_greek", "limit", "portfolio_delta"),
        ("max_positions", "limit", "max_positions"),
    ],
)
def test_a_regime_that_a_table_does_not_name_permits_nothing(rule, field, name):
    soft = tuple(item.model_copy(update={field: {}}) if item.rule == rule else item for item in SETTINGS.soft)
    found = check(name, view(), SETTINGS.model_copy(update={"soft": soft}))
    assert not found.passed
    assert "neutral" in found.detail or name == "max_positions"


@pytest.mark.parametrize("baseline", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_baseline_that_is_no_amount_bounds_no_loss(baseline):
    found = check("daily_loss", view(portfolio=portfolio(baseline_nlv=baseline)))
    assert (found.measured, found.passed) == (None, False)
