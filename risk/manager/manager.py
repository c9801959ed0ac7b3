"""Asks every registered rule about every position and order, and merges the answers.

The manager decides nothing of its own but this: a kept stop or target that is reached is an exit. What it knows of
positions is a table of `Excursion`s, handed in and read back: stop the process, build it again from them, and it
continues as if nothing had happened. Without rules it says nothing, whatever it is shown.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from domain.excursion import Excursion
from domain.order import Fill, SizedCandidate, StagedOrder
from domain.record import Record
from risk.manager.composition import prioritised
from risk.manager.context import PortfolioFacts, PositionFacts, RiskContext
from risk.manager.decision import OrderRule, OrderVerdict, RiskDecision, RiskRule, merge
from risk.manager.excursion import Levels, levelled, levels_of, marked, opened, reduced


class PositionCheck(Record):
    """What became of one position in one check: the merged decision, every rule that spoke or lacked something, and
    the levels from here on (USD of profit per unit).
    """

    key: str
    ticker: str
    decision: RiskDecision
    said: tuple[RiskDecision, ...]
    stop: float | None
    target: float | None

    @property
    def kept_because(self) -> str:
        """Why nothing is left, in words: what moved, and what no rule could judge."""
        moved = [
            f"{name} moved to {level:+,.2f} USD a unit"
            for name, level in (("stop", self.decision.update_stop), ("target", self.decision.update_target))
            if level is not None
        ]
        if moved:
            moved[-1] += f" ({self.decision.rule}: {self.decision.reason})"
        unjudged = [f"{item.rule} not judged, {', '.join(item.unknown)} unknown" for item in self.said if item.unknown]
        return "; ".join([*(moved or ["no exit rule applies"]), *sorted(unjudged)])


class Scope(NamedTuple):
    """The strategies that a rule is for; None: all."""

    strategies: frozenset[str] | None

    def holds(self, strategy: str) -> bool:
        """Whether `strategy` is among them."""
        return self.strategies is None or strategy in self.strategies


class RiskManager:
    """Rules about positions and orders. `excursions` is what earlier ticks and fills left.

    The order of registration never shows; between exits only `priority` counts.
    """

    def __init__(self, rules: Iterable[RiskRule | OrderRule] = (), *, excursions: Iterable[Excursion] = ()) -> None:
        self._position_rules: list[tuple[Scope, RiskRule]] = []
        self._order_rules: list[tuple[Scope, OrderRule]] = []
        self._by_strategy: dict[str, tuple[RiskRule, ...]] = {}
        self._excursions = {excursion.order_id: excursion for excursion in excursions}
        for rule in rules:
            self.register_rule(rule)

    @property
    def excursions(self) -> tuple[Excursion, ...]:
        """The whole state, by order id."""
        return tuple(self._excursions[order_id] for order_id in sorted(self._excursions))

    @property
    def watches(self) -> bool:
        """Whether any rule looks after positions: else no picture of them need be made."""
        return bool(self._position_rules)

    @property
    def judges(self) -> bool:
        """Whether any rule judges opening orders."""
        return bool(self._order_rules)

    def register_rule(
        self, rule: RiskRule | OrderRule, *, priority: int = 0, strategies: Iterable[str] | None = None
    ) -> None:
        """Ask `rule` from now on: about positions if it has `evaluate`, about opening orders if it has `admit`; only of
        `strategies`, if given. Raises `TypeError` for what has neither, and for a priority of a rule that speaks of
        orders only: there the smallest size wins.
        """
        if isinstance(rule, type) or not isinstance(rule, RiskRule | OrderRule):
            raise TypeError(f"{rule!r} is no rule: it has neither evaluate(context) nor admit(order, portfolio).")
        scope = Scope(None if strategies is None else frozenset(strategies))
        if isinstance(rule, RiskRule):
            self._position_rules.append((scope, prioritised(rule, priority) if priority else rule))
            self._by_strategy.clear()
        elif priority:
            raise TypeError(f"{rule!r} speaks of orders only: there the smallest size wins, a priority has no say.")
        if isinstance(rule, OrderRule):
            self._order_rules.append((scope, rule))

    def check_position_exits(self, contexts: Iterable[RiskContext]) -> tuple[PositionCheck, ...]:
        """What to do about each position, by key, before anything is opened; levels that tightened are kept.

        An exit beats every update in the answer. A level set beside a partial exit is kept for what remains, and a
        stop or target that is reached at this very instant is a full exit, whether it was kept or set just now.
        Positions that no rule is for are left out.
        """
        found = [
            self._checked(context, rules)
            for context in contexts
            if (rules := self._rules_for(context.position.strategy))
        ]
        return tuple(sorted(found, key=lambda check: check.key))

    def validate_order(self, order: SizedCandidate, portfolio: PortfolioFacts) -> OrderVerdict:
        """The smallest size that any order rule leaves; ties go to the first name. Closing orders pass as they are."""
        whole = OrderVerdict(units=order.units, asked=order.units)
        if order.candidate.intent == "close":
            return whole
        strategy = order.candidate.strategy
        verdicts = [rule.admit(order, portfolio) for scope, rule in self._order_rules if scope.holds(strategy)]
        return min(verdicts, key=lambda said: (said.units, said.rule, said.reason), default=whole)

    def record_mark(self, order_id: str, *, at: datetime, unit_value: float, unit_profit: float) -> Excursion:
        """Take notice of what a held structure is worth, USD per unit. Raises `KeyError` for one that is not held."""
        now = marked(self._excursions[order_id], at=at, unit_value=unit_value, unit_profit=unit_profit)
        self._excursions[order_id] = now
        return now

    def record_fill(self, fill: Fill, order: StagedOrder) -> Excursion:
        """Take notice of one fill of `order`, once. Opening fills set or move the baseline, closing ones count units
        out; a structure that is flat is forgotten, and its last state returned. Raises `ValueError` for a closing fill
        of more units than are held.
        """
        if order.closes is not None:
            return self._closed(fill, order.closes)
        before = self._excursions.get(fill.order_id)
        units = fill.units + (before.opened_units if before else 0)
        premium = Fraction(fill.cash + fill.fees)
        if before:
            premium += Fraction(before.entry_price) * before.opened_units
        now = opened(
            fill.order_id,
            at=fill.at,
            entry_price=float(premium / units),
            unit_risk=float(order.sized.candidate.max_loss),
            units=units,
            before=before,
        )
        self._excursions[now.order_id] = now
        return now

    def _closed(self, fill: Fill, order_id: str) -> Excursion:
        before = self._excursions.get(order_id)
        if before is None or fill.units > before.held_units:
            left = 0 if before is None else before.held_units
            raise ValueError(f"Fill {fill.fill_id} closes {fill.units} units of {order_id}, of which {left} are held.")
        now = reduced(before, at=fill.at, closed_units=before.closed_units + fill.units)
        if now.held_units:
            self._excursions[order_id] = now
        else:
            del self._excursions[order_id]
        return now

    def _rules_for(self, strategy: str) -> tuple[RiskRule, ...]:
        if strategy not in self._by_strategy:
            self._by_strategy[strategy] = tuple(rule for scope, rule in self._position_rules if scope.holds(strategy))
        return self._by_strategy[strategy]

    def _checked(self, context: RiskContext, rules: tuple[RiskRule, ...]) -> PositionCheck:
        position = context.position
        said = tuple(decision for rule in rules if not (decision := rule.evaluate(context)).silent)
        before = self._levels(position)
        now = _tightened(before, said)
        decision = merge([*said, *_reached(now, position.unit_profit)])
        if decision.updates:
            decision = _news(decision, before, now)
        kept = self._excursions.get(position.key)
        if kept is not None and levels_of(kept) != now:
            self._excursions[position.key] = levelled(kept, now, at=context.as_of)
        return PositionCheck(
            key=position.key, ticker=position.ticker, decision=decision, said=said, stop=now.stop, target=now.target
        )

    def _levels(self, position: PositionFacts) -> Levels:
        """Those of the picture and those kept here, the tighter of both."""
        shown = Levels(position.stop, position.stop_rule, position.target, position.target_rule)
        kept = self._excursions.get(position.key)
        if kept is None or levels_of(kept) == shown:
            return shown
        return shown.tightened(**levels_of(kept)._asdict())


def _tightened(levels: Levels, said: Iterable[RiskDecision]) -> Levels:
    for decision in sorted((d for d in said if d.updates), key=lambda d: (d.rule, d.reason)):
        levels = levels.tightened(
            stop=decision.update_stop,
            stop_rule=decision.rule,
            target=decision.update_target,
            target_rule=decision.rule,
        )
    return levels


def _reached(levels: Levels, profit: float | None) -> Iterator[RiskDecision]:
    """Exits for the levels that `profit` per unit has reached; an unknown profit reaches none."""
    if profit is None:
        return
    if levels.stop is not None and profit <= levels.stop:
        said = f"profit of {profit:+,.2f} USD a unit is at or below the stop of {levels.stop:+,.2f}"
        yield RiskDecision.exit(levels.stop_rule or "stop", said, measured=profit, limit=levels.stop)
    if levels.target is not None and profit >= levels.target:
        said = f"profit of {profit:+,.2f} USD a unit is at or above the target of {levels.target:+,.2f}"
        yield RiskDecision.exit(levels.target_rule or "target", said, measured=profit, limit=levels.target)


def _news(decision: RiskDecision, before: Levels, now: Levels) -> RiskDecision:
    """The update without what tightens no kept level; a hold if nothing is left of it."""
    stop = None if now.stop == before.stop else now.stop
    target = None if now.target == before.target else now.target
    if stop is None and target is None:
        return RiskDecision.hold(unknown=decision.unknown)
    return decision.model_copy(update={"update_stop": stop, "update_target": target})
