"""The models that stand alone, one line each; a plain number means a fixed amount."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from risk.manager.slippage.fixed import FixedSlippage
from risk.manager.slippage.none import NoSlippage
from risk.manager.slippage.options_spread import OptionsSpreadSlippage
from risk.manager.slippage.percentage import PercentageSlippage
from risk.manager.slippage.spread_fraction import SpreadFractionSlippage
from risk.manager.slippage.volume_share import VolumeShareSlippage


def number_is_fixed(value: Any) -> Any:
    """`0.02` → the fixed model of 0.02 USD per share; anything else as it is."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return FixedSlippage(amount=value)
    return value


PlainSlippage = Annotated[
    NoSlippage
    | FixedSlippage
    | PercentageSlippage
    | SpreadFractionSlippage
    | VolumeShareSlippage
    | OptionsSpreadSlippage,
    Field(discriminator="model"),
    BeforeValidator(number_is_fixed),
]
