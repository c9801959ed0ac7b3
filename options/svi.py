"""Raw SVI slices: proofs that they admit no arbitrage, and their fit to quotes.

The slice and its other forms are in `options.svi_forms`. A fit goes three ways, each only where the one before does not
do: the least-squares slice, when it is proved free of arbitrage (`kernels.svi_fit`); the best slice inside the
no-arbitrage region (`kernels.svi_bound`); that slice drawn back towards a plain one until the proof holds.
"""

import math
from typing import Literal, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from domain.errors import DataError
from domain.units import Floats
from options.kernels import svi_bound, svi_calendar, svi_fit, svi_proof
from options.kernels.compiled import LEAST_CHUNK, spread
from options.svi_forms import JumpWings, NaturalSvi, RawSvi

__all__ = [
    "Butterfly",
    "Gap",
    "JumpWings",
    "NaturalSvi",
    "RawSvi",
    "SliceFit",
    "crossings",
    "fit_slice",
    "fit_slices",
    "is_butterfly_free",
    "is_calendar_free",
    "least_gap",
    "worst_butterfly",
]

MARGIN = 1e-6
LEAST_QUOTES = 5  # at different strikes: as many as the slice has parameters
PRIOR_QUOTES = np.linspace(-2.5, 2.5, 11)  # deviations at which a prior stands in for missing quotes
PRIOR_WEIGHT = 0.1  # of all quotes together
SLICE_WORK = LEAST_CHUNK // 4  # elements of a simple loop that one fit costs
HALVINGS = 40
MOST_WEIGHT = 1e100
Method = Literal["free", "bounded", "drawn_back"]


class Butterfly(NamedTuple):
    """The least Durrleman g of a slice and where it is: `k` may be ±∞; `g` is −∞ where variance is not positive."""

    g: float
    k: float


class Gap(NamedTuple):
    """The least of far − near in total variance and where it is; −∞ where a wing of `near` is steeper."""

    gap: float
    k: float


class SliceFit(NamedTuple):
    """A fitted slice, always proved free of arbitrage.

    `objective` is Σ(weight·(w(k) − total variance))² over the quotes given. `method` says what it is: the least-squares
    slice ("free"), the best one inside the no-arbitrage region ("bounded"), or that one drawn back ("drawn_back").
    """

    svi: RawSvi
    objective: float
    butterfly_free: bool
    calendar_free: bool
    method: Method


def worst_butterfly(svi: RawSvi) -> Butterfly:
    """The least g over all real k, proved to 1e-9·(1 + |g|)."""
    return Butterfly(*svi_proof.worst_butterfly(_numbers(svi)))


def is_butterfly_free(svi: RawSvi, *, margin: float = 0.0) -> bool:
    """Whether g ≥ `margin`, total variance is positive and both wings are less steep than 2 (Lee 2004): a proof.

    With (k − m)/σ = (t − 1/t)/2, t > 0, all of w, w', w'' and k are rational in t, and so is g = P(t)/Q(t) with Q > 0
    and P of degree 10. That P ≥ margin·Q for every t > 0 is proved by Bernstein coefficients on halved intervals, with
    bounds on rounding taken off first (`kernels.svi_proof`). So True is certain; False may be wrong for slices
    within rounding of the boundary. Slope 2 itself is refused: call prices would not vanish at high strikes.
    """
    return bool(svi_proof.is_free(_numbers(svi), margin))


def least_gap(near: RawSvi, far: RawSvi) -> Gap:
    """The least far − near over all real k: proved to 1e-12 of their size unless the slices all but coincide."""
    gap, k, _ = svi_calendar.least_gap(_numbers(near), _numbers(far), math.nan)
    return Gap(gap, k)


def is_calendar_free(near: RawSvi, far: RawSvi, *, margin: float = 0.0) -> bool:
    """Whether far ≥ near + `margin` (total variance) for every real k, the wings out to infinity included: a proof.

    Convexity bounds the gap on an interval by tangents and a chord; asymptotes bound it in the tails
    (`kernels.svi_calendar`). True is certain; False may be wrong for slices that touch. Equal slices are free.
    """
    return bool(svi_calendar.is_free(_numbers(near), _numbers(far), margin))


