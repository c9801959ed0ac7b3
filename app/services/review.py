"""A person's decisions on staged orders: look, approve, reject. Each is checked afresh and audited."""

from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.clock import FixedClock
from app.documents import plain, view_document
from app.services.instants import lapse_instant, review_instant
from app.services.payoff import payoff_curve
from app.services.recheck import Recheck, recheck
from app.services.review_log import expire_lapsed, log_lapse, log_refusal, log_step
from app.wiring import Desk, on_account
from domain.errors import Refused, UsageError
from domain.market import MarketData
from domain.order import OrderState, OrderView, StagedOrder
from domain.snapshot import DeskContext
from execution.outbox import Sent, drain
from memory.order_size import CODE

WAITING = (OrderState.STAGED, OrderState.APPROVED, OrderState.SUBMITTED, OrderState.PARTIALLY_FILLED)
ENDED = frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.FAILED})


async def desk_of(desk: Desk, order_id: str) -> Desk:
    """The same desk on the account that holds the order. Raises `UsageError` for an unknown or ambiguous id."""
    from memory.orders import account_of

    return on_account(desk, await account_of(desk.engine, order_id))


async def orders_waiting(desk: Desk, *, everything: bool, at: datetime | None) -> dict[str, Any]:
    """Orders that wait for a person or a broker (or all of them), after those whose time is up were expired."""
    instant = await lapse_instant(desk, at)
    expired = () if instant is None else await expire_lapsed(desk, instant)
    views = await desk.orders.list(None if everything else WAITING)
    return {
        "account": desk.account,
        "at": plain(instant),
        "expired": list(expired),
        "orders": [view_document(view) for view in views],
    }


async def shown(desk: Desk, order_id: str, *, at: datetime | None) -> dict[str, Any]:
    """One order with its payoff, its history, and what it does to the book."""
    from app.services.aftermath import aftermath  # compiled code: only those who look at an order wait for it

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
        "aftermath": await aftermath(desk, view, instant),
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

    `large` is the reviewer's own word that a hedge may open more contracts than a day is allowed; it needs a reason and
    is kept with the numbers. Of several reviewers one wins. Raises `Refused` with code and numbers where a rule says
    no: nothing was sent then, and the attempt is in the audit log. A lapsed order becomes expired.
    """
    view = await desk.orders.get(order_id)
    order = view.order
    require_staged(view, "approved")
    instant = await review_instant(desk, view, at)
    await require_alive(desk, view, instant)
    override = await _override(desk, order, instant, reason) if large else None
    async with _turn(desk, order):
        found = await recheck(desk, order, at=instant)
        try:
            if found.refusal is not None:
                raise found.refusal
            await desk.orders.approve(
                order.order_id, at=instant, reviewer=reviewer, reason=reason, version=order.version, large=large
            )
        except Refused as refusal:
            await log_refusal(desk, order, "approve", found, refusal, reviewer)
            raise
    output = {
        "reviewer": reviewer,
        "reason": reason,
        "override": override,
        "limit_per_share": plain(order.limit_per_share),
        "contracts": order.sized.contracts,
        "recheck": found.document(order),
    }
    await log_step(desk, order, f"approve v{order.version}", "human", output, found)
    sent = await send_approved(desk, instant)
    return await _approved_document(desk, order, found, reviewer, sent)


async def reject(desk: Desk, order_id: str, *, at: datetime | None, reviewer: str, reason: str) -> dict[str, Any]:
    """A person's no, with the reason."""
    if not reason.strip():
        raise UsageError("A rejection needs a reason.", remedy="Add --reason TEXT.")
    view = await desk.orders.get(order_id)
    require_staged(view, "rejected")
    instant = await review_instant(desk, view, at)
    await require_alive(desk, view, instant)
    rejected = await desk.orders.reject(view.order.order_id, at=instant, reviewer=reviewer, reason=reason)
    output = {"reviewer": reviewer, "reason": reason, "at": plain(instant)}
    await log_step(desk, rejected.order, f"reject v{rejected.order.version}", "human", output)
    return {"order": view_document(rejected), "at": plain(instant), "reviewer": reviewer}


async def send_approved(desk: Desk, at: datetime) -> tuple[Sent, ...]:
    """Hand every approved order of the account to the broker at `at`, and log what became of each."""
    dealt = await drain(desk.outbox, desk.broker, desk.feed, FixedClock(at))
    for sent in dealt:
        if sent.state in ENDED:
            order = (await desk.orders.get(sent.order_id)).order
            output = {"sent": plain(sent), "fills": plain(await desk.orders.fills(sent.order_id))}
            await log_step(desk, order, f"fill v{order.version}", "rule", output)
    return dealt


