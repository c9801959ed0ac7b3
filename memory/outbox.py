"""Approved orders on their way to a broker: claimed with SKIP LOCKED, so that no two workers send the same one."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from domain.order import Fill, OrderState, StagedOrder
from memory import order_rows as rows
from memory.order_rows import VIEW, view_of
from memory.switches import board, hold
from memory.tables.orders import OrderTable, OutboxTable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

WORKER = "order worker"


@dataclass
class PostgresDispatch:
    """`domain.ports.Dispatch`: `link` holds the row's lock until the claim ends."""

    key: str
    order: StagedOrder
    state: OrderState
    changed_at: datetime
    account: str
    engine: "AsyncEngine"
    link: "AsyncConnection"

    async def submitted(self, at: datetime) -> None:
        """See the port. The mark has its own short transaction: it must outlive a crash while the broker is asked. The
        claim's own holds the switches until it ends: a halt that has returned has waited for the broker's answer.
        """
        await hold(self.link)
        rows.require_alive(self.order, at)
        rows.require_state(await board(self.link, self.account), self.order, closing_while_halted=False)
        if self.state is OrderState.APPROVED:
            async with self.engine.begin() as short:
                await rows.move(
                    short,
                    self.order.order_id,
                    OrderState.SUBMITTED,
                    expect=OrderState.APPROVED,
                    at=at,
                    reviewer=WORKER,
                    reason=f"sent as {self.key}",
                )
        self.state, self.changed_at = OrderState.SUBMITTED, max(at, self.changed_at)

    async def settle(self, fills: Sequence[Fill], steps: Sequence[OrderState], *, at: datetime, reason: str) -> None:
        """See the port."""
        for fill in fills:
            await rows.add_fill(self.link, self.account, fill)
        for step in steps:
            await rows.move(
                self.link, self.order.order_id, step, expect=self.state, at=at, reviewer=WORKER, reason=reason
            )
            self.state = step
        await self.link.execute(update(OutboxTable).where(OutboxTable.key == self.key).values(done_at=at))


class PostgresOutbox:
    """`domain.ports.Outbox` for one account."""

    def __init__(self, engine: "AsyncEngine", *, account: str) -> None:
        self._engine = engine
        self._account = account

    @asynccontextmanager
    async def claim(self, *, leaving: Collection[str]) -> AsyncIterator[PostgresDispatch | None]:
        """See the port."""
        waiting = (
            select(OutboxTable.key, *VIEW)
            .join(OrderTable, OrderTable.order_id == OutboxTable.order_id)
            .where(
                OutboxTable.account == self._account,
                OutboxTable.done_at.is_(None),
                OutboxTable.key.not_in(sorted(leaving)),
                OrderTable.state.in_(rows.WITH_BROKER),
            )
            .order_by(OutboxTable.seq)
            .limit(1)
            .with_for_update(of=OutboxTable, skip_locked=True)
        )
        async with self._engine.begin() as link:
            row = (await link.execute(waiting)).first()
            if row is None:
                yield None
                return
            view = view_of(row)
            yield PostgresDispatch(
                key=row.key,
                order=view.order,
                state=view.state,
                changed_at=view.changed_at,
                account=self._account,
                engine=self._engine,
                link=link,
            )
