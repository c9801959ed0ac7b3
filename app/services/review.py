"""A person's decisions on staged orders: look, approve, reject, edit. Each is checked afresh and audited."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.clock import FixedClock
from app.documents import order_document, plain, view_document
from app.services.instants import lapse_instant, review_instant
from app.services.payoff import payoff_curve
from app.services.recheck import Recheck, recheck
from app.versions import code_version
from app.wiring import Desk, market_feed
from domain.audit import AuditEntry, Author
from domain.errors import Refused, UsageError
from domain.market import MarketData
from domain.order import OrderState, OrderView, SizedCandidate, Sizing, SizingCap, StagedOrder
from domain.record import digest
from domain.snapshot import DeskContext
from execution.outbox import Sent, drain

NODE = "review"
REVIEWER_CAP = "reviewer"
TEN_CONTRACTS = "contracts_per_order"
WAITING = (OrderState.STAGED, OrderState.APPROVED, OrderState.SUBMITTED, OrderState.PARTIALLY_FILLED)
ENDED = frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.FAILED})


async def desk_of(desk: Desk, order_id: str) -> Desk:
    """The same desk on the account that holds the order. Raises `UsageError` for an unknown or ambiguous id."""
    from memory.orders import account_of

    account = await account_of(desk.engine, order_id)
    if account == desk.account:
        return desk
    return replace(desk, feed=market_feed(desk.configuration, account, desk.clock))  # type: ignore[arg-type] # an account is named after its feed


async def orders_waiting(desk: Desk, *, everything: bool, at: datetime | None) -> dict[str, Any]:
    """Orders that wait for a person or a broker (or all of them), after those whose time is up were expired."""
    instant = await lapse_instant(desk, at)
    expired = () if instant is None else await desk.orders.expire_due(instant)
    for order_id in expired:
        await _log_lapse(desk, await desk.orders.get(order_id))
    views = await desk.orders.list(None if everything else WAITING)
    return {
        "account": desk.account,
        "at": plain(instant),
        "expired": list(expired),
        "orders": [view_document(view) for view in views],
    }


async def shown(desk: Desk, order_id: str, *, at: datetime | None) -> dict[str, Any]:
    """One order with its payoff, its history, and what it does to the book."""
    view = await desk.orders.get(order_id)
    order = view.order
    instant = await review_instant(desk, view, at)
    context = await desk.state.context(instant, _no_market(desk, instant))
    return {
        **view_document(view),
        "closes": order.closes,
        "at": plain(instant),
        "lapsed": view.state is OrderState.STAGED and instant >= order.expires_at,
        "payoff": payoff_curve(order),
        "book": _effect(order, context),
        "fills": plain(await desk.orders.fills(order.order_id)),
        "history": plain(await desk.orders.history(order.order_id)),
    }


async def approve(
    desk: Desk,
    order_id: str,
    *,
    at: datetime | None,
    reviewer: str,
    large: bool = False,
    reason: str | None = None,
) -> dict[str, Any]:
    """Re-price, re-check, approve, hand to the broker, and say what came of it.

    Of several reviewers one wins. Raises `Refused` with code and numbers where a rule says no: nothing was sent then,
    and the attempt is in the audit log. A lapsed order becomes expired.
    """
    view = await desk.orders.get(order_id)
    order = view.order
    _require_staged(view, "approved")
    waived = _waived(order, desk.configuration.graph.risk.hard.contracts_per_order, large=large, reason=reason)
    instant = await review_instant(desk, view, at)
    await _require_alive(desk, view, instant)
    found = await recheck(desk, order, at=instant, waived=waived)
    try:
        if found.refusal is not None:
            raise found.refusal
        await desk.orders.approve(
            order.order_id, at=instant, reviewer=reviewer, reason=reason, version=order.version
        )
    except Refused as refusal:
        await _log_refusal(desk, order, "approve", found, refusal, reviewer)
        raise
    output = {
        "reviewer": reviewer,
        "reason": reason,
        "waived": sorted(waived),
        "limit_per_share": plain(order.limit_per_share),
        "contracts": order.sized.contracts,
        "recheck": found.document(order),
    }
    await _log(desk, order, f"approve v{order.version}", "human", output, found)
    sent = await send_approved(desk, instant)
    return await _approved_document(desk, order, found, reviewer, sent)


async def reject(desk: Desk, order_id: str, *, at: datetime | None, reviewer: str, reason: str) -> dict[str, Any]:
    """A person's no, with the reason."""
    if not reason.strip():
        raise UsageError("A rejection needs a reason.", remedy="Add --reason TEXT.")
    view = await desk.orders.get(order_id)
    _require_staged(view, "rejected")
    instant = await review_instant(desk, view, at)
    await _require_alive(desk, view, instant)
    rejected = await desk.orders.reject(view.order.order_id, at=instant, reviewer=reviewer, reason=reason)
    output = {"reviewer": reviewer, "reason": reason, "at": plain(instant)}
    await _log(desk, rejected.order, f"reject v{rejected.order.version}", "human", output)
    return {"order": view_document(rejected), "at": plain(instant), "reviewer": reviewer}


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
    _require_staged(view, "edited")
    instant = await review_instant(desk, view, at)
    await _require_alive(desk, view, instant)
    wanted = _edited(view.order, desk, contracts=contracts, limit=limit, reviewer=reviewer)
    changes = _changes(view.order, wanted)
    found = await recheck(desk, wanted, at=instant)
    try:
        if found.refusal is not None:
            raise found.refusal
        wanted = wanted.model_copy(update={"decision": found.decision})
        revised = await desk.orders.revise(wanted, at=instant, reviewer=reviewer, reason=reason or changes)
    except Refused as refusal:
        await _log_refusal(desk, wanted, "edit", found, refusal, reviewer)
        raise
    output = {"reviewer": reviewer, "reason": reason, "changes": changes, "recheck": found.document(wanted)}
    await _log(desk, wanted, f"edit v{wanted.version}", "human", output, found)
    return {
        "order": view_document(revised),
        "at": plain(instant),
        "reviewer": reviewer,
        "changes": changes,
        "recheck": found.document(wanted),
    }


