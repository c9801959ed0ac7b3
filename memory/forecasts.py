"""What was foretold about closed structures: the signals that their theses cite, as they were published."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from portfolio.forecasts import Forecast, forecasts

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from portfolio.ledger import Structure


async def measured_forecasts(
    engine: "AsyncEngine", account: str, structures: "Mapping[str, Structure]"
) -> tuple[Forecast, ...]:
    """Forecasts on the closed ones of `structures`, which the caller folded as of an instant: nothing later is read,
    for a thesis cites only signals published before it.
    """
    from sqlalchemy import select

    from memory.tables.runs import SignalTable

    cited = {name for each in structures.values() if each.closed for name in each.order.thesis.signal_ids}
    if not cited:
        return forecasts(structures, ())
    wanted = select(SignalTable.signal).where(SignalTable.feed == account, SignalTable.id.in_(sorted(cited)))
    async with engine.connect() as link:
        found = (await link.execute(wanted.order_by(SignalTable.id))).scalars().all()
    return forecasts(structures, found)
