"""What rules look at: derived once, unknown where a part is unknown, exact at the edges of the trading day."""

import dataclasses
from datetime import UTC, date, datetime, timedelta

import pytest

from domain.sessions import sessions_between
from risk.manager import Features, MarketFacts, PortfolioFacts, PositionFacts, RiskContext
from risk.manager.context import lazy

AT = datetime(2026, 2, 12, 15, 10, tzinfo=UTC)  # a Thursday, 10:10 New York
OPEN_, CLOSE = datetime(2026, 2, 12, 14, 30, tzinfo=UTC), datetime(2026, 2, 12, 21, 0, tzinfo=UTC)
HALF = datetime(2026, 11, 27, 18, 0, tzinfo=UTC)  # the close of a half-day
SECOND = timedelta(seconds=1)


def position(**changes) -> PositionFacts:
    """A credit spread of 1.20, at most 380 lost and 120 earned a unit, in profit by 60."""
    given = {
        "key": "O-1", "as_of": AT, "quantity": 2, "opened_quantity": 3, "entry_price": 120.0, "unit_profit": 60.0,
        "unit_max_loss": 380.0, "unit_max_profit": 120.0, "mfe": 95.0, "mae": -38.0, "entry_time": AT,
    }  # fmt: skip
    return PositionFacts(**{**given, **changes})


@pytest.mark.parametrize(
    ("at", "session", "to_close", "since_open", "half"),
    [
        (OPEN_ - SECOND, "pre", 390 + 1 / 60, None, False),
        (OPEN_, "regular", 390, 0, False),
        (CLOSE, "regular", 0, 390, False),
        (CLOSE + SECOND, "post", None, 390 + 1 / 60, False),
        (HALF - timedelta(minutes=5), "regular", 5, 205, True),
        (HALF, "regular", 0, 210, True),
        (HALF + SECOND, "post", None, 210 + 1 / 60, True),
        (datetime(2026, 2, 14, 15, 0, tzinfo=UTC), "closed", None, None, False),  # a Saturday
        (datetime(2026, 11, 26, 15, 0, tzinfo=UTC), "closed", None, None, False),  # Thanksgiving
    ],
)
def test_the_trading_day_is_exact_at_its_edges_half_days_included(at, session, to_close, since_open, half):
    facts = MarketFacts(as_of=at)
    assert (facts.session, facts.half_day) == (session, half)
    assert facts.minutes_to_close == (None if to_close is None else pytest.approx(to_close))
    assert facts.minutes_since_open == (None if since_open is None else pytest.approx(since_open))


def test_the_day_is_new_yorks_and_the_spread_needs_both_sides():
    late = MarketFacts(as_of=datetime(2026, 2, 13, 3, 0, tzinfo=UTC), bid=-70.0, ask=-50.0)
    assert late.day == date(2026, 2, 12)
    assert late.spread == 20.0
    assert dataclasses.replace(late, bid=None).spread is None
    assert dataclasses.replace(late, ask=None).spread is None


def test_profit_loss_and_excursions_in_usd_premium_and_r():
    facts = position()
    assert (facts.profit, facts.credit, facts.premium) == (120.0, True, 120.0)
    assert (facts.profit_of_max, facts.loss_of_max) == (0.5, round(-60 / 380, 9))
    assert (facts.profit_of_premium, facts.loss_of_premium, facts.r) == (0.5, -0.5, round(60 / 380, 9))
    assert (facts.mfe_r, facts.mae_r) == (0.25, -0.1)
    assert (facts.mfe_of_premium, facts.mae_of_premium) == (round(95 / 120, 9), round(-38 / 120, 9))
    assert facts.given_back == 35.0
    assert facts.scaled_out == round(1 / 3, 9)
    ahead = dataclasses.replace(facts, unit_profit=96.0)
    assert ahead.given_back == 0.0


def test_a_debit_is_no_credit_and_open_ended_profit_is_measured_against_the_stake():
    bought = position(entry_price=-250.0, unit_max_profit=None, unit_max_loss=250.0, unit_profit=-125.0)
    assert (bought.credit, bought.premium) == (False, 250.0)
    assert (bought.profit_of_max, bought.loss_of_max, bought.loss_of_premium) == (-0.5, 0.5, 0.5)


def test_a_ratio_is_rounded_so_that_a_limit_in_decimals_is_met():
    lost, stake = 64.32, 107.20
    assert lost / stake < 0.6
    assert position(unit_profit=-lost, unit_max_loss=stake).loss_of_max == 0.6