def crossings(near: RawSvi, far: RawSvi) -> Floats:
    """All k, ascending, where both slices have the same total variance, shape `(≤ 4,)`; touching points count.

    The real roots of the quartic of Gatheral and Jacquier (2014), lemma 3.1, without squaring: intervals are split
    until the gap has one sign or is monotone on each. Empty for equal slices.
    """
    out = np.empty(8)
    count = 0 if near == far else svi_calendar.crossings(_numbers(near), _numbers(far), out)
    return out[:count].copy()


def fit_slice(
    *,
    k: ArrayLike,
    total_variance: ArrayLike,
    weights: ArrayLike | None = None,
    below: RawSvi | None = None,
    above: RawSvi | None = None,
    prior: RawSvi | None = None,
    margin: float = MARGIN,
) -> SliceFit | None:
    """The slice with the least Σ(weight·(w(k) − total variance))² that is proved to have g ≥ `margin` for all k and to
    stay, by `margin` times the mean total variance, above `below` and under `above`.

    Arrays have shape `(n,)`, in any order; `k` = ln(K/F), weights ≥ 0 (default 1; quotes of weight 0 are left out).
    For misses in volatility take weights 1/(2·σ·τ), over the spread if wanted.

    With quotes at fewer than five strikes the slice cannot be told from them: `prior`, raised or lowered to their
    level, then joins as eleven quotes that weigh a tenth of them. None without a prior or a quote, and where `below`
    and `above` leave no room between them. Raises `DataError` for arrays that do not match, numbers not finite, total
    variance ≤ 0, weights < 0, or a prior without variance.
    """
    given = _checked(k, total_variance, weights, margin)
    quotes, ends = _weighted(given, np.array([0, given.shape[1]]))
    if len(np.unique(quotes[0])) < LEAST_QUOTES:
        if prior is None or quotes.shape[1] == 0:
            return None
        quotes = _with_prior(quotes, prior)
        ends = np.array([0, quotes.shape[1]])
    batch = _Batch(quotes, ends, _stacked([below]), _stacked([above]), margin)
    fit = _fits(batch, threads=1)[0]
    if fit is None or quotes.shape == given.shape:
        return fit
    misses = given[2] * (fit.svi.total_variance(given[0]) - given[1])
    return fit._replace(objective=float(misses @ misses))


def fit_slices(
    *,
    k: ArrayLike,
    total_variance: ArrayLike,
    offsets: ArrayLike,
    weights: ArrayLike | None = None,
    margin: float = MARGIN,
    threads: int | None = None,
) -> list[SliceFit | None]:
    """`fit_slice` for many slices that do not know each other: quotes of slice i are rows offsets[i] to offsets[i + 1].

    Arrays have shape `(n,)`, `offsets` `(slices + 1,)`, from 0 to n. None for slices with quotes at fewer than five
    strikes. Raises `DataError` as `fit_slice` does.
    """
    ends = np.asarray(offsets, dtype=np.int64)
    quotes = _checked(k, total_variance, weights, margin)
    if ends.ndim != 1 or len(ends) < 1 or ends[0] != 0 or ends[-1] != quotes.shape[1] or (np.diff(ends) < 0).any():
        raise DataError(f"Offsets must rise from 0 to the {quotes.shape[1]} quotes given.")
    quotes, ends = _weighted(quotes, ends)
    owner = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    order = np.lexsort((quotes[0], owner))
    fresh = np.diff(quotes[0, order], prepend=np.nan) != 0.0
    fresh[ends[:-1][np.diff(ends) > 0]] = True  # the first quote of a slice
    enough = np.bincount(owner[fresh], minlength=len(ends) - 1) >= LEAST_QUOTES
    sizes = np.diff(ends)
    quotes = np.ascontiguousarray(quotes[:, np.repeat(enough, sizes)])
    ends = np.concatenate([[0], np.cumsum(sizes[enough])])
    nobody = np.full((len(ends) - 1, 5), np.nan)
    fits = iter(_fits(_Batch(quotes, ends, nobody, nobody, margin), threads=threads))
    return [next(fits) if fitted else None for fitted in enough]


