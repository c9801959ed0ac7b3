"""Rules about opening orders: they shrink to the last unit that fits, refuse what cannot be bounded, never enlarge."""

from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.order import Greeks, SizedCandidate
from risk.manager.context import PortfolioFacts
from risk.manager.decision import OrderRule as OrderRuleProtocol
from risk.manager.rules import OrderRule
from risk.manager.rules.max_correlated import MaxCorrelatedRule
from risk.manager.rules.max_daily_loss import MaxDailyLossRule
from risk.manager.rules.max_drawdown import MaxDrawdownRule
from risk.manager.rules.max_gross import MaxGrossRule
from risk.manager.rules.max_leverage import MaxLeverageRule
from risk.manager.rules.max_margin import MaxMarginRule
from risk.manager.rules.max_net import MaxNetRule
from risk.manager.rules.max_position import MaxPositionRule
from risk.manager.rules.max_sector import MaxSectorRule
from tests.factories import sized


def order(units: int = 5, *, delta: float = 10.0, max_loss: str = "400", **changes: Any) -> SizedCandidate:
    """Units that lose at most 400 USD, bind 380 USD of margin and lean 5,000 USD to the long side, each."""
    greeks = Greeks(delta=delta, gamma=0, vega=0, theta=0, rho=0)
    return sized(units, spot=500.0, greeks=greeks, max_loss=Decimal(max_loss), margin=Decimal(380), **changes)


def account(**changes: Any) -> PortfolioFacts:
    """100,000 USD with 3,000 at risk: 1,000 each in SPY, in QQQ (moves with it) and in XOM (does not)."""
    fields: dict[str, Any] = {
        "equity": 100_000.0, "margin": 3_000.0, "exposure": 3_000.0, "gross_delta": 60_000.0, "net_delta": -20_000.0,
        "exposure_by_ticker": {"QQQ": 1_000.0, "SPY": 1_000.0, "XOM": 1_000.0},
        "exposure_by_sector": {"index": 2_000.0, "energy": 1_000.0, "unknown": 500.0},
        "sector_of": {"SPY": "index", "QQQ": "index", "XOM": "energy"},
        "correlation": {("QQQ", "SPY"): 0.9, ("SPY", "XOM"): 0.3}, "peak_equity": 110_000.0,
        "baseline_equity": 101_000.0,
    }  # fmt: skip
    return PortfolioFacts(**{**fields, **changes})


def room_for(units: int, used: float, per_unit: float = 400.0) -> float:
    """The share of equity that `units` beside `used` fill exactly."""
    return (used + units * per_unit) / 100_000


# Each limit leaves room for exactly three of the five units asked; a hair less leaves room for two.
THREE: list[tuple[Any, str, float, str]] = [
    (MaxPositionRule, "share", room_for(3, 1_000), "worst case in SPY 1,000.00 USD + 5 × 400.00 is 3.0% of equity"),
    (MaxGrossRule, "share", room_for(3, 3_000), "worst case of all 3,000.00 USD + 5 × 400.00 is 5.0% of equity"),
    (
        MaxSectorRule, "share", room_for(3, 2_000),
        "worst case in sector index 2,000.00 USD + 5 × 400.00 is 4.0% of equity",
    ),
    (
        MaxCorrelatedRule, "share", room_for(3, 2_000),
        "worst case in QQQ, SPY 2,000.00 USD + 5 × 400.00 is 4.0% of equity",
    ),
    (MaxMarginRule, "share", room_for(3, 3_000, 380), "margin 3,000.00 USD + 5 × 380.00 is 4.9% of equity"),
    (MaxLeverageRule, "multiple", room_for(3, 60_000, 5_000), "gross delta 60,000.00 USD + 5 × 5,000.00 is 85.0% of"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "limit", "words"), THREE, ids=[entry[0].__name__ for entry in THREE])
def test_an_order_is_cut_to_the_last_unit_that_fits(kind: Any, name: str, limit: float, words: str):
    rule = kind(**{name: limit})
    verdict = rule.admit(order(5), account())
    assert (verdict.units, verdict.asked, verdict.rule, verdict.limit) == (3, 5, rule.rule, limit)
    assert verdict.reason.startswith(words)
    assert kind(**{name: limit - 1e-7}).admit(order(5), account()).units == 2
    assert rule.admit(order(3), account()).units == 3
    assert rule.admit(order(2), account()).units == 2
    full = account(
        exposure=50_000.0, margin=50_000.0, gross_delta=500_000.0, exposure_by_ticker={"SPY": 50_000.0},
        exposure_by_sector={"index": 50_000.0},
    )  # fmt: skip
    assert rule.admit(order(1), full).refused