def require_staged(view: OrderView, become: str) -> None:
    """Refuse an order that is no longer staged."""
    if view.state is not OrderState.STAGED:
        by = f" by {view.reviewer}" if view.reviewer else ""
        raise Refused(
            f"Order {view.order.order_id} is {view.state.value} since {view.changed_at:%Y-%m-%dT%H:%M:%SZ}{by}: only a "
            f"staged order can be {become}.",
            code="not_staged",
            remedy="'desk review list' shows what waits.",
        )


async def require_alive(desk: Desk, view: OrderView, at: datetime) -> None:
    """Expire an order whose time is up at `at`, and refuse."""
    order = view.order
    if at < order.expires_at:
        return
    lapsed = await desk.orders.transition(
        order.order_id, OrderState.EXPIRED, expect=OrderState.STAGED, at=at, reviewer="desk", reason="its time is up"
    )
    await log_lapse(desk, lapsed)
    raise Refused(
        f"Order {order.order_id} lapsed at {order.expires_at:%Y-%m-%dT%H:%M:%SZ}; it is {at:%Y-%m-%dT%H:%M:%SZ}.",
        code="expired",
        remedy="'desk run' looks again.",
    )


def _turn(desk: Desk, order: StagedOrder) -> AbstractAsyncContextManager[None]:
    """Hedges of an account are staged and approved one after another: two at once would each see the whole budget."""
    hedge = order.sized.candidate.purpose == "hedge"
    return desk.runs.in_turn(f"hedge of {desk.account}") if hedge else nullcontext()


async def _approved_document(
    desk: Desk, order: StagedOrder, found: Recheck, reviewer: str, dealt: tuple[Sent, ...]
) -> dict[str, Any]:
    now = await desk.orders.get(order.order_id)
    fills = await desk.orders.fills(order.order_id)
    own = next((sent for sent in dealt if sent.order_id == order.order_id), None)
    return {
        "account": desk.account,
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


async def _override(desk: Desk, order: StagedOrder, at: datetime, reason: str | None) -> dict[str, Any]:
    """The rule that `large` sets aside, with its numbers. Raises `Refused` where there is nothing to set aside, or
    nobody may: a trade is never larger than the limit.
    """
    limit = desk.configuration.graph.risk.hard.contracts_per_order
    opened = await desk.orders.contracts_opened(order, at=at)
    if opened <= limit:
        raise Refused(
            f"With order {order.order_id} {opened} contracts are opened in {order.ticker} that day; --large is for "
            f"hedges beyond {limit}.",
            code="not_large",
            measured=opened,
            limit=limit,
            remedy="Approve it without --large.",
        )
    if order.sized.candidate.purpose != "hedge":
        raise Refused(
            f"Order {order.order_id} is a trade: with it {opened} contracts are opened in {order.ticker} that day, and "
            f"only a hedge may go beyond {limit}.",
            code=CODE,
            measured=opened,
            limit=limit,
        )
    if not (reason or "").strip():
        raise UsageError(f"A day of {opened} contracts in {order.ticker} needs a reason.", remedy="Add --reason TEXT.")
    return {"rule": CODE, "measured": opened, "limit": limit, "reason": reason}


def _effect(order: StagedOrder, context: DeskContext) -> dict[str, Any]:
    """Worst cases of the book with and without the order; what a closing order would realise at its limit."""
    others = [item for item in context.exposures if item.order_id != order.order_id]
    before = sum((item.worst_case for item in others), Decimal(0))
    opening = order.sized.candidate.intent == "open"
    return {
        "structures": len(others),
        "same_ticker": [plain(item) for item in others if item.ticker == order.ticker],
        "worst_case_before": plain(before),
        "worst_case_after": plain(before + order.max_loss if opening else before),
        "cash": plain(context.book.cash),
        "realised_at_limit": None if opening else plain(_realised_at_limit(order, context)),
    }


def _realised_at_limit(order: StagedOrder, context: DeskContext) -> Decimal | None:
    """What closing at the limit would realise before fees, USD; None if the structure is not held (any more)."""
    legs = order.sized.candidate.legs
    paid = {p.leg.symbol: p.average_price for p in context.book.positions if p.order_id == order.closes}
    if any(leg.symbol not in paid for leg in legs):
        return None
    entry = sum((paid[leg.symbol] * leg.quantity for leg in legs), Decimal(0))
    return (order.limit_per_share + entry) * order.units * legs[0].multiplier


def _no_market(desk: Desk, at: datetime) -> MarketData:
    """No quotes at all: worst cases and cash need none."""
    return MarketData(as_of=at, feed=desk.account, tickers=(), chains={}, bars={}, series={})
