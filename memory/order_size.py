"""The ten-contract rule, where it cannot be raced past: inside the staging and the approving transaction.

What counts is the parent intent (units × largest leg ratio) of every opening in one underlying on one New York day,
bullish or bearish, trade or hedge, in whatever state it is now: staged, on its way, or filled. So an intent cannot be
split to pass. What was never filled and cannot be any more counts nothing, or what of it was filled. Closings are
never counted and never refused.

The pipeline stages no trade beyond the limit. A hedge may be staged beyond it, and then needs a named person's word.
"""

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, or_, select

from domain.errors import Refused
from domain.order import OrderState, StagedOrder
from domain.sessions import NEW_YORK, new_york
from memory.order_rows import WITH_BROKER
from memory.tables.orders import FillTable, OrderTable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

CODE = "contracts_per_order"


async def alone(link: "AsyncConnection", account: str, ticker: str) -> None:
    """Until the transaction of `link` ends, nobody else opens anything in `ticker`."""
    key = func.hashtextextended(f"opening:{account}:{ticker}", 0)
    await link.execute(select(func.pg_advisory_xact_lock(key)))


async def require_within(
    link: "AsyncConnection", account: str, order: StagedOrder, limit: int, *, at: datetime, staged: bool = True
) -> None:
    """Raise `Refused` when the day's openings with this one are more than `limit` contracts; see `opened`."""
    if order.sized.candidate.intent == "close":
        return
    own, others = order.sized.contracts, await opened(link, account, order, at=at, staged=staged)
    if own + others <= limit:
        return
    hedge = order.sized.candidate.purpose == "hedge"
    raise Refused(
        f"Order {order.order_id} opens {own} contracts, {others} are opened in {order.ticker} that day; without a "
        f"person's word it is {limit}.",
        code=CODE,
        measured=own + others,
        limit=limit,
        remedy="Approve it with --large --reason TEXT." if hedge else "Only a hedge can be larger.",
    )


async def opened(link: "AsyncConnection", account: str, order: StagedOrder, *, at: datetime, staged: bool) -> int:
    """Contracts of the other openings in the order's underlying on the New York day of `at`; those that are only staged
    count if `staged`. What works at the broker counts whichever day it was staged on.
    """
    day = at.astimezone(NEW_YORK).date()
    begins, ends = new_york(day, time.min), new_york(day + timedelta(days=1), time.min)
    working = [*WITH_BROKER, *([OrderState.STAGED.value] if staged else [])]
    today = and_(OrderTable.staged_at >= begins, OrderTable.state.not_in([OrderState.STAGED.value]))
    filled = select(func.coalesce(func.sum(FillTable.units), 0)).where(FillTable.order_id == OrderTable.order_id)
    found = await link.execute(
        select(OrderTable.payload, OrderTable.state, filled.scalar_subquery().label("filled")).where(
            OrderTable.account == account,
            OrderTable.ticker == order.ticker,
            OrderTable.intent == "open",
            OrderTable.order_id != order.order_id,
            OrderTable.staged_at < ends,
            or_(OrderTable.state.in_(working), today),
        )
    )
    total = 0
    for row in found:
        units = row.payload.units if row.state in working else int(row.filled)
        total += units * row.payload.sized.candidate.contracts_per_unit
    return total
