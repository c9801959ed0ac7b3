"""What closed structures say about those who foretold them."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import pytest

from domain.debate import Verdict
from domain.signals import Direction, Signal
from portfolio.forecasts import forecasts, reliability
from portfolio.ledger import Structure
from tests.support.orders import NOON, THESIS, order

AT = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)


def signal(source, edge, side, conviction=0.6):
    return Signal(
        source=source, ticker="SPY", direction=side, conviction=conviction, edge_type=edge, timestamp=AT,
        metadata={"horizon_days": 20, "half_life_days": 5, "evidence": ()},
    )  # fmt: skip


TREND = signal("technical", "trend", Direction.BULLISH)
AGAINST = signal("flow", "unusual_puts", Direction.BEARISH, 0.3)
CHEAP = signal("vol_surface", "iv_cheap", Direction.BULLISH)
SIGNALS = (TREND, AGAINST, CHEAP)


def closed(profit, **thesis):
    opening = order("one")
    changed = opening.model_copy(
        update={"thesis": THESIS.model_copy(update={"signal_ids": tuple(s.id for s in SIGNALS), **thesis})}
    )
    return {"one": Structure(order=changed, opened_at=NOON, last_at=NOON, realised=Fraction(profit))}


def said(structures, signals=SIGNALS):
    return {item.name: (round(item.probability, 4), item.happened) for item in forecasts(structures, signals)}


def test_a_source_that_opposed_a_losing_trade_was_right():
    """The trap: counting every cited source as wrong because the trade lost."""
    lost = closed(-100)
    assert said(lost) == {"rules": (0.8, False), "flow": (0.3543, False), "technical": (0.7685, False)}
    assert [(row.source, row.closed, row.hits) for row in reliability(forecasts(lost, SIGNALS))] == [
        ("flow", 1, 1), ("technical", 1, 0),
    ]  # fmt: skip


def test_a_bear_trade_that_paid_says_down():
    assert said(closed(50, verdict=Verdict.BEAR))["technical"] == (0.7685, False)
    assert said(closed(50, verdict=Verdict.BEAR))["rules"] == (0.8, True)


@pytest.mark.parametrize(
    ("profit", "view", "happened"), [(80, "long", True), (-80, "long", False), (80, "short", False)]
)
def test_a_volatility_trade_scores_only_voices_on_volatility_and_no_engine(profit, view, happened):
    found = said(closed(profit, verdict=Verdict.INCONCLUSIVE, vol_view=view))
    assert found == {"vol_surface": (0.7685, happened)}


def test_open_structures_unknown_signals_and_theses_without_a_view_foretell_nothing():
    assert forecasts({}, SIGNALS) == ()
    assert said(closed(10), ()) == {"rules": (0.8, True)}
    assert said(closed(10, verdict=Verdict.INCONCLUSIVE, vol_view="none")) == {}
    opened = closed(10)
    opened["one"] = replace(opened["one"], holdings={"x": _Held()})
    assert said(opened) == {}


class _Held:
    quantity = 1
