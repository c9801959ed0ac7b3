"""What a chain looks like once its quotes were judged and priced: the structs that everything downstream reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from domain.market import Chain, DataNote
from domain.units import Bools, Floats

if TYPE_CHECKING:  # compiled code: not loaded by those who only name these structs
    from options.hyperbolas import Slice
    from options.surface import VolSurface


class SliceQuality(NamedTuple):
    """How well a fitted slice meets its quotes: the good out-of-the-money ones between 5 and 95 delta.

    Errors are volatility points (0.01). `inside_share` is the share whose bid and ask contain the fitted value.
    `source` is "svi" where the quotes alone made the slice, "ssvi" where they were too few and the whole surface lent
    the shape, "prior" where nothing could be fitted and the slice lies between its neighbours. `poor` says that nothing
    may be voted or traded on this slice, and `reason` why; "" otherwise.
    """

    rmse_vol_points: float
    inside_share: float
    max_error_vol_points: float
    quotes: int
    source: Literal["svi", "ssvi", "prior"]
    poor: bool
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Smile:
    """Implied volatility of one expiry as a function of log-moneyness k = ln(K/F): a slice of the surface, raw SVI
    or, where quotes demand it, bent once more.

    Free of butterfly arbitrage at every k. Between `k_low` and `k_high` it was fitted to quotes; beyond them it is the
    model's continuation.
    """

    tau: float  # years
    forward: float  # USD per share
    svi: "Slice"
    k_low: float
    k_high: float
    quality: SliceQuality

    def vol(self, k: ArrayLike) -> Floats:
        """Volatility (decimal) at log-moneyness `k`, any shape, finite and positive everywhere."""
        return np.asarray(np.sqrt(self.svi.total_variance(np.asarray(k, dtype=np.float64)) / self.tau))


@dataclass(frozen=True, slots=True, eq=False)
class ExpirySlice:
    """One (root, expiry) of a priced chain. `rows` indexes the chain's arrays."""

    root: str
    expiry: date
    expires_at: datetime
    am_settled: bool
    european: bool
    tau: float  # years, > 0
    forward: float  # USD per share
    discount: float
    forward_source: Literal["parity", "curve"]
    parity_pairs: int  # strikes used in the parity regression
    parity_residual: float  # median absolute residual, USD per share; NaN without parity
    rows: NDArray[np.int64]
    atm_vol: float  # at K = F, decimal; NaN without a smile
    smile: Smile | None  # the surface's slice at this instant, shared by all its roots; None: too few good quotes


@dataclass(frozen=True, slots=True, eq=False)
class PricedChain:
    """A chain with hygiene flags, forwards, implied volatilities and Greeks. Arrays have shape `(n,)`, aligned with
    `chain`; NaN where a row has no value. Greeks are per share of one long option in internal units
    (`domain.units`), taken at the row's own implied volatility, or the smile's where the row has none.
    """

    chain: Chain
    good: Bools  # passed every hygiene rule: may feed fits and be traded
    flags: NDArray[np.uint32]  # bitmask of `options.chain.Flag`
    flag_counts: Mapping[str, int]
    mid: Floats
    spread: Floats
    tau: Floats
    forward: Floats
    discount: Floats
    k: Floats  # ln(K/F)
    iv: Floats  # from mid, decimal
    iv_status: NDArray[np.int8]
    delta: Floats  # spot delta
    gamma: Floats
    vega: Floats
    theta: Floats
    rho: Floats
    vanna: Floats
    charm: Floats
    slices: tuple[ExpirySlice, ...]  # ascending by expires_at, then root
    notes: tuple[DataNote, ...]
    surface: "VolSurface | None" = None  # None: no expiry has a smile

    @property
    def ticker(self) -> str:
        """Underlying."""
        return self.chain.ticker

    @property
    def spot(self) -> float:
        """USD per share."""
        return self.chain.spot


@dataclass(frozen=True, slots=True)
class ChainRefusal:
    """Why a chain cannot be used at all: becomes the analysts' abstention."""

    code: str  # empty_chain, one_sided_chain, all_crossed, stale_chain, expired, no_forward, out_of_session, ...
    detail: str
    numbers: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """Discrete distribution of the underlying at a horizon: `prices` ascending (USD per share) and `probabilities`
    (sum 1), shape `(m,)`.
    """

    tau: float
    prices: Floats
    probabilities: Floats
