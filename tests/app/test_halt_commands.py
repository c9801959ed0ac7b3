"""`desk halt`, `desk resume`, `desk state`: what a person types to stop the desk, and what it says."""

import io
import json

import pytest
from rich.console import Console
from sqlalchemy import make_url

from app.screens.halt import show_switches
from app.services.halt import halt, resume, state
from app.services.review import approve
from domain.errors import MachineError, Refused
from domain.order import OrderState
from domain.risk import Restraint
from memory.orders import PostgresOrderStore
from tests.support.audited import Home
from tests.support.orders import HOUR, NOON, order
from tests.support.staging import OPENING, stage_closing

S = OrderState
LOSS = Restraint(cause="daily_loss", measured=0.04, limit=0.03, detail="daily loss: 4 % [of] all")


@pytest.fixture
def home(postgres, database, desk_home):
    """`desk` run against the test's own database."""
    desk_home.mkdir(exist_ok=True)
    return Home(postgres, make_url(database.pipeline_url).database, desk_home)


def refused(code):
    return pytest.raises(Refused, check=lambda error: error.code == code)


def rendered(document, width=80):
    screen = Console(file=io.StringIO(), width=width, legacy_windows=False)
    show_switches(screen, document, desk="desk")
    return screen.file.getvalue()


def test_a_day_with_a_halt_is_told_by_every_command(home, capsys):
    code, document = home.json(capsys, "state")
    assert (code, document["trading_state"], document["by"]) == (0, "active", "installation")
    code, document = home.json(capsys, "halt", "--reason", "fat finger", "--by", "ann")
    assert (code, document["changed"], document["trading_state"], document["withdrawn"]) == (0, True, "halted", [])
    assert (document["by"], document["reason"]) == ("ann", "fat finger")
    code, document = home.json(capsys, "halt", "--by", "bob")
    assert (code, document["changed"], document["by"], len(document["history"])) == (0, False, "ann", 2)
    code, document = home.json(capsys, "halt", "--reducing", "--by", "bob")
    assert (code, document["error"]["code"]) == (1, "stricter")
    assert home.json(capsys, "halt", "--status")[1] == home.json(capsys, "state")[1]
    code, document = home.json(capsys, "resume", "--reducing", "--reason", "a look", "--by", "ann")
    assert (code, document["changed"], document["trading_state"]) == (0, True, "reducing")
    code, document = home.json(capsys, "resume", "--reason", "all clear", "--by", "ann")
    assert [use["setting"] for use in document["lifted"]] == ["reducing"]
    code, document = home.json(capsys, "resume", "--reason", "all clear", "--by", "ann")
    assert (code, document["changed"], document["lifted"]) == (0, False, [])
    code, document = home.json(capsys, "resume", "--reducing", "--reason", "x", "--by", "ann")
    assert (code, document["error"]["code"]) == (1, "looser")
    code, listed = home.json(capsys, "audit", "list")
    assert [(use["actor"], use["setting"]) for use in listed["switches"]] == [
        ("ann", "halted"), ("ann", "reducing"), ("ann", "active"),
    ]  # fmt: skip
    assert home.json(capsys, "audit", "show", "switches")[1]["switches"] == listed["switches"]
    code, verified = home.json(capsys, "audit", "verify")
    assert (code, verified["sound"], verified["rows"]) == (0, True, 3)
    code, out, _ = home.desk(capsys, "audit", "list")
    assert "last switch: trading active by ann" in out
    code, out, _ = home.desk(capsys, "audit", "show", "switches")
    assert [word in out for word in ("fat finger", "a look", "all clear")] == [True] * 3


