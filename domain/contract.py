"""One option contract and its OCC symbol."""

import re
from datetime import date
from decimal import Decimal
from enum import StrEnum

from domain.errors import DataError
from domain.record import Record

SHARES_PER_CONTRACT = 100  # or index units: what a standard contract delivers


class Right(StrEnum):
    """Call or put."""

    CALL = "call"
    PUT = "put"


class Settlement(StrEnum):
    """When the final value is fixed: at the close (PM) or the opening (AM) of the last day."""

    AM = "AM"
    PM = "PM"


_OCC = re.compile(r"(?P<root>[A-Z0-9.]{1,6})\s*(?P<ymd>\d{6})(?P<right>[CP])(?P<strike>\d{8})")


def occ_symbol(root: str, expiry: date, right: Right, strike: Decimal | float) -> str:
    """OCC symbol: root padded to six, YYMMDD, C or P, strike × 1000 in eight digits."""
    thousandths = Decimal(repr(strike) if isinstance(strike, float) else strike) * 1000
    if thousandths != thousandths.to_integral_value() or not 0 < thousandths < 100_000_000:
        raise DataError(f"Strike {strike} of {root} cannot be written in an OCC symbol.")
    return f"{root:<6}{expiry:%y%m%d}{right.value[0].upper()}{int(thousandths):08d}"


class OccParts(Record):
    """What an OCC symbol says."""

    root: str
    expiry: date
    right: Right
    strike: Decimal


def parse_occ(symbol: str) -> OccParts:
    """Read an OCC symbol, padded or not. Raises `DataError` naming the symbol."""
    found = _OCC.fullmatch(symbol.strip())
    if not found:
        raise DataError(f"{symbol!r} is not an OCC option symbol.", remedy="Expected e.g. 'SPY   260320C00600000'.")
    ymd = found["ymd"]
    try:
        expiry = date(2000 + int(ymd[:2]), int(ymd[2:4]), int(ymd[4:]))
    except ValueError as error:
        raise DataError(f"{symbol!r} has an impossible expiry date.") from error
    return OccParts(
        root=found["root"],
        expiry=expiry,
        right=Right.CALL if found["right"] == "C" else Right.PUT,
        strike=Decimal(found["strike"]) / 1000,
    )


class Leg(Record):
    """A contract and how many of it one unit of the structure holds. Quantity > 0 is long."""

    symbol: str
    root: str
    right: Right
    strike: Decimal
    expiry: date
    settlement: Settlement
    european: bool
    multiplier: int
    quantity: int
    bid: float | None = None  # quotes at selection, USD per share; None when the leg comes from the book
    ask: float | None = None
    iv: float | None = None  # fitted or implied volatility used to value it, decimal

    @property
    def is_standard(self) -> bool:
        """Whether it delivers a hundred shares or index units; the root of an adjusted series ends in a digit."""
        return self.multiplier == SHARES_PER_CONTRACT and not self.root[-1].isdigit()
