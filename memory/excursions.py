"""What held structures went through, between runs; and the best the account ever stood at."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on, insert

from domain.excursion import Excursion
from memory.tables.book import CashFlowTable, NlvTable
from memory.tables.excursions import ExcursionTable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


async def excursions_at(
    link: "AsyncConnection", account: str, as_of: datetime, order_ids: Iterable[str]
) -> dict[str, Excursion]:
    """The last state of each structure kept at or before `as_of`, by order id; absent: none was kept."""
    table = ExcursionTable
    latest = (
        select(table.order_id, table.payload)
        .where(table.account == account, table.at <= as_of, table.order_id.in_(sorted(order_ids)))
        .ext(distinct_on(table.order_id))
        .order_by(table.order_id, table.at.desc())
    )
    return {row.order_id: row.payload for row in await link.execute(latest)}


async def keep_excursions(
    engine: "AsyncEngine", account: str, as_of: datetime, excursions: Iterable[Excursion]
) -> None:
    """Keep each structure's state as of one run. Idempotent: the first state of an instant stands."""
    kept = [
        {"account": account, "order_id": item.order_id, "at": as_of, "payload": item}
        for item in sorted(excursions, key=lambda item: item.order_id)
    ]
    if kept:
        async with engine.begin() as link:
            await link.execute(insert(ExcursionTable).values(kept).on_conflict_do_nothing())


async def peak_nlv(link: "AsyncConnection", account: str, as_of: datetime) -> Decimal | None:
    """The highest NLV kept at or before `as_of`, each moved by what was paid in or out since: so that a deposit is no
    gain and a withdrawal no drawdown. None: no NLV was kept.
    """
    mark, flow = NlvTable, CashFlowTable
    since = (
        select(func.coalesce(func.sum(flow.amount), 0))
        .where(flow.account == account, flow.at > mark.at, flow.at <= as_of)
        .scalar_subquery()
    )
    best = select(func.max(mark.nlv + since)).where(mark.account == account, mark.at <= as_of)
    return (await link.execute(best)).scalar_one()
