"""The matching in words: each structure with its rule, its amount and how that comes about."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from domain.contract import Leg
from domain.record import Record
from options.strategies.structure import MarginRule
from portfolio.margin.lots import Lot
from portfolio.margin.matching import Matching, Spread
from portfolio.margin.rules import out_of_the_money, uncovered, worst_price
from portfolio.margin.ways import Holding, Terms

RULES: Mapping[str, MarginRule] = {
    "uncovered": "uncovered",
    "uncovered_pair": "uncovered_pair",
    "cash_secured": "cash_secured",
    "shares": "shares",
    "covered": "shares",
    "insured": "shares",
    "collared": "shares",
    "reversed": "shares",
}


class Margined(Record):
    """`units` of one structure as the account is charged for it. `legs` and `shares` (signed) are those of one unit.

    `amount` is USD for all units, what must be deposited before the premium of short options is counted towards it;
    `arithmetic` shows it for one unit. `rule` is a key of `options.strategies.MARGIN_RULES`, which says it in full.
    """

    strategy: str
    rule: MarginRule
    units: int
    legs: tuple[Leg, ...]
    shares: int
    amount: Decimal
    arithmetic: str


def structures(
    lots: Sequence[Lot], legs: Mapping[str, Leg], matching: Matching, *, long_shares: bool, terms: Terms
) -> tuple[Margined, ...]:
    """Every structure of `matching`; their amounts add up to the account's requirement, before it is rounded."""
    found = [_held(lots, legs, holding, units, long_shares, terms) for holding, units in matching.holdings]
    found += [part for spread in matching.spreads for part in _spread(lots, legs, spread)]
    found += [_alone(lots[n], legs, count) for n, count in matching.alone]
    return tuple(sorted(found, key=lambda part: (part.strategy, [leg.symbol for leg in part.legs])))


def _held(
    lots: Sequence[Lot], legs: Mapping[str, Leg], holding: Holding, units: int, long_shares: bool, terms: Terms
) -> Margined:
    own = [lots[n] for n in holding.lots]
    bought = sum((_value(lot) for lot in own if lot.quantity > 0), Decimal(0))
    amount = holding.charge + bought
    paid = f" + {bought:,.2f} for the long option" if bought else ""
    return Margined(
        strategy=_name(holding, own, long_shares),
        rule=RULES[holding.way],
        units=units,
        legs=tuple(_leg(legs, lot, 1 if lot.quantity > 0 else -1) for lot in own),
        shares=holding.shares if long_shares else -holding.shares,
        amount=amount * units,
        arithmetic=f"{_charge(holding, own, terms)}{paid} = {amount:,.2f} USD",
    )


def _name(holding: Holding, own: Sequence[Lot], long_shares: bool) -> str:
    match holding.way:
        case "uncovered":
            return "short_call" if own[0].is_call else "short_put"
        case "uncovered_pair":
            call, put = own
            if call.strike == put.strike:
                return "short_straddle"
            return "short_strangle" if call.strike > put.strike else "short_guts"
        case "cash_secured":
            return "cash_secured_put"
        case "shares":
            return "long_shares" if long_shares else "short_shares"
        case "covered":
            return "covered_call" if long_shares else "covered_put"
        case "insured":
            return "protective_put" if long_shares else "protective_call"
        case "collared":
            return "conversion" if own[0].strike == own[1].strike else "collar"
        case _:
            return "reversal"