def test_one_agent_is_halted_by_name_and_a_wrong_name_lists_the_right_ones(home, capsys):
    code, document = home.json(capsys, "halt", "--agent", "socal", "--by", "ann")
    assert (code, document["error"]["kind"]) == (2, "UsageError")
    assert "Known: vol_surface, flow, technical, social." in document["error"]["message"]
    code, document = home.json(capsys, "halt", "--agent", "social", "--by", "ann")
    assert (code, document["changed"], document["trading_state"]) == (0, True, "active")
    assert [(use["switch"], use["reason"]) for use in document["agents"]] == [("agent:social", "stopped by hand")]
    assert home.json(capsys, "halt", "--agent", "social", "--by", "bob")[1]["changed"] is False
    code, out, _ = home.desk(capsys, "resume", "--agent", "social", "--reason", "clean again", "--by", "ann")
    assert (code, "Agent social is active now." in out) == (0, True)
    code, out, _ = home.desk(capsys, "resume", "--agent", "social", "--reason", "clean again", "--by", "ann")
    assert (code, "Agent social was active already; nothing was set." in out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["resume"], "--reason"),
        (["resume", "--reason", " "], "needs a reason"),
        (["resume", "--reason", "x", "--by", " "], "Nobody is named"),
        (["halt", "--by", " "], "Nobody is named"),
        (["halt", "--by", "desk"], "not a person"),
        (["halt", "--agent", "social", "--reducing"], "not both"),
    ],
)
def test_unusable_input_is_one_sentence_exit_2_and_sets_nothing(home, capsys, arguments, said):
    code, out, err = home.desk(capsys, *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert len(home.json(capsys, "state")[1]["history"]) == 1


def test_a_misspelt_setting_keeps_nobody_from_stopping_the_desk(home, capsys, tmp_path, monkeypatch):
    own = tmp_path / "own"
    own.mkdir()
    (own / "desk.yaml").write_text("feeed: simulated\n")
    monkeypatch.setenv("DESK_CONFIG", str(own))
    code, out, err = home.desk(capsys, "halt", "--by", "ann", "--json")
    assert (code, json.loads(out)["trading_state"]) == (0, "halted")
    assert "feeed" in err
    assert "The shipped settings stand in." in err
    assert home.desk(capsys, "run")[0] == 2


async def walked(store, order_id, *steps):
    before = S.STAGED
    for step in steps:
        await store.transition(order_id, step, expect=before, at=NOON, reviewer="ann", reason="test")
        before = step


async def test_a_halt_withdraws_what_is_on_its_way_in_every_account_and_leaves_what_is_staged(desk, engine):
    for account in ("simulated", "recorded"):
        store = PostgresOrderStore(engine, account=account)
        for name, steps in (("s", ()), ("a", (S.APPROVED,)), ("x", (S.APPROVED, S.SUBMITTED))):
            await store.stage(order(f"{account}-{name}", ticker=f"T{name}"))
            await walked(store, f"{account}-{name}", *steps)
    document = await halt(desk, by="ann", reason="stop")
    assert [(told["account"], told["order_id"], told["state"]) for told in document["withdrawn"]] == [
        ("recorded", "recorded-a", "cancelled"), ("recorded", "recorded-x", "cancelled"),
        ("simulated", "simulated-a", "cancelled"), ("simulated", "simulated-x", "cancelled"),
    ]  # fmt: skip
    assert (await desk.orders.get("simulated-a")).reason == "trading is halted: stop"
    assert (await desk.orders.get("simulated-s")).state is S.STAGED
    rows = await desk.audit.rows("run-1")
    assert [(row.entry.ticker, row.entry.kind) for row in rows] == [
        (told["order_id"], "withdraw v1") for told in document["withdrawn"]
    ]
    assert (await halt(desk, by="ann", reason="stop"))["withdrawn"] == []
    assert (await desk.audit.verify()).sound
    shown = rendered(document)
    assert all(word in shown for word in ("simulated-a", "cancelled", "stop"))


async def test_reducing_withdraws_openings_and_lets_closings_go_on(desk, staged):
    await approve(desk, staged.order_id, at=None, reviewer="ann")
    close = await stage_closing(desk, staged, at=OPENING + 3 * HOUR)
    await desk.orders.approve(close.order_id, at=OPENING + 3 * HOUR, reviewer="ann")
    await desk.orders.stage(order("open", ticker="XOM", at=OPENING + 3 * HOUR))
    await desk.orders.approve("open", at=OPENING + 3 * HOUR, reviewer="ann")
    document = await halt(desk, by="ann", reason="careful", reducing=True)
    assert [(told["order_id"], told["state"]) for told in document["withdrawn"]] == [("open", "cancelled")]
    assert (await desk.orders.get(close.order_id)).state is S.APPROVED


async def test_a_broker_that_cannot_be_reached_is_told_and_asked_again_by_the_next_halt(desk, monkeypatch):
    await desk.orders.stage(order("o-1"))
    await walked(desk.orders, "o-1", S.APPROVED, S.SUBMITTED)
    answers = [MachineError("The line is dead."), ()]

    async def withdraw(self, order, *, key, at):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(type(desk.broker), "withdraw", withdraw)
    (told,) = (await halt(desk, by="ann", reason="stop"))["withdrawn"]
    assert (told["state"], told["reason"]) == ("submitted", "paper does not answer: The line is dead.")
    document = await halt(desk, by="ann", reason="stop")
    assert (document["changed"], [told["state"] for told in document["withdrawn"]]) == (False, ["cancelled"])


async def test_while_halted_closings_are_staged_nothing_is_approved_and_a_resumed_desk_goes_on(desk, staged):
    await approve(desk, staged.order_id, at=None, reviewer="ann")
    await halt(desk, by="ann", reason="stop")
    close = await stage_closing(desk, staged, at=OPENING + 3 * HOUR)
    with refused("halted"):
        await approve(desk, close.order_id, at=None, reviewer="ann")
    await resume(desk, by="ann", reason="only out", reducing=True)
    assert (await approve(desk, close.order_id, at=None, reviewer="ann"))["execution"]["state"] == "filled"
    with refused("reducing"):
        await desk.orders.stage(order("o-1", at=OPENING + 4 * HOUR))


async def test_what_the_desk_holds_against_one_account_is_shown_there_and_lifted_by_a_person(desk):
    await desk.switches.restrain("simulated", [LOSS], as_of=OPENING, at=desk.clock.now())
    document = await state(desk)
    assert document["trading_state"] == "active"
    assert document["accounts"]["simulated"]["trading_state"] == "reducing"
    for width in (60, 80, 140):
        shown = rendered(document, width)
        assert "Trading is reducing" in shown
        assert "4 % [of] all" in " ".join(shown.split())
        assert max(len(line) for line in shown.splitlines()) <= width
    document = await resume(desk, by="ann", reason="a bad print")
    assert (document["changed"], document["accounts"]["simulated"]["trading_state"]) == (True, "active")
    assert "lifted" in rendered(document)


async def test_the_state_in_doubt_says_so_without_an_author(desk, superuser_url):
    import psycopg

    from memory.engine import conninfo

    with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
        link.execute("ALTER TABLE switches DISABLE TRIGGER ALL")
        link.execute("DELETE FROM switches")
    document = await state(desk)
    assert (document["trading_state"], document["since"], document["by"]) == ("halted", None, None)
    assert "any doubt means halted" in " ".join(rendered(document).split())
    document = await resume(desk, by="ann", reason="looked into it")
    assert (document["changed"], document["trading_state"]) == (True, "active")
