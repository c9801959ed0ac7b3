"""`desk review`, `desk book` and `desk regime` as a person types them: exit codes, JSON, and screens that fit."""

import io
import json
from datetime import timedelta
from decimal import Decimal

import pytest
import typer
from rich.console import Console
from sqlalchemy import make_url

from app.cli.options import person, premium
from app.cli.review import _decided
from app.screens.decision import show_decision
from app.screens.order import show_order, show_orders
from app.screens.payoff import HEIGHT, picture
from app.screens.regime import show_regime
from app.services.review import approve, orders_waiting, shown
from domain.errors import UsageError
from tests.support.audited import Home
from tests.support.staging import OPENING, stage_closing, stage_opening


@pytest.fixture
def home(postgres, database, desk_home, staged):
    """`desk` run against the database that holds the staged order."""
    return Home(postgres, make_url(database.pipeline_url).database, desk_home)


def rendered(show, document, **options):
    screen = Console(file=io.StringIO(), width=100, legacy_windows=False)
    show(screen, document, **options)
    return screen.file.getvalue()


def test_the_day_of_aperson(home, capsys, staged):
    code, listed = home.json(capsys, "review", "list")
    assert (code, [order["order_id"] for order in listed["orders"]]) == (0, [staged.order_id])
    code, out, _ = home.desk(capsys, "review", "show", staged.order_id[:5])
    assert code == 0
    assert "wrong if:" in out
    code, edited = home.json(
        capsys,
        "review",
        "edit",
        staged.order_id,
        "--contracts",
        "1",
        "--limit",
        str(staged.limit_per_share),
        "--by",
        "ann",
    )
    assert (code, edited["order"]["contracts"], edited["reviewer"]) == (0, 1, "ann")
    code, out, _ = home.desk(capsys, "review", "approve", staged.order_id, "--by", "ann")
    assert code == 0
    assert "is filled by ann" in out
    assert "checks pass on fresh quotes" in out
    code, book = home.json(capsys, "book")
    assert (code, len(book["positions"])) == (0, 2)
    assert book["nlv"] == pytest.approx(book["cash"] + sum(p["value"] for p in book["positions"]))
    code, out, _ = home.desk(capsys, "book")
    assert code == 0
    assert "net liquidation value" in out
    code, out, _ = home.desk(capsys, "review", "list")
    assert "No orders wait for you" in out
    code, out, _ = home.desk(capsys, "review", "list", "--all")
    assert "filled" in out


def test_a_second_decision_is_refused_in_one_sentence(home, capsys, staged):
    code, out, _ = home.desk(capsys, "review", "reject", staged.order_id, "--reason", "a rumour", "--by", "ann")
    assert code == 0
    assert "a rumour" in out
    code, document = home.json(capsys, "review", "approve", staged.order_id, "--by", "bob")
    assert code == 1
    assert document["error"]["code"] == "not_staged"
    assert "by ann" in document["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["review", "show", "O-NOBODY"], "There is no order 'O-NOBODY'"),
        (["review", "edit", "ORDER", "--limit", "cheap"], "'cheap' is no price"),
        (["review", "edit", "ORDER"], "changes nothing"),
        (["review", "reject", "ORDER"], "--reason"),
        (["review", "approve", "ORDER", "--at", "2025-01-02T14:50:00"], "no UTC offset"),
        (["review", "approve", "ORDER", "--at", "2025-01-01T14:50:00Z"], "is before that"),
        (["review", "approve", "ORDER", "--by", " "], "Nobody is named for this decision"),
        (["book", "--at", "2024-01-01T00:00:00Z", "--feed", "cboe"], "no other time than now"),
    ],
)
def test_unusable_input_is_one_sentence_and_exit_2(home, capsys, staged, arguments, said):
    code, out, err = home.desk(capsys, *[staged.order_id if word == "ORDER" else word for word in arguments])
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_whoever_is_logged_in_is_the_reviewer_and_nobody_is_refused(monkeypatch):
    import getpass

    monkeypatch.setattr(getpass, "getuser", lambda: "carol")
    assert person(None) == "carol"

    def nobody():
        raise OSError("no such user")

    monkeypatch.setattr(getpass, "getuser", nobody)
    with pytest.raises(UsageError, match="--by"):
        person(None)


def test_a_premium_is_exact_to_the_digit():
    assert premium("-1.80") == Decimal("-1.80")
    assert premium(None) is None


