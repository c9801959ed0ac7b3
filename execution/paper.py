"""A broker of paper: fills against quotes by a stated rule, immediately or not at all."""

from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import numpy as np

from domain.contract import Leg
from domain.errors import Refused
from domain.market import Chain
from domain.order import Fill, LegFill, StagedOrder
from execution.settings import PaperSettings

TICK = Decimal("0.0001")  # a combination's leg prices are averages and may lie between cents


class PaperBroker:
    """`domain.ports.Broker`. Every leg fills at its mid plus a fraction of its half-spread, to the desk's cost, all
    legs together; the fees are per contract. Nothing fills when that comes to less than the order accepts. A closing
    order gives a leg that nobody bids for away, for nothing: else worthless wings would keep a structure open.
    """

    name = "paper"

    def __init__(self, settings: PaperSettings) -> None:
        self._settings = settings
        self._answers: dict[str, tuple[Fill, ...]] = {}

    async def submit(self, order: StagedOrder, *, key: str, at: datetime, quotes: Chain) -> tuple[Fill, ...]:
        """See the port. Raises `Refused` where a quote cannot be trusted: `stale_quotes`, `future_quotes`,
        `wrong_chain`, `not_quoted`, `unusable_quote`, `wrong_contract`.
        """
        if key not in self._answers:
            self._answers[key] = fill(order, key=key, at=at, quotes=quotes, settings=self._settings)
        return self._answers[key]

    async def withdraw(self, order: StagedOrder, *, key: str, at: datetime) -> tuple[Fill, ...]:
        """See the port. Nothing rests here: an order has filled at once, or there is nothing to withdraw."""
        return self._answers.get(key, ())


def fill(order: StagedOrder, *, key: str, at: datetime, quotes: Chain, settings: PaperSettings) -> tuple[Fill, ...]:
    """One fill, or none when the market is worse than `least_accepted` or shows no size. Raises as `submit`."""
    _require_fresh(order, quotes, at, settings)
    legs = order.sized.candidate.legs
    rows = [_row(leg, quotes) for leg in legs]
    closing = order.sized.candidate.intent == "close"
    prices = [
        _price(leg, quotes, row, settings.half_spread_fraction, given_away=closing)
        for leg, row in zip(legs, rows, strict=True)
    ]
    net = -sum((price * leg.quantity for leg, price in zip(legs, prices, strict=True)), Decimal(0))
    units = order.units
    if settings.limited_by_size:
        units = min([units, *(_available(leg, quotes, row) for leg, row in zip(legs, rows, strict=True))])
    if net < least_accepted(order) or units < 1:
        return ()
    fees = settings.fee_per_contract * sum(abs(leg.quantity) for leg in legs) * units
    when = f"{quotes.as_of:%Y-%m-%d %H:%M}Z"
    parts = tuple(
        LegFill(symbol=leg.symbol, quantity=leg.quantity * units, price=price)
        for leg, price in zip(legs, prices, strict=True)
    )
    premium = -sum((p.price * p.quantity * leg.multiplier for leg, p in zip(legs, parts, strict=True)), Decimal(0))
    return (
        Fill(
            fill_id=f"{key}/1",
            order_id=order.order_id,
            at=at,
            units=units,
            legs=parts,
            fees=fees,
            cash=premium - fees,
            rule=f"mid, less {settings.half_spread_fraction:g} of the half-spread on quotes of {when}",
        ),
    )


def least_accepted(order: StagedOrder) -> Decimal:
    """Worst net premium per share, credit positive, at which the order may fill.

    The limit it was staged with is where a working order starts; it may walk on to the candidate's worst price, at
    which maximum loss was reckoned. A limit that a person has set is final.
    """
    candidate = order.sized.candidate
    if order.limit_per_share == candidate.limit_per_share:
        return candidate.worst_per_share
    return max(order.limit_per_share, candidate.worst_per_share)


def _require_fresh(order: StagedOrder, quotes: Chain, at: datetime, settings: PaperSettings) -> None:
    if quotes.ticker != order.ticker:
        raise Refused(
            f"Order {order.order_id} is on {order.ticker}, the quotes on {quotes.ticker}.", code="wrong_chain"
        )
    age = (at - quotes.as_of).total_seconds() / 60
    if age < 0:
        raise Refused(f"The quotes of {quotes.ticker} are {-age:.0f} minutes in the future.", code="future_quotes")
    if age > settings.max_quote_age_minutes:
        raise Refused(
            f"The quotes of {quotes.ticker} are {age:.0f} minutes old.",
            code="stale_quotes",
            measured=age,
            limit=settings.max_quote_age_minutes,
            remedy="Approve again during the session.",
        )


def _row(leg: Leg, quotes: Chain) -> int:
    found = np.flatnonzero(quotes.symbol == leg.symbol)
    if len(found) != 1:
        raise Refused(f"{leg.symbol} is quoted {len(found)} times.", code="not_quoted", measured=len(found), limit=1)
    row = int(found[0])
    if not quotes.standard[row] or quotes.multiplier[row] != leg.multiplier:
        raise Refused(
            f"{leg.symbol} delivers {quotes.multiplier[row]:g} shares or something else; the order counts on "
            f"{leg.multiplier}.",
            code="wrong_contract",
        )
    return row


def _price(leg: Leg, quotes: Chain, row: int, fraction: float, *, given_away: bool) -> Decimal:
    """Fill price of one leg, USD per share. `given_away`: what nobody bids for is sold for nothing."""
    bid, ask = float(quotes.bid[row]), float(quotes.ask[row])
    if not (np.isfinite(bid) and np.isfinite(ask) and 0 <= bid <= ask and ask > 0):
        raise Refused(f"{leg.symbol} has no usable quote (bid {bid:g}, ask {ask:g}).", code="unusable_quote")
    if leg.quantity < 0 and bid == 0:
        if given_away:
            return Decimal(0)
        raise Refused(f"Nobody bids for {leg.symbol}.", code="unusable_quote", measured=0.0)
    low, high = Decimal(repr(bid)), Decimal(repr(ask))
    slip = (high - low) / 2 * Decimal(repr(fraction))
    if leg.quantity > 0:
        return ((low + high) / 2 + slip).quantize(TICK, rounding=ROUND_CEILING)
    return ((low + high) / 2 - slip).quantize(TICK, rounding=ROUND_FLOOR)


def _available(leg: Leg, quotes: Chain, row: int) -> int:
    """Units that the quoted size can serve; no bound where the source shows no sizes."""
    if leg.quantity < 0 and quotes.bid[row] == 0:
        return 2**31  # given away: nobody's size is needed
    size = quotes.ask_size[row] if leg.quantity > 0 else quotes.bid_size[row]
    return int(size // abs(leg.quantity)) if np.isfinite(size) else 2**31
