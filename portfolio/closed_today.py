"""What was opened today and closed again: it still counts towards the day's ten contracts."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from domain.risk import Exposure
from domain.sessions import NEW_YORK
from portfolio.exposure import OPEN
from portfolio.ledger import Structure


def closed_today(structures: Mapping[str, Structure], found: Iterable[Exposure], *, as_of: datetime) -> dict[str, int]:
    """Contracts by ticker, ascending, that were filled for openings staged on the New York date of `as_of` and are not
    held any more. `found` are the exposures of the same book: what is held counts there.
    """
    held: dict[str, int] = {}
    for exposure in found:
        if exposure.state == OPEN:
            held[exposure.order_id] = exposure.contracts
    day, closed = as_of.astimezone(NEW_YORK).date(), dict[str, int]()
    for order_id, structure in structures.items():
        order = structure.order
        filled = structure.opened_units * order.sized.candidate.contracts_per_unit
        gone = filled - held.get(order_id, 0)
        if order.staged_at.astimezone(NEW_YORK).date() == day and gone > 0:
            closed[order.ticker] = closed.get(order.ticker, 0) + gone
    return dict(sorted(closed.items()))
