"""One account as it was known at an instant: orders in their state of then, fills, flows, settlements, NLV marks."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from domain.book import CashFlow, SettlementPrice
from domain.contract import Settlement
from domain.order import Fill, OrderState, OrderView
from memory.tables.book import CashFlowTable, NlvTable, SettlementTable
from memory.tables.orders import FillTable, OrderEventTable
from portfolio.baseline import NlvMark, bounds

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


OPENING = "opening"
"""Key of the entry that says with what cash an account was opened: no flow, and it stands whatever settings say."""


@dataclass(frozen=True)
class AccountHistory:
    """What is stamped at or before one instant. Orders by id; the rest ascending in time; of the NLV marks only
    those that a baseline may need.
    """

    orders: tuple[OrderView, ...]
    fills: tuple[Fill, ...]
    cash_flows: tuple[CashFlow, ...]
    settlements: tuple[SettlementPrice, ...]
    marks: tuple[NlvMark, ...]


async def account_history(link: "AsyncConnection", account: str, as_of: datetime) -> AccountHistory:
    """Read `account` as of `as_of` in the transaction of `link`."""
    return AccountHistory(
        orders=await orders_at(link, account, as_of),
        fills=await _fills(link, account, as_of),
        cash_flows=await _cash_flows(link, account, as_of),
        settlements=await _settlements(link, account, as_of),
        marks=await _marks(link, account, as_of),
    )


async def orders_at(link: "AsyncConnection", account: str, as_of: datetime) -> tuple[OrderView, ...]:
    """Every order staged by `as_of`, in the version and state it had then, by id: a fold over its steps."""
    event = OrderEventTable
    steps = await link.execute(
        select(event.order_id, event.payload, event.to_state, event.at, event.reviewer, event.reason)
        .where(event.account == account, event.at <= as_of)
        .order_by(event.order_id, event.seq)
    )
    views: dict[str, OrderView] = {}
    for step in steps:
        views[step.order_id] = OrderView(
            order=step.payload or views[step.order_id].order,
            state=OrderState(step.to_state),
            changed_at=step.at,
            reviewer=step.reviewer,
            reason=step.reason,
        )
    return tuple(views.values())


async def _fills(link: "AsyncConnection", account: str, as_of: datetime) -> tuple[Fill, ...]:
    wanted = select(FillTable.payload).where(FillTable.account == account, FillTable.at <= as_of)
    return tuple((await link.execute(wanted.order_by(FillTable.at, FillTable.fill_id))).scalars())


async def _cash_flows(link: "AsyncConnection", account: str, as_of: datetime) -> tuple[CashFlow, ...]:
    table = CashFlowTable
    flows = (table.account == account, table.at <= as_of, table.key != OPENING)
    wanted = select(table.at, table.amount, table.note).where(*flows)
    rows = await link.execute(wanted.order_by(table.at, table.key))
    return tuple(CashFlow(**row) for row in rows.mappings())


async def _settlements(link: "AsyncConnection", account: str, as_of: datetime) -> tuple[SettlementPrice, ...]:
    table = SettlementTable
    wanted = select(table.ticker, table.expiry, table.timing, table.price, table.known_at, table.source)
    rows = await link.execute(
        wanted.where(table.account == account, table.known_at <= as_of).order_by(
            table.known_at, table.ticker, table.expiry, table.timing
        )
    )
    return tuple(SettlementPrice(**{**row, "timing": Settlement(row["timing"])}) for row in rows.mappings())


async def _marks(link: "AsyncConnection", account: str, as_of: datetime) -> tuple[NlvMark, ...]:
    """The last mark up to the prior session's close, else the first one between that and today's session, if any."""
    table = NlvTable
    close, opening = bounds(as_of)
    known = select(table.at, table.nlv).where(table.account == account, table.at < opening)
    wanted = (known.where(table.at <= close).order_by(table.at.desc()), known.order_by(table.at))
    for each in wanted:
        found = (await link.execute(each.limit(1))).mappings().first()
        if found is not None:
            return (NlvMark(**found),)
    return ()
