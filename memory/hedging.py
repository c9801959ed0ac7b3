"""The hedge budget in PostgreSQL: one a New York month, debited once by key, archived when the month changes.

Spending is a sum over append-only debits, so that two processes at once can neither lose one nor count one twice. Fills
of hedge orders are debited by whoever looks next: the fills are there already, and their keys make that idempotent.
Proceeds of a hedge that is sold do not come back: the budget caps what protection may cost, not what it turned out to.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from domain.audit import AuditEntry
from domain.errors import TamperError, UsageError
from domain.order import Fill
from domain.record import Instant, Record
from domain.units import dollars
from memory.audit import append_entries
from memory.tables.hedging import HedgeDebitTable, HedgeLimitTable, HedgeMonthTable
from memory.tables.orders import FillTable, OrderTable
from risk.hedge.budget import HedgeBudget, month_of

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

SYSTEM = "desk"  # the actor of debits that no person makes
LOG = "hedging"  # the run id of what people do to a budget, in the decision log
MOST = 10**9  # USD, of a month's budget and of one debit: whatever is kept is also shown to the cent
LOCK = 7_120_301  # advisory, with the account: one writer of a budget at a time


class HedgeDebit(Record):
    """One debit in USD."""

    key: str
    at: Instant
    amount: Decimal
    actor: str
    note: str


class HedgeMonth(Record):
    """A month that is over, in USD, as archived; `late` was debited to it afterwards."""

    month: date
    limit: Decimal
    spent: Decimal
    debits: int
    archived_at: Instant
    late: Decimal


class PostgresHedgeBudget:
    """The budget of one account. `default_limit` (USD) holds until a person sets another."""

    def __init__(
        self, engine: "AsyncEngine", *, account: str, default_limit: Decimal, code_version: str = "unknown"
    ) -> None:
        self._engine = engine
        self._account = account
        self._default = default_limit
        self._code_version = code_version

    async def current(self, at: datetime) -> HedgeBudget:
        """The budget of the month of `at`, with what was spent in it up to `at`. Debits hedge fills that are not yet,
        and archives months that are over.
        """
        async with self._engine.begin() as link:
            await self._alone(link)
            await self._roll(link, at)
            return await self._budget(link, at)

    async def set_limit(self, amount: Decimal, *, at: datetime, actor: str, reason: str) -> HedgeBudget:
        """Allow `amount` USD a month from the month of `at` on. Raises `UsageError` without a name and a reason, for
        less than nothing, more than `MOST`, or parts of a cent.
        """
        _require_signed(actor, reason)
        if not _in_cents(amount) or amount < 0:
            raise UsageError(
                f"{amount} is no budget.", remedy=f"Give dollars and cents a month, zero to {MOST:,}, e.g. 2500."
            )
        async with self._engine.begin() as link:
            await self._alone(link)
            await self._roll(link, at)
            row = {"month": month_of(at), "amount": amount, "at": at, "actor": actor, "reason": reason}
            made = insert(HedgeLimitTable).values(account=self._account, **row).returning(HedgeLimitTable.seq)
            seq = (await link.execute(made)).scalar_one()
            await self._log(link, f"limit {seq}", at, {"set": row})
            return await self._budget(link, at)

    async def debit(self, *, key: str, amount: Decimal, at: datetime, actor: str, note: str) -> bool:
        """Record once under `key` that `amount` USD were spent at `at`, within the budget or beyond it; False if it was
        recorded before. Raises `TamperError` if that was another amount or instant, `UsageError` for what is no debit.
        """
        _require_signed(actor, note)
        if not _in_cents(amount) or amount <= 0:
            raise UsageError(
                f"{amount} is nothing that was spent.",
                remedy=f"Give dollars and cents, more than zero and at most {MOST:,}.",
            )
        if not key.strip():
            raise UsageError("A debit needs a key, so that it counts once.", remedy="Give e.g. the order's id.")
        async with self._engine.begin() as link:
            await self._alone(link)
            await self._roll(link, at)
            debit = HedgeDebit(key=key, at=at, amount=amount, actor=actor, note=note)
            if not await self._debit(link, debit):
                return False
            await self._log(link, f"debit {key}", at, {"debited": debit})
            return True

    async def debits(self, at: datetime) -> tuple[HedgeDebit, ...]:
        """What was debited in the month of `at` up to `at`, in time."""
        table = HedgeDebitTable
        wanted = (
            select(table.key, table.at, table.amount, table.actor, table.note)
            .where(table.account == self._account, table.month == month_of(at), table.at <= at)
            .order_by(table.at, table.key)
        )
        async with self._engine.connect() as link:
            return tuple(HedgeDebit(**row) for row in (await link.execute(wanted)).mappings())

    async def history(self, at: datetime) -> tuple[HedgeMonth, ...]:
        """Archived months before that of `at`, newest first."""
        month, debit = HedgeMonthTable, HedgeDebitTable
        wanted = (
            select(
                month.month, month.amount.label("limit"), month.spent, month.debits, month.archived_at,
                (func.sum(debit.amount) - month.spent).label("late"),
            )
            .join(debit, (debit.account == month.account) & (debit.month == month.month))
            .where(month.account == self._account, month.month < month_of(at))
            .group_by(month.account, month.month)
            .order_by(month.month.desc())
        )  # fmt: skip
        async with self._engine.connect() as link:
            return tuple(HedgeMonth(**row) for row in (await link.execute(wanted)).mappings())

    async def _alone(self, link: "AsyncConnection") -> None:
        await link.execute(select(func.pg_advisory_xact_lock(LOCK, func.hashtext(self._account))))

    async def _roll(self, link: "AsyncConnection", at: datetime) -> None:
        """Debit the hedge fills known at `at`, then archive every month before that of `at` that has debits."""
        for fill in await self._undebited(link, at):
            spent = HedgeDebit(
                key=f"fill {fill.fill_id}", at=fill.at, amount=-fill.cash, actor=SYSTEM,
                note=f"{fill.units} units of {fill.order_id} bought",
            )  # fmt: skip
            await self._debit(link, spent)
        debit, archived = HedgeDebitTable, HedgeMonthTable
        over = await link.execute(
            select(debit.month, func.sum(debit.amount).label("spent"), func.count().label("debits"))
            .where(
                debit.account == self._account,
                debit.month < month_of(at),
                debit.month.not_in(select(archived.month).where(archived.account == self._account)),
            )
            .group_by(debit.month)
        )
        for row in over.all():
            limit = await self._limit(link, row.month, at)
            values = {"month": row.month, "amount": limit, "spent": row.spent, "debits": row.debits, "archived_at": at}
            await link.execute(insert(archived).values(account=self._account, **values))

    async def _undebited(self, link: "AsyncConnection", at: datetime) -> list[Fill]:
        """Fills that opened a hedge for money and have no debit yet."""
        known = select(HedgeDebitTable.key).where(HedgeDebitTable.account == self._account)
        found = await link.execute(
            select(FillTable.payload)
            .join(OrderTable, OrderTable.order_id == FillTable.order_id)
            .where(
                FillTable.account == self._account,
                FillTable.at <= at,
                OrderTable.intent == "open",
                OrderTable.purpose == "hedge",
                ("fill " + FillTable.fill_id).not_in(known),
            )
            .order_by(FillTable.at, FillTable.fill_id)
        )
        return [fill for fill in found.scalars() if fill.cash < 0]

    async def _debit(self, link: "AsyncConnection", debit: HedgeDebit) -> bool:
        table = HedgeDebitTable
        row = {"account": self._account, "month": month_of(debit.at), **debit.model_dump()}
        made = await link.execute(insert(table).values(row).on_conflict_do_nothing().returning(table.key))
        if made.first() is not None:
            return True
        same = (table.account == self._account) & (table.key == debit.key)
        known = (await link.execute(select(table.amount, table.at).where(same))).one()
        if (known.amount, known.at) != (debit.amount, debit.at):
            raise TamperError(
                f"{debit.key!r} was debited before: {known.amount} USD at {known.at:%Y-%m-%dT%H:%M:%SZ}.",
                remedy="Use another key for another debit.",
            )
        return False

    async def _log(self, link: "AsyncConnection", kind: str, at: datetime, output: Mapping[str, object]) -> None:
        """What a person did to the budget, in the decision log; kept with it or not at all."""
        entry = AuditEntry(
            run_id=LOG,
            node="budget",
            ticker="*",
            kind=f"{self._account} {kind}",
            author="human",
            inputs={},
            output={"account": self._account, **output},
            versions={"code": self._code_version},
        )
        await append_entries(link, [entry], logged_at=at, code_version=self._code_version)

    async def _budget(self, link: "AsyncConnection", at: datetime) -> HedgeBudget:
        table, month = HedgeDebitTable, month_of(at)
        spent = await link.execute(
            select(func.coalesce(func.sum(table.amount), 0)).where(
                table.account == self._account, table.month == month, table.at <= at
            )
        )
        return HedgeBudget(month=month, limit=await self._limit(link, month, at), spent=Decimal(spent.scalar_one()))

    async def _limit(self, link: "AsyncConnection", month: date, at: datetime) -> Decimal:
        """What was last allowed for `month`, as known at `at`."""
        table = HedgeLimitTable
        wanted = select(table.amount).where(table.account == self._account, table.month <= month, table.at <= at)
        allowed = (await link.execute(wanted.order_by(table.seq.desc()).limit(1))).scalar_one_or_none()
        return self._default if allowed is None else allowed


def _require_signed(actor: str, reason: str) -> None:
    if not actor.strip() or not reason.strip():
        raise UsageError("The hedge budget is not touched without a name and a reason.", remedy="Give both.")


def _in_cents(amount: Decimal) -> bool:
    """Whether `amount` is one of money: finite, not absurd, without parts of a cent."""
    return amount.is_finite() and abs(amount) <= MOST and amount == dollars(amount)
