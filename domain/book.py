"""The account: what is held, what it is worth, and as of when."""

from datetime import date
from decimal import Decimal

from domain.contract import Leg, Settlement
from domain.record import Instant, Record


class Position(Record):
    """Contracts of one option held by one structure (`order_id`); `quantity` > 0 is long."""

    order_id: str
    ticker: str
    strategy: str
    leg: Leg  # leg.quantity is the ratio per unit
    quantity: int
    average_price: Decimal  # USD per share paid (long) or received (short)
    mark: float | None  # USD per share at the book's instant; None: no usable quote
    mark_source: str


class SharePosition(Record):
    """Shares of one underlying; `quantity` > 0 is long. They come from assignment, exercise or the account itself."""

    ticker: str
    quantity: int
    average_price: Decimal  # USD per share paid (long) or received (short)
    mark: float | None  # USD per share at the book's instant; None: no usable price
    mark_source: str


class CashFlow(Record):
    """Deposit (> 0) or withdrawal (< 0); never a return."""

    at: Instant
    amount: Decimal
    note: str


class SettlementPrice(Record):
    """What contracts of `ticker` expiring on `expiry` were settled against: USD per share."""

    ticker: str
    expiry: date
    timing: Settlement
    price: Decimal
    known_at: Instant
    source: str


class Book(Record):
    """A fold over fills and cash flows, valued at one instant. `nlv` is None when a position has no mark:
    unknown value is not zero value.
    """

    as_of: Instant
    cash: Decimal
    positions: tuple[Position, ...]
    nlv: Decimal | None
    nlv_as_of: Instant | None
    realised: Decimal
    fees: Decimal
    shares: tuple[SharePosition, ...] = ()


class Baseline(Record):
    """What today's loss is measured from: the prior session's close adjusted for cash flows, or the opening NLV
    of the first session ever.
    """

    session: date
    nlv: Decimal
    source: str


class StrategyRecord(Record):
    """Live record of one strategy type: closed structures known at the snapshot."""

    strategy: str
    closed: int
    wins: int
    average_win: float  # USD per USD of worst-case loss, positive
    average_loss: float  # USD per USD of worst-case loss, positive
