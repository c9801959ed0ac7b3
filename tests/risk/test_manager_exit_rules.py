"""Rules that leave a position: on both sides of each limit, with the exact figures, and without the facts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from risk.manager.decision import HOLD, RiskRule
from risk.manager.rules.chandelier import ChandelierRule
from risk.manager.rules.credit_loss import CreditLossRule
from risk.manager.rules.exit_dte import ExitDteRule
from risk.manager.rules.max_daily_loss import MaxDailyLossRule
from risk.manager.rules.max_drawdown import MaxDrawdownRule
from risk.manager.rules.scale_out import Rung, ScaleOutRule
from risk.manager.rules.session_exit import SessionExitRule
from risk.manager.rules.stop_loss import StopLossRule
from risk.manager.rules.take_profit import TakeProfitRule
from risk.manager.rules.theta_shortfall import ThetaShortfallRule
from risk.manager.rules.time_exit import TimeExitRule
from tests.support.positions import NOON, context

HALF_DAY = datetime(2026, 11, 27, tzinfo=UTC)  # the day after Thanksgiving: closes at 13:00 New York, 18:00 UTC


def days(count: float) -> timedelta:
    return timedelta(days=count)


# rule, facts that just keep it, facts that make it leave, what it then measures, its limit, and its words
EDGES: list[tuple[RiskRule, dict[str, Any], dict[str, Any], float, float, str]] = [
    (
        StopLossRule(share=0.6), {"unit_profit": -239.99}, {"unit_profit": -240.0}, 0.6, 0.6,
        "-480.00 USD is 60% of the maximum loss",
    ),
    (
        StopLossRule(share=0.25, of="premium"), {"unit_profit": -29.99}, {"unit_profit": -30.0}, 0.25, 0.25,
        "-60.00 USD is 25% of the premium",
    ),
    (
        TakeProfitRule(share=0.5), {"unit_profit": 49.99}, {"unit_profit": 50.0}, 0.5, 0.5,
        "+100.00 USD is 50% of the maximum profit",
    ),
    (
        TakeProfitRule(share=0.5), {"unit_profit": 199.99, "unit_max_profit": None},
        {"unit_profit": 200.0, "unit_max_profit": None}, 0.5, 0.5, "+400.00 USD is 50% of the stake",
    ),
    (
        TakeProfitRule(share=0.75, of="premium"), {"unit_profit": 89.99}, {"unit_profit": 90.0}, 0.75, 0.75,
        "+180.00 USD is 75% of the premium",
    ),
    (
        CreditLossRule(multiple=2), {"unit_profit": -239.99}, {"unit_profit": -240.0}, 2.0, 2.0,
        "-480.00 USD is 2.00 times the credit",
    ),
    (
        ExitDteRule(days=21), {"first_expiry_at": NOON + days(21.01)}, {"first_expiry_at": NOON + days(21)}, 21.0, 21.0,
        "21.0 days to the first expiry, to be left at 21",
    ),
    (
        ExitDteRule(days=0), {"first_expiry_at": NOON + days(0.5)}, {"first_expiry_at": NOON - days(1)}, -1.0, 0.0,
        "-1.0 days to the first expiry, to be left at 0",
    ),
    (
        ExitDteRule(days=30, leg="last"), {"last_expiry_at": NOON + days(30.01)}, {"last_expiry_at": NOON + days(30)},
        30.0, 30.0, "30.0 days to the last expiry, to be left at 30",
    ),
    (
        TimeExitRule(days=10), {"entry_time": NOON - days(9.99)}, {"entry_time": NOON - days(10)}, 10.0, 10.0,
        "held 10.0 days, at most 10",
    ),
    # Closes of Monday 9, Tuesday 10 and Wednesday 11 February have passed since Monday noon, two since Tuesday noon.
    (
        TimeExitRule(bars=3), {"entry_time": NOON - days(2)}, {"entry_time": NOON - days(3)}, 3.0, 3.0,
        "held 3 sessions, at most 3",
    ),
    (
        TimeExitRule(days=30, bars=3), {"entry_time": NOON - days(2)}, {"entry_time": NOON - days(3)}, 3.0, 3.0,
        "held 3 sessions, at most 3",
    ),
    (
        SessionExitRule(minutes=240), {"as_of": NOON - timedelta(minutes=1)}, {"as_of": NOON}, 240.0, 240.0,
        "240 minutes to the close, to be left at 240",
    ),
    (
        SessionExitRule(minutes=15), {"as_of": HALF_DAY + timedelta(hours=17, minutes=44)},
        {"as_of": HALF_DAY + timedelta(hours=17, minutes=45)}, 15.0, 15.0,
        "15 minutes to the early close, to be left at 15",
    ),
    (
        SessionExitRule(minutes=15, half_day_minutes=45), {"as_of": HALF_DAY + timedelta(hours=17, minutes=14)},
        {"as_of": HALF_DAY + timedelta(hours=17, minutes=15)}, 45.0, 45.0,
        "45 minutes to the early close, to be left at 45",
    ),
    (
        SessionExitRule(minutes=240, within_dte=1), {"first_expiry_at": NOON + days(1.01)},
        {"first_expiry_at": NOON + days(1)}, 240.0, 240.0, "240 minutes to the close, to be left at 240",
    ),
    (
        ChandelierRule(multiple=2), {"price": 500.01}, {"delta": 0.5, "price": 500.0}, 500.0, 500.0,
        "500.00 is 2 ATR below the high since entry, 500.00",
    ),
    (
        ChandelierRule(multiple=3), {"delta": -1.0, "price": 509.99}, {"delta": -1.0, "price": 510.0}, 510.0, 510.0,
        "510.00 is 3 ATR above the low since entry, 510.00",
    ),
    (
        ChandelierRule(multiple=2, side="long"), {"delta": None, "price": 500.01}, {"delta": -9.0, "price": 500.0},
        500.0, 500.0, "500.00 is 2 ATR below the high since entry, 500.00",
    ),
    (
        ChandelierRule(multiple=3, side="short"), {"delta": 0.0, "price": 509.99}, {"delta": 0.0, "price": 510.0},
        510.0, 510.0, "510.00 is 3 ATR above the low since entry, 510.00",
    ),
    # Theta promised 3 USD a day: 30 in ten days.
    (
        ThetaShortfallRule(multiple=2), {"unit_profit": -29.99}, {"unit_profit": -30.0}, 2.0, 2.0,
        "theta promised +30.00 USD a unit, profit lags by 60.00",
    ),
    (
        ThetaShortfallRule(multiple=1, days=10), {"unit_profit": 0.0, "entry_time": NOON - days(9.99)},
        {"unit_profit": 0.0}, 1.0, 1.0, "theta promised +30.00 USD a unit, profit lags by 30.00",
    ),
    (
        MaxDrawdownRule(share=0.2, flatten=True), {"equity": 100_001.0}, {"equity": 100_000.0}, 0.2, 0.2,
        "the account is 20.0% below its peak, limit 20.0%",
    ),
    (
        MaxDailyLossRule(share=0.02, flatten=True), {"equity": 99_960.01}, {"equity": 99_960.0}, 0.02, 0.02,
        "2.0% of today's baseline is lost, limit 2.0%",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "kept", "left", "measured", "limit", "words"), EDGES, ids=[f"{e[0].rule}-{n}" for n, e in enumerate(EDGES)]
)
def test_a_rule_keeps_on_this_side_of_its_limit_and_leaves_on_it(
    rule: RiskRule, kept: dict[str, Any], left: dict[str, Any], measured: float, limit: float, words: str
):
    assert rule.evaluate(context(**kept)) == HOLD
    decision = rule.evaluate(context(**left))
    assert (decision.should_exit, decision.exit_fraction, decision.rule) == (True, 1.0, rule.rule)
    assert (decision.measured, decision.limit) == (pytest.approx(measured, abs=1e-9), limit)
    assert decision.reason == words


@pytest.mark.parametrize(
    ("rule", "facts", "unknown"),
    [
        (StopLossRule(share=0.5), {"unit_profit": None}, ("unit_profit",)),
        (StopLossRule(share=0.5), {"unit_max_loss": None}, ("unit_max_loss",)),
        (StopLossRule(share=0.5, of="premium"), {"entry_price": None}, ("premium",)),
        # A base of nothing is no base: neither a division by zero nor a silent hold.
        (StopLossRule(share=0.5), {"unit_max_loss": 0.0}, ("unit_max_loss",)),
        (StopLossRule(share=0.5, of="premium"), {"entry_price": 0.0}, ("premium",)),
        (TakeProfitRule(share=0.5), {"unit_max_profit": 0.0}, ("unit_max_profit",)),
        (TakeProfitRule(share=0.5, of="premium"), {"entry_price": 0.0}, ("premium",)),
        (ScaleOutRule(rungs=(Rung(at=0.5, fraction=0.5),)), {"unit_max_profit": 0.0}, ("unit_max_profit",)),
        (TakeProfitRule(share=0.5), {"unit_profit": None}, ("unit_profit",)),
        (TakeProfitRule(share=0.5), {"unit_max_profit": None, "unit_max_loss": None}, ("unit_max_loss",)),
        (
            TakeProfitRule(share=0.5, of="premium"),
            {"entry_price": None, "unit_profit": None},
            ("premium", "unit_profit"),
        ),
        (CreditLossRule(multiple=2), {"unit_profit": None}, ("unit_profit",)),
        (CreditLossRule(multiple=2), {"entry_price": None}, ("entry_price",)),
        (ExitDteRule(days=21), {"first_expiry_at": None}, ("dte",)),
        (ExitDteRule(days=21, leg="last"), {"last_expiry_at": None}, ("last_dte",)),
        (TimeExitRule(bars=1), {"entry_time": None}, ("entry_time",)),
        (SessionExitRule(minutes=240, within_dte=1), {"first_expiry_at": None}, ("dte",)),
        (ChandelierRule(), {"delta": None}, ("delta",)),
        (ChandelierRule(), {"atr": None, "price": None}, ("atr", "price")),
        (ChandelierRule(), {"highs": ()}, ("highs",)),
        (ChandelierRule(side="short"), {"lows": (), "atr": None}, ("atr", "lows")),
        (ThetaShortfallRule(), {"entry_theta": None, "unit_profit": None}, ("entry_theta", "unit_profit")),
        (ThetaShortfallRule(), {"entry_time": None}, ("entry_time",)),
        (MaxDrawdownRule(share=0.1, flatten=True), {"peak_equity": None}, ("drawdown",)),
        (MaxDailyLossRule(share=0.01, flatten=True), {"equity": None}, ("daily_loss",)),
        (ScaleOutRule(rungs=(Rung(at=0.5, fraction=0.5),)), {"unit_profit": None}, ("unit_profit",)),
        (ScaleOutRule(measure="r", rungs=(Rung(at=1, fraction=1),)), {"unit_max_loss": None}, ("unit_max_loss",)),
    ],
)
def test_what_is_not_known_is_named_and_nothing_is_left_on_a_guess(
    rule: RiskRule, facts: dict[str, Any], unknown: tuple[str, ...]
):
    decision = rule.evaluate(context(**facts))
    assert not decision.should_exit
    assert not decision.updates
    assert decision.unknown == unknown
    assert decision.rule == rule.rule


@pytest.mark.parametrize("rule", [ExitDteRule(days=21), TimeExitRule(days=5), SessionExitRule(minutes=240)])
def test_the_calendar_acts_even_when_no_quote_can_value_the_position(rule: RiskRule):
    blind = context(
        unit_value=None,
        unit_profit=None,
        delta=None,
        price=None,
        atr=None,
        regime=None,
        unit_max_loss=None,
        equity=None,
    )
    assert rule.evaluate(blind).should_exit


@pytest.mark.parametrize(
    ("rule", "facts"),
    [
        # A debit structure has no credit to lose a multiple of.
        (CreditLossRule(multiple=0.1), {"entry_price": -120.0, "unit_profit": -100.0}),
        # A long option pays theta: nothing was promised.
        (ThetaShortfallRule(multiple=0.1), {"entry_theta": -3.0, "unit_profit": -100.0}),
        (ThetaShortfallRule(multiple=0.1), {"entry_theta": 0.0, "unit_profit": -100.0}),
        # Without direction there is no side on which to hang a chandelier.
        (ChandelierRule(multiple=0.1), {"delta": 0.0}),
        # Only openings are refused unless flattening was asked for.
        (MaxDrawdownRule(share=0.01), {"equity": 1.0}),
        (MaxDailyLossRule(share=0.01), {"equity": 1.0}),
        # Before the open, after the close and at the weekend there is nobody to trade with.
        (SessionExitRule(minutes=1_000), {"as_of": datetime(2026, 2, 12, 14, 29, tzinfo=UTC)}),
        (SessionExitRule(minutes=1_000), {"as_of": datetime(2026, 2, 12, 21, 1, tzinfo=UTC)}),
        (SessionExitRule(minutes=1_000), {"as_of": datetime(2026, 2, 14, 17, 0, tzinfo=UTC)}),
        # On an ordinary day the window of half-days does not count.
        (SessionExitRule(minutes=15, half_day_minutes=300), {}),
    ],
)
def test_a_rule_minds_its_own_business(rule: RiskRule, facts: dict[str, Any]):
    assert rule.evaluate(context(**facts)) == HOLD


LADDER = ScaleOutRule(rungs=(Rung(at=0.25, fraction=0.25), Rung(at=0.5, fraction=0.5), Rung(at=0.75, fraction=0.25)))


@pytest.mark.parametrize(
    ("profit", "opened", "held", "closing", "units"),
    [
        (24.99, 8, 8, 0, 0),
        (25.0, 8, 8, 0, 2),
        (25.0, 8, 6, 0, 0),  # the rung was sold before
        (25.0, 8, 7, 0, 1),  # and half of it
        (25.0, 8, 8, 2, 0),  # or is being sold
        (25.0, 8, 8, 1, 1),
        (50.0, 8, 8, 0, 6),  # two rungs in one jump
        (50.0, 8, 6, 0, 4),
        (49.99, 8, 6, 0, 0),
        (75.0, 8, 2, 0, 2),
        (75.0, 8, 8, 0, 8),
        (25.0, 3, 3, 0, 0),  # a quarter of three units is none
        (50.0, 3, 3, 0, 2),
        (90.0, 1, 1, 0, 1),  # a single unit leaves on the last rung
        (60.0, 1, 1, 0, 0),
    ],
)
def test_each_rung_is_sold_once_in_whole_units(profit: float, opened: int, held: int, closing: int, units: int):
    facts = {"unit_profit": profit, "opened_quantity": opened, "quantity": held, "closing_quantity": closing}
    decision = LADDER.evaluate(context(**facts))
    assert decision.should_exit == (units > 0)
    assert decision.exit_fraction * held == pytest.approx(units)


def test_a_rung_says_where_it_stands():
    decision = LADDER.evaluate(context(unit_profit=52.0, opened_quantity=8, quantity=8))
    assert decision.reason == "rung 2 of 3: 6 of 8 units at 0.52"
    assert (decision.measured, decision.limit, decision.rule) == (0.52, 0.5, "scale_out")


def test_a_ladder_in_r_counts_what_was_at_risk():
    ladder = ScaleOutRule(measure="r", rungs=(Rung(at=1, fraction=1.0),))
    assert ladder.evaluate(context(unit_profit=399.99)) == HOLD
    assert ladder.evaluate(context(unit_profit=400.0)).exit_fraction == 1.0


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        (TimeExitRule, {}, "needs days, bars or both"),
        (TimeExitRule, {"bars": 0}, "greater than or equal to 1"),
        (StopLossRule, {"share": 0}, "greater than 0"),
        (StopLossRule, {"share": 0.5, "off": "premium"}, "Extra inputs are not permitted"),
        (ExitDteRule, {"days": -1}, "greater than or equal to 0"),
        (SessionExitRule, {"minutes": 0}, "greater than 0"),
        (ScaleOutRule, {"rungs": ()}, "at least 1"),
        (ScaleOutRule, {"rungs": [{"at": 1, "fraction": 0.5}, {"at": 1, "fraction": 0.5}]}, "rungs must ascend"),
        (
            ScaleOutRule,
            {"rungs": [{"at": 1, "fraction": 0.6}, {"at": 2, "fraction": 0.5}]},
            "sell more than everything",
        ),
        (MaxDrawdownRule, {"share": 1.0}, "less than 1"),
        (MaxDailyLossRule, {"share": 1.0}, "less than 1"),
        (ScaleOutRule, {"rungs": [{"at": 1, "fraction": 1.01}]}, "less than or equal to 1"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_at_load(kind: Any, fields: dict[str, Any], words: str):
    with pytest.raises(ValidationError, match=words):
        kind(**fields)


def test_rungs_may_add_up_to_exactly_everything():
    thirds = tuple(Rung(at=at, fraction=1 / 3) for at in (0.25, 0.5, 0.75))
    last = ScaleOutRule(rungs=thirds).evaluate(context(unit_profit=75.0, opened_quantity=3, quantity=1))
    assert last.exit_fraction == 1.0