async def send_approved(desk: Desk, at: datetime) -> tuple[Sent, ...]:
    """Hand every approved order of the account to the broker at `at`, and log what became of each."""
    dealt = await drain(desk.outbox, desk.broker, desk.feed, FixedClock(at))
    for sent in dealt:
        if sent.state in ENDED:
            order = (await desk.orders.get(sent.order_id)).order
            output = {"sent": plain(sent), "fills": plain(await desk.orders.fills(sent.order_id))}
            await _log(desk, order, f"fill v{order.version}", "rule", output)
    return dealt


async def _approved_document(
    desk: Desk, order: StagedOrder, found: Recheck, reviewer: str, dealt: tuple[Sent, ...]
) -> dict[str, Any]:
    now = await desk.orders.get(order.order_id)
    fills = await desk.orders.fills(order.order_id)
    own = next((sent for sent in dealt if sent.order_id == order.order_id), None)
    return {
        "order": view_document(now),
        "at": plain(found.at),
        "reviewer": reviewer,
        "recheck": found.document(order),
        "execution": {
            "broker": desk.broker.name,
            "state": now.state.value,
            "units": sum(fill.units for fill in fills),
            "wanted": order.units,
            "reason": own.reason if own else now.reason,
            "cash": plain(sum((fill.cash for fill in fills), Decimal(0))),
            "fees": plain(sum((fill.fees for fill in fills), Decimal(0))),
            "fills": plain(fills),
        },
    }


def _require_staged(view: OrderView, become: str) -> None:
    if view.state is not OrderState.STAGED:
        by = f" by {view.reviewer}" if view.reviewer else ""
        raise Refused(
            f"Order {view.order.order_id} is {view.state.value} since {view.changed_at:%Y-%m-%dT%H:%M:%SZ}{by}: only a "
            f"staged order can be {become}.",
            code="not_staged",
            remedy="'desk review list' shows what waits.",
        )


async def _require_alive(desk: Desk, view: OrderView, at: datetime) -> None:
    order = view.order
    if at < order.expires_at:
        return
    lapsed = await desk.orders.transition(
        order.order_id, OrderState.EXPIRED, expect=OrderState.STAGED, at=at, reviewer="desk", reason="its time is up"
    )
    await _log_lapse(desk, lapsed)
    raise Refused(
        f"Order {order.order_id} lapsed at {order.expires_at:%Y-%m-%dT%H:%M:%SZ}; it is {at:%Y-%m-%dT%H:%M:%SZ}.",
        code="expired",
        remedy="'desk run' looks again.",
    )


