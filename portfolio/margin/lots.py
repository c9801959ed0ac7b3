"""An account of options on one underlying as the matching sees it: one lot a contract, netted, with its worth."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

from domain.contract import Leg, Right, Settlement
from domain.errors import DataError

MICRO = Decimal("0.000001")  # USD a share: drops the binary noise of a mid
MOST = 1e9  # USD a share; more is absurd

Deliverable = tuple[str, int, bool]
"""Root, multiplier, European exercise. Contracts offset each other only where all three agree: SPX and SPXW, which
settle at other hours, stay apart, and an adjusted series meets nothing but itself. Both err on the high side.
"""


class Lot(NamedTuple):
    """One contract of an account. Amounts are USD per share. `low` and `high` bound its value: both its mark where it
    has one; `high` is None where nothing bounds it.
    """

    symbol: str
    is_call: bool
    strike: Decimal
    lives_until: tuple[date, bool]  # AM-settled before PM-settled of the same day
    deliverable: Deliverable
    quantity: int  # signed contracts, never 0
    spot: Decimal | None  # of what it delivers; None: not known
    low: Decimal
    high: Decimal | None

    @property
    def multiplier(self) -> int:
        """Shares a contract."""
        return self.deliverable[1]

    def intrinsic(self, price: Decimal) -> Decimal:
        """Exercise value with the underlying at `price`."""
        return max(price - self.strike if self.is_call else self.strike - price, Decimal(0))


def lots(
    positions: Iterable[tuple[Leg, int]], *, spot: Decimal | None, marks: Mapping[str, float]
) -> tuple[tuple[Lot, ...], tuple[str, ...]]:
    """Net `positions` by symbol, sorted by life, right, strike and symbol; and a note for each value that had to be
    bounded. A contract without a mark in `marks` is taken at the mid of its leg's quotes; without those a call is worth
    the underlying at most and a put its strike (Merton 1973), and either nothing at least. Raises `DataError` where
    one symbol comes with different terms.
    """
    found, notes = [], []
    for symbol, same in groupby(sorted(positions, key=_symbol), key=_symbol):
        parts = list(same)
        leg, quantity = parts[0][0], sum(count for _, count in parts)
        if any(_terms(other) != _terms(leg) for other, _ in parts[1:]):
            raise DataError(f"{symbol} is held under different terms.", remedy="Read its contract anew.")
        if not quantity:
            continue
        own_spot = spot if leg.is_standard else None
        low, high = _value(leg, own_spot, marks.get(symbol))
        if high != low:
            bound = "has no bound" if high is None else f"is taken at {high} USD a share at most, 0 at least"
            notes.append(f"{symbol.strip()} has no mark: its value {bound}")
        found.append(
            Lot(
                symbol=symbol,
                is_call=leg.right is Right.CALL,
                strike=leg.strike,
                lives_until=(leg.expiry, leg.settlement is Settlement.PM),
                deliverable=(leg.root, leg.multiplier, leg.european),
                quantity=quantity,
                spot=own_spot,
                low=low,
                high=high,
            )
        )
    return tuple(sorted(found, key=lambda lot: (lot.lives_until, lot.is_call, lot.strike, lot.symbol))), tuple(notes)


def _symbol(position: tuple[Leg, int]) -> str:
    return position[0].symbol


def _terms(leg: Leg) -> tuple[object, ...]:
    return leg.root, leg.right, leg.strike, leg.expiry, leg.settlement, leg.european, leg.multiplier


def _value(leg: Leg, spot: Decimal | None, mark: float | None) -> tuple[Decimal, Decimal | None]:
    if mark is None and leg.bid is not None and leg.ask is not None and 0 <= leg.bid <= leg.ask and leg.ask > 0:
        mark = (leg.bid + leg.ask) / 2
    if mark is not None:
        if not 0 <= mark < MOST:
            raise DataError(f"{mark} USD is no value of {leg.symbol.strip()}.", remedy="Mark it at 0 or above.")
        value = Decimal(repr(float(mark))).quantize(MICRO)
        return value, value
    return Decimal(0), spot if leg.right is Right.CALL else leg.strike
