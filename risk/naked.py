"""No naked short option: what covers what, and in which order legs may trade so that no moment lacks cover.

A short option is covered by a long one of the same right, root and multiplier that lives at least as long; an
AM-settled contract ends before a PM-settled one of its day. Each long covers one short; calls never cover puts. An
adjusted deliverable (its own root, such as SPY1, or a multiplier other than 100) covers nothing and nothing covers it:
what it delivers is not known here. Long shares cover calls, a hundred each; short shares cover nothing.

The claim about orders, for every prefix of leg fills. A combination sent as one order fills in whole units: after any
number of them nothing is uncovered, because cover is kept by scaling. Legged instead, in the order of `fill_sequence`,
nothing is uncovered after any prefix, whatever part of a leg filled last and wherever it stopped: buying never uncovers
anything, so the buys are safe; a sale leaves more longs, or fewer shorts, than the sales still to come do, so the last
moment is the worst of them. Hence the order is safe if its end is, and `worst_moment` measures all of it.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from domain.contract import SHARES_PER_CONTRACT, Leg, Right, Settlement


class Trade(NamedTuple):
    """`quantity` signed contracts of one option, held or to be traded; > 0 is long, or bought."""

    leg: Leg
    quantity: int


def uncovered(held: Iterable[Trade], *, shares: int = 0) -> int:
    """Short contracts that nothing covers. `held` are options of one underlying, `shares` its shares, signed.

    Covers nest in time: what covers a short also covers every one that ends sooner. So the best assignment leaves as
    many uncovered as the shorts outnumber the longs that live from some day on, on the worst such day (Hall 1935).
    """
    net = _net(held)
    naked = sum(max(0, -quantity) for leg, quantity in net if not leg.is_standard)
    standard = [trade for trade in net if trade.leg.is_standard]
    roots = sorted({leg.root for leg, _ in standard})
    calls = sum(_deficit(standard, root, Right.CALL) for root in roots)
    puts = sum(_deficit(standard, root, Right.PUT) for root in roots)
    return naked + puts + max(0, calls - max(0, shares) // SHARES_PER_CONTRACT)


def uncovered_words(held: Iterable[Trade]) -> str:
    """Which short contracts `uncovered` counts, in words; "no short option is uncovered" if it counts none."""
    net = _net(held)
    found = [_left_open(-quantity, [leg]) for leg, quantity in net if quantity < 0 and not leg.is_standard]
    standard = [trade for trade in net if trade.leg.is_standard]
    for root, right in sorted({(leg.root, leg.right) for leg, _ in standard}):
        same = [trade for trade in standard if (trade.leg.root, trade.leg.right) == (root, right)]
        days = [_ends(leg) for leg, _ in same]
        naked, day = max((-sum(quantity for leg, quantity in same if _ends(leg) >= day), day) for day in days)
        if naked > 0:
            found.append(_left_open(naked, [leg for leg, quantity in same if quantity < 0 and _ends(leg) >= day]))
    return "; ".join(found) or "no short option is uncovered"


def fill_sequence(legs: Iterable[Leg], units: int = 1) -> tuple[Trade, ...]:
    """`units` of the structure leg by leg: every buy before any sale, by symbol. Opening, the longs come first;
    closing, the shorts are bought back first.
    """
    trades = [Trade(leg, leg.quantity * units) for leg in legs]
    return tuple(sorted(trades, key=lambda trade: (trade.quantity < 0, trade.leg.symbol)))


def worst_moment(held: Sequence[Trade], sequence: Sequence[Trade], *, shares: int = 0) -> int:
    """Most short contracts uncovered at any moment while `sequence` trades on top of `held`, its start included.

    A leg moves one way while it fills, so whatever part of it has filled, one of its two ends is at least as bad.
    """
    moments = (uncovered((*held, *sequence[:done]), shares=shares) for done in range(len(sequence) + 1))
    return max(moments)


def only_reduces(held: Iterable[Trade], trades: Iterable[Trade]) -> bool:
    """Whether `trades` bring every contract nearer to zero without passing it."""
    owned = {leg.symbol: quantity for leg, quantity in _net(held)}
    return all(
        owned.get(leg.symbol, 0) * quantity < 0 and abs(quantity) <= abs(owned[leg.symbol])
        for leg, quantity in _net(trades)
    )


def _net(trades: Iterable[Trade]) -> list[Trade]:
    """One entry a contract, flat ones left out."""
    total: dict[str, Trade] = {}
    for leg, quantity in trades:
        before = total.get(leg.symbol, Trade(leg, 0))
        total[leg.symbol] = Trade(leg, before.quantity + quantity)
    return [trade for trade in total.values() if trade.quantity]


def _left_open(naked: int, shorts: Sequence[Leg]) -> str:
    """So many of `shorts`, which are of one root and right."""
    right, strikes = shorts[0].right.value, sorted({leg.strike for leg in shorts})
    named = ", ".join(f"{float(strike):g}" for strike in strikes)
    verb = "is" if naked == 1 else "are"
    if len(strikes) > 1:
        return f"{naked} of the short {right}s {named} {verb} not covered"
    return f"{naked} short {right}{'' if naked == 1 else 's'} {named} {verb} not covered"


def _deficit(standard: Sequence[Trade], root: str, right: Right) -> int:
    same = [(_ends(leg), quantity) for leg, quantity in standard if (leg.root, leg.right) == (root, right)]
    outnumbered = [-sum(quantity for ends, quantity in same if ends >= day) for day, _ in same]
    return max([0, *outnumbered])


def _ends(leg: Leg) -> tuple[date, bool]:
    return leg.expiry, leg.settlement is Settlement.PM
