"""Staged orders and their state machine: one conditional update decides every race."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, insert, select, true, update
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.order import Fill, OrderState, OrderView, StagedOrder, require_transition
from domain.record import Instant, Record
from domain.risk import HardLimits
from memory import order_rows as rows
from memory import order_size as size
from memory.order_rows import VIEW, view_of
from memory.switches import board, hold
from memory.tables.orders import FillTable, OrderEventTable, OrderTable, OutboxTable

if TYPE_CHECKING:
    from sqlalchemy import CursorResult
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

SYSTEM = "desk"  # the reviewer of steps that no person takes
_STAGED_AS = (  # the place of an order in the order of staging: within a run, its rank
    select(func.min(OrderEventTable.seq)).where(OrderEventTable.order_id == OrderTable.order_id).scalar_subquery()
)


class OrderEvent(Record):
    """One step in the life of an order."""

    order_id: str
    version: int
    at: Instant
    from_state: OrderState | None
    to_state: OrderState
    reviewer: str | None
    reason: str | None


class PostgresOrderStore:
    """`domain.ports.OrderStore` for one account. Accounts (one a feed) never see each other's orders.

    `contracts`: how many a day may open in one underlying without a person's word; see `memory.order_size`.
    """

    def __init__(
        self, engine: "AsyncEngine", *, account: str, contracts: int = HardLimits().contracts_per_order
    ) -> None:
        self._engine = engine
        self._account = account
        self._contracts = contracts

    async def stage(self, order: StagedOrder) -> bool:
        """See the port. Older staged orders of the same ticker, intent and purpose (for a closing: of the same
        structure) from other runs are superseded. A closing order must name a structure that holds as many units and
        that no other order is closing: else `Refused` with code `closes_nothing`, `closes_too_much`,
        `already_closing`. Trades that open more contracts in one underlying and day than allowed:
        `contracts_per_order`.
        """
        row = {
            "order_id": order.order_id,
            "account": self._account,
            "version": order.version,
            "state": OrderState.STAGED.value,
            "ticker": order.ticker,
            "intent": order.sized.candidate.intent,
            "closes": order.closes,
            "run_id": order.run_id,
            "staged_at": order.staged_at,
            "expires_at": order.expires_at,
            "changed_at": order.staged_at,
            "payload": order,
            "purpose": order.sized.candidate.purpose,
        }
        async with self._engine.begin() as link:
            await hold(link)
            await size.alone(link, self._account, order.ticker)
            made = await link.execute(upsert(OrderTable).values(row).on_conflict_do_nothing().returning(*VIEW))
            staged = made.first()
            if staged is None:
                await rows.find(link, self._account, order.order_id)
                return False
            rows.require_state(await board(link, self._account), order, closing_while_halted=True)
            await rows.require_closable(link, self._account, order)
            await rows.log(link, view_of(staged), None, content_changed=True)
            await self._supersede(link, order)
            if order.sized.candidate.purpose != "hedge":
                await size.require_within(link, self._account, order, self._contracts, at=order.staged_at)
        return True

    async def withdraw_repairs(self, run_id: str, *, at: datetime) -> tuple[str, ...]:
        """See the port."""
        return await self._end_all(
            OrderState.STAGED,
            OrderState.SUPERSEDED,
            and_(OrderTable.purpose == "repair", OrderTable.run_id != run_id, OrderTable.changed_at <= at),
            at=at,
            reviewer=SYSTEM,
            reason=f"run {run_id} looked at the book anew",
        )

    async def get(self, order_id: str) -> OrderView:
        """See the port."""
        async with self._engine.connect() as link:
            return await rows.find(link, self._account, order_id)

    async def list(self, states: Sequence[OrderState] | None = None) -> tuple[OrderView, ...]:
        """See the port."""
        wanted = select(*VIEW).where(OrderTable.account == self._account)
        if states is not None:
            wanted = wanted.where(OrderTable.state.in_([state.value for state in states]))
        async with self._engine.connect() as link:
            found = await link.execute(wanted.order_by(OrderTable.staged_at, _STAGED_AS, OrderTable.order_id))
            return tuple(view_of(row) for row in found)

    async def transition(
        self,
        order_id: str,
        new: OrderState,
        *,
        expect: OrderState,
        at: datetime,
        reviewer: str | None,
        reason: str | None,
        version: int | None = None,
        large: bool = False,
    ) -> OrderView:
        """See the port; with `version`, only that version makes the step.

        Approving also puts the order into the outbox, in the same transaction; it is refused (`Refused`: `expired`,
        `halted`, `reducing`, `contracts_per_order`, or as a closing in `stage`) when the order's time is up, the
        trading state forbids it, or it opens too many contracts: `large` is a named person's word, with a reason,
        that a hedge may.
        """
        require_transition(order_id, expect, new)
        async with self._engine.begin() as link:
            await hold(link)
            found = await rows.find(link, self._account, order_id)
            if new is OrderState.APPROVED:
                await size.alone(link, self._account, found.order.ticker)
            view = await rows.move(
                link, found.order.order_id, new, expect=expect, at=at, reviewer=reviewer, reason=reason, version=version
            )
            if new is OrderState.APPROVED:
                await self._hand_over(link, view, large=large)
        return view

    async def approve(
        self,
        order_id: str,
        *,
        at: datetime,
        reviewer: str,
        reason: str | None = None,
        version: int | None = None,
        large: bool = False,
    ) -> OrderView:
        """A person's approval of a staged order; `version` is the one that the person saw, `large` as above."""
        return await self.transition(
            order_id,
            OrderState.APPROVED,
            expect=OrderState.STAGED,
            at=at,
            reviewer=reviewer,
            reason=reason,
            version=version,
            large=large,
        )

    async def reject(self, order_id: str, *, at: datetime, reviewer: str, reason: str) -> OrderView:
        """A person's refusal of a staged order."""
        return await self.transition(
            order_id, OrderState.REJECTED, expect=OrderState.STAGED, at=at, reviewer=reviewer, reason=reason
        )

    async def revise(self, order: StagedOrder, *, at: datetime, reviewer: str, reason: str) -> OrderView:
        """See the port. An edit may shrink the order and move its limit, no further than the worst price that its
        maximum loss was reckoned at: else `Refused` (`size_grew`, `beyond_worst_price`).
        """
        async with self._engine.begin() as link:
            old = await rows.find(link, self._account, order.order_id)
            rows.require_edit(old.order, order)
            changed = await link.execute(
                update(OrderTable)
                .where(
                    OrderTable.order_id == order.order_id,
                    OrderTable.state == OrderState.STAGED.value,
                    OrderTable.version == order.version - 1,
                    OrderTable.changed_at <= at,
                )
                .values(
                    version=order.version,
                    payload=order,
                    expires_at=order.expires_at,
                    changed_at=at,
                    reviewer=reviewer,
                    reason=reason,
                )
                .returning(*VIEW)
            )
            row = changed.first() or await rows.refuse_late(link, order.order_id, at)
            view = view_of(row)
            await rows.log(link, view, OrderState.STAGED, content_changed=True)
        return view

    async def record_fill(self, fill: Fill) -> bool:
        """See the port. Raises `TamperError` if the same id was recorded with other content."""
        async with self._engine.begin() as link:
            return await rows.add_fill(link, self._account, fill)

    async def fills(self, order_id: str) -> tuple[Fill, ...]:
        """Executions of one order, oldest first."""
        async with self._engine.connect() as link:
            full_id = (await rows.find(link, self._account, order_id)).order.order_id
            wanted = select(FillTable.payload).where(FillTable.order_id == full_id)
            return tuple((await link.execute(wanted.order_by(FillTable.at, FillTable.fill_id))).scalars())

    async def history(self, order_id: str) -> tuple[OrderEvent, ...]:
        """Every step of one order, first to last."""
        columns = [getattr(OrderEventTable, name) for name in OrderEvent.model_fields]
        async with self._engine.connect() as link:
            full_id = (await rows.find(link, self._account, order_id)).order.order_id
            wanted = select(*columns).where(OrderEventTable.order_id == full_id).order_by(OrderEventTable.seq)
            return tuple(OrderEvent(**row) for row in (await link.execute(wanted)).mappings())

    async def staged_after(self, order_id: str) -> tuple[str, ...]:
        """Orders that are still staged and were staged after this one, ascending."""
        async with self._engine.connect() as link:
            own = await rows.find(link, self._account, order_id)
            place = select(func.min(OrderEventTable.seq)).where(OrderEventTable.order_id == own.order.order_id)
            later = select(OrderTable.order_id).where(
                OrderTable.account == self._account,
                OrderTable.state == OrderState.STAGED.value,
                place.scalar_subquery() < _STAGED_AS,
            )
            return tuple((await link.execute(later.order_by(OrderTable.order_id))).scalars())

    async def last_change(self) -> datetime | None:
        """Instant of the account's latest step of any order; None before the first."""
        wanted = select(func.max(OrderTable.changed_at)).where(OrderTable.account == self._account)
        async with self._engine.connect() as link:
            return (await link.execute(wanted)).scalar()

    async def expire_due(self, at: datetime) -> tuple[str, ...]:
        """Expire every staged order whose time is up at `at`; their ids, ascending."""
        return await self._end_all(
            OrderState.STAGED,
            OrderState.EXPIRED,
            OrderTable.expires_at <= at,
            at=at,
            reviewer=SYSTEM,
            reason="its time is up",
        )

    async def cancel_approved(self, *, at: datetime, reviewer: str, reason: str) -> tuple[str, ...]:
        """Cancel everything approved that was not handed to a broker yet (a halt does); their ids, ascending."""
        return await self._end_all(
            OrderState.APPROVED,
            OrderState.CANCELLED,
            OrderTable.changed_at <= at,
            at=at,
            reviewer=reviewer,
            reason=reason,
        )

    async def contracts_opened(self, order: StagedOrder, *, at: datetime) -> int:
        """Contracts that the account will have opened in the order's underlying on the New York day of `at` once this
        order is approved, this one included.
        """
        async with self._engine.connect() as link:
            return await size.opened(link, self._account, order, at=at, staged=False) + order.sized.contracts

    async def _hand_over(self, link: "AsyncConnection", view: OrderView, *, large: bool) -> None:
        order = view.order
        rows.require_alive(order, view.changed_at)
        rows.require_state(await board(link, self._account), order, closing_while_halted=False)
        await rows.require_closable(link, self._account, order)
        word = (
            large and order.sized.candidate.purpose == "hedge" and bool(view.reviewer and (view.reason or "").strip())
        )
        if not word:
            await size.require_within(link, self._account, order, self._contracts, at=view.changed_at, staged=False)
        await link.execute(
            insert(OutboxTable).values(
                key=f"{order.order_id}/v{order.version}",
                order_id=order.order_id,
                account=self._account,
                approved_at=view.changed_at,
            )
        )

    async def _supersede(self, link: "AsyncConnection", order: StagedOrder) -> None:
        older = (
            update(OrderTable)
            .where(
                OrderTable.account == self._account,
                OrderTable.state == OrderState.STAGED.value,
                OrderTable.ticker == order.ticker,
                OrderTable.intent == order.sized.candidate.intent,
                OrderTable.closes.is_not_distinct_from(order.closes),
                true() if order.closes else OrderTable.purpose == order.sized.candidate.purpose,
                OrderTable.run_id != order.run_id,
                OrderTable.changed_at <= order.staged_at,
            )
            .values(
                state=OrderState.SUPERSEDED.value,
                changed_at=order.staged_at,
                reviewer=SYSTEM,
                reason=f"superseded by {order.order_id}",
            )
        )
        await _log_all(link, await link.execute(older.returning(*VIEW)), OrderState.STAGED)

    async def _end_all(
        self, old: OrderState, new: OrderState, condition: Any, *, at: datetime, reviewer: str, reason: str
    ) -> tuple[str, ...]:
        ended = (
            update(OrderTable)
            .where(OrderTable.account == self._account, OrderTable.state == old.value, condition)
            .values(state=new.value, changed_at=at, reviewer=reviewer, reason=reason)
        )
        async with self._engine.begin() as link:
            return await _log_all(link, await link.execute(ended.returning(*VIEW)), old)


async def account_of(engine: "AsyncEngine", order_id: str) -> str:
    """The account of the order whose id is, or alone begins with, `order_id`. Raises `UsageError` otherwise."""
    async with engine.connect() as link:
        return await rows.account_of(link, order_id)


async def accounts_working(engine: "AsyncEngine") -> tuple[str, ...]:
    """Accounts with an order on its way to a broker, ascending."""
    working = select(OrderTable.account).where(OrderTable.state.in_(rows.WITH_BROKER)).distinct()
    async with engine.connect() as link:
        return tuple(sorted((await link.execute(working)).scalars()))


async def _log_all(link: "AsyncConnection", changed: "CursorResult[Any]", before: OrderState) -> tuple[str, ...]:
    views = sorted((view_of(row) for row in changed), key=lambda view: view.order.order_id)
    for view in views:
        await rows.log(link, view, before)
    return tuple(view.order.order_id for view in views)
