"""The account's book: cash and positions, folded from what was filled, paid in and settled."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from domain.book import Book, CashFlow, Position, SettlementPrice, SharePosition
from domain.order import Fill, StagedOrder
from domain.units import dollars
from portfolio.ledger import Holding, Structure, as_decimal, is_expired, ledger

UNVALUED = "not valued yet"
UNSETTLED = "expired; settlement price not known"
SIX_PLACES = Decimal("0.000001")


def fold(
    fills: Iterable[Fill],
    cash_flows: Iterable[CashFlow],
    orders: Iterable[StagedOrder],
    *,
    starting_cash: Decimal,
    as_of: datetime,
    settlements: Iterable[SettlementPrice] = (),
    shares: Iterable[SharePosition] = (),
) -> Book:
    """The book at `as_of`, not yet valued: nothing later than `as_of` counts. Raises as `portfolio.ledger.ledger`.

    Cash is exact; `realised` (before fees) is rounded to the cent once, at the end. `cash = starting_cash + flows +
    realised − fees − cost of what is held` holds before that rounding. Contracts exercised at expiry are taken as
    settled in cash at intrinsic value, also those that deliver shares. `shares` are what the account holds of them at
    `as_of`, paid for already: no fill tells of them.
    """
    return book_of(
        ledger(fills, orders, as_of=as_of, settlements=settlements),
        cash_flows,
        starting_cash=starting_cash,
        as_of=as_of,
        shares=shares,
    )


def book_of(
    structures: dict[str, Structure],
    cash_flows: Iterable[CashFlow],
    *,
    starting_cash: Decimal,
    as_of: datetime,
    shares: Iterable[SharePosition] = (),
) -> Book:
    """`fold` for a ledger that is at hand already."""
    paid_in = sum((flow.amount for flow in cash_flows if flow.at <= as_of), Decimal(0))
    held = structures.values()
    return Book(
        as_of=as_of,
        cash=starting_cash + paid_in + sum((structure.cash for structure in held), Decimal(0)),
        positions=tuple(
            _position(structure, holding, as_of) for structure in held for holding in structure.open_holdings
        ),
        nlv=None,
        nlv_as_of=None,
        realised=dollars(as_decimal(sum((structure.realised for structure in held), start=Fraction(0)))),
        fees=sum((structure.fees for structure in held), Decimal(0)),
        shares=tuple(sorted(shares, key=lambda position: position.ticker)),
    )


def _position(structure: Structure, holding: Holding, as_of: datetime) -> Position:
    order = structure.order
    average = as_decimal(holding.cost / (holding.quantity * holding.leg.multiplier))
    return Position(
        order_id=order.order_id,
        ticker=order.ticker,
        strategy=order.sized.candidate.strategy,
        leg=holding.leg,
        quantity=holding.quantity,
        average_price=average.quantize(SIX_PLACES),
        mark=None,
        mark_source=UNSETTLED if is_expired(holding.leg, as_of) else UNVALUED,
    )
