"""What dealers are assumed to hold by options, and its Greeks in USD at any level of the underlying.

Nobody publishes dealers' books: everything here rests on a `Convention`, which side they are guessed to hold. Open
interest is the previous night's. Rows count when they have open interest, a standard deliverable, a known multiplier
and Greeks (at their own volatility, or the smile's), whether or not their quote is good.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from domain.errors import DataError
from domain.units import DAYS_PER_YEAR, Bools, Floats
from options.priced import PricedChain

Convention = Literal["dealers_long_calls_short_puts", "dealers_short_calls_long_puts", "dealers_short_all"]
DEFAULT_CONVENTION: Convention = "dealers_long_calls_short_puts"
SIGNS: Mapping[str, tuple[float, float]] = {  # calls, puts
    "dealers_long_calls_short_puts": (1.0, -1.0),
    "dealers_short_calls_long_puts": (-1.0, 1.0),
    "dealers_short_all": (-1.0, -1.0),
}
_AT_STRIKE = 1e-12  # |ln(K/S)| that is rounding


@dataclass(frozen=True, slots=True, eq=False)
class Holdings:
    """Options in dealers' hands, seen from `spot` (USD per share). Arrays `(n,)`, finite, `tau` and `vol` > 0."""

    spot: float
    k: Floats  # ln(K/F)
    tau: Floats  # years
    forward: Floats  # USD per share
    discount: Floats
    vol: Floats  # decimal
    is_call: Bools
    shares: Floats  # open interest × multiplier × sign: > 0 where dealers are long the option

    @property
    def carried(self) -> Floats:
        """e^(−qτ), q being the yield that the forward implies."""
        return self.discount * self.forward / self.spot


class Profile(NamedTuple):
    """Dealers' exposures at each of `spots` (USD per share), all of shape `(m,)`.

    `gamma`: USD that their delta gains as spot rises 1 %. `vanna`: USD as volatility rises one point (0.01) everywhere.
    `charm`: USD as one calendar day passes, at its present rate. Hedgers trade the opposite.
    """

    spots: Floats
    gamma: Floats
    vanna: Floats
    charm: Floats


def held(priced: PricedChain) -> Bools:
    """Rows that somebody holds and whose size is known, shape `(n,)`."""
    chain = priced.chain
    known = np.isfinite(chain.open_interest) & np.isfinite(chain.multiplier) & np.isfinite(chain.strike)
    return np.asarray(known & (chain.open_interest > 0) & chain.standard)


def counted(priced: PricedChain) -> NDArray[np.int64]:
    """Indices of the rows held that have Greeks."""
    return np.flatnonzero(held(priced) & np.isfinite(priced.gamma))


def shares(priced: PricedChain, rows: NDArray[np.int64], convention: Convention) -> Floats:
    """Signed shares behind the options that dealers hold: open interest × multiplier × sign, one per row."""
    if convention not in SIGNS:
        raise DataError(f"There is no convention {convention!r}.", remedy=f"Known are {', '.join(SIGNS)}.")
    call, put = SIGNS[convention]
    chain = priced.chain
    return np.asarray(np.where(chain.is_call[rows], call, put) * chain.open_interest[rows] * chain.multiplier[rows])


def holdings(priced: PricedChain, convention: Convention = DEFAULT_CONVENTION) -> Holdings:
    """The counted rows of a chain."""
    from options.measures import row_vols

    rows = counted(priced)
    return Holdings(
        spot=priced.spot,
        k=priced.k[rows],
        tau=priced.tau[rows],
        forward=priced.forward[rows],
        discount=priced.discount[rows],
        vol=row_vols(priced.iv, priced.k, priced.slices)[rows],
        is_call=priced.chain.is_call[rows],
        shares=shares(priced, rows, convention),
    )


