"""Limits in dollars as the search sees them, holdings per unit, and repairs that are staged whole or not at all."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from domain.order import Repair
from domain.regime import Regime
from domain.risk import DollarGreeks
from risk.allocator import allocate_repairs
from risk.gate import decide
from risk.hedge.breach import Limit
from risk.hedge.mending import WayOut, flattened, limits_of, mend, once_closed
from risk.hedge.settings import BreachSettings
from risk.measured import BookMeasures
from risk.revaluation import Scenarios
from tests.factories import candidate, exposure, leg, portfolio, risk_settings, sized, view

SETTINGS = risk_settings()
LEGS = (leg(-1, 680), leg(1, 675))
GREEKS = DollarGreeks(delta=90_000, gamma=-400, vega=-60, theta=8)
HELD = exposure(
    order_id="O-held", ticker="SPY", strategy="bull_put_spread", units=3, worst_case=Decimal(1_200), greeks=GREEKS,
    legs=tuple(one.model_copy(update={"quantity": 3 * one.quantity}) for one in LEGS),
)  # fmt: skip
BACK = candidate(intent="close", natural_per_share=Decimal("-1.30"), fees=Decimal("1.30"))
WAYS = {"O-held": WayOut(LEGS, 3, BACK)}
FLAT = Scenarios(("SPY",), np.zeros((4, 1)), np.zeros((4, 1)), np.zeros(4), np.zeros(4))
PNL = {("O-held", "open"): np.array([-6_000.0, -100.0, 0.0, 50.0])}
MEASURES = BookMeasures(scenarios=FLAT, priced={}, pnl=PNL, betas={"SPY": 0.5})


def book(*exposures, **changes):
    return portfolio(exposures=exposures or (HELD,), **{"measures": MEASURES, **changes})


def limits(account, regime=Regime.NEUTRAL, settings=SETTINGS):
    return {one.measure: (one.measured, one.limit) for one in limits_of(account, settings, regime)}


def test_limits_are_the_regimes_in_dollars_and_measures_are_signed():
    assert limits(book()) == {
        "var": (pytest.approx(1_200.0), 2_000.0),  # never more than the worst case
        "delta": (90_000.0, 50_000.0),
        "beta_delta": (45_000.0, 40_000.0),
        "gamma": (-400.0, 10_000.0),
        "vega": (-60.0, 500.0),
        "theta": (8.0, 200.0),
    }
    assert limits(book(), Regime.CRISIS)["delta"] == (90_000.0, 15_000.0)


def test_flattening_counts_what_is_filled_and_can_be_closed():
    found = flattened(book(), WAYS, search=BreachSettings(flat=0.2))  # 45,000 in three units, 20,000 may stay
    assert (found.units, found.before, found.after) == ({"O-held": 2}, 45_000.0, 15_000.0)
    assert flattened(book(), WAYS, search=BreachSettings(flat=0.5)).code == "nothing_broken"
    assert flattened(book(), {}, search=BreachSettings()).code == "none_restores"
    working = HELD.model_copy(update={"order_id": "O-way", "state": "working"})
    assert flattened(book(HELD, working), WAYS, search=BreachSettings(flat=0.2)) == found


def test_what_is_partly_closed_counts_by_the_part_that_stays():
    account = book(measures=replace(MEASURES, gains={"O-held": 90.0}))
    left = once_closed(account, {"O-held": 1})
    (rest,) = left.exposures
    assert (rest.units, rest.worst_case, rest.greeks.delta) == (2, 800, pytest.approx(60_000))
    assert left.measures.pnl["O-held", "open"] == pytest.approx(PNL["O-held", "open"] * 2 / 3)
    assert left.measures.gains == {"O-held": pytest.approx(60.0)}
    assert left.value_at_risk.usd == pytest.approx(account.value_at_risk.usd * 2 / 3)
    assert once_closed(account, {"O-held": 3}).exposures == ()
    assert once_closed(account, {"O-other": 3}).exposures == account.exposures


def test_a_part_of_what_is_not_measured_is_as_unknown_as_the_whole():
    dark = book(HELD.model_copy(update={"greeks": None}), measures=replace(MEASURES, pnl={}))
    left = once_closed(dark, {"O-held": 1})
    assert (left.exposures[0].greeks, left.measures.pnl, left.measures.gains) == (None, {}, {})


def test_what_is_on_its_way_in_is_not_what_is_closed():
    working = HELD.model_copy(update={"state": "working"})
    assert once_closed(book(working), {"O-held": 3}).exposures == (working,)


@pytest.mark.parametrize("account", [book(HELD.model_copy(update={"greeks": None})), book(nlv=None)])
def test_a_book_of_unknown_direction_is_not_flattened_blindly(account):
    found = flattened(account, WAYS, search=BreachSettings())
    assert (found.code, found.reason) == (
        "unknown", "The delta of something that is held is not known: close it by hand.",
    )  # fmt: skip


def test_a_beta_that_is_not_known_hurts_in_full():
    blind = replace(MEASURES, betas={})
    assert limits(book(measures=blind))["beta_delta"] == (270_000.0, 40_000.0)
    lean = HELD.model_copy(update={"greeks": GREEKS.model_copy(update={"delta": -10.0})})
    assert limits(book(lean))["beta_delta"] == (-5.0, 40_000.0)


def test_what_is_not_known_or_not_limited_is_left_out():
    dark = HELD.model_copy(update={"greeks": None})
    assert set(limits(book(dark))) == {"var"}
    assert set(limits(book(measures=replace(MEASURES, scenarios=None, pnl={})))) == {
        "delta", "beta_delta", "gamma", "vega", "theta",
    }  # fmt: skip
    assert limits(book(nlv=None)) == limits(book(nlv=0.0)) == {}
    bare = SETTINGS.model_copy(
        update={
            "soft": tuple(
                rule.model_copy(update={"limit": {}}) if rule.rule == "portfolio_greek"
                else rule.model_copy(update={"budget": {}}) if rule.rule == "var_budget" else rule
                for rule in SETTINGS.soft
            )
        }
    )  # fmt: skip
    assert limits(book(), settings=bare) == {}


def mending(account, ways=WAYS):
    return mend(account, ways, {}, regime=Regime.NEUTRAL, settings=SETTINGS, search=BreachSettings())


def test_the_fewest_units_are_closed_and_only_what_is_filled_counts():
    waiting = exposure(order_id="O-new", ticker="SPY", state="staged", greeks=GREEKS)
    for account in (book(), book(HELD, waiting)):
        found = mending(account)
        assert (found.intent, found.closes, found.units) == ("close", "O-held", 2)  # 90,000 − 2 · 30,000 ≤ 50,000
        assert found.cost == Decimal("262.60")  # two units: 1.30 a share to pay, and fees
        after = {one.measure: one.measured for one in found.after}
        assert after["delta"] == pytest.approx(30_000.0)
        assert after["beta_delta"] == pytest.approx(15_000.0)


def test_what_cannot_be_closed_or_has_no_greeks_is_no_way_out():
    assert mending(book(), {}).code == "none_restores"
    unmeasured = book(measures=replace(MEASURES, pnl={}))
    assert mending(unmeasured).units == 2
    dark = HELD.model_copy(update={"order_id": "O-dark", "greeks": None})
    ways = {**WAYS, "O-dark": WAYS["O-held"]}
    found = mending(book(HELD, dark), ways)  # its worst case stands in for its loss: VaR is beyond the budget
    assert (found.closes, [one.measure for one in found.before]) == ("O-held", ["var"])


def test_a_book_within_its_limits_is_left_alone():
    calm = HELD.model_copy(update={"greeks": DollarGreeks(delta=40_000)})
    assert mending(book(calm)).code == "nothing_broken"


def repaired(units, liquidity=50, account=None, **changes):
    wanted = Repair(candidate=candidate(purpose="repair", liquidity=liquidity, **changes), units=units)

    def question(ticker, held):
        assert ticker == wanted.candidate.ticker
        return view(order=None, portfolio=held)

    return allocate_repairs(
        [wanted], account or portfolio(), question, SETTINGS, lambda order: f"O-{order.candidate.ticker}"
    )


def test_a_repair_is_staged_whole_and_counts_from_then_on():
    (allocation,), after = repaired(2)
    assert allocation.accepted
    assert (allocation.ticker, allocation.sized.units, allocation.tried) == ("SPY", 2, 1)
    sizing = allocation.sized.sizing
    assert (sizing.binding, sizing.budget) == ("restores", Decimal("785.20"))
    assert [(cap.name, cap.units, cap.detail) for cap in sizing.caps] == [
        ("restores", 2, "put skew is rich"), ("liquidity", 50, "units executable at quoted size"),
    ]  # fmt: skip
    assert [(e.order_id, e.units, e.purpose) for e in after.exposures] == [("O-SPY", 2, "repair")]


@pytest.mark.parametrize(("liquidity", "units"), [(1, 0), (2, 2)])
def test_fewer_units_than_restore_the_limit_are_none(liquidity, units):
    (allocation,), after = repaired(2, liquidity=liquidity)
    assert allocation.sized.units == units
    assert allocation.accepted == (units > 0)
    assert allocation.sized.sizing.binding == ("restores" if units else "liquidity")
    assert len(after.exposures) == (1 if units else 0)


def test_a_repair_that_the_gate_vetoes_changes_nothing():
    (allocation,), after = repaired(20)
    assert {veto.name for veto in allocation.decision.vetoes} >= {"position_at_risk"}
    assert after.exposures == ()


def test_rules_about_which_trades_to_take_do_not_speak_of_a_hedge():
    silent = {"regime_family", "correlated_positions", "correlation_increase", "theta_concentration"}
    trade = {check.name for check in decide(view(), SETTINGS).checks}
    for purpose in ("hedge", "repair"):
        protection = {check.name for check in decide(view(order=sized(purpose=purpose)), SETTINGS).checks}
        assert trade - protection == silent
        assert protection < trade


def test_only_a_hedge_that_a_person_asked_for_passes_beyond_ten_contracts():
    for purpose, passes in (("trade", False), ("repair", False), ("hedge", True)):
        checks = {c.name: c.passed for c in decide(view(order=sized(11, purpose=purpose)), SETTINGS).checks}
        assert checks["contracts_per_order"] == passes


def test_a_limit_knows_whether_it_is_broken():
    assert not Limit(measure="delta", measured=-5.0, limit=5.0).broken
    assert Limit(measure="delta", measured=-5.01, limit=5.0).broken
