"""Kill switches: the trading state and the halted agents. Persistent, append-only, and any doubt means halted.

A switch is a control of the present, not a piece of market knowledge: every run reads its latest setting, whatever
instant the run looks at, and freezes what it read. People set "trading" and "agent:NAME"; the desk itself sets
"desk:CAUSE" for its own account (`risk.state`), so that it can never loosen what a person set. The strictest holds.

Each use is a row here and a row of the decision log, kept in one transaction. It is in force at once for whoever reads
it afterwards; a setting that returns has also waited for those who had read an older one (`hold`).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from domain.audit import AuditEntry
from domain.errors import MachineError, Refused, UsageError
from domain.record import Instant, Record
from domain.risk import Restraint, TradingState
from memory.audit import append_entries
from memory.tables.switches import SwitchTable
from risk.state import CAUSES, OwnSwitch, moves, session_begun

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

EVERYWHERE = "*"
TRADING = "trading"
AGENT = "agent:"
OWN = "desk:"  # what the desk sets itself
DESK = "desk"  # as whom it does so
LOG = "switches"  # the run id of the uses in the decision log
LOCK = 7_120_201  # advisory: shared by whoever acts on the trading state; exclusive to wait for them
WRITING = 7_120_202  # advisory: whoever sets a switch
PATIENCE_S = 10
SEVERITY = {TradingState.ACTIVE: 0, TradingState.REDUCING: 1, TradingState.HALTED: 2}


class SwitchUse(Record):
    """One use of a switch. `as_of` is the account's own instant that a "desk:CAUSE" speaks of."""

    seq: int
    at: Instant
    account: str
    switch: str
    setting: str
    actor: str
    reason: str
    as_of: Instant | None = None


class SwitchBoard(Record):
    """How all switches stand for one account. `uses` are those that make trading what it is, `agents` those that halt
    one; both are empty while nobody restrains anything, and `uses` in doubt.
    """

    trading_state: TradingState
    reason: str
    halted_agents: tuple[str, ...]
    uses: tuple[SwitchUse, ...] = ()
    agents: tuple[SwitchUse, ...] = ()


