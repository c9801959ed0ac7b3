"""Kill switches: every doubt is a halt, every use stays on record."""

import psycopg
import pytest
from sqlalchemy.exc import ProgrammingError

from domain.errors import UsageError
from domain.risk import TradingState
from memory.engine import conninfo
from memory.switches import Switches
from tests.support.orders import HOUR, NOON


@pytest.fixture
def switches(engine):
    return Switches(engine)


async def test_a_fresh_desk_is_active_and_says_why(switches):
    board = await switches.read("simulated")
    assert (board.trading_state, board.reason, board.halted_agents) == (
        TradingState.ACTIVE,
        "fresh installation",
        (),
    )


async def test_a_halt_holds_for_every_account_until_somebody_lifts_it(switches):
    await switches.set_trading(TradingState.HALTED, at=NOON, actor="ann", reason="fat finger")
    assert (await switches.read("recorded")).trading_state is TradingState.HALTED
    lifted = await switches.set_trading(TradingState.ACTIVE, at=NOON + HOUR, actor="ann", reason="all clear")
    assert lifted.trading_state is TradingState.ACTIVE
    uses = await switches.history()
    assert [(use.setting, use.actor) for use in uses[:2]] == [("active", "ann"), ("halted", "ann")]


async def test_an_accounts_own_setting_can_only_be_stricter_and_stays_its_own(switches):
    await switches.set_trading(TradingState.REDUCING, at=NOON, actor="rule", reason="loss", account="simulated")
    assert (await switches.read("simulated")).trading_state is TradingState.REDUCING
    assert (await switches.read("recorded")).trading_state is TradingState.ACTIVE
    await switches.set_trading(TradingState.HALTED, at=NOON, actor="ann", reason="stop")
    assert (await switches.read("simulated")).reason == "stop"


async def test_agents_are_halted_one_by_one(switches):
    await switches.set_agent("social", halted=True, at=NOON, actor="ann", reason="spam")
    await switches.set_agent("flow", halted=True, at=NOON, actor="ann", reason="test")
    board = await switches.set_agent("flow", halted=False, at=NOON, actor="ann", reason="test over")
    assert board.halted_agents == ("social",)


@pytest.mark.parametrize(
    ("tampering", "says"),
    [
        ("DELETE FROM switches", "not recorded"),
        ("UPDATE switches SET setting = 'on'", "unknown"),
        ("UPDATE switches SET account = 'simulated'", "not recorded"),
    ],
)
async def test_any_doubt_means_halted(switches, superuser_url, tampering, says):
    with psycopg.connect(conninfo(superuser_url), autocommit=True) as link:
        link.execute("ALTER TABLE switches DISABLE TRIGGER ALL")
        link.execute(tampering)
    board = await switches.read("simulated")
    assert board.trading_state is TradingState.HALTED
    assert says in board.reason


@pytest.mark.parametrize(("actor", "reason"), [("", "x"), ("ann", "  ")])
async def test_nobody_moves_a_switch_without_a_name_and_a_reason(switches, actor, reason):
    with pytest.raises(UsageError, match="name and a reason"):
        await switches.set_trading(TradingState.ACTIVE, at=NOON, actor=actor, reason=reason)


@pytest.mark.parametrize("statement", ["DELETE FROM switches", "UPDATE fills SET units = 0", "TRUNCATE order_events"])
async def test_the_pipeline_cannot_rewrite_history(engine, statement):
    from sqlalchemy import text

    with pytest.raises(ProgrammingError, match=r"permission denied|append-only"):
        async with engine.begin() as link:
            await link.execute(text(statement))
