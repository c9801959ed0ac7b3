"""What the gate is told: correlations with the worst case for what is missing, ages, events."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from domain.book import Baseline, Book
from domain.debate import Verdict
from domain.market import Bars, CalendarEvent, MarketData
from domain.order import StagedOrder, Thesis
from domain.regime import Regime
from domain.risk import TradingState
from domain.sessions import close_known_at
from domain.snapshot import DeskContext, MarketSnapshot
from risk.correlation import correlations
from risk.facts import correlations_of, facts_of, market_events_in_hours, portfolio_of, view_of
from risk.gate import decide
from tests.factories import AS_OF, exposure, risk_settings, sized, view

SETTINGS = risk_settings()


def bars(ticker, returns, start="2025-10-01"):
    day = np.arange(np.datetime64(start), np.datetime64(start) + len(returns) + 1)
    close = 100 * np.exp(np.concatenate([[0.0], np.cumsum(returns)]))
    nothing = np.full(len(close), np.nan)
    return Bars(ticker, day, close_known_at(day), nothing, nothing, nothing, close, nothing, None)


def test_too_few_returns_a_flat_series_or_a_hole_count_as_one():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(2, 60)) * 0.01
    y[3] = np.nan  # one close is missing: two returns are lost
    pairs = correlations(
        {"AAA": bars("AAA", x), "BBB": bars("BBB", y), "FLAT": bars("FLAT", np.zeros(60))}, ["AAA", "BBB", "FLAT"]
    )
    assert pairs.between("AAA", "BBB") == 1.0
    assert pairs.between("AAA", "FLAT") == 1.0
    assert not pairs.known("AAA", "BBB")
    assert pairs.between("AAA", "AAA") == 1.0


def test_weighted_mean_correlation_weighs_by_worst_case_loss():
    pairs = correlations({}, [])
    assert pairs.weighted_mean({"AAA": 100.0}) == 0.0
    assert pairs.weighted_mean({"AAA": 100.0, "BBB": 300.0}) == 1.0


def market(**changes):
    fields = {"as_of": AS_OF, "feed": "test", "tickers": ("SPY", "AAPL"), "chains": {}, "bars": {}, "series": {}}
    return MarketData(**{**fields, **changes})


def event(kind, ticker, days):
    return CalendarEvent(kind=kind, ticker=ticker, at=AS_OF + timedelta(days=days), known_at=AS_OF - timedelta(days=9))


def test_facts_say_unknown_where_nothing_is_known():
    found = facts_of(market(), "AAPL")
    assert (found.sector, found.quote_age_minutes, found.earnings_in_days, found.events_known) == (
        "unknown",
        None,
        None,
        False,
    )
    assert not found.is_index


def test_facts_take_the_next_event_not_a_past_one():
    events = (
        event("earnings", "AAPL", -1),
        event("earnings", "AAPL", 9),
        event("earnings", "AAPL", 3),
        event("fomc", None, -0.25),
        event("fomc", None, 40),
    )
    picture = market(events=events, events_known=frozenset({"AAPL"}), sectors={"AAPL": "technology"})
    assert facts_of(picture, "AAPL").earnings_in_days == pytest.approx(3)
    assert market_events_in_hours(picture) == {"fomc": pytest.approx(-6)}


def desk(**changes):
    book = Book(
        as_of=AS_OF,
        cash=Decimal(100_000),
        positions=(),
        nlv=Decimal(100_000),
        nlv_as_of=AS_OF,
        realised=Decimal(0),
        fees=Decimal(0),
    )
    fields = {
        "book": book, "exposures": (exposure(),), "open_orders": (), "trading_state": TradingState.ACTIVE,
        "trading_state_reason": "normal", "halted_agents": (), "earlier_signals": (), "reliability": (),
        "regime_history": (),
        "baseline": Baseline(session=date(2026, 2, 11), nlv=Decimal(101_000), source="close"),
    }  # fmt: skip
    return DeskContext(**{**fields, **changes})


def test_the_desk_of_a_snapshot_becomes_the_gates_portfolio():
    book = portfolio_of(desk(), AS_OF + timedelta(seconds=61))
    assert (book.nlv, book.nlv_age_seconds, book.baseline_nlv) == (100_000.0, 61.0, 101_000.0)
    assert portfolio_of(desk(book=desk().book.model_copy(update={"nlv": None, "nlv_as_of": None})), AS_OF).nlv is None


def test_correlations_are_measured_between_what_is_held_and_what_is_asked_not_over_the_whole_watchlist():
    rng = np.random.default_rng(7)
    history = {name: bars(name, rng.normal(size=80) * 0.01) for name in ("SPY", "AAPL", "QQQ", "MSFT")}
    snapshot = MarketSnapshot(market=market(bars=history), desk=desk(exposures=(exposure(ticker="QQQ"),)))
    assert set(correlations_of(snapshot, SETTINGS, ("SPY", "AAPL")).pairs) == {
        ("AAPL", "QQQ"), ("AAPL", "SPY"), ("QQQ", "SPY"),
    }  # fmt: skip


def test_a_question_built_from_a_snapshot_is_answered():
    snapshot = MarketSnapshot(market=market(sectors={"SPY": "index"}), desk=desk())
    pairs = correlations_of(snapshot, SETTINGS, ("SPY",))
    question = view_of(
        "thesis", "SPY", market=snapshot.market, regime=Regime.NEUTRAL, portfolio=portfolio_of(snapshot.desk, AS_OF),
        pairs=pairs, settings=SETTINGS,
    )  # fmt: skip
    assert {veto.name for veto in decide(question, SETTINGS).vetoes} == {"data_freshness"}


def order(**changes):
    decision = decide(view(order=sized(2)), SETTINGS)
    thesis = Thesis(
        verdict=Verdict.BULL, confidence=0.5, vol_view="short", engine="rules", text="", invalidation="", signal_ids=()
    )
    return StagedOrder(
        order_id="O-1", version=1, run_id="R", snapshot_id="S", staged_at=AS_OF, expires_at=AS_OF + timedelta(hours=4),
        sized=sized(2, **changes), limit_per_share=Decimal("1.20"), thesis=thesis, decision=decision,
    )  # fmt: skip


def test_an_order_cannot_be_staged_without_an_approving_final_decision():
    refused = decide(view(order=sized(11)), SETTINGS)
    with pytest.raises(ValueError, match="approving"):
        StagedOrder.model_validate({**order().model_dump(), "decision": refused})
