"""Each rule: passes, vetoes, and what happens exactly at its limit."""

from datetime import timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError

from domain.contract import Right
from domain.regime import Regime
from domain.risk import DollarGreeks, HardLimits, TradingState
from risk.correlation import Correlations
from risk.gate import decide
from risk.registry import HARD_RULES
from risk.settings import RiskSettings
from tests.factories import AS_OF, candidate, exposure, facts, leg, portfolio, risk_settings, sized, view

SETTINGS = risk_settings()


def check(name, question, settings=SETTINGS):
    found = {item.name: item for item in decide(question, settings).checks}
    return found[name]


def passed(name, question, settings=SETTINGS):
    return check(name, question, settings).passed


def test_an_order_in_good_order_passes_every_rule():
    decision = decide(view(), SETTINGS)
    assert decision.approved, decision.vetoes
    assert len(decision.checks) == len(HARD_RULES) + len(SETTINGS.soft)


def test_all_rules_are_evaluated_even_after_a_veto():
    decision = decide(view(portfolio=portfolio(trading_state=TradingState.HALTED, nlv=None)), SETTINGS)
    assert len(decision.checks) == len(HARD_RULES) + len(SETTINGS.soft)
    assert {"trading_state", "nlv_known", "daily_loss", "var_budget"} <= {veto.name for veto in decision.vetoes}


def test_the_thesis_pass_asks_only_what_can_be_known_without_a_structure():
    names = {item.name for item in decide(view(stage="thesis", order=None), SETTINGS).checks}
    assert {
        "position_at_risk",
        "contracts_per_order",
        "defined_risk",
        "portfolio_delta",
        "theta_concentration",
    }.isdisjoint(names)
    assert {"trading_state", "data_freshness", "daily_loss", "var_budget", "free_margin", "regime_family"} <= names


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
def test_only_closing_orders_pass_when_trading_is_not_active(state):
    question = view(portfolio=portfolio(trading_state=state))
    assert not passed("trading_state", question)
    closing = view(portfolio=portfolio(trading_state=state), order=sized(intent="close"))
    assert decide(closing, SETTINGS).approved


@pytest.mark.parametrize(("nlv", "expected"), [(97_000.01, True), (97_000.0, False), (96_000.0, False), (None, False)])
def test_daily_loss_at_the_limit_counts_as_reached(nlv, expected):
    assert passed("daily_loss", view(portfolio=portfolio(nlv=nlv))) is expected


@pytest.mark.parametrize(("age", "expected"), [(0.0, True), (60.0, True), (60.1, False), (-1.0, False), (None, False)])
def test_nlv_older_than_a_minute_allows_no_new_risk(age, expected):
    assert passed("nlv_known", view(portfolio=portfolio(nlv_age_seconds=age))) is expected


@pytest.mark.parametrize(("age", "expected"), [(0.0, True), (30.0, True), (30.1, False), (-0.1, False), (None, False)])
def test_stale_missing_or_future_quotes_fail(age, expected):
    assert passed("data_freshness", view(facts=facts(quote_age_minutes=age))) is expected


@pytest.mark.parametrize(
    ("regime", "max_loss", "expected"),
    [
        (Regime.NEUTRAL, "5000.00", True),
        (Regime.NEUTRAL, "5000.01", False),
        (Regime.CRISIS, "2000.00", True),
        (Regime.CRISIS, "2000.01", False),
    ],
)
def test_position_at_risk_is_five_percent_and_two_in_crisis(regime, max_loss, expected):
    assert passed("position_at_risk", view(regime=regime, order=sized(max_loss=Decimal(max_loss)))) is expected


def test_position_at_risk_counts_what_is_held_staged_and_working_in_the_same_name():
    held = tuple(
        exposure(ticker="SPY", state=state, worst_case=Decimal(1600)) for state in ("open", "staged", "approved")
    )
    assert not passed("position_at_risk", view(portfolio=portfolio(exposures=held)))


def test_sector_exposure_adds_worst_cases_and_unknown_is_a_bucket_of_its_own():
    held = (exposure(worst_case=Decimal(14_700)),)
    assert not passed("sector_exposure", view(portfolio=portfolio(exposures=held)))
    other = view(portfolio=portfolio(exposures=held), facts=facts(sector="unknown"))
    assert passed("sector_exposure", other)


