"""The order worker of a serving desk."""

import structlog

from app.services.instants import account_instant
from app.services.journal import Journal
from app.services.review import ENDED, send_approved
from app.services.review_log import expire_lapsed
from app.wiring import Desk
from domain.errors import DeskError, MachineError

log = structlog.get_logger("desk.orders")


async def work_orders(desk: Desk, journal: Journal) -> None:
    """Expire staged orders whose time is up, and send approved ones; an order that cannot be sent now waits."""
    try:
        at = await account_instant(desk)
        for order_id in await expire_lapsed(desk, at):
            journal.orders["expired"] += 1
            log.info("order expired", order_id=order_id)
        dealt = await send_approved(desk, at)
    except MachineError:
        raise
    except DeskError as error:
        if journal.order_trouble != str(error):
            log.error("orders cannot be worked", error=str(error))
        journal.order_trouble = str(error)
        return
    for sent in dealt:
        if sent.state in ENDED:
            journal.orders[sent.state.value] += 1
            log.info("order dealt with", order_id=sent.order_id, state=sent.state.value, detail=sent.reason)
    waiting = "; ".join(f"{sent.order_id}: {sent.reason}" for sent in dealt if sent.state not in ENDED) or None
    if waiting and waiting != journal.order_trouble:
        log.warning("orders wait", detail=waiting)
    journal.order_trouble = waiting
