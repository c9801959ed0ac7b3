"""Kill switches: the trading state and the halted agents. Persistent, append-only, and any doubt means halted.

A switch is a control of the present, not a piece of market knowledge: every run reads its latest setting, whatever
instant the run looks at, and freezes what it read.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import distinct_on

from domain.errors import UsageError
from domain.record import Instant, Record
from domain.risk import TradingState
from memory.tables.switches import SwitchTable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

EVERYWHERE = "*"
TRADING = "trading"
AGENT = "agent:"
LOCK = 7_120_201  # advisory: shared by whoever acts on the trading state, exclusive for whoever changes it
SEVERITY = {TradingState.ACTIVE: 0, TradingState.REDUCING: 1, TradingState.HALTED: 2}


class SwitchBoard(Record):
    """How all switches stand for one account."""

    trading_state: TradingState
    reason: str
    halted_agents: tuple[str, ...]


class SwitchUse(Record):
    """One use of a switch."""

    at: Instant
    account: str
    switch: str
    setting: str
    actor: str
    reason: str


class Switches:
    """Reads and sets the switches. `account` "*" speaks for all accounts; the stricter of both holds."""

    def __init__(self, engine: "AsyncEngine") -> None:
        self._engine = engine

    async def read(self, account: str) -> SwitchBoard:
        """How the switches stand now for `account`."""
        async with self._engine.connect() as link:
            return await board(link, account)

    async def set_trading(
        self, state: TradingState, *, at: datetime, actor: str, reason: str, account: str = EVERYWHERE
    ) -> SwitchBoard:
        """Set the trading state. Once this returns, nothing is staged, approved or sent on an older one."""
        return await self._set(TRADING, state.value, account=account, at=at, actor=actor, reason=reason)

    async def set_agent(
        self, agent: str, *, halted: bool, at: datetime, actor: str, reason: str, account: str = EVERYWHERE
    ) -> SwitchBoard:
        """Halt one agent, or let it speak again."""
        setting = "halted" if halted else "active"
        return await self._set(AGENT + agent, setting, account=account, at=at, actor=actor, reason=reason)

    async def history(self, limit: int = 50) -> tuple[SwitchUse, ...]:
        """The last uses, newest first."""
        wanted = [getattr(SwitchTable, name) for name in SwitchUse.model_fields]
        async with self._engine.connect() as link:
            rows = await link.execute(select(*wanted).order_by(SwitchTable.seq.desc()).limit(limit))
            return tuple(SwitchUse(**row) for row in rows.mappings())

    async def _set(
        self, switch: str, setting: str, *, account: str, at: datetime, actor: str, reason: str
    ) -> SwitchBoard:
        if not actor.strip() or not reason.strip():
            raise UsageError("A switch is not moved without a name and a reason.", remedy="Give both.")
        async with self._engine.begin() as link:
            await link.execute(select(func.pg_advisory_xact_lock(LOCK)))
            await link.execute(
                insert(SwitchTable).values(
                    account=account, switch=switch, setting=setting, at=at, actor=actor, reason=reason
                )
            )
            return await board(link, account)


async def hold(link: "AsyncConnection") -> None:
    """Keep the switches as they are until the transaction of `link` ends."""
    await link.execute(select(func.pg_advisory_xact_lock_shared(LOCK)))


async def board(link: "AsyncConnection", account: str) -> SwitchBoard:
    """How the switches stand, read in the transaction of `link`."""
    latest = (
        select(SwitchTable.account, SwitchTable.switch, SwitchTable.setting, SwitchTable.reason)
        .where(SwitchTable.account.in_([EVERYWHERE, account]))
        .ext(distinct_on(SwitchTable.account, SwitchTable.switch))
        .order_by(SwitchTable.account, SwitchTable.switch, SwitchTable.seq.desc())
    )
    rows = (await link.execute(latest)).all()
    state, reason = _trading([(r.account, r.setting, r.reason) for r in rows if r.switch == TRADING])
    agents = {r.switch.removeprefix(AGENT) for r in rows if r.switch.startswith(AGENT) and r.setting != "active"}
    return SwitchBoard(trading_state=state, reason=reason, halted_agents=tuple(sorted(agents)))


def _trading(found: Iterable[tuple[str, str, str]]) -> tuple[TradingState, str]:
    """The strictest setting with its reason; no setting for everybody, or one nobody knows, is doubt."""
    settings = {account: (setting, reason) for account, setting, reason in found}
    if EVERYWHERE not in settings:
        return TradingState.HALTED, "the trading state is not recorded: any doubt means halted"
    known = []
    for setting, reason in settings.values():
        if setting not in set(TradingState):
            return TradingState.HALTED, f"the recorded trading state {setting!r} is unknown: any doubt means halted"
        known.append((TradingState(setting), reason))
    return max(known, key=lambda found: SEVERITY[found[0]])
