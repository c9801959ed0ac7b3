"""Shocks, grid and what stands at its worst case; the limits that a loss would break, on both sides of each edge."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from domain.book import Book, Position, SharePosition
from domain.errors import DataError, Refused
from domain.regime import Regime
from domain.risk import HardLimits
from risk.revaluation import Line
from risk.stress.grid import grid
from risk.stress.limits import Account, checks_after
from risk.stress.lines import lines_of
from risk.stress.moves import Shocks, profits, total, without_beta
from risk.stress.named import index_move, named
from risk.stress.settings import StressSettings
from risk.stress.unpriced import fixed_losses
from tests.factories import AS_OF, exposure
from tests.risk.made_books import CHAINS, book, leg_of, line, put_spread, row_of

SETTINGS = StressSettings.model_validate(
    yaml.safe_load((Path(__file__).parents[2] / "config" / "stress.yaml").read_text(encoding="utf-8"))
)
BETAS = {"ABC": 1.0, "XYZ": 2.0}
SHARES = Line("shares", "ABC", None, 100, 10_000.0)
LOST = Line("lost", "QQQ", None, 5, 700.0)
FEES = 1.30


def a_book(**changes):
    nothing = dict.fromkeys(("cash", "realised", "fees"), Decimal(0))
    fields = {"as_of": AS_OF, "positions": (), "nlv": None, "nlv_as_of": None, **nothing}
    return Book(**{**fields, **changes})


def shocks(spot, vol=0.0, rate=0.0, days=0.0):
    return Shocks(*(np.broadcast_to(np.asarray(value, dtype=np.float64), np.shape(spot)) for value in
                    (np.asarray(spot, dtype=np.float64), vol, rate, days)))  # fmt: skip


def profit_of(held, spot, betas=BETAS, stand_ins=(1.0,), **more):
    return profits(held, shocks(spot, **more), betas, stand_ins=stand_ins)


def test_a_name_moves_by_its_beta_times_the_index():
    held = book(SHARES, Line("more", "XYZ", None, 100, 5_000.0))
    found = profit_of(held, [-0.10, 0.0, 0.05])
    assert list(found) == ["ABC", "XYZ"]
    assert found["ABC"].tolist() == pytest.approx([-1_000.0, 0.0, 500.0])
    assert found["XYZ"].tolist() == pytest.approx([-1_000.0, 0.0, 500.0])  # half the price, twice the beta
    assert total(found, 3).tolist() == pytest.approx([-2_000.0, 0.0, 1_000.0])


def test_no_name_falls_below_five_percent_of_its_price():
    assert profit_of(book(SHARES), [-0.40], {"ABC": 3.0})["ABC"].tolist() == pytest.approx([-9_500.0])
    assert profit_of(book(SHARES), [-0.30], {"ABC": 3.0})["ABC"].tolist() == pytest.approx([-9_000.0])


def test_an_unknown_beta_is_the_stand_in_that_hurts_most_shock_by_shock():
    held, stand_ins = book(*put_spread(), line("C", quantity=1, strike=100.0)), (0.0, 1.5, 3.0)
    assert without_beta(held, {}) == ("ABC",)
    assert without_beta(held, BETAS) == ()
    moves, vol = [-0.10, 0.0, 0.10], 0.2
    each = np.array([profit_of(held, moves, {"ABC": beta}, vol=vol)["ABC"] for beta in stand_ins])
    found = profit_of(held, moves, {}, stand_ins, vol=vol)["ABC"]
    assert found.tolist() == each.min(axis=0).tolist()
    assert each[:, 0].argmin() != each[:, 2].argmin()  # or the test would show nothing


def test_what_cannot_be_repriced_loses_its_worst_case_in_every_shock_and_is_named():
    held = book(SHARES, LOST, Line("also", "ABC", leg_of(CHAINS["ABC"], 0, strike=Decimal(1)), 1, 40.0))
    found = profit_of(held, [-0.10, 0.0])
    assert found["QQQ"].tolist() == [-700.0, -700.0]
    assert found["ABC"].tolist() == pytest.approx([-1_040.0, -40.0])
    also, lost = fixed_losses(held)
    assert (lost.order_id, lost.ticker, lost.usd) == ("lost", "QQQ", 700.0)
    assert lost.reason == "no price of QQQ"
    assert (also.order_id, also.usd) == ("also", 40.0)


def test_no_figure_where_nothing_bounds_a_loss():
    with pytest.raises(Refused, match=r"lost cannot be repriced \(no price of QQQ\) and nothing bounds") as refused:
        profit_of(book(SHARES, LOST._replace(worst_case=None)), [0.0])
    assert refused.value.code == "unbounded"


def test_an_empty_book_loses_nothing():
    empty = book()
    assert profit_of(empty, [-0.2]) == {}
    assert {result.at_once for result in named(empty, BETAS, SETTINGS)} == {0.0}
    assert not grid(empty, BETAS, SETTINGS).book.any()
    assert index_move(empty, BETAS, SETTINGS, -0.20) == 0.0


def test_each_shock_of_history_at_once_and_after_its_days():
    held = book(*put_spread(units=2), Line("s", "XYZ", None, 10, 500.0))
    results = named(held, BETAS, SETTINGS)
    assert [result.shock.name for result in results] == [shock.name for shock in SETTINGS.shocks]
    for result in results:
        shock = result.shock
        moved = {"vol": shock.vol, "rate": shock.rate}
        at_once = profit_of(held, [shock.spot], **moved)
        assert result.at_once == pytest.approx(total(at_once, 1)[0], abs=1e-9)
        assert result.by_ticker == {ticker: pytest.approx(float(usd[0])) for ticker, usd in at_once.items()}
        assert sum(result.by_ticker.values()) == pytest.approx(result.at_once)
        later = profit_of(held, [shock.spot], **moved, days=shock.days)
        assert result.held == pytest.approx(total(later, 1)[0], abs=1e-9)
        assert result.worst == min(result.at_once, result.held)
    assert len({result.at_once for result in results}) == len(results)


def test_the_index_alone_moves_with_volatility_still():
    assert index_move(book(SHARES), BETAS, SETTINGS, -0.20) == pytest.approx(-2_000.0)
    spread = book(*put_spread())
    assert index_move(spread, BETAS, SETTINGS, -0.20) == pytest.approx(profit_of(spread, [-0.20])["ABC"][0])


def test_the_grid_is_zero_where_nothing_moves_and_reads_by_day_volatility_and_spot():
    held = book(*put_spread(), Line("s", "XYZ", None, 10, 500.0))
    found = grid(held, BETAS, SETTINGS)
    assert found.book.shape == (len(found.days), len(found.vol), len(found.spot))
    assert found.book[0, found.vol.index(0.0), found.spot.index(0.0)] == 0.0
    day, vol, spot = 1, found.vol.index(0.5), found.spot.index(-0.05)
    cell = profit_of(held, [-0.05], vol=0.5, days=float(found.days[day]))
    assert found.book[day, vol, spot] == pytest.approx(total(cell, 1)[0])
    own = profit_of(held, [-0.05], {}, (1.0,), vol=0.5, days=float(found.days[day]))
    assert found.own["XYZ"][day, vol, spot] == pytest.approx(own["XYZ"][0]) == pytest.approx(-25.0)
    assert found.own["ABC"].shape == found.book.shape


@given(strike=st.sampled_from([85.0, 90.0, 100.0, 110.0]), quantity=st.integers(1, 5), expiry=st.integers(0, 3),
       vol=st.floats(-0.4, 1.5), days=st.floats(0, 15))  # fmt: skip
def test_a_long_put_gains_as_the_index_falls_and_a_long_call_loses(strike, quantity, expiry, vol, days):
    moves = np.linspace(-0.4, 0.3, 29)
    put = book(line("P", quantity=quantity, strike=strike, call=False, expiry=expiry))
    call = book(line("C", quantity=quantity, strike=strike, call=True, expiry=expiry))
    assert (np.diff(profit_of(put, moves, vol=vol, days=days)["ABC"]) <= 1e-9).all()
    assert (np.diff(profit_of(call, moves, vol=vol, days=days)["ABC"]) >= -1e-9).all()


@given(lower=st.sampled_from([80.0, 85.0, 90.0, 95.0]), width=st.sampled_from([2.5, 5.0, 10.0]), call=st.booleans(),
       side=st.sampled_from([-1, 1]), units=st.integers(1, 4), expiry=st.integers(0, 3),
       spot=st.floats(-0.5, 0.5), vol=st.floats(-0.5, 3.5), rate=st.floats(-0.015, 0.011),
       days=st.floats(0, 90))  # fmt: skip
def test_defined_risk_never_loses_more_than_its_worst_case(
    lower, width, call, side, units, expiry, spot, vol, rate, days
):
    """Opened at the model's price; the worst case counts fees, as the desk's does."""
    legs = [line("V", quantity=side * units, strike=lower, call=call, expiry=expiry),
            line("V", quantity=-side * units, strike=lower + width, call=call, expiry=expiry)]  # fmt: skip
    paid = float(np.sum(book(*legs).size * book(*legs).value))
    gives = (side > 0) == call  # the structure that costs premium
    worst = (paid if gives else 100 * width * units + paid) + FEES * units
    found = profit_of(book(*legs), [spot], vol=vol, rate=rate, days=days)["ABC"][0]
    assert found >= -worst


def test_lines_carry_what_can_be_lost_from_now_on():
    chain = CHAINS["ABC"]
    leg = leg_of(chain, row_of(chain, strike=95.0, call=False), -2)
    item = exposure(order_id="O-1", ticker="ABC", worst_case=Decimal(800), legs=(leg,))
    position = Position(
        order_id="O-1", ticker="ABC", strategy="s", leg=leg, quantity=-2, average_price=Decimal(3), mark=2.0,
        mark_source="mid",
    )  # fmt: skip
    (gained,) = lines_of([item], a_book(positions=(position,)))
    assert (gained.key, gained.ticker, gained.leg, gained.quantity) == ("O-1", "ABC", leg, -2)
    assert gained.worst_case == 1_000.0  # 200 gained since can be lost again
    lost = position.model_copy(update={"mark": 9.0})
    assert lines_of([item], a_book(positions=(lost,)))[0].worst_case == 0.0  # 1,200 lost already: the bound is used up
    unknown = position.model_copy(update={"mark": None})
    assert lines_of([item], a_book(positions=(unknown,)))[0].worst_case == 800.0
    (staged,) = lines_of([item.model_copy(update={"state": "partially_filled"})], a_book())
    assert (staged.key, staged.worst_case) == ("O-1 (partially filled)", 800.0)


def test_a_structure_whose_contracts_are_unknown_is_no_line():
    with pytest.raises(DataError, match="contracts of O-1 are not known"):
        lines_of([exposure(order_id="O-1")], a_book())


@pytest.mark.parametrize(("quantity", "mark", "worst"), [(10, 50.0, 500.0), (10, None, None), (-10, 50.0, None)])
def test_shares_lose_their_value_and_short_ones_have_no_bound(quantity, mark, worst):
    held = SharePosition(ticker="ABC", quantity=quantity, average_price=Decimal(40), mark=mark, mark_source="close")
    (shares,) = lines_of([], a_book(shares=(held,)))
    assert shares == Line("shares of ABC", "ABC", None, quantity, worst)


ACCOUNT = Account(
    nlv=100_000.0, baseline_nlv=100_000.0, margin=30_000.0, regime=Regime.NEUTRAL, hard=HardLimits(), var_budget=0.02,
    exposures=(exposure(worst_case=Decimal(3_000)), exposure(order_id="O-2", worst_case=Decimal(1_000)),
               exposure(order_id="O-3", ticker="AAPL", sector="technology", worst_case=Decimal(2_000))),
)  # fmt: skip


def after(profit, **changes):
    return {check.name: check for check in checks_after(profit, replace(ACCOUNT, **changes))}


def test_a_book_at_rest_breaks_nothing():
    found = after(0.0)
    assert list(found) == ["daily_loss", "free_margin", "position_at_risk", "sector_exposure", "var_budget"]
    assert all(check.passed and check.ticker == "*" and check.stage == "final" for check in found.values())
    assert {name: check.measured for name, check in found.items()} == {
        "daily_loss": 0.0, "free_margin": 0.7, "position_at_risk": 0.04, "sector_exposure": 0.04, "var_budget": 0.0,
    }  # fmt: skip
    assert (found["position_at_risk"].detail, found["sector_exposure"].detail) == ("QQQ", "index")
    assert [name for name, check in found.items() if not check.hard] == ["var_budget"]


@pytest.mark.parametrize(("profit", "passed"), [(-2_999.99, True), (-3_000.0, False), (-3_000.01, False)])
def test_the_daily_loss_limit_is_broken_when_it_is_reached(profit, passed):
    check = after(profit)["daily_loss"]
    assert (check.passed, check.limit, check.unit) == (passed, 0.03, "share of baseline NLV")
    assert check.measured == pytest.approx(-profit / 100_000)
    assert check.detail == f"NLV {100_000 + profit:,.2f} USD against a baseline of 100,000.00 USD"


def test_the_loss_of_the_day_so_far_counts():
    assert after(-1_000.0, baseline_nlv=102_000.0)["daily_loss"].measured == pytest.approx(3_000 / 102_000)
    no_baseline = after(0.0, baseline_nlv=0.0)["daily_loss"]
    assert (no_baseline.measured, no_baseline.passed) == (None, False)


@pytest.mark.parametrize(("margin", "passed"), [(72_000.0, True), (72_000.5, False)])
def test_free_margin_is_a_share_of_what_is_left(margin, passed):
    check = after(-10_000.0, margin=margin)["free_margin"]
    assert (check.passed, check.limit) == (passed, 0.20)
    assert check.measured == pytest.approx((90_000 - margin) / 90_000)
    assert check.detail == f"margin {margin:,.2f} USD"


@pytest.mark.parametrize(
    ("regime", "worst", "passed"),
    [(Regime.NEUTRAL, 5_000, True), (Regime.NEUTRAL, 5_001, False), (Regime.CRISIS, 2_000, True),
     (Regime.CRISIS, 2_001, False)],
)  # fmt: skip
def test_position_at_risk_has_its_limit_in_a_crisis(regime, worst, passed):
    check = after(0.0, regime=regime, exposures=(exposure(worst_case=Decimal(worst)),))["position_at_risk"]
    assert (check.passed, check.limit) == (passed, 0.02 if regime is Regime.CRISIS else 0.05)


@pytest.mark.parametrize(("worst", "passed"), [(15_000, True), (15_001, False)])
def test_the_largest_sector_counts(worst, passed):
    items = (exposure(order_id="A", ticker="A", sector="energy", worst_case=Decimal(worst)), exposure())
    check = after(0.0, exposures=items)["sector_exposure"]
    assert (check.passed, check.measured, check.detail) == (passed, worst / 100_000, "energy")


@pytest.mark.parametrize(
    ("profit", "passed", "share"), [(-2_000.0, True, 0.02), (-2_001.0, False, 0.02001), (500.0, True, 0.0)]
)
def test_a_loss_is_held_against_the_regimes_budget_of_a_day(profit, passed, share):
    check = after(profit)["var_budget"]
    assert (check.passed, check.measured, check.limit, check.hard) == (passed, pytest.approx(share), 0.02, False)
    assert "var_budget" not in after(profit, var_budget=None)


def test_nothing_left_breaks_every_hard_limit():
    found = after(-100_000.0)
    assert not any(check.passed for check in found.values())
    assert found["free_margin"].measured is None


def test_an_account_that_holds_nothing_names_nothing():
    assert after(0.0, exposures=())["position_at_risk"].detail == "nothing held"


def test_two_names_at_equal_risk_are_told_in_the_same_way_every_time():
    twins = [exposure(order_id=name, ticker=name, worst_case=Decimal(7)) for name in ("B", "A")]
    assert {after(0.0, exposures=tuple(order))["position_at_risk"].detail for order in (twins, twins[::-1])} == {"A"}


def test_no_structure_loses_more_than_its_worst_case_whatever_a_shocked_surface_says_of_its_legs():
    """A gain elsewhere is no cover: each structure stops at its own bound, then they add up."""
    loser = Line("loser", "ABC", None, 100, 300.0)
    bounded = profit_of(book(loser, SHARES._replace(quantity=-10, worst_case=None)), [-0.02, -0.10])
    assert bounded["ABC"].tolist() == pytest.approx([-200.0 + 20.0, -300.0 + 100.0])
    unbounded = profit_of(book(SHARES._replace(worst_case=None)), [-0.10])
    assert unbounded["ABC"].tolist() == pytest.approx([-1_000.0])
