"""Edits of staged orders: fewer contracts, or another limit. Each is a new version, checked like an approval."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from app.documents import plain, view_document
from app.services.instants import review_instant
from app.services.recheck import recheck
from app.services.review import require_alive, require_staged
from app.services.review_log import log_refusal, log_step
from app.wiring import Desk
from domain.errors import Refused, UsageError
from domain.order import SizedCandidate, Sizing, SizingCap, StagedOrder

REVIEWER_CAP = "reviewer"


async def edit(
    desk: Desk,
    order_id: str,
    *,
    at: datetime | None,
    reviewer: str,
    contracts: int | None = None,
    limit: Decimal | None = None,
    reason: str | None = None,
) -> dict[str, Any]:
    """A new version with fewer contracts or another limit (per share, credit positive), checked like an approval.

    Raises `UsageError` for a size or price that cannot be traded, `Refused` where a rule says no.
    """
    view = await desk.orders.get(order_id)
    require_staged(view, "edited")
    instant = await review_instant(desk, view, at)
    await require_alive(desk, view, instant)
    wanted = _edited(view.order, desk, contracts=contracts, limit=limit, reviewer=reviewer)
    changes = _changes(view.order, wanted)
    found = await recheck(desk, wanted, at=instant)
    try:
        if found.refusal is not None:
            raise found.refusal
        wanted = wanted.model_copy(update={"decision": found.decision})
        revised = await desk.orders.revise(wanted, at=instant, reviewer=reviewer, reason=reason or changes)
    except Refused as refusal:
        await log_refusal(desk, wanted, "edit", found, refusal, reviewer)
        raise
    output = {"reviewer": reviewer, "reason": reason, "changes": changes, "recheck": found.document(wanted)}
    await log_step(desk, wanted, f"edit v{wanted.version}", "human", output, found)
    return {
        "order": view_document(revised),
        "at": plain(instant),
        "reviewer": reviewer,
        "changes": changes,
        "recheck": found.document(wanted),
    }


def _edited(
    order: StagedOrder, desk: Desk, *, contracts: int | None, limit: Decimal | None, reviewer: str
) -> StagedOrder:
    """The next version of `order`."""
    candidate, price, sized = order.sized.candidate, order.limit_per_share, order.sized
    if contracts is not None:
        ratio = candidate.contracts_per_unit
        if contracts < 1 or contracts % ratio:
            raise UsageError(
                f"{contracts} contracts are no whole number of units: a unit of this {candidate.strategy} has {ratio}.",
                remedy=f"Give a multiple of {ratio}, at least {ratio}.",
            )
        sized = _shrunk(sized, contracts // ratio, order.order_id, reviewer)
    if limit is not None:
        tick = desk.configuration.graph.legs.tick_of(candidate.legs[0].root)
        if not limit.is_finite() or limit % tick:
            raise UsageError(f"A limit of {limit} a share is between ticks.", remedy=f"The tick is {tick}.")
        if limit < candidate.worst_per_share:
            raise Refused(
                f"A limit of {limit} a share (credit positive) is worse than {candidate.worst_per_share}, at which the "
                "maximum loss was reckoned.",
                code="beyond_worst_price",
                measured=float(limit),
                limit=float(candidate.worst_per_share),
            )
        price = limit
    if (sized.units, price) == (order.units, order.limit_per_share):
        raise UsageError(
            f"This changes nothing about {order.order_id}.", remedy="Give fewer --contracts, or another --limit."
        )
    return order.model_copy(update={"version": order.version + 1, "sized": sized, "limit_per_share": price})


def _shrunk(sized: SizedCandidate, units: int, order_id: str, reviewer: str) -> SizedCandidate:
    if units > sized.units:
        raise Refused(
            f"Order {order_id} has {sized.contracts} contracts; an edit can only shrink it.",
            code="size_grew",
            measured=units * sized.candidate.contracts_per_unit,
            limit=sized.contracts,
            remedy="'desk run' sizes anew.",
        )
    caps = tuple(cap for cap in sized.sizing.caps if cap.name != REVIEWER_CAP)
    sizing = Sizing(
        units=units,
        binding=REVIEWER_CAP,
        caps=(*caps, SizingCap(name=REVIEWER_CAP, units=units, detail=f"set by {reviewer}")),
        budget=sized.candidate.max_loss * units,
    )
    return SizedCandidate(candidate=sized.candidate, sizing=sizing)


def _changes(old: StagedOrder, new: StagedOrder) -> str:
    said = []
    if new.units != old.units:
        said.append(f"contracts {old.sized.contracts} → {new.sized.contracts}")
    if new.limit_per_share != old.limit_per_share:
        said.append(f"limit {old.limit_per_share} → {new.limit_per_share} a share")
    return ", ".join(said)
