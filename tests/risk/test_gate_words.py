"""What a person reads of each check, word for word: what was measured, in which unit, against which limit, and why."""

from dataclasses import replace
from decimal import Decimal

import pytest

from domain.contract import Right
from domain.regime import Regime
from domain.risk import DollarGreeks, TradingState
from risk.correlation import Correlations
from risk.gate import decide
from risk.measured import BookMeasures
from tests.factories import candidate, exposure, facts, leg, portfolio, risk_settings, sized, view

SETTINGS = risk_settings()
HELD = (
    exposure(worst_case=Decimal(400)),
    exposure(order_id="O-2", ticker="IWM", worst_case=Decimal(300), opened_on="2026-02-12"),
)
PAIRS = Correlations(60, 60, {("IWM", "QQQ"): 0.5, ("QQQ", "SPY"): 0.9, ("IWM", "SPY"): 0.5})
QUESTION = view(portfolio=portfolio(exposures=HELD), correlations=PAIRS, order=sized(2))
NLV, SHARE = "NLV is unknown: a position has no usable quote", "share of NLV"
GREEKS = "Greeks of a held structure are unknown: no usable quote"

IN_ORDER = {
    "trading_state": (None, None, "state", "trading is active: normal"),
    "nlv_known": (0.0, 60.0, "seconds", "NLV is 0 s old"),
    "daily_loss": (0.0, 0.03, "share of baseline NLV", "baseline 100,000.00 USD, now 100,000.00 USD"),
    "position_at_risk": (0.007852, 0.05, SHARE, "max loss 785.20 USD"),
    "sector_exposure": (0.014852, 0.15, SHARE, "sector index: 700.00 USD held + 785.20 USD"),
    "free_margin": (0.982, 0.2, SHARE, "margin bound 1,800.00 USD"),
    "contracts_per_order": (2.0, 10.0, "contracts", "2 in this order, 0 opened today in SPY"),
    "defined_risk": (0.0, 0.0, "uncovered short options", "bull_put_spread: loss bounded at 392.60 USD per unit"),
    "data_freshness": (0.5, 30.0, "minutes", "quotes are 0.5 min old"),
    "event_blackout": (None, 1.0, "days to event", "no event known inside the window"),
    "regime_family": (None, None, "family", "neutral permits credit_vertical"),
    "var_budget": (
        0.014852, 0.02, SHARE,
        "1,485.20 USD in one day of twenty, 0 joint scenarios; worst case stands in for IWM, QQQ, SPY",
    ),
    "correlated_positions": (2.0, 3.0, "positions", "SPY moves with QQQ"),
    "correlation_increase": (0.187611, 0.05, "correlation", "mean correlation 0.50 → 0.69"),
    "theta_concentration": (0.038356, 0.3, "share of theta", "bull_put_spread 3.84 of 100.00 USD per day"),
    "portfolio_delta": (0.1204, 0.5, SHARE, "+1,000.00 → +12,040.00 USD"),
    "portfolio_spx_delta": (0.3612, 0.4, SHARE, "-3,000.00 to +3,000.00 → -36,120.00 to +36,120.00 USD"),
    "portfolio_gamma": (0.04861, 0.1, SHARE, "-100.00 → -4,861.00 USD"),
    "portfolio_vega": (0.00038, 0.005, SHARE, "-20.00 → -38.00 USD"),
    "portfolio_theta": (0.000066, 0.002, SHARE, "+2.74 → +6.58 USD"),
    "max_positions": (3.0, 10.0, "structures", "2 open, staged or working"),
}  # fmt: skip
THESIS = {
    "sector_exposure": (0.007, 0.15, SHARE, "sector index: 700.00 USD held"),
    "free_margin": (0.992, 0.2, SHARE, "margin bound 800.00 USD"),
    "regime_family": (None, None, "family", "neutral permits 9 families"),
    "var_budget": (
        0.007, 0.02, SHARE, "700.00 USD in one day of twenty, 0 joint scenarios; worst case stands in for IWM, QQQ",
    ),
}  # fmt: skip
UNKNOWN = {
    "nlv_known": (None, 60.0, "seconds", NLV),
    "daily_loss": (None, 0.03, "share of baseline NLV", "baseline 100,000.00 USD, now unknown"),
    "position_at_risk": (None, 0.05, SHARE, NLV),
    "sector_exposure": (None, 0.15, SHARE, NLV),
    "free_margin": (None, 0.2, SHARE, NLV),
    "data_freshness": (None, 30.0, "minutes", "no chain in the snapshot"),
    "event_blackout": (
        None, 1.0, "days to event", "events unknown: no credit_vertical on a single name without a calendar",
    ),
    "var_budget": (None, 0.02, SHARE, NLV),
    "theta_concentration": (None, 0.3, "share of theta", "NLV is unknown"),
    "portfolio_delta": (None, 0.5, SHARE, GREEKS),
    "portfolio_spx_delta": (None, 0.4, SHARE, GREEKS),
    "portfolio_gamma": (None, 0.1, SHARE, GREEKS),
    "portfolio_vega": (None, 0.005, SHARE, GREEKS),
    "portfolio_theta": (None, 0.002, SHARE, GREEKS),
}  # fmt: skip
UNSET = {
    "regime_family": (None, None, "family", "neutral permits nothing, not credit_vertical"),
    "var_budget": (None, None, SHARE, "no VaR budget is set for neutral"),
    "theta_concentration": (None, 0.3, "share of theta", "no theta limit is set for neutral"),
    **{f"portfolio_{name}": (None, None, SHARE, "no limit is set for neutral") for name in
       ("delta", "spx_delta", "gamma", "vega", "theta")},
    "max_positions": (3.0, 0.0, "structures", "2 open, staged or working"),
}  # fmt: skip


