"""What the account holds and has earned: a fold over fills and settlements, exact to the cent and beyond.

Average-cost accounting, one holding for each (structure, contract). Sums are exact rationals, so neither the order
of partial fills nor an average price that does not end moves a cent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from domain.book import SettlementPrice
from domain.contract import Leg, Right, Settlement
from domain.errors import DataError
from domain.order import Fill, StagedOrder
from domain.sessions import expiry_instant


@dataclass
class Holding:
    """Contracts of one option in one structure. `cost` is signed USD: quantity × price × multiplier."""

    leg: Leg
    quantity: int = 0
    cost: Fraction = Fraction(0)

    def trade(self, quantity: int, price: Decimal) -> Fraction:
        """Take `quantity` (signed) at `price` USD per share; returns the profit realised, before fees, in USD."""
        amount = Fraction(price) * quantity * self.leg.multiplier
        closed = _towards_zero(self.quantity, quantity)
        if closed == 0:
            self.quantity, self.cost = self.quantity + quantity, self.cost + amount
            return Fraction(0)
        released = self.cost * abs(closed) / abs(self.quantity)
        proceeds = -amount * closed / quantity
        opened = quantity - closed
        self.quantity += quantity
        self.cost += amount * opened / quantity - released
        return proceeds - released


@dataclass
class Structure:
    """One opened order and everything that happened to it. Amounts are USD; `realised` is before fees."""

    order: StagedOrder
    opened_at: datetime
    last_at: datetime
    holdings: dict[str, Holding] = field(default_factory=dict)  # by OCC symbol
    opened_units: int = 0
    realised: Fraction = Fraction(0)
    fees: Decimal = Decimal(0)
    cash: Decimal = Decimal(0)
    fills: list[Fill] = field(default_factory=list)  # as they happened
    settled: list[SettlementPrice] = field(default_factory=list)  # what ended contracts held to expiry

    @property
    def open_holdings(self) -> tuple[Holding, ...]:
        """Holdings that are not flat, by symbol."""
        return tuple(held for _, held in sorted(self.holdings.items()) if held.quantity)

    @property
    def closed(self) -> bool:
        """Whether nothing is held any more."""
        return not self.open_holdings

    @property
    def profit(self) -> Decimal:
        """Realised profit after fees."""
        return as_decimal(self.realised) - self.fees

    @property
    def units_held(self) -> int:
        """Units still held, counted by the leg of which most is left."""
        return max((-(-abs(held.quantity) // abs(held.leg.quantity)) for held in self.open_holdings), default=0)


def ledger(
    fills: Iterable[Fill],
    orders: Iterable[StagedOrder],
    *,
    as_of: datetime,
    settlements: Iterable[SettlementPrice] = (),
) -> dict[str, Structure]:
    """Structures by the id of the order that opened them, ascending; only what happened at or before `as_of`.

    A closing order's fills net against the structure it names. Contracts past their expiry are settled at intrinsic
    value once their settlement price is known; until then they stay held. Raises `DataError` when a fill names an
    order or contract the desk does not know, or when its cash is not what its legs cost.
    """
    known = {order.order_id: order for order in orders}
    structures: dict[str, Structure] = {}
    happened = [fill for fill in fills if fill.at <= as_of]
    for fill in sorted(happened, key=lambda fill: (fill.at, _order(known, fill).closes is not None, fill.fill_id)):
        _apply(fill, _order(known, fill), known, structures)
    prices = {(s.ticker, s.expiry, s.timing): s for s in settlements if s.known_at <= as_of}
    for structure in structures.values():
        _settle(structure, prices, as_of)
    return dict(sorted(structures.items()))


def is_expired(leg: Leg, as_of: datetime) -> bool:
    """Whether the contract's value is fixed at `as_of`."""
    return expiry_instant(leg.expiry, am_settled=leg.settlement is Settlement.AM) <= as_of


def intrinsic(leg: Leg, price: Decimal) -> Decimal:
    """Exercise value, USD per share, with the underlying at `price`."""
    gain = price - leg.strike if leg.right is Right.CALL else leg.strike - price
    return max(gain, Decimal(0))


def as_decimal(amount: Fraction) -> Decimal:
    """To 28 significant digits."""
    return Decimal(amount.numerator) / Decimal(amount.denominator)


def _towards_zero(held: int, traded: int) -> int:
    """The part of `traded` that closes what is held."""
    if held * traded >= 0:
        return 0
    return traded if abs(traded) <= abs(held) else -held


def _order(known: Mapping[str, StagedOrder], fill: Fill) -> StagedOrder:
    if fill.order_id not in known:
        raise DataError(f"Fill {fill.fill_id} names order {fill.order_id}, which the desk does not know.")
    return known[fill.order_id]


def _apply(fill: Fill, order: StagedOrder, known: Mapping[str, StagedOrder], structures: dict[str, Structure]) -> None:
    structure = _structure(fill, order, known, structures)
    legs = {leg.symbol: leg for leg in structure.order.sized.candidate.legs}
    cash = -fill.fees
    for part in fill.legs:
        if part.symbol not in legs:
            raise DataError(f"Fill {fill.fill_id} trades {part.symbol}, which {structure.order.order_id} never held.")
        holding = structure.holdings.setdefault(part.symbol, Holding(legs[part.symbol]))
        structure.realised += holding.trade(part.quantity, part.price)
        cash -= part.price * part.quantity * holding.leg.multiplier
    if cash != fill.cash:
        raise DataError(f"Fill {fill.fill_id} moved {fill.cash} USD, but its legs and fees come to {cash} USD.")
    structure.fills.append(fill)
    structure.cash += cash
    structure.fees += fill.fees
    structure.last_at = fill.at
    structure.opened_units += fill.units if order.closes is None else 0


def _structure(
    fill: Fill, order: StagedOrder, known: Mapping[str, StagedOrder], structures: dict[str, Structure]
) -> Structure:
    if order.closes is not None:
        if order.closes not in structures:
            raise DataError(f"Order {order.order_id} closes {order.closes}, of which nothing was filled before.")
        return structures[order.closes]
    if order.sized.candidate.intent == "close":
        raise DataError(f"Closing order {order.order_id} does not say which order it closes.")
    return structures.setdefault(
        order.order_id, Structure(order=known[order.order_id], opened_at=fill.at, last_at=fill.at)
    )


def _settle(
    structure: Structure, prices: Mapping[tuple[str, date, Settlement], SettlementPrice], as_of: datetime
) -> None:
    for holding in structure.open_holdings:
        leg = holding.leg
        found = prices.get((structure.order.ticker, leg.expiry, leg.settlement))
        if found is None or not is_expired(leg, as_of):
            continue
        value = intrinsic(leg, found.price)
        structure.cash += value * holding.quantity * leg.multiplier
        structure.realised += holding.trade(-holding.quantity, value)
        structure.last_at = max(structure.last_at, found.known_at)
        if found not in structure.settled:
            structure.settled.append(found)