def _waived(order: StagedOrder, limit: int, *, large: bool, reason: str | None) -> frozenset[str]:
    """The checks that `--large` sets aside: the ten contracts, for an order that has more, with a reason."""
    contracts = order.sized.contracts
    if not large:
        return frozenset()
    if contracts <= limit:
        raise Refused(
            f"Order {order.order_id} has {contracts} contracts; --large is for hedges beyond {limit}.",
            code="not_large",
            measured=contracts,
            limit=limit,
            remedy="Approve it without --large.",
        )
    if not (reason or "").strip():
        raise UsageError(f"An order of {contracts} contracts needs a reason.", remedy="Add --reason TEXT.")
    return frozenset({TEN_CONTRACTS})


def _edited(
    order: StagedOrder, desk: Desk, *, contracts: int | None, limit: Decimal | None, reviewer: str
) -> StagedOrder:
    """The next version of `order`."""
    candidate, price, sized = order.sized.candidate, order.limit_per_share, order.sized
    if contracts is not None:
        ratio = candidate.contracts_per_unit
        if contracts < 1 or contracts % ratio:
            raise UsageError(
                f"{contracts} contracts are no whole number of units: one unit of this {candidate.strategy} has {ratio}.",
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


def _effect(order: StagedOrder, context: DeskContext) -> dict[str, Any]:
    """Worst cases of the book with and without the order; what a closing order would realise at its limit."""
    others = [item for item in context.exposures if item.order_id != order.order_id]
    before = sum((item.worst_case for item in others), Decimal(0))
    opening = order.sized.candidate.intent == "open"
    held = [position for position in context.book.positions if position.order_id == order.closes]
    paid = sum((p.average_price * p.quantity * p.leg.multiplier for p in held), Decimal(0))
    proceeds = order.limit_per_share * order.sized.candidate.legs[0].multiplier * order.units
    return {
        "structures": len(others),
        "same_ticker": [plain(item) for item in others if item.ticker == order.ticker],
        "worst_case_before": plain(before),
        "worst_case_after": plain(before + order.max_loss if opening else before),
        "cash": plain(context.book.cash),
        "realised_at_limit": None if opening or not held else plain(proceeds - paid),
    }


def _no_market(desk: Desk, at: datetime) -> MarketData:
    """No quotes at all: worst cases and cash need none."""
    return MarketData(as_of=at, feed=desk.account, tickers=(), chains={}, bars={}, series={})


async def _log_lapse(desk: Desk, view: OrderView) -> None:
    output = {"at": plain(view.changed_at), "expires_at": plain(view.order.expires_at), "reason": view.reason}
    await _log(desk, view.order, f"expire v{view.order.version}", "rule", output)


async def _log_refusal(
    desk: Desk, order: StagedOrder, verb: str, found: Recheck, refusal: Refused, reviewer: str
) -> None:
    output = {
        "reviewer": reviewer,
        "refused": {"code": refusal.code, "measured": refusal.measured, "limit": refusal.limit},
        "recheck": found.document(order),
    }
    # The same attempt twice is one row; another one (other hour, other settings) is another.
    mark = digest([output, _versions(desk)])[:8]
    await _log(desk, order, f"{verb} v{order.version} refused {mark}", "human", output, found)


async def _log(
    desk: Desk, order: StagedOrder, kind: str, author: Author, output: Mapping[str, Any], found: Recheck | None = None
) -> None:
    inputs = {"order": digest(order)} | ({} if found is None else {"snapshot": found.snapshot_id})
    entry = AuditEntry(
        run_id=order.run_id, node=NODE, ticker=order.order_id, kind=kind, author=author, inputs=inputs,
        output=dict(output), versions=await asyncio.to_thread(_versions, desk),
    )  # fmt: skip
    await desk.audit.append([entry])


def _versions(desk: Desk) -> dict[str, str]:
    return {"code": code_version(), "settings": digest(desk.configuration.graph)[:16]}