class Switches:
    """Reads and sets the switches. `account` "*" speaks for all accounts; the stricter of both holds."""

    def __init__(self, engine: "AsyncEngine", *, code_version: str = "unknown") -> None:
        self._engine = engine
        self._code_version = code_version

    async def read(self, account: str) -> SwitchBoard:
        """How the switches stand now for `account`."""
        async with self._engine.connect() as link:
            return await board(link, account)

    async def standing(self) -> tuple[SwitchUse, ...]:
        """The last use of every switch, by account and switch."""
        async with self._engine.connect() as link:
            return await _latest(link)

    async def history(self, limit: int = 50) -> tuple[SwitchUse, ...]:
        """The last uses, newest first."""
        async with self._engine.connect() as link:
            rows = await link.execute(_uses().order_by(SwitchTable.seq.desc()).limit(limit))
            return tuple(SwitchUse(**row) for row in rows.mappings())

    async def set_trading(
        self, state: TradingState, *, at: datetime, actor: str, reason: str, account: str = EVERYWHERE
    ) -> SwitchBoard:
        """Set the trading state. Once this returns, nothing is staged, approved or sent on an older one."""
        async with self._engine.begin() as link:
            await self._use(link, TRADING, state.value, account=account, at=at, actor=actor, reason=reason)
        return await self._settled(account)

    async def set_agent(
        self, agent: str, *, halted: bool, at: datetime, actor: str, reason: str, account: str = EVERYWHERE
    ) -> SwitchBoard:
        """Halt one agent, or let it speak again; nothing is recorded where that stands already."""
        async with self._engine.begin() as link:
            await _alone(link)
            setting = "halted" if halted else TradingState.ACTIVE.value
            last = {(use.account, use.switch): use for use in await _latest(link)}.get((account, AGENT + agent))
            if halted != (last is not None and _restrains(last)):
                await self._use(link, AGENT + agent, setting, account=account, at=at, actor=actor, reason=reason)
            return await board(link, account)

    async def tighten(self, state: TradingState, *, at: datetime, actor: str, reason: str) -> bool:
        """`set_trading` for everybody; False if it stands so already. Raises `Refused` (`stricter`) where what stands
        is stricter, or in doubt.
        """
        async with self._engine.begin() as link:
            await _alone(link)
            stands = await board(link, EVERYWHERE)
            if SEVERITY[stands.trading_state] > SEVERITY[state]:
                raise Refused(
                    f"Trading is {stands.trading_state.value} ({stands.reason}); {state.value} would loosen that.",
                    code="stricter",
                    remedy="Use 'desk resume', which can.",
                )
            known = bool(stands.uses) and stands.trading_state is state
            if not known:
                await self._use(link, TRADING, state.value, account=EVERYWHERE, at=at, actor=actor, reason=reason)
        await self._settled(EVERYWHERE)
        return not known

    async def resume(
        self, *, at: datetime, actor: str, reason: str, state: TradingState = TradingState.ACTIVE
    ) -> tuple[SwitchUse, ...]:
        """A person loosens everything that is stricter than `state`, for everybody and for each account, also what the
        desk set itself. The uses that stood before, empty if none was stricter. Raises `Refused` (`looser`) where
        trading is less strict than `state`.
        """
        async with self._engine.begin() as link:
            await _alone(link)
            stands = await board(link, EVERYWHERE)
            if SEVERITY[stands.trading_state] < SEVERITY[state]:
                raise Refused(
                    f"Trading is {stands.trading_state.value}: resuming cannot restrain it.",
                    code="looser",
                    remedy="Use 'desk halt --reducing'.",
                )
            about = [use for use in await _latest(link) if _about_trading(use)]
            stricter = tuple(use for use in about if _severity(use) > SEVERITY[state])
            loosened = [(use.account, use.switch, use.as_of) for use in stricter]
            if (EVERYWHERE, TRADING) not in {(use.account, use.switch) for use in about}:
                loosened.append((EVERYWHERE, TRADING, None))
            for account, switch, as_of in loosened:
                await self._use(
                    link, switch, state.value, account=account, at=at, actor=actor, reason=reason, as_of=as_of
                )
        await self._settled(EVERYWHERE)
        return stricter

    async def restrain(
        self, account: str, found: Iterable[Restraint], *, as_of: datetime, at: datetime | None = None
    ) -> SwitchBoard:
        """Set and lift what the desk itself holds against new risk in `account`, whose own instant is `as_of`."""
        async with self._engine.begin() as link:
            await _alone(link)
            own = {use.switch: use for use in await _latest(link) if use.account == account}
            standing = {cause: _own(own[OWN + cause]) for cause in CAUSES if OWN + cause in own}
            changes = moves(found, standing, as_of=as_of)
            for change in changes:
                await self._use(
                    link, OWN + change.cause, change.setting.value, account=account, at=at or as_of, actor=DESK,
                    reason=change.reason, as_of=as_of,
                )  # fmt: skip
        return await (self._settled(account) if changes else self.read(account))

    async def _use(
        self,
        link: "AsyncConnection",
        switch: str,
        setting: str,
        *,
        account: str,
        at: datetime,
        actor: str,
        reason: str,
        as_of: datetime | None = None,
    ) -> None:
        """One use, and its row in the decision log."""
        if not actor.strip() or not reason.strip():
            raise UsageError("A switch is not moved without a name and a reason.", remedy="Give both.")
        if actor == DESK and not switch.startswith(OWN):
            raise UsageError(f"{DESK!r} is the desk itself, not a person.", remedy="Give the name of a person.")
        await _alone(link)
        said = {
            "account": account, "switch": switch, "setting": setting, "at": at, "actor": actor, "reason": reason,
            "as_of": as_of,
        }  # fmt: skip
        seq = (await link.execute(insert(SwitchTable).values(said).returning(SwitchTable.seq))).scalar_one()
        use = SwitchUse(seq=seq, **said)
        entry = AuditEntry(
            run_id=LOG,
            node="switch",
            ticker=switch.removeprefix(AGENT) if switch.startswith(AGENT) else "*",
            kind=f"{seq:06d} {switch} {setting}",
            author="rule" if actor == DESK else "human",
            inputs={},
            output=use.model_dump(mode="json"),
            versions={"code": self._code_version},
        )
        await append_entries(link, [entry], logged_at=at, code_version=self._code_version)

    async def _settled(self, account: str) -> SwitchBoard:
        """The board once everybody is done who had read an older one. Raises `MachineError` after `PATIENCE_S`."""
        from psycopg.errors import LockNotAvailable
        from sqlalchemy.exc import OperationalError

        async with self._engine.begin() as link:
            await link.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE_S}s'"))
            try:
                await link.execute(select(func.pg_advisory_xact_lock(LOCK)))
            except OperationalError as error:
                if not isinstance(error.orig, LockNotAvailable):
                    raise
                raise MachineError(
                    f"The switch is set, but an order that was on its way before is still being sent after "
                    f"{PATIENCE_S} s.",
                    remedy="Look at 'desk review list', then give the command again.",
                ) from error
            return await board(link, account)


