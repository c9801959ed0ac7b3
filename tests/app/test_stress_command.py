"""`desk stress` and the before-and-after panel of `desk review show`: figures that agree, screens that fit."""

import io
import json
from datetime import timedelta
from decimal import Decimal

import pytest
from rich.console import Console
from sqlalchemy import make_url

from app.screens.aftermath import panel
from app.screens.order import show_order
from app.screens.stress import doubts, show_stress
from app.screens.stress_plot import save_picture
from app.services.aftermath import aftermath, without_and_with
from app.services.review import approve, reject, shown
from app.services.risk_picture import risk_picture
from app.services.stress import held_with, stress
from domain.errors import FeedDown, UsageError
from domain.order import OrderState
from tests.support.audited import Home
from tests.support.staging import OPENING, TICKER, stage_closing, stage_opening


def rendered(document, width=100):
    screen = Console(file=io.StringIO(), width=width, legacy_windows=False)
    show_stress(screen, document, desk="desk")
    return screen.file.getvalue()


async def stressed(desk, order=None, *, scenario=None, at=None):
    found = await stress(desk, order_id=None if order is None else order.order_id, scenario=scenario, at=at)
    json.dumps(found, allow_nan=False)
    return found


async def stage_second(desk):
    """An iron condor beside the spread."""
    at = OPENING + timedelta(hours=1)
    return await stage_opening(desk, name="two", strategy="iron_condor", ticker="SPY", units=1, at=at)


@pytest.fixture
async def held(desk, staged):
    """The staged spread, filled."""
    await approve(desk, staged.order_id, at=None, reviewer="ann")
    return staged


async def test_an_empty_book_says_what_to_do_next(desk):
    found = await stressed(desk)
    assert (found["structures"], found["waiting"], found["scenarios"]) == (0, [], [])
    assert "desk run looks for trades" in rendered(found)
    assert "picture" not in rendered(found)
    assert "No picture was written: there is nothing to draw." in rendered({**found, "plot": None})


async def test_an_order_that_waits_is_pointed_to(desk, staged):
    assert f"One order waits: desk stress --order {staged.order_id}" in rendered(await stressed(desk))
    await stage_second(desk)
    assert "2 orders wait: desk stress --order" in rendered(await stressed(desk))


async def test_an_order_alone_is_all_that_the_book_would_be(desk, staged):
    found = await stressed(desk, staged)
    assert found["order"] == staged.order_id
    assert found["tickers"] == [TICKER]
    worst = float(staged.max_loss)
    for item in found["scenarios"]:
        assert item["pnl_before"] == 0.0
        assert item["pnl_of_order"] == item["pnl"] == item["by_ticker"][TICKER]
        assert -worst <= item["pnl"] < 0  # a bull call spread in a crash
        assert item["share_of_nlv"] == pytest.approx(item["pnl"] / found["nlv"])
        assert item["breaks"] == []
    assert 0.3 < found["betas"][TICKER] < 2.0
    grid = found["grid"]
    assert grid["book"][0][grid["vol"].index(0.0)][grid["spot"].index(0.0)] == 0.0
    assert min(min(row) for day in grid["book"] for row in day) >= -worst
    for simulation in found["monte_carlo"]["simulations"]:
        assert simulation["worst"] >= -worst
        assert simulation["estimates"][0]["var"] <= simulation["estimates"][1]["cvar"]
    assert (found["fixed"], list(doubts(found))) == ([], [])


async def test_the_same_instant_gives_the_same_figures(desk, held):
    first, again = await stressed(desk), await stressed(desk)
    assert first == again
    assert len(first["monte_carlo"]["seed"]) == 64
    later = await stressed(desk, at=OPENING + timedelta(days=1))
    assert later["monte_carlo"]["seed"] != first["monte_carlo"]["seed"]


async def test_held_and_order_add_up_and_a_closing_takes_away(desk, held):
    alone = await stressed(desk)
    assert alone["structures"] == 1
    second = await stage_second(desk)
    both = await stressed(desk, second)
    assert both["structures"] == 2
    assert both["tickers"] == [TICKER, "SPY"]
    for item in both["scenarios"]:
        assert item["pnl_before"] + item["pnl_of_order"] == pytest.approx(item["pnl"])
        assert item["by_ticker"]["SPY"] == pytest.approx(item["pnl_of_order"])
    closing = await stage_closing(desk, held, at=OPENING + timedelta(hours=2), name="three")
    gone = await stressed(desk, closing)
    assert gone["structures"] == 0
    assert {item["pnl"] for item in gone["scenarios"]} == {0.0}
    assert all(item["pnl_of_order"] == -item["pnl_before"] > 0 for item in gone["scenarios"])


async def test_what_cannot_be_added_is_refused_in_a_sentence(desk, staged):
    with pytest.raises(UsageError, match=r"There is no scenario 'nope'. Known: oct_1987, sep_2008"):
        await stressed(desk, scenario="nope")
    view = await desk.orders.get(staged.order_id)
    picture = await risk_picture(desk, staged.expires_at, (TICKER,))
    with pytest.raises(UsageError, match="lapsed at"):
        held_with(picture, view)
    await reject(desk, staged.order_id, at=None, reviewer="ann", reason="no")
    with pytest.raises(UsageError, match="is rejected: only one that is staged or working"):
        await stressed(desk, staged)


