"""From a snapshot to contexts: what the book, the quotes and the histories say, and nothing later than the instant."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import numpy as np
import pytest

from domain.excursion import Excursion
from domain.market import Bars, Series, iv30
from domain.order import OrderState, OrderView
from domain.regime import Regime
from domain.risk import DollarGreeks
from domain.sessions import close_known_at
from domain.snapshot import MarketSnapshot
from portfolio.book import fold
from portfolio.exposure import exposures
from portfolio.valuation import value
from risk.manager.facts import closing_units, contexts, on_their_way, portfolio_facts
from risk.manager.held import holdings
from risk.manager.measures import (
    Underlying,
    average_true_range,
    features_of,
    iv_and_rank,
    natural,
    realised_vol,
    underlying,
)
from tests.support.orders import (
    DAY,
    GOOD_QUOTES,
    HOUR,
    LONG,
    NOON,
    SHORT,
    chain,
    empty_desk,
    fill,
    market,
    order,
)

AT = NOON + HOUR
HELD = order("open", units=2)
GREEKS = DollarGreeks(delta=900.0, gamma=-40.0, vega=-12.0, theta=6.0)


def bars(n=120, *, start=100.0, until=AT) -> Bars:
    """Daily bars that end on the last session before `until`: each two above and one below its close."""
    day = np.arange(np.datetime64(until.date()) - n, np.datetime64(until.date()))
    close = start + np.arange(n, dtype=np.float64)
    return Bars("SPY", day, close_known_at(day), close - 0.5, close + 2, close - 1, close, close * 10, None)


def desk(*views, filled=(HELD,), quotes=GOOD_QUOTES, greeks=None, **changes):
    """The account after `filled` were bought at 1.50 credit."""
    fills = [fill(item, 4.05, 2.55, at=NOON) for item in filled]
    book = value(fold(fills, (), filled, starting_cash=Decimal(100_000), as_of=AT), {"SPY": chain(quotes, at=AT)})
    held = tuple(OrderView(order=item, state=OrderState.FILLED, changed_at=NOON) for item in filled)
    found = exposures([*held, *views], book, {"SPY": "index"}, greeks=greeks)
    return empty_desk(AT).model_copy(update={"book": book, "open_orders": held, "exposures": found, **changes})


def snapshot(state, **changes) -> MarketSnapshot:
    return MarketSnapshot(market=market(AT, **changes), desk=state)


def test_a_context_says_what_is_held_and_what_it_went_through():
    past = Excursion(
        order_id="open", at=AT, opened_at=NOON - DAY, entry_price=150.0, unit_risk=862.6, opened_units=3,
        closed_units=1, mfe=60.0, mae=-20.0, high_water=-90.0, low_water=-170.0, stop=-5.0, stop_rule="trail",
        target=90.0, target_rule="aim",
    )  # fmt: skip
    state = desk(greeks={"open": GREEKS}, excursions=(past,))
    (found,) = contexts(snapshot(state, bars={"SPY": bars()}), Regime.HIGH_VOL)
    position = found.position
    assert (position.key, position.ticker, position.strategy, position.family) == (
        "open", "SPY", "bull_put_spread", "vertical_credit",
    )  # fmt: skip
    assert (position.sector, position.quantity, position.opened_quantity) == ("index", 2, 3)
    assert (position.entry_price, position.unit_value, position.unit_profit) == (150.0, -150.0, 0.0)
    assert (position.unit_max_loss, position.unit_max_profit, position.worst_case) == (862.6, 147.4, 1725.2)
    assert (position.mfe, position.mae, position.high_water, position.low_water) == (60.0, -20.0, -90.0, -170.0)
    assert (position.stop, position.stop_rule, position.target, position.target_rule) == (-5.0, "trail", 90.0, "aim")
    assert (position.delta, position.gamma, position.vega, position.theta) == (900.0, -40.0, -12.0, 6.0)
    assert position.entry_theta == pytest.approx(500 / 365)
    assert (position.entry_time, position.closing_quantity) == (NOON - DAY, 0)
    assert position.dte == position.last_dte == pytest.approx(18 + 2 / 24)
    assert (found.features.regime, found.features.atr) == (Regime.HIGH_VOL, pytest.approx(3.0))
    assert (found.market.price, found.market.close, found.market.volume) == (600.0, 219.0, 2190.0)
    assert (found.market.open, found.market.high, found.market.low) == (218.5, 221.0, 218.0)
    assert (found.market.bid, found.market.ask) == (pytest.approx(-160.0), pytest.approx(-140.0))
    assert found.as_of == AT


def test_without_a_past_the_position_has_seen_nothing_and_was_opened_when_its_order_was_filled():
    state = desk(quotes={SHORT: (4.0, 4.1)})
    (found,) = contexts(snapshot(state, chains={}), None)
    position = found.position
    assert (position.entry_time, position.opened_quantity, position.mfe, position.mae) == (NOON, 2, 0.0, 0.0)
    assert (position.unit_value, position.unit_profit, position.delta) == (None, None, None)
    assert (found.market.price, found.market.bid, found.market.ask, found.market.close) == (None, None, None, None)
    assert (found.features.atr, found.features.iv, found.features.iv_rank, found.features.regime) == (None,) * 4
    unknown = replace(market(AT).chains["SPY"], spot=float("nan"))
    assert contexts(snapshot(state, chains={"SPY": unknown}), None)[0].market.price is None


def test_nothing_later_than_the_instant_is_seen():
    whole, entered = bars(until=AT + 5 * DAY), NOON - 10 * DAY
    past = Excursion(
        order_id="open", at=AT, opened_at=entered, entry_price=150.0, unit_risk=862.6, opened_units=2
    )  # fmt: skip
    state = desk(excursions=(past,))
    (found,) = contexts(snapshot(state, bars={"SPY": whole}), None)
    known = whole.known_by(AT)
    assert found.market.close == known.close[-1]
    after = known.day > np.datetime64(entered.date())
    assert found.market.highs == tuple(known.high[after])
    assert found.market.lows == tuple(known.low[after])
    assert len(found.market.highs) == 9
    holed = replace(whole, high=np.where(whole.day == whole.day[-8], np.nan, whole.high))
    (holey,) = contexts(snapshot(state, bars={"SPY": holed}), None)
    assert (holey.market.highs, holey.market.lows) == ((), ())


def test_the_account_counts_everything_at_its_worst_and_knows_deltas_only_if_all_are_known():
    waiting = OrderView(order=order("waiting", ticker="QQQ", at=AT), state=OrderState.STAGED, changed_at=AT)
    state = desk(waiting, greeks={"open": GREEKS}, peak_nlv=Decimal(120_000))
    facts = portfolio_facts(state)
    assert (facts.equity, facts.cash, facts.peak_equity, facts.baseline_equity) == (
        float(state.book.nlv), float(state.book.cash), 120_000.0, 100_000.0,
    )  # fmt: skip
    assert (facts.exposure, facts.margin, facts.positions) == (3450.4, 3450.4, 2)
    assert facts.exposure_by_ticker == {"QQQ": 1725.2, "SPY": 1725.2}
    assert facts.exposure_by_sector == {"index": 1725.2, "unknown": 1725.2}
    assert facts.sector_of == {"QQQ": "unknown", "SPY": "index"}
    staged = 10.0 * 600 * 2
    assert (facts.gross_delta, facts.net_delta) == (900.0 + staged, 900.0 + staged)
    pairs = {("AAA", "SPY"): 0.4}
    since = portfolio_facts(
        state, exposures=state.exposures[:1], sectors={"AAA": "energy", "SPY": "x"}, correlation=pairs
    )
    assert (since.exposure, since.positions, since.sector_of) == (1725.2, 1, {"AAA": "energy", "SPY": "index"})
    assert (since.correlation, facts.correlation) == (pairs, {})
    blind = portfolio_facts(desk(waiting, quotes={SHORT: (4.0, 4.1)}))
    assert (blind.gross_delta, blind.net_delta, blind.equity, blind.peak_equity) == (None, None, None, None)


def seen(quotes) -> Underlying:
    return underlying(market(AT, chains={"SPY": chain(quotes, at=AT)}), "SPY", [SHORT.symbol, LONG.symbol])


def test_only_approved_closings_are_on_their_way():
    closing = order("close", closes="open", units=1, at=AT)
    states = (OrderState.STAGED, OrderState.APPROVED, OrderState.PARTIALLY_FILLED)
    views = [OrderView(order=closing, state=state, changed_at=AT) for state in states]
    held = holdings(desk().book)["open"]
    assert [view.state for view in on_their_way(views, "open")] == list(states[1:])
    assert on_their_way(views, "other") == ()
    assert (closing_units(views, held), closing_units(views[:2], held), closing_units(views[:1], held)) == (2, 1, 0)
    assert closing_units([*views, *views], held) == 2


@pytest.mark.parametrize(
    "quotes", [{SHORT: (4.0, 4.1)}, {SHORT: (4.0, 4.1), LONG: (2.6, 2.5)}, {SHORT: (4.0, 4.1), LONG: (0.0, 0.0)},
               {SHORT: (4.0, 4.1), LONG: (np.nan, 2.5)}, {SHORT: (-0.1, 4.1), LONG: (2.5, 2.6)}]
)  # fmt: skip
def test_one_leg_without_a_usable_quote_leaves_the_structure_without_one(quotes):
    held = holdings(desk().book)["open"]
    assert natural(held, seen(quotes)) == (None, None)
    bid, ask = natural(held, seen({SHORT: (4.0, 4.1), LONG: (0.0, 0.1)}))
    assert (bid, ask) == (pytest.approx(-410.0), pytest.approx(-390.0))


def test_measures_need_their_history_whole():
    assert average_true_range(bars(15)) == pytest.approx(3.0)
    assert average_true_range(bars(14)) is None
    holed = bars(120)
    assert average_true_range(replace(holed, low=np.where(holed.close == 150.0, np.nan, holed.low))) is None
    assert realised_vol(bars(21)) == pytest.approx(np.diff(np.log(bars(21).close)).std(ddof=1) * np.sqrt(252))
    assert realised_vol(bars(20)) is None
    gone = bars(21)
    assert realised_vol(replace(gone, close=np.where(gone.close == 110.0, 0.0, gone.close))) is None
    assert realised_vol(replace(gone, close=np.where(gone.close == 110.0, np.nan, gone.close))) is None


def series(values) -> Series:
    day = np.arange(np.datetime64("2025-01-01"), np.datetime64("2025-01-01") + len(values))
    return Series(iv30("SPY"), "decimal", day, close_known_at(day), np.asarray(values, dtype=np.float64))


def test_the_rank_of_implied_volatility_is_its_place_in_the_year_as_known_then():
    year = np.linspace(0.1, 0.3, 60)
    assert iv_and_rank(series(year)) == (pytest.approx(0.3), pytest.approx(1.0))
    assert iv_and_rank(series([*year, 0.15])) == (0.15, pytest.approx(0.25))
    assert iv_and_rank(series(year[:59]))[1] is None
    assert iv_and_rank(series(np.full(60, 0.2))) == (0.2, None)
    assert iv_and_rank(series([])) == (None, None)
    assert iv_and_rank(series([0.9, *np.full(251, 0.2), 0.3]))[1] == 1.0  # the first is more than a year old
    late = market(AT, bars={"SPY": bars()}, series={iv30("SPY"): series(year)})
    assert features_of(late, "SPY", None).iv == pytest.approx(0.3)
    early = replace(late, as_of=datetime.fromisoformat("2025-02-01T12:00:00+00:00"))
    assert features_of(early, "SPY", None).iv == pytest.approx(year[30])
