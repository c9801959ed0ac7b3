"""Trades that are over, each with all that its lesson is drawn from."""

from collections.abc import Collection, Iterable, Mapping

from domain.experience import ClosedTrade
from domain.order import StagedOrder
from portfolio.ledger import Structure


def closed_trades(
    structures: Mapping[str, Structure], orders: Iterable[StagedOrder], *, only: Collection[str]
) -> tuple[ClosedTrade, ...]:
    """The closed structures whose opening order is in `only`, by order id; `orders` has all that were filled."""
    known = {order.order_id: order for order in orders}
    wanted = sorted(order_id for order_id in set(only) & structures.keys() if structures[order_id].closed)
    return tuple(_trade(structures[order_id], known) for order_id in wanted)


def _trade(structure: Structure, known: Mapping[str, StagedOrder]) -> ClosedTrade:
    own = structure.order.order_id
    closings = sorted({fill.order_id for fill in structure.fills} - {own})
    return ClosedTrade(
        opening=structure.order,
        closings=tuple(known[order_id] for order_id in closings),
        fills=tuple(structure.fills),
        settlements=tuple(sorted(structure.settled, key=lambda price: (price.expiry, price.timing))),
        units=structure.opened_units,
        profit=structure.profit,
        opened_at=structure.opened_at,
        known_at=structure.last_at,
    )
