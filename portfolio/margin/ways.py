"""Every way in which an account could hold its options and shares: at a fixed charge a unit, or in a spread."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from portfolio.margin.lots import Lot
from portfolio.margin.rates import AccountType, Basis, OptionRates
from portfolio.margin.rules import (
    collared,
    covered,
    insured,
    reversed_forward,
    shares_alone,
    uncovered,
    uncovered_pair,
)

Way = Literal["uncovered", "uncovered_pair", "cash_secured", "shares", "covered", "insured", "collared", "reversed"]


class Holding(NamedTuple):
    """One unit: contracts of `lots` (one of each), shares (unsigned), its charge in USD without long options' value,
    and the cash it pledges.
    """

    way: Way
    lots: tuple[int, ...]
    shares: int
    charge: Decimal
    pledge: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the charges depend on beside the contracts."""

    spot: Decimal | None
    rates: OptionRates
    account: AccountType
    cash: Decimal  # that may be pledged for puts, cash accounts only


def holdings(lots: Sequence[Lot], shares: int, terms: Terms, basis: Basis) -> Iterator[Holding]:
    """Every holding at a fixed charge that this account could contain."""
    shorts = [n for n, lot in enumerate(lots) if lot.quantity < 0]
    for n in shorts:
        lot, size = lots[n], lots[n].multiplier
        if terms.account == "cash":
            if not lot.is_call:
                yield Holding("cash_secured", (n,), 0, lot.strike * size, lot.strike * size)
            continue
        charge = uncovered(lot, terms.rates)
        if charge is not None and lot.high is not None:
            yield Holding("uncovered", (n,), 0, (lot.high + charge) * size)
        for other in shorts if lot.is_call else ():
            put = lots[other]
            pair = None if put.is_call or put.deliverable != lot.deliverable else uncovered_pair(lot, put, terms.rates)
            if pair is not None:
                yield Holding("uncovered_pair", (n, other), 0, pair * size)
    if shares and terms.spot is not None:
        yield from _with_shares(lots, shares > 0, terms.spot, terms.account, basis)


def _with_shares(
    lots: Sequence[Lot], long: bool, spot: Decimal, account: AccountType, basis: Basis
) -> Iterator[Holding]:
    """Shares alone, and with the options that they cover or that protect them."""
    if account == "cash" and not long:
        return
    alone = spot if account == "cash" else shares_alone(spot, long=long, basis=basis)
    yield Holding("shares", (), 1, alone)
    own = [n for n, lot in enumerate(lots) if lot.spot is not None]
    sold = [n for n in own if lots[n].quantity < 0 and lots[n].is_call == long]
    bought = [n for n in own if lots[n].quantity > 0 and lots[n].is_call != long]
    for n in sold:
        size, inside = lots[n].multiplier, lots[n].intrinsic(spot)
        charge = alone + inside if account == "cash" else covered(lots[n], spot, basis=basis)
        yield Holding("covered", (n,), size, charge * size)
    if account == "cash" or basis == "initial":  # protection lowers nothing but the maintenance
        return
    for n in bought:
        size = lots[n].multiplier
        yield Holding("insured", (n,), size, insured(lots[n], spot) * size)
        for other in sold:
            put, call = (lots[n], lots[other]) if long else (lots[other], lots[n])
            if put.lives_until != call.lives_until or put.deliverable != call.deliverable:
                continue
            if long and put.strike <= call.strike:
                yield Holding("collared", (n, other), size, collared(put, call, spot) * size)
            if not long and put.strike == call.strike:
                yield Holding("reversed", (n, other), size, reversed_forward(put, spot) * size)


def pools(lots: Sequence[Lot], terms: Terms) -> list[list[int]]:
    """For each deliverable and each day on which shorts of it expire: those, and the long ones that live as long. In a
    cash account only European options may be spread (Regulation T § 220.8(a)(3)).
    """
    dates = sorted({(lot.lives_until, lot.deliverable) for lot in lots if lot.quantity < 0})
    found = []
    for until, deliverable in dates:
        if terms.account == "cash" and not deliverable[2]:
            continue
        same = [n for n, lot in enumerate(lots) if lot.deliverable == deliverable]
        shorts = [n for n in same if lots[n].quantity < 0 and lots[n].lives_until == until]
        longs = [n for n in same if lots[n].quantity > 0 and lots[n].lives_until >= until]
        rights = {lots[n].is_call for n in shorts} & {lots[n].is_call for n in longs}
        if rights:
            found.append([n for n in (*shorts, *longs) if lots[n].is_call in rights])
    return found