async def test_screens_fit_and_keep_every_figure(desk, held):
    second = await stage_second(desk)
    found = await stressed(desk, second)
    for width in (80, 100, 140):
        text = rendered(found, width)
        lines = text.split("\n")
        assert max(len(line) for line in lines) <= width
        assert len(lines) <= 60
        assert "…" not in text
        for words in ("oct_1987", "covid_2020", "both", "vol +100%", "in 21 days", "CVaR 99", "pushed up 0.80", "SPY"):
            assert words in text
        assert ("after its days" in text) == (width >= 96)
    detail = rendered({**found, "scenarios": found["scenarios"][-1:]})
    assert all(words in detail for words in ("what is held", "the order", "2023-07-31 to 2023-10-19, 80 days"))


async def test_a_large_book_keeps_every_figure_too(desk, held):
    found = grown(await stressed(desk, await stage_second(desk)), 4321.0)
    for width in (60, 80, 100, 140):
        text = rendered(found, width)
        assert max(len(line) for line in text.split("\n")) <= width
        assert "…" not in text
        for words in ("oct_1987", "+10%", "vol as it is", "CVaR 99", "pushed up 0.80", "lehman_2008"):
            assert words in text
    assert "beta" in rendered(found, 80)
    assert "M" in rendered(found, 60)


def grown(found, times):
    """The same document of a book so many times as large; small numbers are not money."""
    if isinstance(found, dict):
        return {name: grown(value, times) for name, value in found.items()}
    if isinstance(found, list):
        return [grown(value, times) for value in found]
    return found * times if isinstance(found, float) and abs(found) > 20.0 else found


async def test_one_shock_in_detail_with_its_sources(desk, held):
    found = await stressed(desk, scenario="covid_2020")
    assert [item["name"] for item in found["scenarios"]] == ["covid_2020"]
    text = rendered(found)
    for words in (
        "peak to trough",
        "-33.92%",
        "+328%",
        "-130 bp",
        "FRED",
        "after 33 days",
        "✓ daily loss",
        "five weeks",
    ):
        assert words.lower() in text.lower()


async def test_doubts_and_broken_limits_are_said(desk, held):
    found = await stressed(desk)
    found["fixed"] = [{"order_id": "O-9", "ticker": "QQQ", "usd": 120.0, "reason": "no chain of QQQ"}]
    found["stand_ins"] = {"tickers": [TICKER], "betas": [0.0, 1.5, 3.0]}
    found["monte_carlo"] |= {"without_vol": ["XYZ"], "pairs_assumed": ["A-B"]}
    found["scenarios"][0]["checks"][0] |= {"passed": False}
    found["scenarios"][0]["breaks"] = ["daily_loss", "var_budget"]
    found["scenarios"][1] |= {"breaks": None, "checks": None, "share_of_nlv": None}
    found["nlv"] = None
    text = " ".join(rendered(found, 140).split())
    for words in (
        "O-9 stands at its worst case of $120.00 everywhere: no chain of QQQ.",
        f"Beta of {TICKER} is unknown: the worst of 0, 1.5, 3 counts",
        "XYZ: no 30-day volatility", "Correlation of A-B is unknown and counts as 1", "NLV is unknown, so no limit",
        "daily loss, VaR budget", "not measured",
    ):  # fmt: skip
        assert words in text


