"""Screens fit the terminal they are shown in: no line wraps, no figure is cut."""

import io

import pytest
from rich.console import Console

from app.screens.book import show_book
from app.screens.decision import show_decision
from app.screens.order import checks, life
from app.screens.payoff import picture
from app.screens.run import ranking
from app.screens.words import fate, usd_short


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


@pytest.mark.parametrize("width", [60, 80, 100])
def test_every_check_keeps_its_mark_its_name_and_its_figures(width):
    names = ("trading_state", "correlated_positions", "correlation_increase", "theta_concentration", "daily_loss")
    found = [
        {"name": name, "passed": name != "daily_loss", "measured": 0.9947, "limit": 0.2, "unit": "share", "detail": ""}
        for name in names
    ]
    found[0] |= {"measured": None, "limit": None, "detail": "trading is active: " + "a long reason " * 6}
    shown = _at(width, checks({"checks": found}, width=width))
    assert (shown.count("✓"), shown.count("✗"), shown.count("99.47%, limit 20.00%")) == (4, 1, 4)
    assert all(name.replace("_", " ") in shown for name in names)
    assert max(len(line) for line in shown.splitlines()) <= width
    assert ("…" in shown) == (width == 100)  # of words, never of a figure


def test_an_order_that_filled_in_part_is_not_called_cancelled():
    order = {
        "order_id": "O-1", "version": 1, "ticker": "SPY", "strategy": "long_call", "units": 12, "state": "cancelled",
        "intent": "open", "reviewer": "ann", "review_reason": "no more was offered", "lapsed": False,
        "staged_at": "2025-01-02T14:40:00Z", "expires_at": "2025-01-02T18:40:00Z", "fills": [{"units": 11}],
    }  # fmt: skip
    said = "filled 11 of 12; the rest was cancelled"
    assert f"{said} (decided by ann): no more was offered" in _at(100, life(order, "desk"))
    assert "cancelled by ann" in _at(100, life({**order, "fills": []}, "desk"))
    execution = {"state": "cancelled", "units": 11, "wanted": 12, "broker": "paper", "reason": None, "fills": []}
    document = {"order": order, "account": "a", "at": order["staged_at"], "reviewer": "ann", "execution": execution}
    screen = io.StringIO()
    show_decision(Console(file=screen, width=140, legacy_windows=False), document, desk="desk")
    headline, *rest = screen.getvalue().splitlines()
    assert headline.startswith(f"O-1 v1 SPY long call × 12 {said} by ann")
    assert rest[0].startswith(f"  {said} at paper")
    assert fate("partially_filled", 3, 12) == "partially filled"
    assert fate("cancelled", 12, 12) == "cancelled"


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (0.0, "+0"), (-8.2, "-8"), (999.4, "+999"), (999.5, "+1.0k"), (-42_849.0, "-42.8k"), (99_949.0, "+99.9k"),
        (99_951.0, "+100k"), (-999_499.0, "-999k"), (999_501.0, "+1.0M"), (-3.21e9, "-3.2B"),
    ],
)  # fmt: skip
def test_an_amount_in_six_characters(amount, said):
    assert usd_short(amount) == said


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
    for width in (100, 160):
        screen = io.StringIO()
        show_book(Console(file=screen, width=width, legacy_windows=False), book)
        shown = screen.getvalue()
        assert "…" not in shown
        for word in ("-1,032.25", "(-0.80R)", "-1,200.00", "trailing stop", "volatility levels", "target", "units"):
            assert word in shown
        assert shown.count("O-PUJAQ7J4") == 2
        assert ("-1,200.00 trailing stop" in shown) == (width == 160)


def _at_80(what):
    return _at(80, what)


def _at(width, what):
    screen = io.StringIO()
    Console(file=screen, width=width, legacy_windows=False).print(what)
    return screen.getvalue()