@pytest.mark.parametrize(
    ("missing", "unknown"),
    [
        (
            "unit_profit",
            "profit profit_of_max loss_of_max profit_of_premium loss_of_premium r given_back theta_shortfall",
        ),
        ("entry_price", "credit premium profit_of_premium loss_of_premium mfe_of_premium mae_of_premium"),
        ("unit_max_loss", "loss_of_max r mfe_r mae_r"),
        ("mfe", "mfe_r mfe_of_premium given_back"),
        ("mae", "mae_r mae_of_premium"),
        ("entry_time", "days_held bars_held expected_theta_profit theta_shortfall"),
        ("entry_theta", "expected_theta_profit theta_shortfall"),
        ("first_expiry_at", "dte"),
        ("last_expiry_at", "last_dte"),
    ],
)
def test_what_rests_on_something_unknown_is_unknown_and_nothing_else_is(missing, unknown):
    whole = position(entry_theta=4.0, first_expiry_at=AT, last_expiry_at=AT)
    derived = [name for name, found in vars(PositionFacts).items() if isinstance(found, lazy)]
    assert len(derived) >= 18
    assert [name for name in derived if getattr(whole, name) is None] == []
    lacking = dataclasses.replace(whole, **{missing: None})
    assert {name for name in derived if getattr(lacking, name) is None} == set(unknown.split())


def test_nothing_to_divide_by_is_unknown():
    assert position(unit_max_loss=0.0).r is None
    assert position(unit_max_profit=0.0).profit_of_max is None
    assert position(unit_max_profit=None, unit_max_loss=None).profit_of_max is None


def test_days_sessions_and_expiries_are_counted_from_the_instant():
    entered = datetime(2026, 2, 6, 20, 0, tzinfo=UTC)  # Friday, an hour before the close
    facts = position(
        entry_time=entered, entry_theta=4.0, first_expiry_at=AT + timedelta(days=10, hours=12),
        last_expiry_at=AT - timedelta(days=1),
    )  # fmt: skip
    assert facts.days_held == pytest.approx(5 + (19 + 10 / 60) / 24)
    assert facts.bars_held == 4  # Friday, Monday, Tuesday, Wednesday
    assert (facts.dte, facts.last_dte) == (10.5, -1.0)
    assert facts.expected_theta_profit == pytest.approx(4.0 * facts.days_held)
    assert facts.theta_shortfall == pytest.approx(4.0 * facts.days_held - 60.0)


def test_sessions_between_counts_closes_the_later_end_included():
    assert sessions_between(OPEN_, CLOSE) == 1
    assert sessions_between(OPEN_, CLOSE - SECOND) == 0
    assert sessions_between(CLOSE, CLOSE + timedelta(days=1)) == 1  # the first close itself is past
    assert sessions_between(CLOSE, OPEN_) == 0
    assert sessions_between(HALF - SECOND, HALF) == 1


def test_the_account_in_shares_of_what_it_was():
    account = PortfolioFacts(
        equity=90_000.0, margin=27_000.0, gross_delta=180_000.0, peak_equity=100_000.0, baseline_equity=91_000.0
    )  # fmt: skip
    assert (account.drawdown, account.free_margin, account.leverage) == (0.1, 0.7, 2.0)
    assert account.daily_loss == round(1 - 90 / 91, 9)
    assert dataclasses.replace(account, equity=110_000.0).drawdown == 0.0
    for name in ("drawdown", "daily_loss", "leverage", "free_margin"):
        assert getattr(dataclasses.replace(account, equity=None), name) is None
    assert dataclasses.replace(account, peak_equity=None).drawdown is None
    assert dataclasses.replace(account, peak_equity=0.0).drawdown is None
    assert dataclasses.replace(account, baseline_equity=None).daily_loss is None
    assert dataclasses.replace(account, baseline_equity=0.0).daily_loss is None
    assert dataclasses.replace(account, margin=None).free_margin is None
    assert dataclasses.replace(account, equity=0.0).free_margin is None


def test_a_derived_value_is_worked_out_once_on_first_access():
    calls = []

    class Counted:
        def __init__(self):
            self.derived = {}

        @lazy
        def answer(self) -> int:
            """The answer."""
            calls.append(1)
            return 42

    counted = Counted()
    assert calls == []
    assert (counted.answer, counted.answer) == (42, 42)
    assert calls == [1]
    assert Counted.answer.__doc__ == "The answer."
    facts = position()
    assert facts.derived == {}
    assert facts.r is not None
    assert set(facts.derived) == {"r"}


def test_a_context_is_immutable_complete_and_of_one_instant():
    context = RiskContext(market=MarketFacts(as_of=AT), position=position())
    assert context.as_of == AT
    for group in (context, context.market, context.position, context.portfolio, context.features):
        first = dataclasses.fields(group)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(group, first, None)
        with pytest.raises(AttributeError):
            object.__setattr__(group, "anything", 1)  # slots: there is no place for it
    facts = [field.name for group in (MarketFacts, PositionFacts, PortfolioFacts, Features)
             for field in dataclasses.fields(group) if field.name != "derived"]  # fmt: skip
    assert len(facts) >= 50
    assert position() == position()
