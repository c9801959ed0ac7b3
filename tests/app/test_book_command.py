"""The account at an instant: marked on that instant's quotes, or honestly unknown."""

from datetime import timedelta
from decimal import Decimal

import pytest

from app.services.book import account_book
from app.services.review import approve
from domain.errors import UsageError
from tests.support.staging import OPENING, stage_opening

HOUR = timedelta(hours=1)


async def test_positions_are_marked_at_mid_and_add_up(desk, staged):
    await stage_opening(desk, ticker="XOM", strategy="bear_put_spread", name="two", units=1)
    await approve(desk, staged.order_id, at=None, reviewer="ann")
    book = await account_book(desk)
    assert book["as_of"] == "2025-01-02T14:40:00Z"
    assert {position["mark_source"] for position in book["positions"]} == {"mid"}
    assert book["nlv"] == pytest.approx(book["cash"] + sum(position["value"] for position in book["positions"]))
    gained = sum(position["unrealised"] for position in book["positions"])
    assert book["nlv"] == pytest.approx(100_000 + gained - book["fees"], abs=0.02)
    assert book["unrealised"] == pytest.approx(gained)
    assert {structure["state"] for structure in book["structures"]} == {"open", "staged"}
    assert book["worst_case"] == pytest.approx(sum(structure["worst_case"] for structure in book["structures"]))
    assert book["realised"] == 0
    (fared,) = book["since_entry"]
    assert (fared["order_id"], fared["units"], fared["opened_units"]) == (staged.order_id, staged.units, staged.units)
    assert fared["profit"] * fared["units"] == pytest.approx(gained, abs=0.01)
    assert (fared["best"], fared["worst"]) == (max(fared["profit"], 0.0), min(fared["profit"], 0.0))
    assert fared["worst_r"] == pytest.approx(fared["worst"] * staged.units / float(staged.max_loss), abs=1e-9)
    assert (fared["stop"], fared["target"], fared["sessions_held"]) == (None, None, 0)


async def test_greeks_are_those_of_what_is_held_in_dollars(desk, staged):
    before = await account_book(desk)
    assert before["greeks"] == {"delta": 0, "gamma": 0, "vega": 0, "theta": 0}
    done = await approve(desk, staged.order_id, at=None, reviewer="ann")
    book, fresh = await account_book(desk), done["recheck"]["fresh"]
    assert book["greeks"]["delta"] == pytest.approx(fresh["greeks"]["delta"] * fresh["spot"], rel=1e-6)
    assert book["greeks"]["vega"] == pytest.approx(fresh["greeks"]["vega"] / 100, rel=1e-6)
    assert book["greeks"]["theta"] == pytest.approx(fresh["greeks"]["theta"] / 365, rel=1e-6)


async def test_the_past_shows_only_what_was_known_then(desk, staged):
    await approve(desk, staged.order_id, at=None, reviewer="ann")
    early = await account_book(desk, OPENING)
    assert (early["positions"], early["cash"]) == ([], 100_000)
    later = await account_book(desk, OPENING + 2 * HOUR)
    assert len(later["positions"]) == 2
    with pytest.raises(UsageError, match="does not trade"):
        await account_book(desk, OPENING + 12 * HOUR)


async def test_a_position_without_a_quote_leaves_nlv_and_greeks_unknown(desk, staged, monkeypatch):
    await approve(desk, staged.order_id, at=None, reviewer="ann")
    gather = desk.feed.gather

    async def without_chains(at, tickers):
        import dataclasses

        return dataclasses.replace(await gather(at, tickers), chains={})

    monkeypatch.setattr(desk.feed, "gather", without_chains)
    book = await account_book(desk)
    assert (book["nlv"], book["unrealised"], book["greeks"]) == (None, None, None)
    assert book["cash"] < 100_000
    import io

    from rich.console import Console

    from app.screens.book import show_book

    screen = Console(file=io.StringIO(), width=100)
    show_book(screen, book)
    text = screen.file.getvalue()
    assert "no usable quote" in text
    assert "Greeks: unknown" in text


async def test_runs_see_greeks_of_what_is_held_so_that_limits_can_be_checked(desk, staged):
    await approve(desk, staged.order_id, at=None, reviewer="ann")
    at = OPENING + HOUR
    market = await desk.feed.gather(at, [staged.ticker])
    context = await desk.state.context(at, market)
    assert [exposure.state for exposure in context.exposures] == ["open"]
    assert context.exposures[0].greeks is not None
    assert context.book.nlv is not None
    assert context.exposures[0].worst_case == Decimal(staged.max_loss)


async def test_the_screen_says_how_each_structure_fared_and_where_it_is_left(desk, staged):
    import io

    from rich.console import Console

    from app.screens.book import show_book

    await approve(desk, staged.order_id, at=None, reviewer="ann")
    book = await account_book(desk)
    book["since_entry"][0] |= {
        "best": 125.0, "best_r": 0.32, "profit": None, "profit_r": None, "opened_units": 9, "units": 2, "stop": 0.0,
        "stop_rule": "break_even",
    }  # fmt: skip
    shown = {}
    for width in (80, 110):
        screen = Console(file=io.StringIO(), width=width)
        show_book(screen, book)
        shown[width] = screen.file.getvalue()
        assert "2/9" in shown[width]
        assert "unknown" in shown[width]
        assert max(len(line.rstrip()) for line in shown[width].splitlines()) <= width
    assert "+125.00 (+0.32R)" in shown[110]
    assert "+0.00 break even" in shown[110]
    assert "0.32R" not in shown[80]
