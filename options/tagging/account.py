"""Tags: the structures that an account's contracts and shares form."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from domain.book import Position
from domain.contract import Leg
from domain.errors import DataError
from domain.record import Record
from options.tagging.explanation import Explanation, Method, explain
from options.tagging.patterns import RECOGNISED, Group, Lot


class Tagged(Record):
    """`units` of one structure. `legs` and `shares` (signed) are those of one unit, without quotes. `method` says
    whether the explanation it belongs to is proven the cheapest, or found greedily because the account is too large.
    """

    strategy: str
    family: str
    root: str
    units: int
    legs: tuple[Leg, ...]
    shares: int
    uncovered: int  # short contracts of one unit that nothing covers
    proposable: bool
    method: Method


def tag(legs: Iterable[Leg], *, shares: Mapping[str, int] | None = None, cash: float = 0.0) -> tuple[Tagged, ...]:
    """Explain contracts (`quantity` = signed contracts held, fills of one contract may be split) and `shares` by root.

    Contracts are netted by symbol, as a clearing house does. Every net contract and share is explained exactly once,
    by the cheapest set of structures (`options.tagging.explanation`), each root apart. Naked puts whose strikes `cash`
    (USD) can pay are cash-secured, earliest expiry and lowest strike first. Sorted by root, expiry, strategy and
    symbols. Raises `DataError` where one symbol comes with different terms.
    """
    stock = {root: count for root, count in (shares or {}).items() if count}
    lots = _netted(legs)
    found: list[Tagged] = []
    for root in sorted({lot.leg.root for lot in lots} | stock.keys()):
        own = [lot for lot in lots if lot.leg.root == root]
        found += _tags(root, own, explain(own, stock.get(root, 0)))
    return _cash_secured(sorted(found, key=_order), cash)


def tag_positions(
    positions: Iterable[Position], *, shares: Mapping[str, int] | None = None, cash: float = 0.0
) -> tuple[Tagged, ...]:
    """`tag` for the positions of a book, whichever order opened them."""
    held = [position.leg.model_copy(update={"quantity": position.quantity}) for position in positions]
    return tag(held, shares=shares, cash=cash)


def _netted(legs: Iterable[Leg]) -> list[Lot]:
    """One lot a symbol, sorted by life, right, strike and symbol; flat ones dropped."""
    lots = []
    bare = [leg.model_copy(update={"bid": None, "ask": None, "iv": None}) for leg in legs]
    for symbol, same in groupby(sorted(bare, key=lambda leg: leg.symbol), key=lambda leg: leg.symbol):
        parts = list(same)
        terms = {part.model_copy(update={"quantity": 0}) for part in parts}
        if len(terms) > 1:
            raise DataError(f"{symbol} is held under different terms.", remedy="Read its contract anew.")
        if total := sum(part.quantity for part in parts):
            lots.append(Lot(parts[0], total))
    return sorted(lots, key=lambda lot: (lot.lives_until, lot.leg.right, lot.leg.strike, lot.leg.symbol))


def _tags(root: str, held: Sequence[Lot], explanation: Explanation) -> list[Tagged]:
    tags = [_tagged(root, held, group, units, explanation.method) for group, units in explanation.units]
    if explanation.shares_left:
        long = explanation.shares_left > 0
        tags.append(
            Tagged(
                strategy="long_shares" if long else "short_shares",
                family="share_backed",
                root=root,
                units=abs(explanation.shares_left),
                legs=(),
                shares=1 if long else -1,
                uncovered=0 if long else 1,
                proposable=False,
                method=explanation.method,
            )
        )
    return tags


def _tagged(root: str, held: Sequence[Lot], group: Group, units: int, method: Method) -> Tagged:
    pattern = group.pattern
    return Tagged(
        strategy=pattern.strategy,
        family=pattern.family,
        root=root,
        units=units,
        legs=tuple(
            held[lot].leg.model_copy(update={"quantity": leg.quantity})
            for lot, leg in zip(group.lots, pattern.template, strict=True)
        ),
        shares=group.shares(held),
        uncovered=pattern.uncovered,
        proposable=pattern.proposable,
        method=method,
    )


def _cash_secured(tags: Sequence[Tagged], cash: float) -> tuple[Tagged, ...]:
    """Naked puts paid for by what is left of `cash` change their name; a part of the units may."""
    secured = next(item for item in RECOGNISED if item.family == "cash_secured")
    result = []
    for each in tags:
        need = float(each.legs[0].strike) * each.legs[0].multiplier if each.strategy == "short_put" else float("inf")
        paid = min(each.units, int(max(cash, 0.0) // need))
        cash -= paid * need if paid else 0.0
        if paid:
            named = {"strategy": secured.strategy, "family": secured.family, "units": paid, "uncovered": 0}
            result.append(each.model_copy(update=named))
        if paid < each.units:
            result.append(each.model_copy(update={"units": each.units - paid}))
    return tuple(result)


def _order(each: Tagged) -> tuple[str, str, str, tuple[str, ...]]:
    first = min((leg.expiry.isoformat() for leg in each.legs), default="")
    return each.root, first, each.strategy, tuple(leg.symbol for leg in each.legs)
