"""What the gate measures over the whole book: on made chains, with history, shares and holes in both."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from domain.book import Baseline, Book, Position, SharePosition
from domain.market import MarketData
from domain.risk import DollarGreeks, TradingState
from domain.snapshot import DeskContext, MarketSnapshot
from options.priced import ChainRefusal
from portfolio.closed_today import closed_today
from portfolio.ledger import ledger
from risk.facts import exposed_tickers, measured_portfolio, portfolio_of
from risk.gate import decide
from risk.holdings import Line
from risk.measured import BookMeasures
from risk.revaluation import Scenarios, revalue, risk_book
from risk.scenarios import historical
from risk.settings import RiskSettings
from risk.var import var_of
from risk.view import dollar_greeks
from tests.factories import exposure, portfolio, risk_settings, sized, view
from tests.risk.made_books import CHAINS, bars, leg_of, row_of
from tests.support.orders import HOUR, NOON
from tests.support.orders import fill as filled
from tests.support.orders import order as ordered

SETTINGS = risk_settings()
AT = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
RNG = np.random.default_rng(3)
MOVES = RNG.normal(0.0, 0.02, 300)
HISTORY = {"ABC": bars("ABC", MOVES), "XYZ": bars("XYZ", 0.5 * MOVES), "SPX": bars("SPX", 2 * MOVES)}


def contract(ticker, strike, *, quantity, call=False):
    chain = CHAINS[ticker]
    return leg_of(chain, row_of(chain, strike=strike, call=call), quantity)


def spread(name="ABC", units=1, **changes):
    """Short the put 5 % below the money, long the one 10 % below."""
    at = CHAINS[name].spot / 100
    legs = (contract(name, 95 * at, quantity=-units), contract(name, 90 * at, quantity=units))
    return exposure(**{"ticker": name, "order_id": f"O-{name}", "legs": legs, **changes})


def snapshot(*exposures, shares=(), histories=HISTORY, positions=()):
    book = Book(
        as_of=AT, cash=Decimal(100_000), positions=positions, nlv=Decimal(100_000), nlv_as_of=AT,
        realised=Decimal(0), fees=Decimal(0), shares=shares,
    )  # fmt: skip
    desk = DeskContext(
        book=book, exposures=exposures, open_orders=(), baseline=Baseline(session=AT.date(), nlv=book.nlv, source="x"),
        trading_state=TradingState.ACTIVE, trading_state_reason="", halted_agents=(), earlier_signals=(),
        reliability=(), regime_history=(), contracts_today={"ABC": 3},
    )  # fmt: skip
    market = MarketData(
        as_of=AT, feed="made", tickers=("ABC", "XYZ"), chains={}, bars=histories, series={}, sectors={"ABC": "tech"}
    )
    return MarketSnapshot(market=market, desk=desk)


def price(ticker):
    return CHAINS.get(ticker) or ChainRefusal(code="no_chain", detail="none", numbers={})


def measured(*exposures, tickers=("ABC",), **changes):
    return measured_portfolio(snapshot(*exposures, **changes), SETTINGS, tickers, price)


def order(units=1, ticker="ABC"):
    at = CHAINS[ticker].spot / 100
    legs = (contract(ticker, 105 * at, quantity=-1, call=True), contract(ticker, 110 * at, quantity=1, call=True))
    return sized(units, ticker=ticker, legs=legs, spot=CHAINS[ticker].spot)


def by_hand(*lines, tickers=("ABC", "XYZ")):
    scenarios, _ = historical(HISTORY, tickers, window=250, minimum=60)
    pnl = revalue(risk_book(lines, CHAINS), scenarios)
    return var_of(pnl, 0.95).var


def lines_of(item, key="O"):
    return [Line(key, item.ticker, leg, leg.quantity, 400.0) for leg in item.legs]


def test_var_is_the_full_revaluation_of_everything_filled_in_joint_scenarios():
    book = measured(spread(units=5), spread("XYZ", 4))
    expected = by_hand(*lines_of(spread(units=5), "a"), *lines_of(spread("XYZ", 4), "b"))
    assert book.value_at_risk == (pytest.approx(expected), 250, (), False)
    asked = order(3)
    legs = [Line("c", "ABC", leg, 3 * leg.quantity, 1e6) for leg in asked.candidate.legs]
    expected = by_hand(*lines_of(spread(units=5), "a"), *lines_of(spread("XYZ", 4), "b"), *legs)
    assert book.value_at_risk_with(asked)[-1].usd == pytest.approx(expected)
    assert len(book.value_at_risk_with(asked)) == 3


def test_a_units_measure_is_worked_out_once():
    book = measured()
    wanted = order().candidate
    assert book.measures.unit_pnl(wanted) is book.measures.unit_pnl(wanted)
    assert book.measures.unit_pnl(order(ticker="XYZ").candidate) is None, "nobody said that XYZ would be asked about"


@pytest.mark.parametrize(
    ("changes", "histories", "stands_in"),
    [
        ({}, HISTORY, False),
        ({}, {**HISTORY, "XYZ": bars("XYZ", MOVES[:59])}, True),
        ({}, {}, True),
        ({"legs": ()}, HISTORY, True),
        ({"legs": (leg_of(CHAINS["ABC"], 0, 1),)}, HISTORY, True),
        ({"ticker": "QQQ"}, HISTORY, True),
    ],
    ids=["measured", "short history", "no history", "legs unknown", "contract of another chain", "no chain"],
)
def test_a_structure_that_cannot_be_revalued_counts_at_its_worst_case(changes, histories, stands_in):
    book = measured(spread("XYZ", **changes), tickers=(), histories=histories)
    ticker = changes.get("ticker", "XYZ")
    assert book.value_at_risk.assumed == ((ticker,) if stands_in else ())
    if stands_in:
        assert book.value_at_risk.usd == 400.0
    else:
        assert 0 < book.value_at_risk.usd < 400.0


def test_an_opening_of_the_same_run_is_measured_like_any_other_on_its_way():
    asked = order(2)
    book = measured(spread(units=2))
    after = book.with_opening(asked, "O-new", "tech")
    added = after.exposures[-1]
    assert (added.state, added.contracts, added.worst_case) == ("staged", 2, 2 * asked.candidate.max_loss)
    assert [leg.quantity for leg in added.legs] == [-2, 2]
    assert (added.margin, added.theta, added.units) == (2 * asked.candidate.margin, 2 * asked.candidate.greeks.theta, 2)
    assert (added.greeks, added.purpose, added.sector) == (dollar_greeks(asked), "trade", "tech")
    assert after.value_at_risk.assumed == ()
    unit = book.measures.unit_pnl(asked.candidate)
    held = book.measures.pnl["O-ABC", "open"]
    assert after.value_at_risk.usd == pytest.approx(var_of(held + np.minimum(2 * unit, 0.0), 0.95).var)
    assert after.value_at_risk_filled.usd == book.value_at_risk.usd
    assert after.margin_bound(None).usd == pytest.approx(book.margin_bound(asked).usd)
    again = after.with_opening(order(1), "O-newer", "tech")
    assert [item.order_id for item in again.exposures] == ["O-ABC", "O-newer"], "it took the place of the first"
    hedge = order(1).model_copy(update={"candidate": order().candidate.model_copy(update={"purpose": "hedge"})})
    beside = after.with_opening(hedge, "O-hedge", "tech").exposures
    assert [item.purpose for item in beside] == ["trade", "trade", "hedge"], "a hedge takes the place of hedges only"


def test_betas_and_sectors_come_from_the_picture():
    book = measured(spread(), tickers=("XYZ", "QQQ"))
    assert book.measures.betas["ABC"] == pytest.approx(0.5)
    assert book.measures.betas["XYZ"] == pytest.approx(0.25)
    assert "QQQ" not in book.measures.betas
    assert book.contracts_today == {"ABC": 3}


def shares(quantity=100, mark=100.0, ticker="ABC"):
    return SharePosition(ticker=ticker, quantity=quantity, average_price=Decimal(90), mark=mark, mark_source="close")


def test_shares_count_in_every_limit_with_all_they_are_worth():
    book = measured(spread(sector="tech"), shares=(shares(40),))
    assert book.worst_case_by_ticker == {"ABC": 4_400.0}
    assert book.worst_case_by_sector == {"tech": 4_400.0}
    assert book.greeks.delta == 4_500.0
    assert book.greek("delta") == (4_500.0, 4_500.0)
    assert book.greek("spx_delta") == (pytest.approx(2_250.0), pytest.approx(2_250.0))
    alone = measured(shares=(shares(40),))
    scenarios, _ = historical(HISTORY, ("ABC",), window=250, minimum=60)
    assert alone.value_at_risk.usd == pytest.approx(4_000 * -np.sort(scenarios.spot[:, 0])[11])
    assert alone.margin_bound(None).usd > 0
    assert exposed_tickers(snapshot(shares=(shares(),))) == ("ABC",)
    assert portfolio_of(snapshot(shares=(shares(),)).desk, AT).shares[0].sector == "unknown"


def test_shares_offset_what_loses_as_they_gain():
    calls = (contract("ABC", 105.0, quantity=-20, call=True), contract("ABC", 110.0, quantity=20, call=True))
    bearish = exposure(ticker="ABC", order_id="O-calls", legs=calls, worst_case=Decimal(10_000))
    book, alone = measured(bearish, shares=(shares(300),)), measured(bearish)
    moved = 30_000.0 * book.measures.scenarios.spot[:, 0]
    expected = var_of(alone.measures.pnl["O-calls", "open"] + moved, 0.95).var
    assert book.value_at_risk.usd == pytest.approx(expected)


def test_shares_without_history_count_at_their_worst_in_var():
    book = measured(shares=(shares(40),), histories={})
    assert book.value_at_risk == (4_000.0, 0, ("ABC",), False)
    elsewhere = measured(shares=(shares(40, ticker="QQQ"),))
    assert elsewhere.value_at_risk.assumed == ("QQQ",)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (shares(-10), "ABC: 10 shares sold short: the loss grows with the price, without end"),
        (shares(10, None), "ABC: 10 shares have no price: what they can lose is not known"),
    ],
)
def test_what_has_no_bound_fails_every_limit_on_worst_cases(held, said):
    book = measured(shares=(held,))
    question = view(ticker="ABC", portfolio=book, order=order())
    question = replace(question, facts=question.facts.model_copy(update={"ticker": "ABC", "sector": "tech"}))
    vetoes = {item.name: item for item in decide(question, SETTINGS).vetoes}
    for name in ("position_at_risk", "sector_exposure", "correlation_increase"):
        unit, limit = ("correlation", 0.05) if name == "correlation_increase" else ("share of NLV", vetoes[name].limit)
        assert (vetoes[name].measured, vetoes[name].unit, vetoes[name].limit) == (None, unit, limit)
        assert vetoes[name].hard is (unit == "share of NLV")
        assert vetoes[name].limit is not None
        assert said in vetoes[name].detail
    assert book.unbounded == said
    if held.mark is None:
        assert vetoes["portfolio_delta"].measured is None
        assert book.greek("delta") is None
        assert "no bound" in vetoes["var_budget"].detail
    else:
        assert "var_budget" not in vetoes


def test_portfolio_settings_name_what_they_lack():
    with pytest.raises(ValueError, match="portfolio_greek rules missing from the list: delta, gamma"):
        RiskSettings(
            soft=[r for r in SETTINGS.soft if getattr(r, "greek", "") not in ("delta", "gamma")], sizing=SETTINGS.sizing
        )


# ---- opened today and closed again


def day_of(*orders, fills, found, at):
    return closed_today(ledger(fills, orders, as_of=at), found, as_of=at)


def test_contracts_opened_today_and_closed_again_are_counted_by_underlying():
    opening = ordered("a", units=3)
    closing = ordered("b", units=2, closes="a", at=NOON + HOUR)
    fills = [filled(opening, 4, 2.5), filled(closing, 3, 2, at=NOON + HOUR)]
    held = exposure(order_id="a", contracts=1, state="open")
    assert day_of(opening, closing, fills=fills, found=[held], at=NOON + 2 * HOUR) == {"SPY": 2}
    assert day_of(opening, closing, fills=fills[:1], found=[exposure(order_id="a", contracts=3)], at=NOON + HOUR) == {}
    assert day_of(opening, closing, fills=fills, found=[], at=NOON + 2 * HOUR) == {"SPY": 3}
    working = exposure(order_id="a", contracts=3, state="approved")
    assert day_of(opening, closing, fills=fills, found=[working], at=NOON + 2 * HOUR) == {"SPY": 3}
    tomorrow = NOON + timedelta(days=1)
    assert day_of(opening, closing, fills=fills, found=[held], at=tomorrow) == {}
    late = NOON + timedelta(hours=11)  # 23:00 in New York, another date in UTC
    assert day_of(opening, closing, fills=fills, found=[held], at=late) == {"SPY": 2}


def test_two_openings_closed_in_one_underlying_add_up():
    first, second = ordered("a", units=3), ordered("c", units=2, at=NOON + HOUR)
    fills = [filled(first, 4, 2.5), filled(second, 4, 2.5, at=NOON + HOUR)]
    assert day_of(first, second, fills=fills, found=[], at=NOON + 2 * HOUR) == {"SPY": 5}


def test_a_position_is_margined_at_its_own_mark():
    held = spread()
    positions = tuple(
        Position(
            order_id=held.order_id, ticker="ABC", strategy="x", leg=leg, quantity=leg.quantity,
            average_price=Decimal(1), mark=mark, mark_source="mid",
        )
        for leg, mark in zip(held.legs, (2.0, 1.5), strict=True)
    )  # fmt: skip
    assert measured(held, positions=positions).margin_bound(None).usd == pytest.approx(450.0)


def test_greeks_that_are_not_known_make_no_sum():
    book = portfolio(exposures=(exposure(greeks=DollarGreeks(delta=1)), exposure(order_id="2", greeks=None)))
    assert book.greeks is None
    assert book.greek("delta", sized()) is None


def test_what_a_held_structure_gained_can_be_lost_again():
    """Value at risk is not capped at what the structure could lose when it was opened."""
    held = exposure(order_id="O-won", worst_case=Decimal(1_000))
    waiting = held.model_copy(update={"order_id": "O-new", "state": "staged"})
    pnl = {("O-won", "open"): np.full(20, -3_500.0), ("O-new", "staged"): np.full(20, -3_500.0)}
    moves = np.zeros((20, 1))
    flat = Scenarios(("QQQ",), moves, moves, np.zeros(20), np.zeros(20))
    for gains, usd in (
        ({}, 1_000.0),
        ({"O-won": 2_600.0}, 3_500.0),
        ({"O-won": -400.0}, 600.0),
        ({"O-won": -9e9}, 0.0),
    ):
        measures = BookMeasures(flat, {}, pnl, gains=gains)
        assert portfolio(exposures=(held,), measures=measures).value_at_risk.usd == usd
    measures = BookMeasures(flat, {}, pnl, gains={"O-new": 2_600.0})
    assert portfolio(exposures=(waiting,), measures=measures).value_at_risk.usd == 1_000.0