def said(question, settings=SETTINGS):
    """Every check: measured to six places, limit, unit, words."""
    return {
        item.name: (None if item.measured is None else round(item.measured, 6), item.limit, item.unit, item.detail)
        for item in decide(question, settings).checks
    }


def failed(question, settings=SETTINGS):
    return {item.name for item in decide(question, settings).vetoes}


def without_limits(rule):
    empty = {
        "budget",
        "theta_limit",
        "allowed",
        *(["limit"] if rule.rule in ("portfolio_greek", "max_positions") else []),
    }
    return rule.model_copy(update={name: {} for name in empty & type(rule).model_fields.keys()})


def test_an_order_in_good_order():
    assert said(QUESTION) == IN_ORDER
    assert failed(QUESTION) == {"correlation_increase"}


def test_a_thesis():
    thesis = replace(QUESTION, order=None, stage="thesis")
    assert said(thesis) == {name: THESIS.get(name, IN_ORDER[name]) for name in said(thesis)}
    assert failed(thesis) == set()


def test_an_account_and_a_market_of_which_little_is_known():
    blank = view(
        portfolio=portfolio(nlv=None, nlv_age_seconds=None, exposures=(exposure(greeks=None),)),
        facts=facts(quote_age_minutes=None, events_known=False, sector="tech"),
    )
    found = said(blank)
    assert {name: found[name] for name in UNKNOWN} == UNKNOWN
    assert failed(blank) == UNKNOWN.keys()


def test_a_regime_without_limits():
    settings = SETTINGS.model_copy(update={"soft": tuple(map(without_limits, SETTINGS.soft))})
    assert said(QUESTION, settings) == IN_ORDER | UNSET
    assert failed(QUESTION, settings) == {"correlation_increase", *UNSET}


def test_the_events_that_bar_an_order():
    fomc = replace(QUESTION, market_events_in_hours={"fomc": 1.25})
    assert said(fomc)["event_blackout"] == (0.052083, 1.0, "days to event", "FOMC decision +1.2 h away")
    earnings = replace(QUESTION, facts=facts(earnings_in_days=0.5))
    assert said(earnings)["event_blackout"] == (0.5, 1.0, "days to event", "earnings in 0.5 days")
    later = replace(QUESTION, facts=facts(earnings_in_days=9.0))
    assert said(later)["event_blackout"] == (9.0, 1.0, "days to event", "no event known inside the window")


def test_two_names_whose_correlation_is_assumed():
    none = replace(QUESTION, correlations=Correlations(60, 60, {("IWM", "QQQ"): 0.1}))
    words = "SPY moves with IWM, QQQ (assumed 1 for want of 60 returns: IWM, QQQ)"
    assert said(none)["correlated_positions"] == (3.0, 3.0, "positions", words)


def test_of_equal_groups_the_one_asked_about_is_named():
    pairs = Correlations(60, 60, {("IWM", "QQQ"): 0.1, ("QQQ", "SPY"): 0.9, ("IWM", "SPY"): 0.1})
    assert said(replace(QUESTION, correlations=pairs))["correlated_positions"][3] == "SPY moves with QQQ"