@pytest.mark.parametrize(("bound", "expected"), [("79620.00", True), ("79620.01", False)])
def test_free_margin_keeps_a_fifth_of_nlv_after_the_trade(bound, expected):
    question = view(portfolio=portfolio(exposures=(exposure(margin=Decimal(bound)),)))
    assert passed("free_margin", question) is expected


@pytest.mark.parametrize(("units", "today", "expected"), [(10, 0, True), (11, 0, False), (5, 5, True), (5, 6, False)])
def test_ten_contracts_an_underlying_a_day_cannot_be_split_to_pass(units, today, expected):
    held = (exposure(ticker="SPY", contracts=today, opened_on="2026-02-12"),) if today else ()
    assert passed("contracts_per_order", view(portfolio=portfolio(exposures=held), order=sized(units))) is expected


def test_the_contract_count_is_units_times_the_largest_leg_ratio():
    butterfly = (leg(1, 690), leg(-2, 685), leg(1, 680))
    measured = check("contracts_per_order", view(order=sized(5, legs=butterfly))).measured
    assert measured == 10


def test_contracts_opened_on_an_earlier_day_do_not_count():
    late_utc = AS_OF.replace(hour=2) + timedelta(days=1)  # 21:00 in New York: still the 12th
    held = (exposure(ticker="SPY", contracts=9, opened_on="2026-02-11"),)
    assert passed("contracts_per_order", view(portfolio=portfolio(exposures=held, as_of=late_utc)))


@pytest.mark.parametrize(
    "legs",
    [
        (leg(-1, 680),),
        (leg(-2, 680), leg(1, 675)),
        (leg(-1, 680), leg(1, 700, right=Right.CALL)),
        (leg(-1, 680), leg(1, 675, expiry=AS_OF.date())),
        (leg(-1, 680), leg(1, 675, root="SPY1")),
        (leg(-1, 680), leg(1, 675, multiplier=10)),
    ],
    ids=["naked", "ratio", "other right", "cover expires first", "other deliverable", "other multiplier"],
)
def test_no_structure_with_an_uncovered_short_passes_whatever_it_calls_itself(legs):
    found = check("defined_risk", view(order=sized(legs=legs)))
    assert not found.passed
    assert found.measured == sum(-item.quantity for item in legs if item.quantity < 0)


@pytest.mark.parametrize(
    ("regime", "worst", "expected"),
    [
        (Regime.NEUTRAL, "1607.40", True),
        (Regime.NEUTRAL, "1607.41", False),
        (Regime.LOW_VOL, "1607.40", True),
        (Regime.HIGH_VOL, "607.40", True),
        (Regime.HIGH_VOL, "607.41", False),
    ],
)
def test_var_budget_uses_the_sum_of_worst_cases_as_its_bound(regime, worst, expected):
    question = view(regime=regime, portfolio=portfolio(exposures=(exposure(worst_case=Decimal(worst)),)))
    assert passed("var_budget", question) is expected


def test_crisis_has_the_tightest_var_budget_and_fewest_families():
    assert not passed("var_budget", view(regime=Regime.CRISIS, order=sized(max_loss=Decimal("500.01"))))
    assert not passed("regime_family", view(regime=Regime.CRISIS))
    assert passed("regime_family", view(regime=Regime.CRISIS, order=sized(family="debit_vertical")))


@pytest.mark.parametrize(("days", "expected"), [(None, True), (1.01, True), (1.0, False), (0.0, False)])
def test_no_new_risk_right_before_earnings(days, expected):
    assert passed("event_blackout", view(facts=facts(earnings_in_days=days))) is expected


@pytest.mark.parametrize(("hours", "expected"), [(2.0, False), (2.01, True), (-1.0, False), (-1.01, True)])
def test_no_new_risk_around_the_fomc_decision(hours, expected):
    assert passed("event_blackout", view(market_events_in_hours={"fomc": hours})) is expected


def test_unknown_calendar_bars_short_volatility_on_single_names_only():
    single, index = facts(sector="tech", events_known=False), facts(events_known=False)
    assert not passed("event_blackout", view(facts=single))
    assert passed("event_blackout", view(facts=single, order=sized(family="debit_vertical")))
    assert passed("event_blackout", view(facts=index))