async def test_the_picture_is_the_same_bytes_for_the_same_document(desk, held, tmp_path):
    found = await stressed(desk)
    for name in ("one.svg", "two.svg", "three.png"):
        save_picture(found, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "three.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_shows_prints_and_draws(postgres, database, desk_home, staged, capsys, tmp_path):
    home = Home(postgres, make_url(database.pipeline_url).database, desk_home)
    code, out, _ = home.desk(capsys, "stress", "--order", staged.order_id, "--plot", str(tmp_path / "book.png"))
    assert (code, "random markets" in out) == (0, True)
    asked = ("--order", staged.order_id, "--scenario", "oct_1987", "--plot", str(tmp_path / "book.svg"))
    code, found = home.json(capsys, "stress", *asked)
    assert (code, found["plot"]) == (0, str(tmp_path / "book.svg"))
    assert (tmp_path / "book.png").exists()
    assert (tmp_path / "book.svg").exists()
    code, out, _ = home.desk(capsys, "stress", "--plot", str(tmp_path / "none.png"))
    assert (code, "No picture was written" in out, (tmp_path / "none.png").exists()) == (0, True, False)
    code, found = home.json(capsys, "stress", "--plot", str(tmp_path / "none.png"))
    assert (code, found["plot"]) == (0, None)
    code, _, error = home.desk(capsys, "stress", "--plot", "book.gif")
    assert (code, "A picture is written as" in error) == (2, True)


ROWS = ["delta", "gamma", "vega", "theta", "spx_delta", "var_95", "cvar_95", "margin", "free_margin", "worst_case",
        "position", "sector", "worst_stress", "crash"]  # fmt: skip


def rows_of(found):
    assert found["unavailable"] is None
    assert [row["name"] for row in found["rows"]] == ROWS
    return {row["name"]: row for row in found["rows"]}


async def test_the_first_order_takes_an_empty_book_to_its_own_figures(desk, staged):
    view = await desk.orders.get(staged.order_id)
    found = await aftermath(desk, view, OPENING)
    rows = rows_of(found)
    candidate, units = staged.sized.candidate, staged.units
    assert {rows[name]["before"] for name in ROWS if name != "free_margin"} == {0.0}
    assert rows["free_margin"]["before"] == 1.0
    assert rows["delta"]["after"] == pytest.approx(candidate.greeks.delta * units * candidate.spot)
    assert rows["theta"]["after"] == pytest.approx(candidate.greeks.theta * units / 365)
    for name in ("worst_case", "position", "sector"):
        assert rows[name]["after"] == pytest.approx(float(staged.max_loss))
    assert rows["margin"]["after"] >= float(candidate.margin * units) - 0.01
    assert rows["free_margin"]["after"] == pytest.approx(1 - rows["margin"]["after"] / found["nlv"])
    assert 0 < rows["var_95"]["after"] <= rows["cvar_95"]["after"] <= float(staged.max_loss)
    assert -float(staged.max_loss) <= rows["worst_stress"]["after"] <= rows["crash"]["after"] + 50 < 0
    assert {name: row["hard"] for name, row in rows.items() if row["limit"] is not None} == {
        "delta": False, "gamma": False, "vega": False, "theta": False, "spx_delta": False, "var_95": False,
        "free_margin": True, "position": True, "sector": True,
    }  # fmt: skip
    assert all(row["passed"] for row in rows.values() if row["limit"] is not None)
    assert all(row["passed"] is None for row in rows.values() if row["limit"] is None)


async def test_a_closing_order_takes_the_book_back(desk, held):
    closing = await stage_closing(desk, held, at=OPENING + timedelta(hours=1))
    rows = rows_of(await aftermath(desk, await desk.orders.get(closing.order_id), OPENING + timedelta(hours=1)))
    for name in ROWS:
        if name != "free_margin":
            assert rows[name]["after"] == 0.0 != rows[name]["before"]
    assert rows["free_margin"]["after"] == 1.0 > rows["free_margin"]["before"]


async def test_half_a_closing_leaves_half_the_structure(desk, held):
    at = OPENING + timedelta(hours=1)
    closing = await stage_closing(desk, held, at=at)
    half = closing.model_copy(
        update={
            "sized": closing.sized.model_copy(update={"sizing": closing.sized.sizing.model_copy(update={"units": 1})})
        }
    )
    before, after = without_and_with((await risk_picture(desk, at, ())).portfolio, half)
    (was,), (left,) = before.exposures, after.exposures
    assert (was.units, left.units, left.contracts) == (2, 1, was.contracts // 2)
    assert left.worst_case == was.worst_case / 2
    assert left.greeks.delta == pytest.approx(was.greeks.delta / 2)
    assert [leg.quantity * 2 for leg in left.legs] == [leg.quantity for leg in was.legs]
    unknown = (was.model_copy(update={"greeks": None}),)
    assert without_and_with(type(before)(**{**before.__dict__, "exposures": unknown}), half)[1].greeks is None


async def test_no_panel_where_there_is_nothing_to_compare(desk, staged, monkeypatch):
    view = await desk.orders.get(staged.order_id)
    assert (await aftermath(desk, view, staged.expires_at))["unavailable"] == "its time is up"
    gone = view.model_copy(update={"state": OrderState.CANCELLED})
    assert (await aftermath(desk, gone, OPENING))["unavailable"] == "the order is cancelled"

    async def down(*_):
        raise FeedDown("The feed does not answer.", remedy="Try again.")

    monkeypatch.setattr(type(desk.feed), "gather", down)
    found = await aftermath(desk, view, OPENING)
    assert (found["rows"], found["unavailable"]) == ([], "The feed does not answer.")
    assert panel(found, width=80).plain == "whole book: The feed does not answer."


async def test_a_broken_limit_is_marked_and_the_unknown_is_said(desk, staged):
    document = await shown(desk, staged.order_id, at=None)
    rows = {row["name"]: row for row in document["aftermath"]["rows"]}
    rows["var_95"] |= {"after": 9_000.0, "passed": False}
    rows["spx_delta"] |= {"after": None, "passed": False}
    for width in (80, 100):
        screen = Console(file=io.StringIO(), width=width, legacy_windows=False)
        show_order(screen, document, desk="desk")
        text = screen.file.getvalue()
        assert "→ $9,000 ✗ (≤ $2,000)" in text
        assert "→ unknown ✗" in text
        assert max(len(line) for line in text.split("\n")) <= width
    assert Decimal(str(rows["position"]["after"])) == staged.max_loss
