"""Worst case of everything held, staged or on its way: what limits count."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Literal

from domain.book import Book, SharePosition
from domain.contract import Leg
from domain.errors import DataError
from domain.order import WORKING, OrderState, OrderView, StagedOrder
from domain.record import Record
from domain.risk import DollarGreeks, Exposure
from domain.sessions import NEW_YORK
from portfolio.greeks import dollar_greeks
from portfolio.valuation import worth_of

UNKNOWN_SECTOR = "unknown"
OPEN = "open"


def exposures(
    order_views: Iterable[OrderView],
    book: Book,
    sectors: Mapping[str, str],
    *,
    greeks: Mapping[str, DollarGreeks] | None = None,
) -> tuple[Exposure, ...]:
    """One exposure for each structure held (`state` "open") and each opening order still working, by order id.

    Worst case, margin and theta are those per unit as staged, times units: `max_loss` bounds every allowed fill. A
    working order counts for the units not held yet; what was closed of a partly filled one counts again, on the
    safe side. A staged order whose time is up at the book's instant counts for nothing. Closing orders add nothing,
    and take nothing away before they are filled. `greeks` are those of held structures by order id; what is absent
    there is not known. Raises `DataError` if a position's order is missing.
    """
    views = {view.order.order_id: view for view in order_views}
    held, contracts = units_held(book), _contracts_held(book)
    if orphans := sorted(held.keys() - views.keys()):
        raise DataError(f"The book holds {orphans[0]}, but its order is missing.")
    found = [
        _exposure(views[order_id], OPEN, units, sectors, (greeks or {}).get(order_id), contracts[order_id])
        for order_id, units in held.items()
    ]
    for order_id, view in views.items():
        remaining = view.order.units - held.get(order_id, 0)
        lapsed = view.state is OrderState.STAGED and view.order.expires_at <= book.as_of
        if view.state in WORKING and not lapsed and view.order.sized.candidate.intent == "open" and remaining > 0:
            then, legs = _staged_greeks(view.order, remaining), _legs(view.order, remaining)
            found.append(_exposure(view, view.state.value, remaining, sectors, then, legs))
    return tuple(sorted(found, key=lambda exposure: (exposure.order_id, exposure.state)))


def units_held(book: Book) -> dict[str, int]:
    """Units of each structure in the book, by order id: counted by the leg of which most is left."""
    units: dict[str, int] = defaultdict(int)
    for position in book.positions:
        whole = -(-abs(position.quantity) // abs(position.leg.quantity))
        units[position.order_id] = max(units[position.order_id], whole)
    return dict(units)


class ShareExposure(Record):
    """What shares of one underlying can lose. `worst_case` is USD, positive; None where it has no bound, as `detail`
    says: a limit on it fails.
    """

    ticker: str
    sector: str
    quantity: int  # signed shares
    worst_case: Decimal | None
    detail: str
    greeks: DollarGreeks | None  # None: no price


def share_exposures(book: Book, sectors: Mapping[str, str]) -> tuple[ShareExposure, ...]:
    """One exposure for each share position of `book`, by ticker, at its mark: long shares can lose all they are worth,
    shares sold short without end. Options that protect shares are not counted for them.
    """
    return tuple(
        _of_shares(held, sectors.get(held.ticker, UNKNOWN_SECTOR))
        for held in sorted(book.shares, key=lambda held: held.ticker)
    )


def _of_shares(held: SharePosition, sector: str) -> ShareExposure:
    worth = worth_of(held)
    if worth is None:
        worst, detail = None, f"{held.quantity} shares have no price: what they can lose is not known"
    elif held.quantity < 0:
        worst, detail = None, f"{-held.quantity} shares sold short: the loss grows with the price, without end"
    else:
        worst, detail = worth, f"{held.quantity} shares at {held.mark:,.2f} USD: their whole value"
    return ShareExposure(
        ticker=held.ticker,
        sector=sector,
        quantity=held.quantity,
        worst_case=worst,
        detail=detail,
        greeks=None if worth is None else DollarGreeks(delta=float(worth)),
    )


def concentration(found: Iterable[Exposure], by: Literal["ticker", "sector", "strategy"]) -> dict[str, Decimal]:
    """Worst-case loss in USD summed by ticker, sector or strategy; keys ascending."""
    total: dict[str, Decimal] = defaultdict(Decimal)
    for exposure in found:
        total[getattr(exposure, by)] += exposure.worst_case
    return dict(sorted(total.items()))


def _contracts_held(book: Book) -> dict[str, tuple[Leg, ...]]:
    """What each structure really holds, which after partial fills need not be whole units."""
    found: dict[str, list[Leg]] = defaultdict(list)
    for position in book.positions:
        found[position.order_id].append(position.leg.model_copy(update={"quantity": position.quantity}))
    return {order_id: tuple(legs) for order_id, legs in found.items()}


def _legs(order: StagedOrder, units: int) -> tuple[Leg, ...]:
    return tuple(leg.model_copy(update={"quantity": leg.quantity * units}) for leg in order.sized.candidate.legs)


def _staged_greeks(order: StagedOrder, units: int) -> DollarGreeks:
    candidate = order.sized.candidate
    return dollar_greeks(candidate.greeks.scaled(units), spot=candidate.spot)


def _exposure(
    view: OrderView,
    state: str,
    units: int,
    sectors: Mapping[str, str],
    greeks: DollarGreeks | None,
    legs: tuple[Leg, ...],
) -> Exposure:
    order, candidate = view.order, view.order.sized.candidate
    return Exposure(
        order_id=order.order_id,
        ticker=order.ticker,
        sector=sectors.get(order.ticker, UNKNOWN_SECTOR),
        strategy=candidate.strategy,
        state=state,
        units=units,
        contracts=units * candidate.contracts_per_unit,
        worst_case=candidate.max_loss * units,
        margin=candidate.margin * units,
        theta=candidate.greeks.theta * units,
        opened_on=order.staged_at.astimezone(NEW_YORK).date().isoformat(),
        greeks=greeks,
        legs=legs,
        purpose=candidate.purpose,
    )
