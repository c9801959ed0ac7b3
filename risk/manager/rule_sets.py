"""Which rules look after which structures, and which judge orders, as a settings file says it.

The narrowest scope that names a structure speaks alone: its strategy, else its family, else the default. So a list says
all that holds for what it names, and nothing has to be switched off elsewhere.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.excursion import Excursion
from domain.record import Record
from options.strategies import FAMILIES
from risk.manager.composition import AllOf, AnyOf, FirstOf, Prioritised
from risk.manager.manager import RiskManager
from risk.manager.rules import OrderRule, PositionRule
from risk.manager.rules.max_daily_loss import MaxDailyLossRule
from risk.manager.rules.max_drawdown import MaxDrawdownRule

AnyRule = Annotated[PositionRule | AnyOf | AllOf | FirstOf | Prioritised, Field(discriminator="rule")]
"""A rule about positions, by its name under `rule`."""
AnyOrderRule = Annotated[OrderRule | MaxDrawdownRule | MaxDailyLossRule, Field(discriminator="rule")]
"""A rule about opening orders, by its name under `rule`."""

for composite in (AnyOf, AllOf, FirstOf, Prioritised):
    composite.model_rebuild(_types_namespace={"AnyRule": AnyRule})


class RuleSets(Record):
    """`config/position_rules.yaml`."""

    default: tuple[AnyRule, ...] = ()
    families: dict[str, tuple[AnyRule, ...]] = {}
    strategies: dict[str, tuple[AnyRule, ...]] = {}
    orders: tuple[AnyOrderRule, ...] = ()  # beside the gate, never instead of it

    @model_validator(mode="after")
    def _names_what_exists(self) -> Self:
        for scope, named, known in (
            ("families", self.families, set(FAMILIES.values())),
            ("strategies", self.strategies, set(FAMILIES)),
        ):
            if unknown := sorted(named.keys() - known):
                raise ValueError(f"{scope} has no {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        return self

    def rules_for(self, strategy: str, family: str) -> tuple[AnyRule, ...]:
        """The rules that look after a structure."""
        return self.strategies.get(strategy, self.families.get(family, self.default))

    def manager(self, families: Mapping[str, str], excursions: Iterable[Excursion] = ()) -> RiskManager:
        """A manager for the strategies in `families` (strategy → family) that continues from `excursions`."""
        manager = RiskManager(self.orders, excursions=excursions)
        for strategy, family in sorted(families.items()):
            for rule in self.rules_for(strategy, family):
                manager.register_rule(rule, strategies=(strategy,))
        return manager
