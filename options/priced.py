"""What a chain looks like once its quotes were judged and priced: the structs that everything downstream reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from domain.market import Chain, DataNote
from domain.units import Bools, Floats


@dataclass(frozen=True, slots=True, eq=False)
class Smile:
    """Implied volatility of one expiry as a function of log-moneyness k = ln(K/F).

    `knots_k` ascending and `knots_vol` (decimal) have shape `(m,)`, m ≥ 1. Interpolation is in total variance;
    beyond the outer knots variance is held flat, which respects Lee's bound.
    """

    tau: float  # years
    forward: float  # USD per share
    knots_k: Floats
    knots_vol: Floats

    def vol(self, k: Floats) -> Floats:
        """Volatility (decimal) at log-moneyness `k`, any shape, finite everywhere."""
        from options.surface import smile_vol

        return smile_vol(self, k)


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
    smile: Smile | None  # None: too few good quotes


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
