"""What a rule says about one position or one order, and how what several say becomes one answer.

Levels. A stop and a target are levels of **profit per unit held, in USD from entry** (one unit of a structure, one
contract, one share). Profit counts in the holder's favour, so long and short read alike: the position is left when
profit per unit is at or below the stop, or at or above the target; a stop of 0 is break-even, the tightest stop is the
highest, the nearest target the lowest. Levels do not move when part of a position is sold.

Merging (`merge`), which is associative, commutative and idempotent:
1. An exit beats every update: what leaves needs no stop.
2. Between exits the higher priority wins; at equal priority the larger fraction; then the rule's name and words.
3. Between updates the tightest stop and the nearest target win, whoever set them. The name is that of whoever set the
   stop, else the target.
4. Who does not know stays in the record: `unknown` is the union of what was missing, whoever wins.
"""

from collections.abc import Iterable
from functools import reduce
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from pydantic import Field, model_validator

from domain.record import Record

if TYPE_CHECKING:
    from domain.order import SizedCandidate
    from risk.manager.context import PortfolioFacts, RiskContext


class RiskDecision(Record):
    """One rule's word on one position. Neither exit nor update: the rule holds.

    Build it with `exit`, `levels` or `hold`; `rule` names the rule, `reason` is one clause for people with the
    numbers in it, `measured` and `limit` are those numbers where the rule compares two.
    """

    should_exit: bool = False
    exit_fraction: float = Field(default=0.0, ge=0, le=1)  # of the units held; 0 unless `should_exit`
    update_stop: float | None = None  # USD of profit per unit
    update_target: float | None = None  # USD of profit per unit
    reason: str = ""
    rule: str = ""
    measured: float | None = None
    limit: float | None = None
    priority: int = 0
    unknown: tuple[str, ...] = ()  # what the rule needed and nobody knows, ascending

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.should_exit != (self.exit_fraction > 0):
            raise ValueError("an exit leaves a fraction above 0, and nothing else does")
        if self.should_exit and self.updates:
            raise ValueError("an exit carries no stop and no target")
        return self

    @property
    def updates(self) -> bool:
        """Whether it moves a stop or a target."""
        return self.update_stop is not None or self.update_target is not None

    @property
    def silent(self) -> bool:
        """Whether there is nothing to act on and nothing missing."""
        return not (self.should_exit or self.updates or self.unknown)

    @classmethod
    def exit(
        cls,
        rule: str,
        reason: str,
        *,
        fraction: float = 1.0,
        measured: float | None = None,
        limit: float | None = None,
    ) -> Self:
        """Leave `fraction` of the units held."""
        return cls(
            should_exit=True, exit_fraction=fraction, reason=reason, rule=rule, measured=measured, limit=limit
        )  # fmt: skip

    @classmethod
    def levels(cls, rule: str, reason: str, *, stop: float | None = None, target: float | None = None) -> Self:
        """Move the stop, the target or both."""
        return cls(update_stop=stop, update_target=target, reason=reason, rule=rule)

    @classmethod
    def hold(cls, rule: str = "", reason: str = "", *, unknown: Iterable[str] = ()) -> Self:
        """Do nothing; `unknown` names the facts that were missing, and then the reason says so."""
        missing = tuple(sorted(set(unknown)))
        return cls(reason=reason or (f"{', '.join(missing)} unknown" if missing else ""), rule=rule, unknown=missing)


HOLD = RiskDecision()


@runtime_checkable
class RiskRule(Protocol):
    """A rule about open positions: pure, a function of the context alone.

    What it needs and the context does not know (`None`) it never guesses: it returns
    `RiskDecision.hold(rule, unknown=["atr"])`.
    """

    def evaluate(self, context: "RiskContext") -> RiskDecision:
        """Its word on the position that `context` describes."""
        ...


class OrderVerdict(Record):
    """What becomes of an opening order: `units` of the `asked` ones, 0 if refused; never more than asked."""

    units: int = Field(ge=0)
    asked: int = Field(ge=0)
    reason: str = ""
    rule: str = ""
    measured: float | None = None
    limit: float | None = None

    @model_validator(mode="after")
    def _never_enlarges(self) -> Self:
        if self.units > self.asked:
            raise ValueError(f"a rule may shrink an order, never enlarge it: {self.units} of {self.asked}")
        return self

    @property
    def refused(self) -> bool:
        """Whether nothing is left."""
        return self.units == 0


@runtime_checkable
class OrderRule(Protocol):
    """A rule about opening orders: pure; where a figure it limits is unknown and unbounded, it refuses."""

    def admit(self, order: "SizedCandidate", portfolio: "PortfolioFacts") -> OrderVerdict:
        """How many of the order's units may be opened beside `portfolio`."""
        ...


def merge(decisions: Iterable[RiskDecision]) -> RiskDecision:
    """One answer from many, by the rules at the top of this page; `HOLD` from none."""
    found = tuple(decisions)
    return reduce(_merged, found) if found else HOLD


def _merged(left: RiskDecision, right: RiskDecision) -> RiskDecision:
    both = (left, right)
    changes: dict[str, object] = {"unknown": tuple(sorted({*left.unknown, *right.unknown}))}
    if exits := [decision for decision in both if decision.should_exit]:
        winner = min(exits, key=_exit_order)
    elif updates := [decision for decision in both if decision.updates]:
        winner = min(updates, key=_level_order)
        changes["update_stop"] = max(_given(left.update_stop, right.update_stop), default=None)
        changes["update_target"] = min(_given(left.update_target, right.update_target), default=None)
    else:
        winner = min(both, key=_hold_order)
    return winner.model_copy(update=changes)


def _exit_order(decision: RiskDecision) -> tuple[object, ...]:
    return (-decision.priority, -decision.exit_fraction, *_name(decision))


def _level_order(decision: RiskDecision) -> tuple[object, ...]:
    """Who names a merged update: the tightest stop; among those without a stop the nearest target."""
    if decision.update_stop is not None:
        return (0, -decision.update_stop, *_name(decision))
    return (1, decision.update_target, *_name(decision))


def _hold_order(decision: RiskDecision) -> tuple[object, ...]:
    """Of two that hold, the one with something to say."""
    return (not decision.reason, not decision.rule, *_name(decision))


def _name(decision: RiskDecision) -> tuple[object, ...]:
    numbers = ((value is None, value or 0.0) for value in (decision.measured, decision.limit))
    return (decision.rule, decision.reason, -decision.priority, *numbers)


def _given(*levels: float | None) -> list[float]:
    return [level for level in levels if level is not None]
