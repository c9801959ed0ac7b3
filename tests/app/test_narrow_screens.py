"""Screens fit the terminal they are shown in: no line wraps, no figure is cut."""

import io

import pytest
from rich.console import Console

from app.screens.book import show_book
from app.screens.payoff import picture
from app.screens.run import ranking


@pytest.mark.parametrize("room", [40, 80, 100, 160])
def test_the_payoff_picture_fits_the_terminal(room):
    drawn = picture([90.0, 100.0, 110.0], [-200.0, 50.0, 300.0], 101.0, [98.0], room=room).plain
    axis = next(line for line in drawn.splitlines() if "▲" in line)
    assert max(len(line) for line in drawn.splitlines()[:-1]) <= room
    assert axis.count("▲") == axis.count("◆") == 1


def test_the_ranking_keeps_every_figure_at_80_columns():
    composite = {
        "ticker": "GOOGL", "price_score": 0.66, "vol_score": -0.93, "conviction": 0.93,
        "agreement": 0.5, "coverage": 1.0,
    }  # fmt: skip
    run = {"composites": [composite], "ranking": [{"ticker": "GOOGL", "rank": 17, "debated": True}]}
    shown = _at_80(ranking(run))
    assert all(text in shown for text in ("GOOGL", "+0.66", "-0.93", "100%", "debated", "│███", "████│", "rich│cheap"))
    assert "…" not in shown


def test_the_book_names_each_order_and_contract_in_full_at_80_columns():
    leg = {"expiry": "2025-02-21", "strike": 1127.5, "right": "call"}
    position = {
        "order_id": "O-PUJAQ7J4", "ticker": "GOOGL", "strategy": "broken_wing_butterfly", "leg": leg, "quantity": -10,
        "average_price": 112.51, "mark": 102.19, "mark_source": "mid", "value": -102_190.0, "unrealised": 10_320.0,
    }  # fmt: skip
    book = {
        "account": "simulated", "as_of": "2025-01-02T14:40:00Z", "positions": [position], "cash": 1.0, "nlv": None,
        "unrealised": None, "realised": 0.0, "fees": 0.0, "structures": [], "held_as": [], "worst_case": 0.0,
        "trading_state": "active", "greeks": None,
        "since_entry": [
            {
                "order_id": "O-PUJAQ7J4", "units": 10, "opened_units": 12, "days_held": 123.4, "days_to_expiry": 50.1,
                "profit": -1032.25, "profit_r": -0.8, "best": 1250.5, "best_r": 1.1, "worst": -1100.75, "worst_r": -0.9,
                "stop": -1200.0, "stop_rule": "trailing_stop", "target": 1500.0, "target_rule": "volatility_levels",
            }
        ],
    }  # fmt: skip
    screen = io.StringIO()
    show_book(Console(file=screen, width=80, legacy_windows=False), book)
    shown = screen.getvalue()
    assert all(word in shown for word in ("O-PUJAQ7J4", "GOOGL", "broken wing", "butterfly"))
    assert "2025-02-21 1127.5 call" in shown
    assert "-$102,190.00" in shown
    assert all(word in shown for word in ("10/12", "123.4", "-1,032", "+1,250", "-1,101", "-1,200", "+1,500"))
    assert "…" not in shown


def _at_80(what):
    screen = io.StringIO()
    Console(file=screen, width=80, legacy_windows=False).print(what)
    return screen.getvalue()
