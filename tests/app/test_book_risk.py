"""What the account risks: measured on what is held, worst cases where nothing can be measured, and readable."""

import dataclasses
import io

import pytest
from rich.console import Console

from app.screens.book_risk import show_book_risk
from app.services.book import account_book
from app.services.review import approve
from tests.support.staging import stage_opening


@pytest.fixture
async def held(desk, staged):
    await stage_opening(desk, ticker="XOM", strategy="bear_put_spread", name="two", units=1)
    await approve(desk, staged.order_id, at=None, reviewer="ann")
    return staged


def shown(risk, width=80):
    screen = io.StringIO()
    show_book_risk(Console(file=screen, width=width, legacy_windows=False), risk)
    return screen.getvalue()


async def test_an_account_that_holds_nothing_risks_nothing(desk, staged):
    assert (await account_book(desk))["risk"] is None


async def test_every_method_measures_what_is_held_and_no_more_than_it_can_lose(desk, held):
    book = await account_book(desk)
    risk = book["risk"]
    assert len(risk["measures"]) == 10
    opened = [item["worst_case"] for item in book["structures"] if item["state"] == "open"]
    assert risk["worst_case"] == pytest.approx(
        sum(opened) + max(book["unrealised"], 0), abs=max(1, -book["unrealised"])
    )
    for measure in risk["measures"]:
        if measure["var"] is not None:
            assert 0 <= measure["var"] <= measure["cvar"] <= risk["worst_case"]
        assert measure["observations"] == 250
        assert measure["missing"] == []
    assert risk["exposure"]["total"]["greeks"]["delta"] == pytest.approx(book["greeks"]["delta"])
    assert risk["margin"]["refused"] == ""
    assert 0 < risk["margin"]["share_of_nlv"] < 0.2
    asked = risk["portfolio_margin"]
    assert asked["refused"] == ""
    assert 0 < asked["requirement"] <= 2 * risk["worst_case"]
    assert abs(asked["worst"]["price_move"]) <= 0.15
    assert risk["correlation"]["mean"] is None  # one underlying is held
    assert 0 < sum(risk["exposure"]["theta_shares"].values()) <= 1


async def test_without_quotes_the_worst_case_stands_in_and_the_screen_says_so(desk, held, monkeypatch):
    gather = desk.feed.gather

    async def without_chains(at, tickers):
        return dataclasses.replace(await gather(at, tickers), chains={}, bars={})

    monkeypatch.setattr(desk.feed, "gather", without_chains)
    book = await account_book(desk)
    risk = book["risk"]
    opened = sum(item["worst_case"] for item in book["structures"] if item["state"] == "open")
    for measure in risk["measures"]:
        assert measure["var"] == measure["cvar"] == pytest.approx(opened)
        assert "no chain of" in measure["missing"][0]
    assert risk["exposure"]["total"]["greeks"] is None
    assert risk["exposure"]["index_delta"]["usd"] is None
    text = shown(risk)
    assert "at its worst case: " in text
    assert "unknown" in text
    assert "no index has a history" in text


async def test_the_panel_fits_its_terminal(desk, held):
    risk = (await account_book(desk))["risk"]
    for width in (80, 100, 140):
        text = shown(risk, width)
        assert all(len(line) <= width for line in text.splitlines())
        for word in ("VaR 95%", "CVaR 99%", "full revaluation", "by sector", "delta in SPX terms", "margin (Reg T)"):
            assert word in text
        assert "…" not in text


def measure(method, **changes):
    fields = {"method": method, "confidence": 0.95, "var": 100.0, "cvar": 150.0, "window": "60 days", "missing": [],
              "note": "every option repriced"}  # fmt: skip
    return {**fields, **changes}


def group(name, greeks=None):
    return {"name": name, "greeks": greeks, "unknown": []}


def test_a_method_without_a_figure_an_unknown_beta_and_assumed_correlations_are_explained():
    known = {"delta": 5.0, "gamma": 0.0, "vega": -1234.5, "theta": 2.0}
    risk = {
        "measures": [
            measure("cornish_fisher", var=None, cvar=None, note="no figure: skewness +2.00"),
            measure("full_revaluation", note="every option repriced; volatility of KO by the leverage effect",
                    missing=["KO O-1: no chain of KO"]),
        ],
        "exposure": {
            "by_ticker": [group("KO"), group("XOM", known)], "by_sector": [group("index", known)],
            "by_strategy": [group("long_call", known)], "total": group("total"), "theta_shares": None,
            "index_delta": {"usd": 900.0, "known": 0.0, "assumed": ["KO"], "index": "SPY", "window": 250},
            "notional": {"face": None, "gross": 5.0, "net": -5.0, "leverage": None},
        },
        "margin": {"bound": None, "share_of_nlv": None, "refused": "KO: nothing bounds a short call"},
        "portfolio_margin": {"requirement": None, "worst": None, "refused": "KO cannot be"},
        "correlation": {"mean": 1.0, "window": 60, "assumed": ["KO-XOM"]},
    }  # fmt: skip
    text = " ".join(shown(risk, 140).split())
    for said in (
        "Cornish-Fisher: no figure: skewness +2.00",
        "volatility of KO by the leverage effect",
        "at its worst case: KO O-1: no chain of KO",
        "KO unknown unknown unknown unknown",
        "betas to SPY, 250 days; beta of KO unknown, 3 the worse way",
        "margin (Reg T) none KO: nothing bounds a short call",
        "portfolio margin none KO cannot be",
        "mean correlation 1.00 by worst case, 60 returns, shrunk; assumed 1: KO-XOM",
        "leverage unknown",
        "-$1,234",
    ):
        assert said in text