def test_an_unknown_trading_day_and_a_tiny_baseline():
    tiny = view(portfolio=portfolio(baseline_nlv=1.0))
    assert said(tiny)["daily_loss"] == (0.0, 0.03, "share of baseline NLV", "baseline 1.00 USD, now 100,000.00 USD")
    crisis = said(view(regime=Regime.CRISIS, order=None, stage="thesis"))
    assert crisis["regime_family"][3] == "crisis permits 4 families"


def test_why_an_opening_is_let_through_or_not_while_reducing():
    held = exposure(ticker="SPY", legs=(leg(-2, 680), leg(2, 675)), state="open")
    book = portfolio(trading_state=TradingState.REDUCING, exposures=(held,))
    put = sized(legs=(leg(1, 680),), worst_per_share=Decimal(-4), fees=Decimal(1))
    words = "trading is reducing: normal; it lowers the worst case at its expiry (-1,000.00 → -901.00 USD)"
    assert said(view(portfolio=book, order=put))["trading_state"] == (None, None, "state", words)
    words = "trading is reducing: normal; it does not lower the worst case at its expiry (-1,000.00 → -1,392.60 USD)"
    assert said(view(portfolio=book))["trading_state"][3] == words
    mixed = exposure(
        ticker="SPY", state="open",
        legs=(leg(-1, 680), leg(1, 675), leg(-1, 700, right=Right.CALL), leg(1, 707, right=Right.CALL)),
    )  # fmt: skip
    book = portfolio(trading_state=TradingState.REDUCING, exposures=(mixed,))
    call = sized(legs=(leg(1, 700, right=Right.CALL),), worst_per_share=Decimal(-1), fees=Decimal(0))
    assert "(-700.00 → -600.00 USD)" in said(view(portfolio=book, order=call))["trading_state"][3]


def test_thetas_of_one_type_add_up_and_the_worst_type_is_named_whatever_its_name():
    held = tuple(exposure(order_id=str(n), strategy="bull_put_spread", theta=365 * 10.0) for n in range(2))
    quiet = sized(greeks=candidate().greeks.model_copy(update={"theta": 0.0}))
    assert said(view(portfolio=portfolio(exposures=held), order=quiet))["theta_concentration"][0] == 0.2
    types = {"z": 50.0, "m": 30.0, "a": 90.0}
    held = tuple(exposure(order_id=name, strategy=name, theta=365 * theta) for name, theta in types.items())
    offset = sized(strategy="m", greeks=candidate().greeks.model_copy(update={"theta": -365 * 60.0}))
    found = said(view(portfolio=portfolio(exposures=held), order=offset))["theta_concentration"]
    assert found == (0.642857, 0.3, "share of theta", "a 90.00 of 140.00 USD per day")


def test_a_book_that_is_brought_back_within_its_budget_by_all_of_an_order():
    """The decision states what all units leave, not the last but one."""
    from tests.risk.test_gate_rules import scenario_book

    book = scenario_book(pnl=(-9000, -9000, -9000, -9000, -2600), unit=(0, 0, 0, 0, 250))
    words = "1,850.00 USD in one day of twenty, 100 joint scenarios; brings the book back within its budget"
    assert said(view(portfolio=book, order=sized(3)))["var_budget"] == (0.0185, 0.02, SHARE, words)


@pytest.mark.parametrize("betas", [{}, {"QQQ": 1.0}])
def test_the_range_of_an_unknown_beta_has_both_signs(betas):
    held = exposure(greeks=DollarGreeks(delta=1_000.0))
    book = portfolio(exposures=(held,), measures=BookMeasures(None, {}, {}, betas))
    assert book.greek("spx_delta") == ((1_000.0, 1_000.0) if betas else (-3_000.0, 3_000.0))
    order = sized(greeks=candidate().greeks.model_copy(update={"delta": 1.0}))
    assert portfolio(measures=BookMeasures(None, {}, {}, {"SPY": 2.0})).greek("spx_delta", order) == (0.0, 1_380.0)
    sure = portfolio(measures=BookMeasures(None, {}, {}, {"SPY": 2.0})).greek("spx_delta", order, sure=True)
    assert sure == (1_380.0, 1_380.0)