def test_a_verdict_measures_the_whole_order_against_the_limit():
    verdict = MaxPositionRule(share=0.02).admit(order(5), account())
    assert (verdict.measured, verdict.limit, verdict.units) == (pytest.approx(0.03), 0.02, 2)


@pytest.mark.parametrize("equity", [None, 0.0, -1.0])
@pytest.mark.parametrize(
    "rule",
    [
        MaxPositionRule(share=1), MaxGrossRule(share=1), MaxNetRule(share=1), MaxSectorRule(share=1),
        MaxCorrelatedRule(share=1), MaxLeverageRule(multiple=1), MaxMarginRule(share=1),
    ],
)  # fmt: skip
def test_without_equity_there_is_no_share_of_it(rule: OrderRuleProtocol, equity: float | None):
    verdict = rule.admit(order(1), account(equity=equity))
    assert (verdict.refused, verdict.reason) == (True, "equity unknown or gone")
    assert verdict.limit == 1


@pytest.mark.parametrize(
    ("rule", "gone", "words"),
    [
        (MaxGrossRule(share=1), "exposure", "worst case of all unknown or gone"),
        (MaxMarginRule(share=1), "margin", "margin unknown or gone"),
        (MaxLeverageRule(multiple=9), "gross_delta", "gross delta unknown or gone"),
        (MaxNetRule(share=9), "net_delta", "net delta unknown or gone"),
        (MaxDrawdownRule(share=0.9), "peak_equity", "drawdown unknown"),
        (MaxDailyLossRule(share=0.9), "baseline_equity", "daily loss unknown"),
    ],
)
def test_what_has_no_bound_refuses_the_order(rule: OrderRuleProtocol, gone: str, words: str):
    verdict = rule.admit(order(1), account(**{gone: None}))
    assert (verdict.units, verdict.asked, verdict.rule, verdict.reason) == (0, 1, rule.rule, words)
    assert verdict.limit is not None


def test_a_first_position_in_a_name_or_a_sector_starts_from_nothing():
    stranger = order(3, ticker="ABC")
    assert MaxPositionRule(share=0.008).admit(stranger, account()).units == 2
    # Its sector is unknown, and the unknown share one bucket that holds 500 USD already.
    assert MaxSectorRule(share=0.013).admit(stranger, account()).units == 2
    assert MaxSectorRule(share=0.008).admit(stranger, account(exposure_by_sector={})).units == 2


def test_a_correlation_that_nobody_knows_counts_as_one():
    assert MaxCorrelatedRule(share=0.028).admit(order(5), account()).units == 2
    assert MaxCorrelatedRule(share=0.038).admit(order(5), account(correlation={("QQQ", "SPY"): 0.9})).units == 2
    assert (
        MaxCorrelatedRule(share=0.018)
        .admit(order(5), account(correlation={("QQQ", "SPY"): 0.69, ("SPY", "XOM"): 0.3}))
        .units
        == 2
    )
    at_threshold = account(correlation={("QQQ", "SPY"): 0.7, ("SPY", "XOM"): 0.3})
    assert MaxCorrelatedRule(share=0.028).admit(order(5), at_threshold).units == 2
    assert MaxCorrelatedRule(share=0.018).admit(order(5), at_threshold).units == 0


@pytest.mark.parametrize(
    ("net", "delta", "share", "units"),
    [
        (-20_000, 10, 0.05, 5),  # leans back towards the middle: 25,000 from −20,000 ends at +5,000
        (-20_000, 10, 0.01, 5),  # beyond the limit already, and none of these units makes it worse
        (0, 10, 0.15, 3),
        (0, 10, 0.1499999, 2),
        (0, -10, 0.15, 3),
        (5_000, 10, 0.20, 3),
        (5_000, -10, 0.10, 3),  # through the middle to −10,000
        (-5_000, -10, 0.20, 3),
        (30_000, 10, 0.20, 0),  # beyond the limit, and leaning further
        (-5_000, 10, 0.01, 2),  # back through the middle, but not past where it stood
        (30_000, 0, 0.20, 5),
        (0, 10, 9.0, 5),
    ],
)
def test_a_book_may_be_leant_back_but_not_further_out(net: float, delta: float, share: float, units: int):
    verdict = MaxNetRule(share=share).admit(order(5, delta=delta), account(net_delta=float(net)))
    assert (verdict.units, verdict.asked) == (units, 5)


