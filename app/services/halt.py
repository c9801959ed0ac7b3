"""Stopping the desk and letting it go on: each use is in force at once in every process, and in the decision log."""

from typing import Any

from agents.registry import ANALYSTS
from app.clock import FixedClock
from app.documents import plain
from app.services.instants import account_instant
from app.services.review import ENDED
from app.services.review_log import log_step
from app.wiring import Desk, on_account
from domain.errors import UsageError
from domain.order import StagedOrder
from domain.risk import TradingState
from execution.outbox import Sent, withdraw
from memory.orders import accounts_working
from memory.switches import EVERYWHERE, SwitchBoard, SwitchUse

Document = dict[str, Any]
HISTORY = 10


async def halt(desk: Desk, *, by: str, reason: str, reducing: bool = False) -> Document:
    """Halt everything (or, `reducing`, every opening), and withdraw what is on its way to a broker.

    Once this returns, nothing is staged, approved or sent that the state forbids. Halting again sets nothing, and
    withdraws what is still on its way. Raises `Refused` (`stricter`) for `reducing` while trading is halted.
    """
    wanted = TradingState.REDUCING if reducing else TradingState.HALTED
    changed = await desk.switches.tighten(wanted, at=desk.clock.now(), actor=by, reason=reason)
    withdrawn = await _withdraw(desk, wanted)
    return {"changed": changed, "withdrawn": withdrawn, **await state(desk)}


async def resume(desk: Desk, *, by: str, reason: str, reducing: bool = False) -> Document:
    """Let trading go on everywhere (or, `reducing`, only closing orders), also where the desk had restrained itself.

    Raises `Refused` (`looser`) for `reducing` while trading is active.
    """
    wanted = TradingState.REDUCING if reducing else TradingState.ACTIVE
    before = await desk.switches.read(EVERYWHERE)
    lifted = await desk.switches.resume(at=desk.clock.now(), actor=by, reason=reason, state=wanted)
    changed = bool(lifted) or not before.uses
    return {"changed": changed, "lifted": [_use(use) for use in lifted], **await state(desk)}


async def set_agent(desk: Desk, agent: str, *, halted: bool, by: str, reason: str) -> Document:
    """Halt one analyst, or let it speak again, also in a run that is at work. Raises `UsageError` for an unknown
    name.
    """
    names = [analyst.name for analyst in ANALYSTS]
    if agent not in names:
        raise UsageError(f"No agent is called {agent!r}.", remedy=f"Known: {', '.join(names)}.")
    before = await desk.switches.read(EVERYWHERE)
    after = await desk.switches.set_agent(agent, halted=halted, at=desk.clock.now(), actor=by, reason=reason)
    return {"changed": before.agents != after.agents, "agent": agent, "halted": halted, **await state(desk)}


async def state(desk: Desk, limit: int = HISTORY) -> Document:
    """How the switches stand everywhere and for each account, and their last uses, newest first."""
    standing = await desk.switches.standing()
    accounts = sorted({desk.account, *(use.account for use in standing if use.account != EVERYWHERE)})
    everywhere = await desk.switches.read(EVERYWHERE)
    return {
        **_board(everywhere),
        "accounts": {account: _board(await desk.switches.read(account)) for account in accounts},
        "history": [_use(use) for use in await desk.switches.history(limit)],
    }


async def _withdraw(desk: Desk, wanted: TradingState) -> list[Document]:
    """Cancel what is on its way in every account; while reducing, only openings."""
    reason = f"trading is {wanted.value}: {(await desk.switches.read(EVERYWHERE)).reason}"

    def forbidden(order: StagedOrder) -> bool:
        return wanted is TradingState.HALTED or order.sized.candidate.intent == "open"

    told: list[Document] = []
    for account in await accounts_working(desk.engine):
        there = on_account(desk, account)
        clock = FixedClock(await account_instant(there))
        dealt = await withdraw(there.outbox, there.broker, clock, which=forbidden, reason=reason)
        told += [{"account": account, **await _logged(there, sent)} for sent in dealt]
    return told


async def _logged(desk: Desk, sent: Sent) -> Document:
    """One order, with the row in its own story once it has ended."""
    order = (await desk.orders.get(sent.order_id)).order
    if sent.state in ENDED:
        output = {"sent": plain(sent), "fills": plain(await desk.orders.fills(sent.order_id))}
        await log_step(desk, order, f"withdraw v{order.version}", "rule", output)
    return {"ticker": order.ticker, "strategy": order.sized.candidate.strategy, **dict(plain(sent))}


def _board(board: SwitchBoard) -> Document:
    behind = max(board.uses, key=lambda use: use.seq, default=None)
    return {
        "trading_state": board.trading_state.value,
        "reason": board.reason,
        "since": plain(behind.at) if behind else None,
        "by": behind.actor if behind else None,
        "uses": [_use(use) for use in board.uses],
        "agents": [_use(use) for use in board.agents],
    }


def _use(use: SwitchUse) -> Document:
    return dict(plain(use))