async def hold(link: "AsyncConnection") -> None:
    """Whoever sets a switch waits until the transaction of `link` has ended. Never in two connections of one task: a
    setting that waits between them would wait for both.
    """
    await link.execute(select(func.pg_advisory_xact_lock_shared(LOCK)))


async def board(link: "AsyncConnection", account: str) -> SwitchBoard:
    """How the switches stand, read in the transaction of `link`."""
    uses = [use for use in await _latest(link) if use.account in (EVERYWHERE, account)]
    state, reason, behind = _trading([use for use in uses if _about_trading(use)])
    agents = {use.switch: use for use in uses if use.switch.startswith(AGENT) and _restrains(use)}
    halted = tuple(sorted(agents.values(), key=lambda use: use.switch))
    return SwitchBoard(
        trading_state=state,
        reason=reason,
        halted_agents=tuple(use.switch.removeprefix(AGENT) for use in halted),
        uses=behind,
        agents=halted,
    )


def _trading(uses: list[SwitchUse]) -> tuple[TradingState, str, tuple[SwitchUse, ...]]:
    """The strictest setting with its reasons; no setting for everybody, or one nobody knows, is doubt."""
    if (EVERYWHERE, TRADING) not in {(use.account, use.switch) for use in uses}:
        return TradingState.HALTED, "the trading state is not recorded: any doubt means halted", ()
    for use in uses:
        if use.setting not in set(TradingState):
            doubt = f"the recorded trading state {use.setting!r} is unknown: any doubt means halted"
            return TradingState.HALTED, doubt, ()
    strictest = max((TradingState(use.setting) for use in uses), key=SEVERITY.__getitem__)
    behind = [use for use in uses if use.setting == strictest.value]
    if strictest is TradingState.ACTIVE:
        behind = [use for use in behind if (use.account, use.switch) == (EVERYWHERE, TRADING)]
    return strictest, "; ".join(use.reason for use in behind), tuple(behind)


async def _alone(link: "AsyncConnection") -> None:
    await link.execute(select(func.pg_advisory_xact_lock(WRITING)))


async def _latest(link: "AsyncConnection") -> tuple[SwitchUse, ...]:
    """The last use of every switch, by account and switch."""
    last = (
        _uses()
        .ext(distinct_on(SwitchTable.account, SwitchTable.switch))
        .order_by(SwitchTable.account, SwitchTable.switch, SwitchTable.seq.desc())
    )
    found = [SwitchUse(**row) for row in (await link.execute(last)).mappings()]
    return tuple(sorted(found, key=lambda use: (use.account, use.switch)))  # not by the server's collation


def _uses() -> "Select[Any]":
    return select(*[getattr(SwitchTable, name) for name in SwitchUse.model_fields])


def _about_trading(use: SwitchUse) -> bool:
    return use.switch == TRADING or use.switch.startswith(OWN)


def _severity(use: SwitchUse) -> int:
    """An unknown setting is as strict as can be."""
    return SEVERITY[TradingState(use.setting)] if use.setting in set(TradingState) else max(SEVERITY.values())


def _restrains(use: SwitchUse) -> bool:
    return use.setting != TradingState.ACTIVE.value


def _own(use: SwitchUse) -> OwnSwitch:
    return OwnSwitch(reducing=_restrains(use), session=session_begun(use.as_of or use.at), by_person=use.actor != DESK)
