"""Every use of a switch is in the hash chain with its row or not at all; the desk never loosens what a person set."""

import asyncio
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from domain.errors import MachineError, Refused, UsageError
from domain.risk import Restraint, TradingState
from memory import switches as module
from memory.audit import PostgresAuditLog
from memory.engine import conninfo
from memory.switches import LOG, Switches, hold
from tests.support.orders import DAY, HOUR, NOON

ROOT = Path(__file__).parents[2]
ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
ANN = {"at": NOON, "actor": "ann"}
LOSS = Restraint(cause="daily_loss", measured=0.04, limit=0.03, detail="daily loss: 4 %")
STALE = Restraint(cause="stale_data", measured=90.0, limit=60.0, detail="stale data: 90 s")


@pytest.fixture
def switches(engine):
    return Switches(engine, code_version="abc")


@pytest.fixture
def log(engine, clock, desk_home):
    return PostgresAuditLog(engine, clock, "abc", desk_home / "seals.jsonl")


def refused(code):
    return pytest.raises(Refused, check=lambda error: error.code == code)


async def uses(switches, count):
    return [(use.account, use.switch, use.setting, use.actor) for use in (await switches.history())[:count][::-1]]


async def test_each_use_is_a_row_of_the_decision_log_that_names_everything_about_it(switches, log):
    await switches.tighten(HALTED, reason="fat finger", **ANN)
    await switches.set_agent("social", halted=True, reason="spam", **ANN)
    await switches.restrain("simulated", [LOSS], as_of=NOON - DAY, at=NOON)
    rows = await log.rows(LOG)
    assert [(row.entry.node, row.entry.ticker, row.entry.kind[7:], row.entry.author) for row in rows] == [
        ("switch", "*", "trading halted", "human"),
        ("switch", "social", "agent:social halted", "human"),
        ("switch", "*", "desk:daily_loss reducing", "rule"),
    ]
    said = [row.entry.output for row in rows]
    assert said == [use.model_dump(mode="json") for use in (await switches.history())[:3][::-1]]
    assert (said[0]["reason"], said[0]["actor"], said[0]["as_of"]) == ("fat finger", "ann", None)
    assert (said[2]["account"], said[2]["as_of"]) == ("simulated", "2026-03-01T17:00:00Z")
    assert {row.code_version for row in rows} == {"abc"}
    assert (await log.verify()).sound


async def test_a_use_that_cannot_be_logged_is_not_made(switches, monkeypatch):
    async def broken(*_, **__):
        raise MachineError("The log is full.")

    monkeypatch.setattr(module, "append_entries", broken)
    with pytest.raises(MachineError):
        await switches.tighten(HALTED, reason="stop", **ANN)
    assert (await switches.read("simulated")).trading_state is ACTIVE
    assert len(await switches.history()) == 1


async def test_halting_twice_is_one_use_and_a_looser_state_is_no_halt(switches):
    assert await switches.tighten(REDUCING, reason="careful", **ANN) is True
    assert await switches.tighten(HALTED, reason="stop", **ANN) is True
    assert await switches.tighten(HALTED, reason="stop it", at=NOON, actor="bob") is False
    with refused("stricter"):
        await switches.tighten(REDUCING, reason="careful", **ANN)
    assert (await switches.read("simulated")).reason == "stop"
    assert len(await switches.history()) == 3


async def test_of_many_who_halt_at_once_one_use_is_recorded(switches):
    told = await asyncio.gather(*(switches.tighten(HALTED, at=NOON, actor=f"p{n}", reason="stop") for n in range(6)))
    assert sorted(told) == [False] * 5 + [True]


async def test_in_doubt_a_halt_is_recorded_and_resuming_ends_the_doubt(switches, superuser_url):
    with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
        link.execute("ALTER TABLE switches DISABLE TRIGGER ALL")
        link.execute("DELETE FROM switches")
    with refused("stricter"):
        await switches.tighten(REDUCING, reason="careful", **ANN)
    assert await switches.tighten(HALTED, reason="stop", **ANN) is True
    with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
        link.execute("DELETE FROM switches")
    assert await switches.resume(reason="known again", **ANN) == ()
    assert (await switches.read("simulated")).trading_state is ACTIVE
    with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
        link.execute("UPDATE switches SET setting = 'on'")
    (lifted,) = await switches.resume(reason="known again", **ANN)
    assert lifted.setting == "on"
    assert (await switches.read("simulated")).trading_state is ACTIVE


async def test_resuming_step_by_step_and_what_it_cannot_do(switches):
    with refused("looser"):
        await switches.resume(state=REDUCING, reason="careful", **ANN)
    assert await switches.resume(reason="fine", **ANN) == ()
    await switches.tighten(HALTED, reason="stop", **ANN)
    assert [use.setting for use in await switches.resume(state=REDUCING, reason="step", **ANN)] == ["halted"]
    assert await switches.resume(state=REDUCING, reason="step", **ANN) == ()
    assert [use.setting for use in await switches.resume(reason="all clear", **ANN)] == ["reducing"]
    assert await uses(switches, 3) == [
        ("*", "trading", "halted", "ann"), ("*", "trading", "reducing", "ann"), ("*", "trading", "active", "ann"),
    ]  # fmt: skip