def test_too_many_positions_that_move_as_one():
    held = tuple(exposure(order_id=name, ticker=name) for name in ("QQQ", "IWM", "DIA"))
    known = Correlations(window=60, minimum=60, pairs={("DIA", "SPY"): 0.9, ("IWM", "SPY"): 0.9, ("QQQ", "SPY"): 0.7})
    assert passed("correlated_positions", view(portfolio=portfolio(exposures=held), correlations=known))
    unknown = Correlations(window=60, minimum=60, pairs={("DIA", "SPY"): 0.9, ("IWM", "SPY"): 0.9})
    found = check("correlated_positions", view(portfolio=portfolio(exposures=held), correlations=unknown))
    assert not found.passed
    assert "assumed 1" in found.detail


def test_correlation_increase_counts_from_the_third_underlying():
    pairs = {("AAA", "BBB"): 0.0, ("AAA", "SPY"): 0.9, ("BBB", "SPY"): 0.9}
    known = Correlations(window=60, minimum=60, pairs=pairs)
    two = tuple(exposure(order_id=name, ticker=name, sector=name) for name in ("AAA", "BBB"))
    assert not passed("correlation_increase", view(portfolio=portfolio(exposures=two), correlations=known))
    assert check("correlation_increase", view(portfolio=portfolio(exposures=two[:1]), correlations=known)).measured == 0
    calm = Correlations(window=60, minimum=60, pairs=dict.fromkeys(pairs, 0.2))
    assert passed("correlation_increase", view(portfolio=portfolio(exposures=two), correlations=calm))


def test_a_first_trade_is_not_all_of_nothing_in_theta():
    assert check("theta_concentration", view()).measured == pytest.approx((700 / 365) / 100)
    heavy = sized(greeks=candidate().greeks.model_copy(update={"theta": 365 * 31.0}))
    assert not passed("theta_concentration", view(order=heavy))


@pytest.mark.parametrize("greek", ["delta", "gamma", "vega", "theta"])
def test_portfolio_greeks_are_limited_after_the_trade_unless_it_brings_them_nearer_to_zero(greek):
    heavy = exposure(greeks=DollarGreeks(**{greek: -90_000.0}))
    name = f"portfolio_{greek}"
    relief = {"delta": 100, "gamma": 10, "vega": 10_000, "theta": 10_000, "rho": 0}
    burden = {key: -value for key, value in relief.items()}
    greeks = type(candidate().greeks)
    question = view(portfolio=portfolio(exposures=(heavy,)), order=sized(greeks=greeks(**relief)))
    assert passed(name, question)
    question = view(portfolio=portfolio(exposures=(heavy,)), order=sized(greeks=greeks(**burden)))
    assert not passed(name, question)


def test_unknown_greeks_of_the_book_fail():
    question = view(portfolio=portfolio(exposures=(exposure(greeks=None),)))
    assert not passed("portfolio_delta", question)


def test_room_for_one_more_structure():
    held = tuple(exposure(order_id=str(n), worst_case=Decimal(1)) for n in range(10))
    assert not passed("max_positions", view(portfolio=portfolio(exposures=held)))
    assert passed("max_positions", view(portfolio=portfolio(exposures=held[1:])))


def test_shares_of_an_unknown_or_vanished_nlv_fail():
    for nlv in (None, 0.0, -5.0):
        vetoes = {veto.name for veto in decide(view(portfolio=portfolio(nlv=nlv)), SETTINGS).vetoes}
        assert {"position_at_risk", "sector_exposure", "free_margin", "var_budget"} <= vetoes


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


def test_settings_can_tighten_a_hard_limit():
    tight = risk_settings(hard={"contracts_per_order": 1})
    assert not passed("contracts_per_order", view(order=sized(2)), tight)


def test_a_rule_left_out_of_the_list_is_an_error_not_a_gap():
    soft = [rule for rule in SETTINGS.soft if rule.rule != "var_budget"]
    with pytest.raises(ValidationError, match="var_budget"):
        RiskSettings(soft=soft, sizing=SETTINGS.sizing)


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ("var_budget", "budget"),
        ("regime_family", "allowed"),
        ("theta_concentration", "theta_limit"),
        ("portfolio_greek", "limit"),
        ("max_positions", "limit"),
    ],
)
def test_a_regime_that_a_table_does_not_name_permits_nothing(rule, field):
    soft = tuple(item.model_copy(update={field: {}}) if item.rule == rule else item for item in SETTINGS.soft)
    settings = SETTINGS.model_copy(update={"soft": soft})
    names = {"portfolio_greek": "portfolio_delta"}
    assert not passed(names.get(rule, rule), view(), settings)
