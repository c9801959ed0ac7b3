"""What a slippage model is asked about, and what becomes of its answer."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol

from domain.errors import DataError

OrderType = Literal["market", "limit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One instrument about to be traded. `quantity` > 0 buys; shares or contracts, as `volume` counts them.

    None is not known: a model that needs the fact raises `DataError` naming it. Impossible numbers (no quantity, a
    crossed or negative quote, NaN) raise `DataError` when the trade is built.
    """

    quantity: float
    bid: float  # USD per share
    ask: float
    order: OrderType = "market"  # "limit" rests at the mid and waits for the other side to come
    volume: float | None = None  # usual traded volume of a day, in the units of `quantity`
    daily_vol: float | None = None  # standard deviation of a day's return of the traded price itself, decimal
    log_moneyness: float | None = None  # ln(K/F), options
    dte: float | None = None  # calendar days to expiry, options

    def __post_init__(self) -> None:
        if not math.isfinite(self.quantity) or self.quantity == 0:
            raise DataError(f"A trade of {self.quantity:g} has no size.", remedy="Give shares or contracts, signed.")
        if not 0 <= self.bid <= self.ask < math.inf:
            raise DataError(
                f"A bid of {self.bid:g} and an ask of {self.ask:g} are no market.", remedy="Wait for a two-sided quote."
            )
        for name in ("volume", "daily_vol", "dte"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise DataError(f"A {name} of {value:g} is impossible.", remedy="Leave it out where it is not known.")
        if self.log_moneyness is not None and not math.isfinite(self.log_moneyness):
            raise DataError("A log-moneyness must be finite.", remedy="Leave it out where it is not known.")

    @property
    def mid(self) -> float:
        """USD per share."""
        return (self.bid + self.ask) / 2

    @property
    def half_spread(self) -> float:
        """USD per share from the mid to either side."""
        return (self.ask - self.bid) / 2

    def known(self, name: str, model: str) -> float:
        """The fact `name`; raises `DataError` where it is not known."""
        value: float | None = getattr(self, name)
        if value is None:
            raise DataError(
                f"The slippage model {model} needs {name}, which is not known for this trade.",
                remedy="Give it, or choose a model that does without, e.g. spread_fraction.",
            )
        return value


class SlippageModel(Protocol):
    """A frozen record of parameters with one verb."""

    def cost(self, trade: Trade) -> float:
        """What the trade pays away from the mid, USD per share: ≥ 0 unless the model declares an improvement, and
        never less for a larger quantity.
        """
        ...


def fill_price(model: SlippageModel, trade: Trade) -> float:
    """Price at which `trade` is filled, USD per share: above the mid for a buyer, below for a seller, never below 0."""
    side = 1.0 if trade.quantity > 0 else -1.0
    return max(0.0, trade.mid + side * model.cost(trade))
