"""Lessons: what was predicted, what happened, where the money came from – the same whoever draws them, and whenever."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.book import SettlementPrice
from domain.contract import Right, Settlement
from domain.order import Greeks, Thesis
from domain.sessions import expiry_instant
from domain.units import to_datetime64, year_fraction
from options.black import greeks, price
from portfolio.closed_trades import closed_trades
from portfolio.ledger import ledger
from portfolio.reflection import IMPORTANCE_FLOOR, importance, reflect
from tests.support.orders import DAY, EXPIRY, HOUR, LONG, NOON, SHORT, SPREAD, THESIS, fill, leg, order

END = expiry_instant(EXPIRY, am_settled=False)


def settlement(at_price):
    return SettlementPrice(
        ticker="SPY", expiry=EXPIRY, timing=Settlement.PM, price=Decimal(str(at_price)), known_at=END, source="close"
    )


def trade(opening, *closings, settlements=(), as_of=END + DAY):
    """`opening` and `closings`: pairs of order and fills."""
    pairs = [opening, *closings]
    fills = [one for _, made in pairs for one in made]
    orders = [each for each, _ in pairs]
    structures = ledger(fills, orders, as_of=as_of, settlements=settlements)
    (found,) = closed_trades(structures, orders, only=[orders[0].order_id])
    return found


def spread(out=(0.5, 0.2), *, spot=606.0, days=5, thesis=None, **changes):
    """A bull put spread sold at 1.50 (spot 600) and bought back."""
    opening = order("open", **changes)
    if thesis is not None:
        opening = opening.model_copy(update={"thesis": Thesis.model_validate(THESIS.model_dump() | thesis)})
    closing = order("close", closes="open", at=NOON + days * DAY, spot=spot)
    return trade(
        (opening, [fill(opening, 4.05, 2.55)]),
        (closing, [fill(closing, *out, at=NOON + days * DAY, fill_id="close/1")]),
    )


def test_only_what_is_closed_and_asked_for_is_a_closed_trade():
    opening = order("open")
    structures = ledger([fill(opening, 4.05, 2.55)], [opening], as_of=NOON)
    assert closed_trades(structures, [opening], only=["open"]) == ()
    done = spread()
    assert [one.order_id for one in done.closings] == ["close"]
    assert [one.fill_id for one in done.fills] == ["open/1", "close/1"]
    assert (done.units, done.known_at, done.profit) == (2, NOON + 5 * DAY, Decimal("234.80"))


def test_a_trade_is_the_same_whichever_later_instant_it_is_looked_at_from():
    opening, price_of = order("open"), settlement(599)
    fills = [fill(opening, 4.05, 2.55)]
    seen = [trade((opening, fills), settlements=[price_of], as_of=END + days * DAY) for days in (0, 1, 30)]
    assert seen[0] == seen[1] == seen[2]
    assert reflect(seen[0]) == reflect(seen[2])
    assert seen[0].settlements == (price_of,)


def test_profit_over_worst_case_is_set_against_what_the_trade_was_sized_on():
    told = reflect(spread())
    assert told.outcome == pytest.approx(234.80 / (2 * 862.60))
    mean = (0.8 * 147.4 - 0.2 * 500) / 862.60
    deviation = 0.4 * (147.4 + 500) / 862.60
    assert told.expected == pytest.approx(mean)
    assert told.surprise == pytest.approx(abs(told.outcome - mean) / deviation)
    assert told.importance == importance(told.surprise)
    assert (told.win_chance, told.price_move) == (0.8, pytest.approx(0.01))
    assert "technical/SPY/trend@20260302T170000Z" in told.evidence
    assert {"open", "close", "open/1", "close/1"} <= set(told.evidence)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_greater_surprises_are_more_important_and_none_is_without_any(one, other):
    assert IMPORTANCE_FLOOR <= importance(one) <= 1
    assert (importance(one) >= importance(other)) or one < other
    assert importance(1.0) == 0.75


@pytest.mark.parametrize(
    ("out", "spot", "thesis", "finding"),
    [
        ((0.5, 0.2), 606.0, {}, "right"),
        ((6.0, 2.0), 606.0, {}, "unpaid"),
        ((0.5, 0.2), 594.0, {}, "lucky"),
        ((6.0, 2.0), 594.0, {}, "wrong"),
        ((6.0, 2.0), 594.0, {"verdict": "bear"}, "unpaid"),
        ((1.474, 0.0), 606.0, {}, "even"),
        ((0.5, 0.2), 600.0, {"verdict": "inconclusive", "vol_view": "short"}, "right"),
        ((6.0, 2.0), 650.0, {"verdict": "inconclusive", "vol_view": "short"}, "wrong"),
        ((0.5, 0.2), 606.0, {"verdict": "inconclusive", "vol_view": "none"}, "right"),
    ],
)
def test_the_finding_tells_a_right_view_from_a_lucky_trade(out, spot, thesis, finding):
    told = reflect(spread(out, spot=spot, thesis=thesis))
    assert told.finding == finding
    parts = told.attribution.model_dump()
    assert sum(value for value in parts.values() if value is not None) == pytest.approx(float(told.profit))
    assert f"{told.outcome:+.2f} of worst case" in told.text
    if finding in ("unpaid", "wrong"):
        assert "cost most (-" in told.text


def test_each_greeks_part_is_the_greek_at_entry_times_what_moved():
    parts = reflect(spread(days=10)).attribution
    assert parts.delta == pytest.approx(2 * 10.0 * 6.0)
    assert parts.gamma == pytest.approx(0.5 * 2 * -1.0 * 36.0)
    assert parts.theta == pytest.approx(2 * 500.0 * 10 / 365)
    assert parts.fees == pytest.approx(-5.20)


def test_held_to_expiry_the_settlement_price_tells_the_move_and_the_change_of_volatility_is_not_known():
    opening = order("open")
    told = reflect(trade((opening, [fill(opening, 4.05, 2.55)]), settlements=[settlement(585)]))
    assert told.price_move == pytest.approx(-0.025)
    assert (told.vol_change, told.attribution.vega) == (None, None)
    assert told.finding == "wrong"
    assert any(item.startswith("settlement/SPY/2026-03-20/PM") for item in told.evidence)


def test_a_fall_of_volatility_is_found_in_the_legs_own_fills_and_explains_the_profit():
    """A straddle sold at 30 % and bought back a day later at 24 %, the spot unmoved: vega and theta say it all."""
    legs = (leg(600, -1, right=Right.CALL), leg(600, -1))
    days = np.array([to_datetime64(END)])
    later = NOON + DAY
    worth = {
        at: float(
            price(forward=600.0, discount=1.0, strike=600.0, tau=year_fraction(at, days)[0], vol=vol, is_call=True)
        )
        for at, vol in ((NOON, 0.30), (later, 0.24))
    }
    each = greeks(
        forward=600.0,
        discount=1.0,
        strike=600.0,
        tau=year_fraction(NOON, days)[0],
        vol=0.30,
        is_call=np.array([True, False]),
    )
    held = Greeks(
        delta=float(-100 * each.delta.sum()), gamma=float(-100 * each.gamma.sum()), vega=float(-100 * each.vega.sum()),
        theta=float(-100 * each.theta.sum()), rho=0.0,
    )  # fmt: skip
    changes = {"legs": legs, "spot": 600.0, "greeks": held}
    opening, closing = order("open", units=1, **changes), order("close", units=1, closes="open", at=later, **changes)
    prices = {at: [round(value, 4)] * 2 for at, value in worth.items()}
    told = reflect(
        trade(
            (opening, [fill(opening, *prices[NOON])]),
            (closing, [fill(closing, *prices[later], at=later, fill_id="close/1")]),
        )
    )
    assert told.vol_change == pytest.approx(-0.06, abs=1e-4)
    parts = told.attribution
    gross = float(told.profit) - parts.fees
    assert parts.vega == pytest.approx(100 * 0.06 * float(each.vega.sum()), rel=1e-3)
    assert abs(parts.rest) < 0.03 * gross  # vega falls as time goes by
    assert parts.vega + parts.theta == pytest.approx(gross, rel=0.03)


def test_a_leg_whose_price_has_no_volatility_leaves_vega_unknown():
    assert reflect(spread((0.5, 0.0))).attribution.vega is None


def test_partial_fills_and_a_distribution_of_one_point_are_no_trouble():
    opening = order("open", outcomes=((1.0, 100.0),))
    closing = order("close", closes="open", at=NOON + DAY)
    told = reflect(
        trade(
            (opening, [fill(opening, 4.05, 2.55, units=1, fill_id=name) for name in "ab"]),
            (closing, [
                fill(closing, 0.5, 0.2, units=1, at=NOON + DAY, fill_id="c"),
                fill(closing, 0.5, 0.2, units=1, at=NOON + DAY + HOUR, fill_id="d"),
            ]),
        )
    )  # fmt: skip
    assert told.known_at == NOON + DAY + HOUR
    assert told.surprise == pytest.approx(abs(told.outcome - 100 / 862.6))
    assert SPREAD == (SHORT, LONG)
