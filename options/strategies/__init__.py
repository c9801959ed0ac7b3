"""The closed family of structures that may be proposed, all of defined risk; the registry is this page.

What an account may hold but the desk never proposes is another type: `options.strategies.recognised`.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from domain.errors import ConfigError
from options.strategies.bear_call_spread import BearCallSpread
from options.strategies.bear_put_spread import BearPutSpread
from options.strategies.broken_wing_butterfly import BrokenWingButterfly
from options.strategies.bull_call_spread import BullCallSpread
from options.strategies.bull_put_spread import BullPutSpread
from options.strategies.call_butterfly import CallButterfly
from options.strategies.call_calendar import CallCalendar
from options.strategies.call_diagonal import CallDiagonal
from options.strategies.call_ratio_backspread import CallRatioBackspread
from options.strategies.iron_butterfly import IronButterfly
from options.strategies.iron_condor import IronCondor
from options.strategies.long_box import LongBox
from options.strategies.long_call import LongCall
from options.strategies.long_put import LongPut
from options.strategies.long_straddle import LongStraddle
from options.strategies.long_strangle import LongStrangle
from options.strategies.put_butterfly import PutButterfly
from options.strategies.put_calendar import PutCalendar
from options.strategies.put_diagonal import PutDiagonal
from options.strategies.put_ratio_backspread import PutRatioBackspread
from options.strategies.short_box import ShortBox
from options.strategies.structure import (
    MARGIN_RULES,
    Family,
    GreekSigns,
    LegTemplate,
    MarginRule,
    Rows,
    Structure,
)

AnyStructure = Annotated[
    LongCall
    | LongPut
    | BullCallSpread
    | BearPutSpread
    | BullPutSpread
    | BearCallSpread
    | IronCondor
    | IronButterfly
    | CallButterfly
    | PutButterfly
    | BrokenWingButterfly
    | LongStraddle
    | LongStrangle
    | CallCalendar
    | PutCalendar
    | CallDiagonal
    | PutDiagonal
    | CallRatioBackspread
    | PutRatioBackspread
    | LongBox
    | ShortBox,
    Field(discriminator="strategy"),
]
"""One structure with its search window; `strategy` is its name in YAML."""

DEFAULTS: tuple[AnyStructure, ...] = (
    LongCall(),
    LongPut(),
    BullCallSpread(),
    BearPutSpread(),
    BullPutSpread(),
    BearCallSpread(),
    IronCondor(),
    IronButterfly(),
    CallButterfly(),
    PutButterfly(),
    BrokenWingButterfly(),
    LongStraddle(),
    LongStrangle(),
    CallCalendar(),
    PutCalendar(),
    CallDiagonal(),
    PutDiagonal(),
    CallRatioBackspread(),
    PutRatioBackspread(),
)
"""Every structure that a view may lead to with its default window, in the order of the registry."""

ARBITRAGE: tuple[AnyStructure, ...] = (LongBox(), ShortBox())
"""Those that no view leads to: only quotes that pay for themselves."""

PROPOSABLE: tuple[AnyStructure, ...] = (*DEFAULTS, *ARBITRAGE)

FAMILIES: dict[str, Family] = {structure.strategy: structure.family for structure in PROPOSABLE}
"""Family of each strategy, by its name."""


def structure_named(name: str, among: Sequence[Structure] = PROPOSABLE) -> Structure:
    """The structure called `name`. Raises `ConfigError` listing those there are."""
    for structure in among:
        if structure.strategy == name:
            return structure
    known = ", ".join(structure.strategy for structure in among)
    raise ConfigError(f"No structure is called {name!r}.", remedy=f"Known are {known}.")


__all__ = [
    "ARBITRAGE",
    "DEFAULTS",
    "FAMILIES",
    "MARGIN_RULES",
    "PROPOSABLE",
    "AnyStructure",
    "Family",
    "GreekSigns",
    "LegTemplate",
    "MarginRule",
    "Rows",
    "Structure",
    "structure_named",
]