class _Batch(NamedTuple):
    """Slices to be fitted: quotes (k, total variance, weight; shape `(3, n)`) of slice i are columns ends[i] to
    ends[i + 1]; its neighbours rows i of `below` and `above` (shape `(slices, 5)`, NaN: none).
    """

    quotes: Floats
    ends: NDArray[np.int64]
    below: Floats
    above: Floats
    margin: float


def _fits(batch: _Batch, *, threads: int | None) -> list[SliceFit | None]:
    if len(batch.ends) == 1:
        return []
    count = len(batch.ends) - 1
    k, w, weights = batch.quotes
    frees, costs = np.empty((count, svi_fit.STARTS, 5)), np.empty((count, svi_fit.STARTS))

    def least_squares(low: int, high: int) -> None:
        svi_fit.fit_free(k, w, weights, batch.ends, low // SLICE_WORK, high // SLICE_WORK, frees, costs)

    spread(least_squares, count * SLICE_WORK, threads)
    starts, free = np.ascontiguousarray(frees[:, 0]), np.empty(count, dtype=np.bool_)
    svi_proof.are_free(starts, batch.margin, free)
    todo = np.array(
        [item for item in range(count) if not (free[item] and _in_order(batch, item, starts[item]))], dtype=np.int64
    )
    bounded, anchors, bounded_costs = starts.copy(), np.empty((count, 5)), np.empty(count)

    def bind(low: int, high: int) -> None:
        first, last = low // SLICE_WORK, high // SLICE_WORK
        sides = (batch.below, batch.above, batch.margin)
        svi_bound.fit_bounded(
            k, w, weights, batch.ends, todo, starts, *sides, first, last, bounded, anchors, bounded_costs
        )

    spread(bind, len(todo) * SLICE_WORK, threads)
    chosen, methods = starts, ["free"] * count
    for item in todo.tolist():
        better = [frees[item, rank] for rank in range(1, svi_fit.STARTS) if costs[item, rank] < bounded_costs[item]]
        other = next((numbers for numbers in better if _proved(batch, item, numbers)), None)
        if other is not None:
            chosen[item] = other
        elif _proved(batch, item, bounded[item]):
            chosen[item], methods[item] = bounded[item], "bounded"
        else:
            chosen[item], methods[item] = _drawn_back(batch, item, bounded[item], anchors[item]), "drawn_back"
    objectives = _objectives(chosen, batch)
    return [
        None if math.isnan(numbers[0]) else SliceFit(RawSvi(*numbers), objective, True, True, cast("Method", method))
        for numbers, objective, method in zip(chosen.tolist(), objectives.tolist(), methods, strict=True)
    ]


def _in_order(batch: _Batch, item: int, numbers: Floats) -> bool:
    below, above = batch.below[item], batch.above[item]
    if math.isnan(below[0]) and math.isnan(above[0]):
        return True
    gap = batch.margin * _mean_variance(batch.quotes[:, batch.ends[item] : batch.ends[item + 1]])
    return (math.isnan(below[0]) or bool(svi_calendar.is_free(below, numbers, gap))) and (
        math.isnan(above[0]) or bool(svi_calendar.is_free(numbers, above, gap))
    )


def _proved(batch: _Batch, item: int, numbers: Floats) -> bool:
    return bool(svi_proof.is_free(numbers, batch.margin)) and _in_order(batch, item, numbers)


def _drawn_back(batch: _Batch, item: int, wanted: Floats, anchor: Floats) -> Floats:
    """The slice nearest to `wanted`, on the way from `anchor`, that is proved; NaN where not even `anchor` is."""
    if math.isnan(anchor[0]) or not _proved(batch, item, anchor):
        return np.full(5, np.nan)
    share, best = 0.5, anchor
    for halving in range(2, HALVINGS):
        numbers = _part_way(anchor, wanted, share)
        held = _proved(batch, item, numbers)
        best = numbers if held else best
        share += 0.5**halving if held else -(0.5**halving)
    return best


def _part_way(start: Floats, end: Floats, share: float) -> Floats:
    """The slice with level, wing slopes b(1 ± ρ), centre and ln σ part of the way between those of two slices."""
    a, m = ((1.0 - share) * start[i] + share * end[i] for i in (0, 3))
    right, left = (
        (1.0 - share) * start[1] * (1.0 + s * start[2]) + share * end[1] * (1.0 + s * end[2]) for s in (1, -1)
    )
    sigma = start[4] ** (1.0 - share) * end[4] ** share
    return np.array([a, 0.5 * (right + left), (right - left) / (right + left), m, sigma])


def _objectives(slices: Floats, batch: _Batch) -> Floats:
    """Σ(weight·(w(k) − total variance))² of each slice over its quotes, shape `(slices,)`."""
    k, w, weights = batch.quotes
    a, b, rho, m, sigma = np.repeat(slices, np.diff(batch.ends), axis=0).T
    squares = (weights * (a + b * (rho * (k - m) + np.hypot(k - m, sigma)) - w)) ** 2
    return np.asarray(np.add.reduceat(squares, batch.ends[:-1]))


def _checked(k: ArrayLike, total_variance: ArrayLike, weights: ArrayLike | None, margin: float) -> Floats:
    """Quotes as one array (k, total variance, weight), shape `(3, n)`; raises `DataError` on nonsense."""
    rows = [np.asarray(values, dtype=np.float64) for values in (k, total_variance)]
    rows.append(np.ones_like(rows[0]) if weights is None else np.asarray(weights, dtype=np.float64))
    if any(row.ndim != 1 or row.shape != rows[0].shape for row in rows):
        raise DataError(f"Quotes of a slice need arrays of one length, not {[row.shape for row in rows]}.")
    quotes = np.stack(rows)
    if not (np.isfinite(quotes).all() and (quotes[1] > 0.0).all() and (quotes[2] >= 0.0).all()):
        raise DataError(
            "A slice cannot be fitted to NaN, infinity, total variance <= 0 or weights < 0.",
            remedy="Leave such quotes out.",
        )
    if quotes[2].max(initial=1.0) > MOST_WEIGHT or not 0.0 <= margin < 1.0:
        raise DataError(f"Weights above {MOST_WEIGHT:g} or a margin of {margin:g} are absurd.")
    return quotes


def _weighted(quotes: Floats, ends: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """Quotes that count, those below a 1e-8th of the greatest weight left out, and where each slice's end."""
    counts = quotes[2] > 1e-8 * quotes[2].max(initial=0.0)
    return np.ascontiguousarray(quotes[:, counts]), np.concatenate([[0], np.cumsum(counts)])[ends]


def _with_prior(quotes: Floats, prior: RawSvi) -> Floats:
    """The quotes and, at eleven places, the prior raised or lowered to their level."""
    share = quotes[2] ** 2
    at_quotes = prior.total_variance(quotes[0])
    spread_out = PRIOR_QUOTES * math.sqrt(_mean_variance(quotes))
    shape = prior.total_variance(spread_out)
    if not (at_quotes > 0.0).all() or not (shape > 0.0).all():
        raise DataError(f"{prior} has no variance where it is needed and cannot stand in for quotes.")
    level = float(share @ (quotes[1] * at_quotes) / (share @ at_quotes**2))
    weight = math.sqrt(PRIOR_WEIGHT * float(share.sum()) / len(PRIOR_QUOTES))
    return np.hstack([quotes, np.stack([spread_out, level * shape, np.full(len(PRIOR_QUOTES), weight)])])


def _mean_variance(quotes: Floats) -> float:
    share = quotes[2] ** 2
    return float(share @ quotes[1] / share.sum())


def _numbers(svi: RawSvi) -> Floats:
    return np.array([svi.a, svi.b, svi.rho, svi.m, svi.sigma])


def _stacked(slices: list[RawSvi | None]) -> Floats:
    return np.array([np.full(5, np.nan) if svi is None else _numbers(svi) for svi in slices])
