"""Rules made of rules: they must all agree, any may speak, the first that speaks decides, one weighs more.

Composites are rules like any other: records in YAML, values in Python (`any_of(StopLoss(...), MyOwn())`), nested at
will. None of them depends on the order of its parts except `first_of`, whose order is its meaning.
"""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domain.record import Record
from risk.manager.context import RiskContext
from risk.manager.decision import HOLD, RiskDecision, RiskRule, merge

if TYPE_CHECKING:  # at run time the name is given by `risk.manager.rule_sets`, which knows every rule
    from risk.manager.decision import RiskRule as AnyRule


class AnyOf(Record):
    """Whoever speaks is heard: the merge of all answers (see `risk.manager.decision`)."""

    rule: Literal["any_of"] = "any_of"
    of: tuple["AnyRule", ...] = Field(min_length=1)

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """The merged answer."""
        return merge(part.evaluate(context) for part in self.of)


class AllOf(Record):
    """Only what all agree on: an exit of the smallest fraction if every part exits; else a stop or target that every
    part moves, at the loosest. One part that does not know is not agreement.
    """

    rule: Literal["all_of"] = "all_of"
    of: tuple["AnyRule", ...] = Field(min_length=1)

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """What all parts agree on; holds otherwise, and says what was not known."""
        parts = [part.evaluate(context) for part in self.of]
        unknown = {name for part in parts for name in part.unknown}
        reason = " and ".join(sorted({part.reason for part in parts if part.reason}))
        if unknown:
            return RiskDecision.hold("all_of", unknown=unknown)
        if all(part.should_exit for part in parts):
            return RiskDecision.exit("all_of", reason, fraction=min(part.exit_fraction for part in parts))
        if any(part.should_exit for part in parts):
            return HOLD
        stops = [part.update_stop for part in parts if part.update_stop is not None]
        targets = [part.update_target for part in parts if part.update_target is not None]
        stop = min(stops) if len(stops) == len(parts) else None
        target = max(targets) if len(targets) == len(parts) else None
        return (
            HOLD if stop is None and target is None else RiskDecision.levels("all_of", reason, stop=stop, target=target)
        )


class FirstOf(Record):
    """The first part with an exit or an update decides alone; what those before it did not know stays on record."""

    rule: Literal["first_of"] = "first_of"
    of: tuple["AnyRule", ...] = Field(min_length=1)

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """The answer of the first that speaks."""
        passed: list[RiskDecision] = []
        for part in self.of:
            decision = part.evaluate(context)
            passed.append(decision)
            if decision.should_exit or decision.updates:
                break
        return merge(passed)


class Prioritised(Record):
    """A rule whose exits win over those of lower priority, whatever the fraction."""

    rule: Literal["priority"] = "priority"
    priority: int
    of: "AnyRule"

    def evaluate(self, context: RiskContext) -> RiskDecision:
        """The rule's answer, with the priority."""
        return self.of.evaluate(context).model_copy(update={"priority": self.priority})


def any_of(*rules: RiskRule) -> AnyOf:
    """Whoever of `rules` speaks is heard."""
    return AnyOf.model_construct(of=_rules(rules))


def all_of(*rules: RiskRule) -> AllOf:
    """Only what all `rules` agree on."""
    return AllOf.model_construct(of=_rules(rules))


def first_of(*rules: RiskRule) -> FirstOf:
    """The first of `rules` that speaks."""
    return FirstOf.model_construct(of=_rules(rules))


def prioritised(rule: RiskRule, priority: int) -> Prioritised:
    """`rule`, its exits winning over those of lower `priority`."""
    return Prioritised.model_construct(of=_rules((rule,))[0], priority=priority)


def _rules(given: tuple[RiskRule, ...]) -> tuple[RiskRule, ...]:
    """Rules of one's own are as good as the registered ones, which alone a settings file can name."""
    for rule in given:
        if isinstance(rule, type) or not isinstance(rule, RiskRule):
            raise TypeError(f"{rule!r} is no rule about positions: it has no evaluate(context).")
    if not given:
        raise TypeError("Rules are made of at least one rule.")
    return given
