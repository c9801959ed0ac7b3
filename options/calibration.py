"""From the quotes of all expiries to slices without butterfly or calendar arbitrage, and how well they fit.

1. One SSVI surface through everything (`options.ssvi`): where quotes are missing - the far wings, sparse expiries - it
   lends points of little weight, and every search begins at it.
2. Slices are fitted from the best known expiry outwards, each kept beyond the one before: later ones above it, earlier
   ones below (Gatheral and Jacquier 2014, section 4, do so in time). One neighbour leaves room; two may not.
3. An expiry that cannot be fitted so, or only absurdly, is left out and fitted last between its neighbours; at worst it
   is a mixture of them. So the order holds for every k, whatever the data.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import ndtri

from domain.units import Floats
from options.bends import FIRST, bend, is_between
from options.hyperbolas import Slice, is_butterfly_free, mixed, scaled, shifted
from options.priced import SliceQuality, Smile
from options.quotes import BAND, Quotes, Weighed, first_look, trust_in, weigh
from options.settings import ChainSettings
from options.ssvi import fit_surface
from options.svi_forms import RawSvi

_BAND_REACH = float(ndtri(1.0 - BAND))
_ROUNDS = 2
_LENT_FROM = 1.5  # deviations: nearer than this the wings lent begin nowhere
_BEYOND = np.array([1.3, 1.7, 2.3, 3.5, 6.0, 12.0, 25.0])  # times the outermost quote: where wings are lent ...
_LENT_ERROR = 0.3  # ... as good as a quote with this relative error of total variance
_WITHIN = np.linspace(-2.5, 2.5, 11)  # deviations where a shape is lent to an expiry with few quotes ...
_NEAR_ERROR = 0.1
_SAME_TRUST = 0.2  # a smaller change of any weight needs no second fit
_LEAST_TRUST = 1e-3
_ASTRAY = 4.0  # times as far from the quotes as the reference: the search was led astray
_HUBER = 2.0

Source = Literal["svi", "ssvi", "prior"]


def calibrate(quotes: Quotes, settings: ChainSettings) -> list[Smile | None]:
    """The smile of each settlement instant; None with fewer than `min_quotes` quotes.

    Together they are free of static arbitrage, proved for every k.
    """
    weighed = weigh(quotes)
    sizes = np.diff(quotes.offsets)
    present = [i for i in range(len(sizes)) if sizes[i] >= settings.min_quotes]
    if not present:
        return [None] * len(sizes)
    trust = first_look(quotes)
    reference = _reference(quotes, weighed, trust, present)
    data = {
        i: _data(quotes, weighed, i, trust, reference[i], 9 if weighed.counted[i] >= settings.bend_quotes else FIRST)
        for i in present
    }
    slices, between = _outwards(data, reference, max(present, key=lambda i: (weighed.counted[i], i)))
    smiles: list[Smile | None] = [None] * len(sizes)
    for i, svi in slices.items():
        source: Source = "prior" if i in between else "svi" if weighed.free[i] else "ssvi"
        smiles[i] = _smile(quotes, i, svi, source, settings)
    return smiles


class _Data(NamedTuple):
    """What one slice is fitted to: its own quotes first, then points lent by the reference."""

    k: Floats
    total_variance: Floats
    weights: Floats
    precision: Floats  # of its own quotes
    numbers: int  # free ones: 5, or 9 with a second bend

    def cost(self, svi: Slice, weights: Floats) -> float:
        """Σ of squared weighted misses."""
        return float((((svi.total_variance(self.k) - self.total_variance) * weights) ** 2).sum())

    def reweighed(self, svi: Slice, weights: Floats) -> Floats:
        """Weights with the trust that `svi` gives each quote; `weights` itself where little would change."""
        own = len(self.precision)
        miss = (svi.total_variance(self.k[:own]) - self.total_variance[:own]) * self.precision
        fresh = self.precision * trust_in(miss)
        if (np.abs(fresh - weights[:own]) <= _SAME_TRUST * self.precision).all():
            return weights
        return np.concatenate([fresh, weights[own:]])


def _data(quotes: Quotes, weighed: Weighed, i: int, trust: Floats, lent: RawSvi, numbers: int) -> _Data:
    rows = slice(int(quotes.offsets[i]), int(quotes.offsets[i + 1]))
    k, w, precision = quotes.k[rows], weighed.total_variance[rows], weighed.precision[rows]
    s = float(np.sqrt(lent.total_variance(0.0)))
    points = np.concatenate([min(k[0], -_LENT_FROM * s) * _BEYOND, max(k[-1], _LENT_FROM * s) * _BEYOND])
    error = np.full(len(points), _LENT_ERROR)
    if not weighed.free[i]:
        points, error = np.concatenate([points, s * _WITHIN]), np.append(error, np.full(len(_WITHIN), _NEAR_ERROR))
    worth = lent.total_variance(points)
    weights = np.append(precision * trust[rows], 1.0 / (error * worth))
    return _Data(np.append(k, points), np.append(w, worth), weights, precision, numbers)


def _outwards(data: dict[int, _Data], reference: dict[int, RawSvi], first: int) -> tuple[dict[int, Slice], set[int]]:
    """Slices from the best known outwards, each beyond the one before it: later ones above, earlier ones below.

    What could not be fitted so is left out, to be fitted last between its neighbours; those to whom even that failed,
    and who lie between them unfitted, are named in the second value.
    """
    pivot: Slice = _fitted(data[first], [reference[first]], None, None) or reference[first]

    def one_way(order: list[int], upwards: bool) -> dict[int, Slice]:
        done: dict[int, Slice] = {}
        last = pivot
        for i in order:
            below, above = (last, None) if upwards else (None, last)
            found = _fitted(data[i], [reference[i], last], below, above)
            if found is not None:
                done[i] = last = found
        return done

    later, earlier = [i for i in data if i > first], [i for i in reversed(data) if i < first]
    with ThreadPoolExecutor(2) as pool:
        ways = list(pool.map(one_way, (later, earlier), (True, False)))
    placed = {first: pivot} | ways[0] | ways[1]
    unfitted: set[int] = set()
    for i in sorted(set(data) - set(placed)):
        below = max((j for j in placed if j < i), default=None)
        above = min((j for j in placed if j > i), default=None)
        neighbours = [placed[j] for j in (below, above) if j is not None]
        between = (None if below is None else placed[below]), (None if above is None else placed[above])
        found = _fitted(data[i], [reference[i], *neighbours], *between)
        if found is None:
            found = _beside(data[i], *between)
            unfitted.add(i)
        if found is not None:
            placed[i] = found
    return placed, unfitted


def _fitted(data: _Data, starts: list[Slice], below: Slice | None, above: Slice | None) -> Slice | None:
    """The slice of one expiry between its neighbours, outliers left behind; with one bend where two lead astray.

    None where neither comes near the first of `starts`, the reference: so bad a slice would push the others aside.
    """
    astray = _ASTRAY * (data.cost(starts[0], data.weights) + len(data.precision))
    for count in sorted({data.numbers, FIRST}, reverse=True):
        weights, begun = data.weights, starts
        best: Slice | None = None
        for _ in range(_ROUNDS):
            found = bend(
                k=data.k, total_variance=data.total_variance, weights=weights, starts=begun, below=below, above=above,
                count=count,
            )  # fmt: skip
            if found is None or data.cost(found, weights) > astray:
                break
            best = found
            fresh = data.reweighed(found, weights)
            if fresh is weights:
                break
            weights, begun = fresh, [found]
        if best is not None:
            return best
    return None


def _beside(data: _Data, below: Slice | None, above: Slice | None) -> Slice | None:
    """Where no fit was proved: between the neighbours, or beside the only one, at the level of the quotes."""
    own = len(data.precision)
    k, w = data.k[:own], data.total_variance[:own]
    if below is not None and above is not None:
        low, high = below.total_variance(k), above.total_variance(k)
        moved = mixed(below, above, float(np.clip(np.median((w - low) / np.maximum(high - low, 1e-12)), 0.01, 0.99)))
    elif below is not None:
        moved = shifted(below, max(float(np.median(w - below.total_variance(k))), 0.0))
    elif above is not None:
        moved = scaled(above, float(np.clip(np.median(w / above.total_variance(k)), 0.01, 1.0)))
    return moved if is_butterfly_free(moved) and is_between(moved, below, above) else None


def _reference(quotes: Quotes, weighed: Weighed, trust: Floats, present: list[int]) -> dict[int, RawSvi]:
    """One SSVI surface through all expiries: what is lent where quotes are missing, and where slices may retreat to."""
    rows = np.concatenate([np.arange(quotes.offsets[i], quotes.offsets[i + 1]) for i in present])
    surface = fit_surface(
        k=quotes.k[rows],
        total_variance=weighed.total_variance[rows],
        weights=weighed.precision[rows] * np.maximum(trust[rows], _LEAST_TRUST),
        offsets=np.concatenate([[0], np.cumsum(np.diff(quotes.offsets)[present])]),
        tau=quotes.tau[present],
        huber=_HUBER,
    )
    return {i: surface.slice(n) for n, i in enumerate(present)}


def _smile(quotes: Quotes, i: int, svi: Slice, source: Source, settings: ChainSettings) -> Smile:
    rows = slice(int(quotes.offsets[i]), int(quotes.offsets[i + 1]))
    tau, k = float(quotes.tau[i]), quotes.k[rows]
    quality = _quality(svi, tau, k, quotes.iv[rows], quotes.half_spread[rows], source, settings)
    return Smile(tau, float(quotes.forward[i]), svi, float(k[0]), float(k[-1]), quality)


def _quality(
    svi: Slice, tau: float, k: Floats, iv: Floats, half_spread: Floats, source: Source, settings: ChainSettings
) -> SliceQuality:
    """Judged on the quotes between 5 and 95 delta of the slice itself; on all where there are none."""
    s = np.sqrt(svi.total_variance(k))
    judged = np.abs(0.5 * s - k / s) <= _BAND_REACH
    count = int(np.count_nonzero(judged))
    if not count:
        judged = np.ones(len(k), dtype=bool)
    miss, half = (s[judged] / np.sqrt(tau) - iv[judged]) * 100.0, half_spread[judged] * 100.0
    rmse, inside = float(np.sqrt(np.mean(miss**2))), float(np.mean(np.abs(miss) <= half))
    allowed = max(settings.poor_rmse_points, settings.poor_rmse_spreads * 2.0 * float(np.median(half)))
    reason = ""
    if count < settings.poor_quotes:
        reason = f"only {count} good quotes between 5 and 95 delta, fewer than {settings.poor_quotes}"
    elif rmse > allowed:
        reason = f"misses its quotes by {rmse:.2f} volatility points, more than {allowed:.2f}"
    elif inside < settings.poor_inside_share:
        reason = f"lies inside {inside:.0%} of its quotes, less than {settings.poor_inside_share:.0%}"
    return SliceQuality(rmse, inside, float(np.abs(miss).max()), count, source, bool(reason), reason)
