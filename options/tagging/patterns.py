"""Every structure as a pattern, and the places of an account where it fits."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import islice, pairwise
from typing import NamedTuple

from domain.contract import Leg, Settlement
from options.strategies import PROPOSABLE
from options.strategies.recognised import Recognised, uncovered
from options.strategies.share_backed import SHARE_BACKED
from options.strategies.spreads import SPREADS
from options.strategies.structure import LegTemplate, Wings
from options.strategies.uncovered import UNCOVERED

RECOGNISED: tuple[Recognised, ...] = (*SPREADS, *SHARE_BACKED, *UNCOVERED)
"""What may be held and is never proposed."""

STRUCTURE_COST = 1_000  # of naming one structure more
SHARE_COST = 10  # of a share left alone: a hundred cost as much as a structure
UNCOVERED_COST = 20_000  # of a short contract left uncovered: covering it is worth many structures more


class Pattern(NamedTuple):
    """What makes a set of legs one unit of a structure; `uncovered` counts its bare shorts."""

    strategy: str
    family: str
    template: tuple[LegTemplate, ...]
    shares: int
    wings: Wings
    ordered: bool
    uncovered: int
    proposable: bool

    @property
    def cost(self) -> int:
        """What one unit costs an explanation."""
        return STRUCTURE_COST + UNCOVERED_COST * self.uncovered

    @property
    def saving(self) -> int:
        """What one unit saves against naming its legs, and a hundred shares, one by one."""
        alone = sum(abs(leg.quantity) * (STRUCTURE_COST + (leg.quantity < 0) * UNCOVERED_COST) for leg in self.template)
        return alone + 100 * SHARE_COST * abs(self.shares) - self.cost


class Lot(NamedTuple):
    """One contract of an account, and how many are held net (signed, never 0)."""

    leg: Leg
    quantity: int

    @property
    def lives_until(self) -> tuple[date, bool]:
        """AM-settled before PM-settled of the same day."""
        return self.leg.expiry, self.leg.settlement is Settlement.PM


class Group(NamedTuple):
    """One way to see a pattern in an account: positions in its lots, in the order of the template."""

    pattern: Pattern
    lots: tuple[int, ...]

    def shares(self, held: Sequence[Lot]) -> int:
        """Signed shares one unit takes."""
        return self.pattern.shares * held[self.lots[0]].leg.multiplier


def _patterns() -> tuple[Pattern, ...]:
    own = [Pattern(s.strategy, s.family, s.template, 0, s.wings, True, uncovered(s.template), True) for s in PROPOSABLE]
    others = [
        Pattern(r.strategy, r.family, r.template, r.shares, r.wings, r.ordered, uncovered(r.template, r.shares), False)
        for r in RECOGNISED
        if r.template and r.family != "cash_secured"  # shares alone are what is left over; cash is counted afterwards
    ]
    return tuple(sorted((*own, *others), key=lambda pattern: (-pattern.saving, pattern.strategy)))


PATTERNS: tuple[Pattern, ...] = _patterns()
"""Those that save most first."""


def groups(held: Sequence[Lot], shares: int, *, most: int) -> list[Group] | None:
    """Every group of `held`; None if there are more than `most`."""
    every = (Group(pattern, lots) for pattern in PATTERNS for lots in places(pattern, held, shares))
    found = list(islice(every, most + 1))
    return found if len(found) <= most else None


def places(pattern: Pattern, held: Sequence[Lot], shares: int) -> Iterator[tuple[int, ...]]:
    """Where at least one unit of `pattern` fits among `held` and `shares`, as positions in `held`, ascending."""
    if pattern.shares * shares < 0 or (pattern.shares and not shares):
        return
    pools = [
        [n for n, lot in enumerate(held) if lot.leg.right is leg.right and lot.quantity // leg.quantity >= 1]
        for leg in pattern.template
    ]
    for chosen in _extended(pattern, held, pools, ()):
        enough = abs(shares) >= held[chosen[0]].leg.multiplier or not pattern.shares
        if enough and _wings_fit(pattern, held, chosen):
            yield chosen


def _extended(
    pattern: Pattern, held: Sequence[Lot], pools: list[list[int]], chosen: tuple[int, ...]
) -> Iterator[tuple[int, ...]]:
    if len(chosen) == len(pattern.template):
        yield chosen
        return
    for lot in pools[len(chosen)]:
        if all(_agree(pattern, held, n, earlier, len(chosen), lot) for n, earlier in enumerate(chosen)):
            yield from _extended(pattern, held, pools, (*chosen, lot))


def _agree(pattern: Pattern, held: Sequence[Lot], n: int, first: int, m: int, second: int) -> bool:
    """Whether lots `first` and `second` may stand in the places `n` and `m` of one unit."""
    wanted, other = pattern.template[n], pattern.template[m]
    one, two = held[first], held[second]
    if one.leg.multiplier != two.leg.multiplier:
        return False
    if wanted.term == other.term:
        if one.lives_until != two.lives_until:
            return False
    elif (one.lives_until < two.lives_until) != (wanted.term == "front") or one.lives_until == two.lives_until:
        return False
    if wanted.level == other.level:
        return one.leg.strike == two.leg.strike
    if not pattern.ordered:
        return one.leg.strike != two.leg.strike
    return one.leg.strike != two.leg.strike and (one.leg.strike < two.leg.strike) == (wanted.level < other.level)


def _wings_fit(pattern: Pattern, held: Sequence[Lot], chosen: tuple[int, ...]) -> bool:
    if pattern.wings == "any":
        return True
    lower, upper = (high - low for low, high in pairwise(sorted({held[lot].leg.strike for lot in chosen})))
    return (lower == upper) == (pattern.wings == "equal")
