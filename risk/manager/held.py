"""What the book holds of each structure, per unit, and what those structures went through so far."""

from collections.abc import Mapping
from itertools import groupby
from math import ceil, gcd
from typing import NamedTuple

from domain.book import Book, Position
from domain.contract import Leg
from domain.excursion import Excursion
from portfolio.exposure import units_held
from portfolio.ledger import Structure
from risk.manager.excursion import marked, opened, reduced

PLACES = 6  # of USD
WHOLE = 1e-9  # two thirds of three units are two, whatever floats say


class Held(NamedTuple):
    """One structure in the book. Amounts are USD per unit; value and profit are None if any leg has no mark."""

    order_id: str
    units: int  # counted by the leg of which most is left
    entry_price: float  # premium, cash received > 0
    unit_value: float | None
    unit_profit: float | None  # before fees
    positions: tuple[Position, ...]

    @property
    def unmarked(self) -> tuple[Position, ...]:
        """Positions without a mark."""
        return tuple(position for position in self.positions if position.mark is None)


def holdings(book: Book) -> dict[str, Held]:
    """What `book` holds, by order id, ascending."""
    units = units_held(book)
    ordered = sorted(book.positions, key=lambda position: position.order_id)
    return {
        order_id: _held(order_id, units[order_id], tuple(positions))
        for order_id, positions in groupby(ordered, key=lambda position: position.order_id)
    }


def observed(structures: Mapping[str, Structure], book: Book, before: Mapping[str, Excursion]) -> tuple[Excursion, ...]:
    """The excursions of everything held, by order id, after this look at the book: `before` as earlier looks left
    them, fills since then counted, and the present mark, where there is one, among what was seen.
    """
    found = []
    for order_id, held in holdings(book).items():
        structure = structures[order_id]
        now = before.get(order_id)
        if now is None or now.opened_units != structure.opened_units:
            now = opened(
                order_id,
                at=structure.opened_at,
                entry_price=held.entry_price,
                unit_risk=float(structure.order.sized.candidate.max_loss),
                units=structure.opened_units,
                before=now,
            )
        closed = max(structure.opened_units - held.units, 0)
        if closed != now.closed_units:
            now = reduced(now, at=structure.last_at, closed_units=closed)
        if held.unit_value is not None and held.unit_profit is not None:
            now = marked(now, at=book.as_of, unit_value=held.unit_value, unit_profit=held.unit_profit)
        found.append(now)
    return tuple(found)


def closable(held: Held, legs: tuple[Leg, ...]) -> tuple[tuple[Leg, ...], int]:
    """What is really held, as equal units that it divides into, and how many of those.

    Of a structure held whole these are its own units of `legs`. Of one whose legs are uneven (one expired, one never
    filled) they are the smallest in which every leg keeps its share: no part can be closed that bares another.
    """
    quantities = {position.leg.symbol: position.quantity for position in held.positions}
    if quantities == {leg.symbol: leg.quantity * held.units for leg in legs}:
        return legs, held.units
    units = gcd(*quantities.values())
    place = {leg.symbol: number for number, leg in enumerate(legs)}
    ordered = sorted(held.positions, key=lambda position: place[position.leg.symbol])
    return tuple(p.leg.model_copy(update={"quantity": p.quantity // units}) for p in ordered), units


def units_to_close(fraction: float, units: int) -> int:
    """Whole units that come closest to `fraction` of `units` from above: at least one, at most all."""
    return min(max(ceil(fraction * units - WHOLE), 1), units)


def _held(order_id: str, units: int, positions: tuple[Position, ...]) -> Held:
    # Floats, a thousand times a tick: rounded to a millionth, cents come out as the ledger's decimals would have them.
    shares = [position.quantity * position.leg.multiplier for position in positions]
    paid = sum(float(position.average_price) * size for position, size in zip(positions, shares, strict=True))
    marks = [position.mark for position in positions if position.mark is not None]
    worth = sum(mark * size for mark, size in zip(marks, shares, strict=True)) if len(marks) == len(shares) else None
    return Held(
        order_id=order_id,
        units=units,
        entry_price=round(-paid / units, PLACES),
        unit_value=None if worth is None else round(worth / units, PLACES),
        unit_profit=None if worth is None else round((worth - paid) / units, PLACES),
        positions=positions,
    )