def _charge(holding: Holding, own: Sequence[Lot], terms: Terms) -> str:
    """How the charge of one unit comes about, without what its long option costs."""
    match holding.way:
        case "uncovered":
            return f"({_short(own[0], terms)}) × {own[0].multiplier}"
        case "uncovered_pair":
            sides = "; ".join(_short(lot, terms) for lot in own)
            return f"the greater side of [{sides}] and the other's premium, × {own[0].multiplier}"
        case "cash_secured":
            return f"strike {_plain(own[0].strike)} × {own[0].multiplier} in cash"
        case "shares":
            return f"{holding.charge:,.2f} on a share at {_plain(terms.spot)}"
        case "covered":
            inside = own[0].intrinsic(terms.spot or Decimal(0))
            alone = holding.charge / holding.shares - inside
            return f"({alone:,.2f} on a share at {_plain(terms.spot)} + {inside:,.2f} in the money) × {holding.shares}"
        case _:
            protection = ", ".join(f"{'call' if lot.is_call else 'put'} {_plain(lot.strike)}" for lot in own)
            each = holding.charge / holding.shares
            return f"{each:,.2f} on a share at {_plain(terms.spot)} hedged by {protection}, × {holding.shares}"


def _short(lot: Lot, terms: Terms) -> str:
    """One bare short option, a share."""
    premium = _plain(lot.high)
    rate, least = f"{terms.rates.uncovered:.0%}", f"{terms.rates.minimum:.0%}"
    if lot.spot is None:
        return f"{premium} premium + {rate} of strike {_plain(lot.strike)}, the most at any price"
    floor = _plain(lot.spot) if lot.is_call else f"strike {_plain(lot.strike)}"
    away, charge = _plain(out_of_the_money(lot, lot.spot)), _plain(uncovered(lot, terms.rates))
    basic = f"{rate} of {_plain(lot.spot)} − {away} out of the money"
    return f"{premium} premium + {charge}, the larger of {basic} and {least} of {floor}"


def _spread(lots: Sequence[Lot], legs: Mapping[str, Leg], spread: Spread) -> Iterator[Margined]:
    """A spread under the names its parts have, where those are charged as much apart; else as one."""
    from options.tagging import tag

    held = {lots[n].symbol: lots[n] for n, _ in spread.contracts}
    tags = tag([_leg(legs, lots[n], count) for n, count in spread.contracts])
    apart = [worst_price([(held[leg.symbol], leg.quantity) for leg in one.legs]) for one in tags]
    if sum(loss * one.units for (_, loss), one in zip(apart, tags, strict=True)) == spread.charge:
        for (price, loss), one in zip(apart, tags, strict=True):
            yield _charged(one.strategy, one.units, one.legs, held, price, loss)
        return
    together = tuple(_leg(legs, lots[n], count) for n, count in spread.contracts)
    yield _charged("spread", 1, together, held, spread.price, spread.charge)


def _charged(
    strategy: str, units: int, legs: tuple[Leg, ...], held: Mapping[str, Lot], price: Decimal, loss: Decimal
) -> Margined:
    paid = sum((_value(held[leg.symbol]) * leg.quantity for leg in legs if leg.quantity > 0), Decimal(0))
    return Margined(
        strategy=strategy,
        rule="strike_gap" if loss else "paid_in_full",
        units=units,
        legs=legs,
        shares=0,
        amount=(loss + paid) * units,
        arithmetic=f"{loss:,.2f} paid out at worst, with the underlying at {_plain(price)}, "
        f"+ {paid:,.2f} for the long options = {loss + paid:,.2f} USD",
    )


def _alone(lot: Lot, legs: Mapping[str, Leg], count: int) -> Margined:
    value = _value(lot)
    return Margined(
        strategy="long_call" if lot.is_call else "long_put",
        rule="paid_in_full",
        units=count,
        legs=(_leg(legs, lot, 1),),
        shares=0,
        amount=value * count,
        arithmetic=f"{_plain(lot.high)} × {lot.multiplier} = {value:,.2f} USD",
    )


def _plain(amount: Decimal | None) -> str:
    """Without zeros that say nothing."""
    return "unknown" if amount is None else f"{amount.normalize():f}"


def _leg(legs: Mapping[str, Leg], lot: Lot, quantity: int) -> Leg:
    return legs[lot.symbol].model_copy(update={"quantity": quantity})


def _value(lot: Lot) -> Decimal:
    """USD of one long contract at the most it can be worth; an unbounded one is refused before."""
    return (lot.high or Decimal(0)) * lot.multiplier