def test_a_net_verdict_says_where_the_whole_order_would_lead():
    verdict = MaxNetRule(share=0.1).admit(order(5), account(net_delta=5_000.0))
    assert (verdict.measured, verdict.limit, verdict.rule) == (0.3, 0.1, "max_net")
    assert verdict.reason == "net delta +5,000 USD +25,000 is 30.0% of equity, limit 10.0%"


@pytest.mark.parametrize("delta", [5e-324, -5e-324])
def test_a_delta_of_next_to_nothing_is_no_division_by_zero(delta: float):
    for rule in (MaxLeverageRule(multiple=0.9), MaxNetRule(share=0.5)):
        assert rule.admit(order(5, delta=delta), account()).units == 5
    assert MaxLeverageRule(multiple=0.5).admit(order(5, delta=delta), account()).refused


def test_an_order_without_delta_takes_no_leverage():
    assert MaxLeverageRule(multiple=0.1).admit(order(5, delta=0.0), account()).units == 5


@pytest.mark.parametrize(
    ("rule", "fine", "breached", "words"),
    [
        (
            MaxDrawdownRule(share=0.1), {"equity": 99_000.01}, {"equity": 99_000.0},
            "the account is 10.0% below its peak, limit 10.0%",
        ),
        (
            MaxDailyLossRule(share=0.02), {"equity": 98_980.01}, {"equity": 98_980.0},
            "2.0% of today's baseline is lost, limit 2.0%",
        ),
    ],
)  # fmt: skip
def test_a_losing_account_opens_nothing(
    rule: OrderRuleProtocol, fine: dict[str, float], breached: dict[str, float], words: str
):
    assert rule.admit(order(5), account(**fine)).units == 5
    verdict = rule.admit(order(5), account(**breached))
    assert (verdict.units, verdict.asked, verdict.rule) == (0, 5, rule.rule)
    assert (verdict.measured, verdict.limit, verdict.reason) == (rule.share, rule.share, words)


PLAIN: tuple[Any, ...] = get_args(OrderRule)
BOTH = (MaxDrawdownRule, MaxDailyLossRule)


@given(
    units=st.integers(1, 20), used=st.floats(0, 60_000), net=st.floats(-90_000, 90_000), delta=st.floats(-200, 200),
    limit=st.floats(0.001, 0.9), tighter=st.floats(0.01, 1.0), equity=st.floats(1, 200_000),
)  # fmt: skip
def test_no_rule_enlarges_and_a_tighter_limit_never_admits_more(
    units: int, used: float, net: float, delta: float, limit: float, tighter: float, equity: float
):
    portfolio = account(
        exposure=used, margin=used, gross_delta=used, net_delta=net, exposure_by_ticker={"SPY": used}, equity=equity,
        exposure_by_sector={"index": used},
    )  # fmt: skip
    asked = order(units, delta=delta)
    for kind in (*PLAIN, *BOTH):
        name = "multiple" if kind is MaxLeverageRule else "share"
        loose, tight = kind(**{name: limit}), kind(**{name: limit * tighter})
        verdict = loose.admit(asked, portfolio)
        assert verdict == loose.admit(asked, portfolio)
        assert tight.admit(asked, portfolio).units <= verdict.units <= units


@pytest.mark.parametrize("kind", PLAIN)
def test_a_limit_of_nothing_or_less_is_refused_at_load(kind: Any):
    name = "multiple" if kind is MaxLeverageRule else "share"
    with pytest.raises(ValidationError, match="greater than 0"):
        kind(**{name: 0})
    with pytest.raises(ValidationError, match="Field required"):
        kind()


def test_no_correlation_lies_above_one():
    assert MaxCorrelatedRule(share=0.1, threshold=1).threshold == 1
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        MaxCorrelatedRule(share=0.1, threshold=1.01)


def test_margin_may_bind_all_but_no_more():
    assert MaxMarginRule(share=1).share == 1
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        MaxMarginRule(share=1.01)


def test_a_last_dollar_of_equity_is_still_equity():
    for rule in (MaxGrossRule(share=1), MaxNetRule(share=1)):
        assert rule.admit(order(1), account(equity=1.0)).measured is not None
