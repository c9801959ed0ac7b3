"""The order worker: takes approved orders from the outbox to the broker, each exactly once.

Before the broker hears of an order the step approved → submitted is committed, under the idempotency key that a later
worker would use again; the answer is stored in one transaction with the claim. So a worker killed at any point leaves
either nothing, or an order that the next worker asks about under the same key.
"""

from collections.abc import Callable

from domain.errors import DataError, MachineError, Refused
from domain.market import Chain
from domain.order import Fill, OrderState, StagedOrder
from domain.ports import Broker, Clock, Dispatch, MarketFeed, Outbox
from domain.record import Instant, Record

TIME_IN_FORCE = "immediate or cancel"


class Sent(Record):
    """What became of one approved order. `state` APPROVED or SUBMITTED: it waits, and `reason` says for what."""

    order_id: str
    key: str
    at: Instant
    state: OrderState
    units: int
    reason: str


async def drain(outbox: Outbox, broker: Broker, feed: MarketFeed, clock: Clock) -> tuple[Sent, ...]:
    """Deal with every approved order that no other worker has, oldest first; each once.

    HALTED: nothing is sent, and what is on its way is withdrawn; REDUCING: the same for opening orders. Orders for
    which there is no quote or no broker now wait for the next call. Paper orders are immediate or cancel: what
    does not fill at once is cancelled.
    """
    dealt: list[Sent] = []
    while True:
        async with outbox.claim(leaving=[sent.key for sent in dealt]) as dispatch:
            if dispatch is None:
                return tuple(dealt)
            dealt.append(await _send(dispatch, broker, feed, clock))


async def withdraw(
    outbox: Outbox, broker: Broker, clock: Clock, *, which: Callable[[StagedOrder], bool], reason: str
) -> tuple[Sent, ...]:
    """Cancel every order on its way that `which` names, oldest first. Needs no quotes. An order that another worker
    holds is left to it: it is told of the halt before it sends.
    """
    dealt: list[Sent] = []
    leaving: list[str] = []
    while True:
        async with outbox.claim(leaving=leaving) as dispatch:
            if dispatch is None:
                return tuple(dealt)
            leaving.append(dispatch.key)
            if which(dispatch.order):
                dealt.append(await _withdrawn(dispatch, broker, max(clock.now(), dispatch.changed_at), reason))


async def _send(dispatch: Dispatch, broker: Broker, feed: MarketFeed, clock: Clock) -> Sent:
    order, at = dispatch.order, max(clock.now(), dispatch.changed_at)
    try:
        chain = (await feed.quotes(at, [order.ticker])).get(order.ticker)
    except (MachineError, DataError) as error:
        return _sent(dispatch, at, f"no quotes: {error}")
    if chain is None:
        return _sent(dispatch, at, f"no quotes of {order.ticker}")
    try:
        await dispatch.submitted(at)
    except Refused as refusal:
        if refusal.code == "lost_race":  # a step taken elsewhere meanwhile stands
            return _sent(dispatch, at, str(refusal))
        return await _withdrawn(dispatch, broker, at, f"not sent: {refusal}")
    try:
        fills = await broker.submit(order, key=dispatch.key, at=at, quotes=chain)
    except Refused as refusal:
        await dispatch.settle((), (OrderState.FAILED,), at=at, reason=f"{refusal.code}: {refusal}")
        return _sent(dispatch, at, str(refusal))
    except MachineError as error:
        return _sent(dispatch, at, f"{broker.name} does not answer: {error}")
    return await _settled(dispatch, fills, at, chain)


async def _withdrawn(dispatch: Dispatch, broker: Broker, at: Instant, reason: str) -> Sent:
    """What a broker may already have heard of is withdrawn there, and what it filled before is booked."""
    fills: tuple[Fill, ...] = ()
    if dispatch.state is not OrderState.APPROVED:
        try:
            fills = await broker.withdraw(dispatch.order, key=dispatch.key, at=at)
        except MachineError as error:
            return _sent(dispatch, at, f"{broker.name} does not answer: {error}")
    filled, wanted = sum(fill.units for fill in fills), dispatch.order.units
    if filled >= wanted:
        steps: tuple[OrderState, ...] = (OrderState.FILLED,)
    elif filled:
        steps = (OrderState.PARTIALLY_FILLED, OrderState.CANCELLED)
    else:
        steps = (OrderState.CANCELLED,)
    if fills:
        reason = f"filled {filled} of {wanted} before it was withdrawn: {reason}"
    await _settle(dispatch, fills, steps, at, reason)
    return _sent(dispatch, at, reason, units=filled)


async def _settled(dispatch: Dispatch, fills: tuple[Fill, ...], at: Instant, chain: Chain) -> Sent:
    filled, wanted = sum(fill.units for fill in fills), dispatch.order.units
    steps: tuple[OrderState, ...]
    if filled >= wanted:
        steps, reason = (OrderState.FILLED,), f"filled {filled} of {wanted}: {fills[0].rule}"
    elif filled:
        steps = (OrderState.PARTIALLY_FILLED, OrderState.CANCELLED)
        reason = f"filled {filled} of {wanted}, the rest cancelled ({TIME_IN_FORCE}): {fills[0].rule}"
    else:
        steps = (OrderState.CANCELLED,)
        reason = f"no fill within the limit on quotes of {chain.as_of:%Y-%m-%d %H:%M}Z ({TIME_IN_FORCE})"
    await _settle(dispatch, fills, steps, at, reason)
    return _sent(dispatch, at, reason, units=filled)


async def _settle(
    dispatch: Dispatch, fills: tuple[Fill, ...], steps: tuple[OrderState, ...], at: Instant, reason: str
) -> None:
    """Store the answer; an order that was partly filled already is not so once more."""
    left = tuple(step for step in steps if step is not dispatch.state)
    await dispatch.settle(fills, left, at=at, reason=reason)


def _sent(dispatch: Dispatch, at: Instant, reason: str, *, units: int = 0) -> Sent:
    return Sent(
        order_id=dispatch.order.order_id, key=dispatch.key, at=at, state=dispatch.state, units=units, reason=reason
    )
