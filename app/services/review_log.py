"""What the audit trail keeps of reviews: every decision, every refused attempt, every lapse and fill."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.documents import plain
from app.services.recheck import Recheck
from app.versions import code_version
from app.wiring import Desk
from domain.audit import AuditEntry, Author
from domain.errors import Refused
from domain.order import OrderView, StagedOrder
from domain.record import digest

NODE = "review"


async def log_lapse(desk: Desk, view: OrderView) -> None:
    """A staged order whose time was up."""
    output = {"at": plain(view.changed_at), "expires_at": plain(view.order.expires_at), "reason": view.reason}
    await log_step(desk, view.order, f"expire v{view.order.version}", "rule", output)


async def expire_lapsed(desk: Desk, at: datetime) -> tuple[str, ...]:
    """Expire staged orders whose time is up at `at`, each with its row in the audit log; their ids."""
    expired = await desk.orders.expire_due(at)
    for order_id in expired:
        await log_lapse(desk, await desk.orders.get(order_id))
    return expired


async def log_refusal(
    desk: Desk, order: StagedOrder, verb: str, found: Recheck, refusal: Refused, reviewer: str
) -> None:
    """An attempt that a rule refused, with what was found."""
    output = {
        "reviewer": reviewer,
        "refused": {"code": refusal.code, "measured": refusal.measured, "limit": refusal.limit},
        "recheck": found.document(order),
    }
    # The same attempt twice is one row; another one (other hour, other settings) is another.
    mark = digest([output, _versions(desk)])[:8]
    await log_step(desk, order, f"{verb} v{order.version} refused {mark}", "human", output, found)


async def log_step(
    desk: Desk, order: StagedOrder, kind: str, author: Author, output: Mapping[str, Any], found: Recheck | None = None
) -> None:
    """One row of the order's story, under the run that staged it."""
    inputs = {"order": digest(order)} | ({} if found is None else {"snapshot": found.snapshot_id})
    entry = AuditEntry(
        run_id=order.run_id, node=NODE, ticker=order.order_id, kind=kind, author=author, inputs=inputs,
        output=dict(output), versions=await asyncio.to_thread(_versions, desk),
    )  # fmt: skip
    await desk.audit.append([entry])


def _versions(desk: Desk) -> dict[str, str]:
    return {"code": code_version(), "settings": digest(desk.configuration.graph)[:16]}
