"""What trading costs beyond the mid: every model there is, one line each, and one call shape, `model.cost(trade)`."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter

from risk.manager.slippage.fixed import FixedSlippage
from risk.manager.slippage.none import NoSlippage
from risk.manager.slippage.options_spread import OptionsSpreadSlippage
from risk.manager.slippage.order_type import OrderTypeSlippage
from risk.manager.slippage.percentage import PercentageSlippage
from risk.manager.slippage.plain import number_is_fixed
from risk.manager.slippage.spread_fraction import SpreadFractionSlippage
from risk.manager.slippage.trade import SlippageModel, Trade, fill_price
from risk.manager.slippage.volume_share import VolumeShareSlippage

Slippage = Annotated[
    NoSlippage
    | FixedSlippage
    | PercentageSlippage
    | SpreadFractionSlippage
    | VolumeShareSlippage
    | OptionsSpreadSlippage
    | OrderTypeSlippage,
    Field(discriminator="model"),
    BeforeValidator(number_is_fixed),
]
_ANY: TypeAdapter[SlippageModel] = TypeAdapter(Slippage)


def slippage_of(value: Any) -> SlippageModel:
    """A model from a number (USD per share), a mapping with its `model`, or a model as it is.

    Raises pydantic's `ValidationError`, which names the key and the models there are.
    """
    return _ANY.validate_python(value)


__all__ = [
    "FixedSlippage",
    "NoSlippage",
    "OptionsSpreadSlippage",
    "OrderTypeSlippage",
    "PercentageSlippage",
    "Slippage",
    "SlippageModel",
    "SpreadFractionSlippage",
    "Trade",
    "VolumeShareSlippage",
    "fill_price",
    "slippage_of",
]