async def test_the_desk_restrains_its_own_account_only_and_says_every_reason(switches):
    board = await switches.restrain("simulated", [LOSS, STALE], as_of=NOON)
    assert (board.trading_state, board.reason) == (REDUCING, "daily loss: 4 %; stale data: 90 s")
    assert [(use.switch, use.actor) for use in board.uses] == [
        ("desk:daily_loss", "desk"), ("desk:stale_data", "desk"),
    ]  # fmt: skip
    assert (await switches.read("recorded")).trading_state is ACTIVE
    before = await switches.history()
    assert await switches.restrain("simulated", [LOSS, STALE], as_of=NOON + HOUR) == board
    assert await switches.history() == before  # a second look changes nothing


async def test_the_desk_never_loosens_what_a_person_set(switches):
    await switches.tighten(HALTED, reason="stop", **ANN)
    await switches.restrain("simulated", [STALE], as_of=NOON)
    board = await switches.restrain("simulated", [], as_of=NOON + HOUR)
    assert (board.trading_state, board.reason) == (HALTED, "stop")
    await switches.restrain("simulated", [LOSS], as_of=NOON)
    await switches.resume(state=REDUCING, reason="step", **ANN)
    board = await switches.restrain("simulated", [], as_of=NOON + DAY)
    assert (board.trading_state, board.reason) == (REDUCING, "step")


async def test_a_person_lifts_what_the_desk_set_and_that_stands_until_the_next_session(switches):
    await switches.restrain("simulated", [LOSS], as_of=NOON)
    lifted = await switches.resume(reason="known, a bad print", at=NOON + 300 * DAY, actor="ann")
    assert [(use.account, use.switch) for use in lifted] == [("simulated", "desk:daily_loss")]
    assert (await switches.restrain("simulated", [LOSS], as_of=NOON + HOUR)).trading_state is ACTIVE
    assert (await switches.restrain("simulated", [LOSS], as_of=NOON + DAY)).trading_state is REDUCING
    assert (await switches.restrain("simulated", [], as_of=NOON + DAY + HOUR)).trading_state is REDUCING
    assert (await switches.restrain("simulated", [], as_of=NOON + 2 * DAY)).trading_state is ACTIVE
    assert [(setting, actor) for _, _, setting, actor in await uses(switches, 4)] == [
        ("reducing", "desk"), ("active", "ann"), ("reducing", "desk"), ("active", "desk"),
    ]  # fmt: skip


async def test_an_accounts_own_setting_by_a_person_is_lifted_by_resuming(switches):
    await switches.set_trading(HALTED, account="cboe", reason="only there", **ANN)
    assert [use.account for use in await switches.resume(reason="fine", **ANN)] == ["cboe"]
    assert (await switches.read("cboe")).trading_state is ACTIVE


async def test_nobody_acts_in_the_name_of_the_desk(switches):
    for attempt in (
        switches.tighten(HALTED, at=NOON, actor="desk", reason="x"),
        switches.set_agent("flow", halted=True, at=NOON, actor="desk", reason="x"),
    ):
        with pytest.raises(UsageError, match="not a person"):
            await attempt
    await switches.restrain("simulated", [LOSS], as_of=NOON)
    with pytest.raises(UsageError, match="a name and a reason"):
        await switches.resume(at=NOON, actor="ann", reason=" ")
    assert (await switches.read("simulated")).trading_state is REDUCING


async def test_an_agent_is_halted_once_and_its_switch_names_who_and_why(switches):
    for _ in range(2):
        board = await switches.set_agent("social", halted=True, reason="spam", **ANN)
    assert [(use.switch, use.actor, use.reason) for use in board.agents] == [("agent:social", "ann", "spam")]
    for _ in range(2):
        board = await switches.set_agent("social", halted=False, reason="over", **ANN)
    assert board.agents == board.halted_agents == ()
    assert len(await switches.history()) == 3


async def test_a_halt_that_has_to_wait_too_long_is_in_force_and_says_so(switches, engine, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 1)
    async with engine.begin() as sending:
        await hold(sending)
        with pytest.raises(MachineError, match="still being sent"):
            await switches.tighten(HALTED, reason="stop", **ANN)
        assert (await switches.read("simulated")).trading_state is HALTED


async def test_another_fault_while_waiting_is_not_taken_for_the_end_of_patience(switches, engine):
    @event.listens_for(engine.sync_engine, "before_cursor_execute", retval=True)
    def hurried(_connection, _cursor, statement, parameters, *_):
        return statement.replace("lock_timeout = '10s'", "statement_timeout = '200ms'"), parameters

    async with engine.begin() as sending:
        await hold(sending)
        with pytest.raises(OperationalError, match="statement timeout"):
            await switches.tighten(HALTED, reason="stop", **ANN)


HALTING = """
import asyncio, os, signal, sys
from datetime import datetime, UTC
from domain.risk import TradingState
from memory.engine import connected
from memory.switches import Switches

async def main(url):
    async with connected(url) as engine:
        at = datetime(2026, 3, 2, tzinfo=UTC)
        await Switches(engine).tighten(TradingState.HALTED, at=at, actor="ann", reason="x")
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(sys.argv[1]))
"""


async def test_a_halt_outlives_the_process_that_set_it(switches, database):
    await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", HALTING, database.pipeline_url], cwd=ROOT, capture_output=True
    )
    assert (await switches.read("simulated")).trading_state is HALTED
    with refused("stricter"):
        await switches.tighten(REDUCING, reason="x", **ANN)
