"""The amounts: what each way of holding options and shares together is charged, USD per share of the underlying.

FINRA Rule 4210(f)(2) and Cboe Rule 10.3, in the words of the Cboe Margin Manual. Long options are paid for in full,
those with more than nine months left too, though the rule would lend a quarter on them. Their value is no part of the
amounts.
"""

from collections.abc import Sequence
from decimal import Decimal

from portfolio.margin.lots import Lot
from portfolio.margin.rates import (
    COLLARED,
    HEDGED,
    LONG_MAINTENANCE,
    PENNY_LEAST,
    PENNY_PRICE,
    SHARES_INITIAL,
    SHORT_LEAST,
    SHORT_MAINTENANCE,
    Basis,
    OptionRates,
)

ZERO = Decimal(0)


def out_of_the_money(lot: Lot, spot: Decimal) -> Decimal:
    """How far the strike lies beyond `spot`; 0 in the money."""
    return max(lot.strike - spot if lot.is_call else spot - lot.strike, ZERO)


def uncovered(lot: Lot, rates: OptionRates) -> Decimal | None:
    """Beside its own value, what a bare short option is charged: the larger of a share of the underlying less what it
    is out of the money, and the minimum share of the underlying (call) or of the strike (put).

    Without a spot a put is charged the most that formula gives at any price: its share of the strike. A call then has
    no bound: None.
    """
    if lot.spot is None:
        return None if lot.is_call else rates.uncovered * lot.strike
    floor = lot.spot if lot.is_call else lot.strike
    return max(rates.uncovered * lot.spot - out_of_the_money(lot, lot.spot), rates.minimum * floor)


def uncovered_pair(call: Lot, put: Lot, rates: OptionRates) -> Decimal | None:
    """What a bare short call and put are charged together, their own values included: the requirement of the side
    where it is greater, and the other side's value. None where a value or charge has no bound.
    """
    sides = [(lot.high, uncovered(lot, rates)) for lot in (call, put)]
    known = [(value, charge) for value, charge in sides if value is not None and charge is not None]
    if len(known) < len(sides):
        return None
    values = sum((value for value, _ in known), ZERO)
    if any(lot.low != lot.high for lot in (call, put)):  # either side may be the greater one
        return values + max(charge for _, charge in known)
    return values + max(known, key=lambda side: side[0] + side[1])[1]


def loss_at(price: Decimal, contracts: Sequence[tuple[Lot, int]]) -> Decimal:
    """USD that `contracts` (signed) would pay out if all were exercised at `price`; negative where they receive."""
    return -sum((lot.intrinsic(price) * count * lot.multiplier for lot, count in contracts), ZERO)


def worst_price(contracts: Sequence[tuple[Lot, int]]) -> tuple[Decimal, Decimal]:
    """Strike at which a spread pays out most, and that amount, USD, 0 at least: its maximum potential loss.

    As many options are long as short in each right, so the payout is flat beyond the outer strikes.
    """
    strikes = sorted({lot.strike for lot, _ in contracts})
    losses = [(max(loss_at(strike, contracts), ZERO), -strike) for strike in strikes]
    loss, strike = max(losses)
    return -strike, loss


def shares_alone(spot: Decimal, *, long: bool, basis: Basis) -> Decimal:
    """Charge on a share held, or sold short beside the sale's proceeds, which stay: Regulation T § 220.12, Rule
    4210(c).
    """
    if long:
        return spot * (SHARES_INITIAL if basis == "initial" else LONG_MAINTENANCE)
    below = spot < PENNY_PRICE
    maintenance = max(spot, PENNY_LEAST) if below else max(SHORT_MAINTENANCE * spot, SHORT_LEAST)
    return max(SHARES_INITIAL * spot, maintenance) if basis == "initial" else maintenance


def covered(lot: Lot, spot: Decimal, *, basis: Basis) -> Decimal:
    """Charge on a share and the short option it covers: nothing for the option, but the shares count for no
    more than a call's strike, and shares sold short for no less than a put's: what it is in the money is added.
    """
    inside = lot.intrinsic(spot)
    return inside + shares_alone(spot, long=lot.is_call, basis=basis)


def insured(lot: Lot, spot: Decimal) -> Decimal:
    """Maintenance of a share and the long option that protects it: the lesser of the share's own, and a tenth of
    the strike and what it is out of the money.
    """
    alone = shares_alone(spot, long=not lot.is_call, basis="maintenance")
    return min(HEDGED * lot.strike + out_of_the_money(lot, spot), alone)


def collared(put: Lot, call: Lot, spot: Decimal) -> Decimal:
    """Maintenance of a share held with a long put and a short call that expire together: a tenth of the strike where
    they share it (conversion); else the lesser of a tenth of the put's strike and what the put is out of the money,
    and a quarter of the call's strike. What the call is in the money is added.
    """
    inside = call.intrinsic(spot)
    if put.strike == call.strike:
        return HEDGED * put.strike + inside
    return min(HEDGED * put.strike + out_of_the_money(put, spot), COLLARED * call.strike) + inside


def reversed_forward(put: Lot, spot: Decimal) -> Decimal:
    """Maintenance of a share sold short with a long call and a short put of one strike and expiry: a tenth of the
    strike, and what the put is in the money.
    """
    return HEDGED * put.strike + put.intrinsic(spot)
