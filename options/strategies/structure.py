"""What every structure says about itself, and its one verb: which rows of a chain could form it."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from domain.contract import Right
from domain.debate import Verdict
from domain.record import Record
from domain.regime import Regime
from domain.signals import VolView
from options.priced import PricedChain

Rows = NDArray[np.int64]
"""Indices into a chain's arrays, shape `(n, legs)`: one structure a row, columns as in `template`."""

Family = Literal[
    "long_option",
    "debit_vertical",
    "credit_vertical",
    "short_volatility",
    "butterfly",
    "long_volatility",
    "calendar",
    "backspread",
    "arbitrage",
]
Premium = Literal["debit", "credit", "either", "financed"]
"""What opening must bring: `financed` is even or better, the sold legs pay for the bought ones."""
RiskShape = Literal["limited loss, limited gain", "limited loss, open gain", "no loss, no gain"]
"""`no loss, no gain`: the same outcome at every price, so nothing beyond what the quotes mislaid."""
Wings = Literal["equal", "unequal", "any"]
"""Whether the outer strikes lie equally far from the body."""

MarginRule = Literal["paid_in_full", "strike_gap", "uncovered", "uncovered_pair", "shares", "cash_secured"]
MARGIN_RULES: Mapping[MarginRule, str] = {
    "paid_in_full": "The premium, paid when bought: long options lend nothing.",
    "strike_gap": "The most that the strikes can cost at expiry, less the premium received.",
    "uncovered": "Premium plus the larger of 20 % of the underlying (broad index: 15 %) less what the option is out of "
    "the money, and 10 % of the underlying (put: of its strike), for each uncovered option.",
    "uncovered_pair": "The larger of both sides' uncovered requirements, plus the other side's premium.",
    "shares": "Half the value of shares held, half as much again as the proceeds of shares sold short; the options "
    "they cover need nothing.",
    "cash_secured": "The strike in cash for each share that may be put.",
}
"""What a broker asks for, in words (Regulation T, FINRA Rule 4210(f)(2))."""

BULL, BEAR, FLAT = Verdict.BULL, Verdict.BEAR, Verdict.INCONCLUSIVE
CALL, PUT = Right.CALL, Right.PUT
CALM = frozenset({Regime.LOW_VOL, Regime.NEUTRAL})
NOT_CRISIS = CALM | {Regime.HIGH_VOL}
EVERY_REGIME = frozenset(Regime)
EVERY_VOL_VIEW: frozenset[VolView] = frozenset({"long", "short", "none"})


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= value[0] <= value[1]:
        raise ValueError(f"a range runs from low to high and starts at 0 or above, not {value}")
    return value


def _share(value: tuple[float, float]) -> tuple[float, float]:
    if value[1] > 1:
        raise ValueError(f"a decimal share is at most 1 (0.05 is five percent), not {value[1]}")
    return value


Days = Annotated[tuple[float, float], AfterValidator(_ascending)]
"""Calendar days to expiry, from and to, inclusive."""
Ratios = Annotated[tuple[float, float], AfterValidator(_ascending)]
"""A ratio of two widths, from and to, inclusive."""
DeltaRange = Annotated[tuple[float, float], AfterValidator(_ascending), AfterValidator(_share)]
"""Absolute spot delta per share, from and to, inclusive."""
WidthRange = Annotated[tuple[float, float], AfterValidator(_ascending), AfterValidator(_share)]
"""Distance between strikes as a decimal share of spot, from and to, inclusive."""


class LegTemplate(NamedTuple):
    """One leg: right, signed ratio (long positive), whether it lives until the front or the back expiry, and the place
    of its strike in the ladder: equal levels share a strike, higher levels lie above.
    """

    right: Right
    quantity: int
    term: Literal["front", "back"] = "front"
    level: int = 0


class GreekSigns(NamedTuple):
    """Signs the position must have at opening; 0 makes no claim."""

    delta: int
    gamma: int
    vega: int
    theta: int


class Structure(Record):
    """A defined-risk structure as data, one that may be proposed. Fields are the search window, loadable from YAML;
    class variables are what the type *is*. A subclass adds a `Literal` tag and `search`.
    """

    family: ClassVar[Family]
    template: ClassVar[tuple[LegTemplate, ...]]
    wings: ClassVar[Wings] = "any"
    signs: ClassVar[GreekSigns]
    shape: ClassVar[RiskShape]
    premium: ClassVar[Premium]
    margin: ClassVar[MarginRule]
    directions: ClassVar[frozenset[Verdict]]  # empty, like the next: no view leads here
    vol_views: ClassVar[frozenset[VolView]]
    regimes: ClassVar[frozenset[Regime]]

    strategy: str
    dte: Days = (20, 60)  # of the front expiry
    max_abs_delta: float = Field(default=1.0, gt=0)  # per share of one unit

    @abstractmethod
    def search(self, priced: PricedChain) -> Rows:
        """All rows that fit the window, before the check that their multipliers agree."""

    def enumerate_rows(self, priced: PricedChain) -> Rows:
        """Every combination the chain quotes that fits the window: tradable rows of one root and one multiplier."""
        rows = self.search(priced)
        multipliers = priced.chain.multiplier[rows]
        same = np.all(multipliers == multipliers[:, :1], axis=1)
        return np.asarray(rows[same], dtype=np.int64)

    @property
    def certain(self) -> bool:
        """Whether the outcome is the same at every price: no model is in doubt, and all it pays or owes is at stake."""
        return self.family == "arbitrage"

    @property
    def quantities(self) -> tuple[int, ...]:
        """Signed ratios, one a leg."""
        return tuple(leg.quantity for leg in self.template)
