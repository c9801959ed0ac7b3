"""The order worker: takes approved orders from the outbox to the broker, each exactly once.

Before the broker hears of an order the step approved → submitted is committed, under the idempotency key that a later
worker would use again; the answer is stored in one transaction with the claim. So a worker killed at any point leaves
either nothing, or an order that the next worker asks about under the same key.
"""

from domain.errors import DataError, MachineError, Refused
from domain.market import Chain
from domain.order import Fill, OrderState
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

    HALTED: nothing is sent, and what was only approved is cancelled; REDUCING: the same for opening orders. Orders
    for which there is no quote or no broker now wait for the next call. Paper orders are immediate or cancel: what
    does not fill at once is cancelled.
    """
    dealt: list[Sent] = []
    while True:
        async with outbox.claim(leaving=[sent.key for sent in dealt]) as dispatch:
            if dispatch is None:
                return tuple(dealt)
            dealt.append(await _send(dispatch, broker, feed, clock))


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
        return await _refused(dispatch, at, refusal)
    try:
        fills = await broker.submit(order, key=dispatch.key, at=at, quotes=chain)
    except Refused as refusal:
        await dispatch.settle((), (OrderState.FAILED,), at=at, reason=f"{refusal.code}: {refusal}")
        return _sent(dispatch, at, str(refusal))
    except MachineError as error:
        return _sent(dispatch, at, f"{broker.name} does not answer: {error}")
    return await _settled(dispatch, fills, at, chain)


async def _refused(dispatch: Dispatch, at: Instant, refusal: Refused) -> Sent:
    """Not sent. What a broker may already have heard of waits; a step taken elsewhere meanwhile stands."""
    if dispatch.state is OrderState.APPROVED and refusal.code != "lost_race":
        await dispatch.settle((), (OrderState.CANCELLED,), at=at, reason=f"not sent: {refusal}")
    return _sent(dispatch, at, str(refusal))


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
    await dispatch.settle(fills, steps, at=at, reason=reason)
    return _sent(dispatch, at, reason, units=filled)


def _sent(dispatch: Dispatch, at: Instant, reason: str, *, units: int = 0) -> Sent:
    return Sent(
        order_id=dispatch.order.order_id, key=dispatch.key, at=at, state=dispatch.state, units=units, reason=reason
    )
