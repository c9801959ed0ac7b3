"""Daily returns of several underlyings over the same days: the common ground of correlations, betas and scenarios."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.market import Bars
from domain.units import Days, Floats

LONGEST_GAP = 7  # calendar days: what happened over more is not a daily return
LOOKBACK = 2  # windows looked back for days that all have


class JointReturns(NamedTuple):
    """Simple returns of `tickers` (ascending) over the same intervals; `missing` have too few in common (ascending)."""

    tickers: tuple[str, ...]
    start: Days  # (n_s,) close from which a return counts
    day: Days  # (n_s,) close to which it counts, ascending
    values: Floats  # (n_s, n_u) decimal
    missing: tuple[str, ...]


def joint_returns(bars: Mapping[str, Bars], tickers: Iterable[str], *, window: int, minimum: int) -> JointReturns:
    """The last `window` daily returns that all of `tickers` have in common, close to close.

    Bars must already be cut at the run's instant. A return that touches a missing or non-positive close, or spans more
    than a week, is none. Days are looked for over the last 2·`window` days on which any of them traded, so that a name
    whose history ended long ago does not drag the others into the past. While fewer than `minimum` are common to all,
    the name with the fewest is left out, the last in the alphabet of several.
    """
    asked = sorted(set(tickers))
    returns = {name: _returns(bars[name]) for name in asked if name in bars}
    days = np.unique(np.concatenate([keys for keys, _ in returns.values()] or [np.empty(0, dtype=np.int64)]))
    recent = np.unique(days // _GAPS)[-LOOKBACK * window :]
    days = days[days // _GAPS >= (recent[0] if len(recent) else 0)]
    has = {name: np.isin(days, keys) for name, (keys, _) in returns.items()}
    kept = [name for name in asked if name in has and has[name].sum() >= minimum]
    common = _common(has, kept, len(days))
    while kept and common.sum() < minimum:
        kept.remove(min(reversed(kept), key=lambda name: int(has[name].sum())))
        common = _common(has, kept, len(days))
    chosen = days[common][-window:] if kept else days[:0]
    values = np.empty((len(chosen), len(kept)))
    for column, name in enumerate(kept):
        keys, found = returns[name]
        values[:, column] = found[np.searchsorted(keys, chosen)]
    day = (chosen // _GAPS).astype("datetime64[D]")
    return JointReturns(
        tickers=tuple(kept),
        start=day - (chosen % _GAPS).astype("timedelta64[D]"),
        day=day,
        values=values,
        missing=tuple(name for name in asked if name not in kept),
    )


_GAPS = LONGEST_GAP + 1  # an interval is one number: its last day times this, plus its length


def _returns(bars: Bars) -> tuple[NDArray[np.int64], Floats]:
    """Intervals, ascending, and simple returns over them."""
    day = bars.day.astype("datetime64[D]").astype(np.int64)
    close = np.where(bars.close > 0, bars.close, np.nan)
    value = close[1:] / close[:-1] - 1.0
    gap = np.diff(day)
    keep = np.isfinite(value) & (gap <= LONGEST_GAP)
    return (day[1:] * _GAPS + gap)[keep], value[keep]


def _common(has: Mapping[str, NDArray[np.bool_]], names: list[str], count: int) -> NDArray[np.bool_]:
    common = np.ones(count, dtype=np.bool_)
    for name in names:
        common &= has[name]
    return common