@pytest.mark.parametrize("strategy", ["iron_condor", "call_calendar", "call_butterfly"])
async def test_one_order_fits_one_screen(desk, strategy):
    order = await stage_opening(desk, strategy=strategy, units=1, ticker="SPY")
    document = await shown(desk, order.order_id, at=None)
    json.dumps(document, allow_nan=False)
    lines = rendered(show_order, document, desk="desk").rstrip("\n").split("\n")
    assert len(lines) <= 50
    assert max(len(line) for line in lines) <= 100
    text = "\n".join(lines)
    assert all(check.name.replace("_", " ") in text for check in order.checks)
    assert f"desk review approve {order.order_id}" in text
    late = await shown(desk, order.order_id, at=order.expires_at)
    assert "cannot be approved any more" in rendered(show_order, late, desk="desk")


async def test_what_failed_and_what_did_not_fill_is_shown(desk, staged):
    done = await approve(desk, staged.order_id, at=None, reviewer="ann")
    done["recheck"]["checks"][0] |= {"passed": False, "detail": "nothing [of] the kind"}
    text = rendered(show_decision, done, desk="desk")
    assert "nothing [of] the kind" in text
    assert "half-spread" in text


async def test_a_closing_order_is_shown_by_what_it_realises(desk, staged):
    await approve(desk, staged.order_id, at=None, reviewer="ann")
    close = await stage_closing(desk, staged, at=OPENING + timedelta(hours=3))
    text = rendered(show_order, await shown(desk, close.order_id, at=None), desk="desk")
    assert f"closes {staged.order_id}: at the limit realises" in text
    assert "max loss" not in text
    listed = await orders_waiting(desk, everything=False, at=None)
    assert "JPM close bull call spread" in rendered(show_orders, listed, desk="desk")
    done = await approve(desk, close.order_id, at=None, reviewer="ann")
    text = rendered(show_decision, done, desk="desk")
    assert "checks pass" in text
    assert "expected" not in text
    gone = rendered(show_order, await shown(desk, close.order_id, at=None), desk="desk")
    assert "nothing of it is held any more" in gone


async def test_what_lapsed_is_named_when_orders_are_listed(desk, staged):
    listed = await orders_waiting(desk, everything=False, at=staged.expires_at)
    text = rendered(show_orders, listed, desk="desk")
    assert "lapsed by" in text
    assert staged.order_id in text


def test_an_approval_that_the_broker_refuses_exits_1(capsys):
    with pytest.raises(typer.Exit) as exit_:
        _decided({"execution": {"state": "failed"}}, as_json=True)
    assert exit_.value.exit_code == 1


def test_the_picture_keeps_a_peak_narrower_than_a_column_and_cuts_an_endless_gain():
    tent = picture([0, 499.9, 500, 500.1, 1000], [-100, -100, 300, -100, -100], 500.0, (499.95, 500.05)).plain
    assert "+300" in tent
    assert "-100" in tent
    call = picture([0, 100, 1000], [-100, -100, 90_000], 100.0, (101.0,)).plain
    assert "+400" in call  # four times what can be lost
    assert len(call.split("\n")) <= HEIGHT + 4
    assert picture([0, 1000], [50, 50], 100.0, ()).plain.count("█") > 100


def test_an_empty_account_is_cash_and_needs_no_market(postgres, database, desk_home, capsys):
    home = Home(postgres, make_url(database.pipeline_url).database, desk_home)
    for feed in ("simulated", "recorded"):
        code, book = home.json(capsys, "book", "--feed", feed)
        assert (code, book["cash"], book["nlv"], book["positions"]) == (0, 100_000, 100_000, [])
        assert book["worst_case"] == 0
    code, out, _ = home.desk(capsys, "book")
    assert "no positions" in out


def test_the_regime_is_the_runs_own_with_thresholds_and_hysteresis(audited, capsys):
    code, reading = audited.json(capsys, "regime")
    assert code == 0
    assert reading["source"] == f"snapshot of {audited.run_id}"
    assert (reading["raw"], reading["held"], reading["needed"], reading["history"]) == (reading["regime"], 0, 3, [])
    assert reading["thresholds"]["crisis_from"]["vix"] > reading["thresholds"]["high_vol_from"]["vix"]
    code, out, _ = audited.desk(capsys, "regime")
    assert "VIX / VIX3M" in out
    assert "no earlier reading" in out


def test_the_regime_of_another_instant_is_read_from_the_market_and_the_runs_before(audited, capsys):
    code, later = audited.json(capsys, "regime", "--at", "2025-01-03T15:00:00Z")
    assert (code, later["source"]) == (0, "gathered for this question")
    assert [earlier["as_of"] for earlier in later["history"]] == ["2025-01-02T14:35:00Z"]
    later["thresholds"]["high_vol_odds"], later["vix"] = 0.5, None
    text = rendered(show_regime, later)
    assert "unknown" in text
    assert "odds of stress" in text