class GammaCurve:
    """Total gamma in USD per 1 % move as a function of the underlying's level: Γ·shares·S²·0.01.

    Every contract keeps its volatility (sticky strike); forwards move in proportion to spot. Black and Scholes (1973)
    with a yield: Γ = e^(−qτ)·φ(d₁)/(S·σ√τ). What does not move with spot is worked out once.
    """

    def __init__(self, book: Holdings, *, threads: int | None = None) -> None:
        from options.kernels.exposure import gamma_terms

        self._spot, self._threads = book.spot, threads
        columns = (book.k, book.tau, book.vol, book.forward, book.discount, book.shares)
        terms, reach = gamma_terms(*(np.ascontiguousarray(column, dtype=np.float64) for column in columns))
        terms[2] /= book.spot  # e^(−qτ) = discount·F/S₀
        self._terms, self._reach = terms, reach

    def __call__(self, spots: ArrayLike) -> Floats:
        """USD at each of `spots` (USD per share), shape `(m,)`. Raises `DataError` unless they are positive numbers."""
        from options.kernels.exposure import gamma_sums

        at = _levels(spots)
        moves, out = np.log(at / self._spot), np.empty(len(at))
        work = partial(gamma_sums, moves, self._terms, self._reach)
        _spread(lambda first, last: work(first, last, out), len(at), self._terms.shape[1], self._threads)
        return at * out

    def root(self, low: float, high: float, *, rises: bool, error: float) -> float:
        """Level between `low` and `high` where the curve crosses zero, upwards if it `rises`; within `error` USD."""
        from options.kernels.exposure import gamma_root

        ends = math.log(low / self._spot), math.log(high / self._spot)
        return self._spot * math.exp(gamma_root(self._terms, self._reach, *ends, rises, error / high))


def greeks_usd(book: Holdings, spots: ArrayLike, *, threads: int | None = None) -> Profile:
    """Gamma, vanna and charm at each of `spots` in one pass; what holds for `GammaCurve` holds here.

    Vanna = −e^(−qτ)·φ(d₁)·d₂/σ; charm = ∂Δ/∂t = e^(−qτ)·[φ(d₁)·(d₂/2τ − (r − q)/σ√τ) ± q·Φ(±d₁)], + for calls
    (Haug 2007, ch. 2). USD: vanna·shares·S·0.01, charm·shares·S/365.
    """
    from options.kernels.exposure import greek_sums

    at = _levels(spots)
    d1, s = _d1(book)
    carried, side = book.shares * book.carried, np.where(book.is_call, 1.0, -1.0)
    density = carried / np.sqrt(2.0 * np.pi)
    terms = _padded(
        d1,
        1.0 / s,
        side * s,
        density * 0.01 / s,
        -density * 0.01 / book.vol,
        density / DAYS_PER_YEAR,
        0.5 / book.tau,
        np.log(book.forward / book.spot) / (book.tau * s),
        -side * carried * np.log(book.carried) / (book.tau * DAYS_PER_YEAR),
    )
    moves, out = np.log(at / book.spot), np.empty((3, len(at)))
    _spread(lambda first, last: greek_sums(moves, terms, first, last, out), len(moves), len(d1), threads)
    return Profile(at, *(at * out))


def delta_usd(book: Holdings, days: float = 0.0) -> Floats:
    """Delta in USD of each row `(n,)` after `days` calendar days with spot, volatilities, rate and yield as they are.

    A contract that ends by then has the delta of its last moment: 1 or 0 (−1 or 0 for puts), ½ at the strike.
    """
    from scipy.special import ndtr

    left = np.maximum(1.0 - days / (DAYS_PER_YEAR * book.tau), 0.0)
    growth = np.log(book.forward / book.spot)
    k = book.k + growth * (1.0 - left)
    s = book.vol * np.sqrt(book.tau * left)
    k[np.abs(k) < _AT_STRIKE] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        d1 = np.where(s > 0, -k / s + 0.5 * s, np.where(k == 0, 0.0, -np.sign(k) * np.inf))
    delta = book.carried**left * (ndtr(d1) - ~book.is_call)
    return np.asarray(delta * book.shares * book.spot)


def _levels(spots: ArrayLike) -> Floats:
    at = np.atleast_1d(np.asarray(spots, dtype=np.float64))
    if not (np.isfinite(at) & (at > 0)).all():
        raise DataError("Levels of the underlying must be positive numbers, in USD per share.")
    return at


def _d1(book: Holdings) -> tuple[Floats, Floats]:
    s = book.vol * np.sqrt(book.tau)
    return -book.k / s + 0.5 * s, s


def _padded(*columns: Floats) -> Floats:
    """The columns as rows of one array, filled up with zeros to whole lanes."""
    from options.kernels.exposure import LANES

    n = len(columns[0])
    made = np.zeros((len(columns), -(-n // LANES) * LANES))
    for place, column in enumerate(columns):
        made[place, :n] = column
    return made


def _spread(work: Callable[[int, int], object], levels: int, rows: int, threads: int | None) -> None:
    """Share out the levels. Terms decide whether a thread is worth its start; 16 of them cost as much as a price."""
    from options.kernels.compiled import spread

    each = max(rows // 16, 1)
    spread(lambda start, stop: work(start // each, stop // each), levels * each, threads)
