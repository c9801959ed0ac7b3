"""Orders against fills: what an order's state says happened must be what was booked.

Fills that cannot be booked at all (of no order, of other contracts, of another amount) are refused by
`portfolio.ledger` already; these are the contradictions that a ledger can be folded over.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from domain.order import Fill, OrderState, OrderView


def breaks(orders: Iterable[OrderView], fills: Iterable[Fill]) -> tuple[str, ...]:
    """Orders whose state contradicts what was filled, and structures closed more often than opened; ascending."""
    views = {view.order.order_id: view for view in orders}
    booked: dict[str, int] = defaultdict(int)
    for fill in fills:
        booked[fill.order_id] += fill.units
    found = [_contradiction(view, booked[order_id]) for order_id, view in views.items()]
    return tuple(sorted([*(said for said in found if said), *_overclosed(views, booked)]))


def _contradiction(view: OrderView, filled: int) -> str | None:
    state, units = view.state, view.order.units
    agrees = {
        OrderState.FILLED: filled == units,
        OrderState.PARTIALLY_FILLED: 0 < filled < units,
        OrderState.SUBMITTED: 0 <= filled <= units,  # the broker's answer may be booked before the step
        OrderState.CANCELLED: 0 <= filled < units,
    }.get(state, filled == 0)
    return None if agrees else f"order {view.order.order_id} is {state.value} with {filled} of {units} units filled"


def _overclosed(views: Mapping[str, OrderView], booked: Mapping[str, int]) -> list[str]:
    closed: dict[str, int] = defaultdict(int)
    for order_id, view in views.items():
        if view.order.closes is not None:
            closed[view.order.closes] += booked[order_id]
    return [
        f"structure {opening} had {booked.get(opening, 0)} units, and {count} were closed"
        for opening, count in closed.items()
        if count > booked.get(opening, 0)
    ]
